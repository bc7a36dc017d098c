/** What a guest asks the firmware, and what it is answered. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeReport } from '../../../../actors/sev-snp/firmware/attestation-report.ts';
import {
  decodeKeyRequest,
  decodeKeyResponse,
  decodeReportRequest,
  decodeReportResponse,
  encodeKeyRequest,
  encodeKeyResponse,
  encodeReportRequest,
  encodeReportResponse,
  type KeyField,
} from '../../../../actors/sev-snp/firmware/guest-payloads.ts';
import { plainReport } from './sample-reports.ts';

const REPORT = encodeReport(plainReport(3));
const changed = (bytes: Uint8Array, at: number, value = 1): Uint8Array => bytes.map((byte, i) => (i === at ? value : byte));
const hex = (at: number): string => `0x${at.toString(16).padStart(3, '0')}`;

const vmpl = fc.integer({ min: 0, max: 3 });
const KEY_FIELDS: readonly KeyField[] = ['policy', 'imageId', 'familyId', 'measurement', 'guestSvn', 'tcb'];

describe('MSG_REPORT_REQ', () => {
  it('comes back from its bytes as it was', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 64, maxLength: 64 }), vmpl, (reportData, level) => {
        const request = { reportData: Uint8Array.from(reportData), vmpl: level };
        const bytes = encodeReportRequest(request);
        expect([bytes.length, bytes[0x40]]).toEqual([0x60, level]);
        expect(decodeReportRequest(bytes)).toEqual(request);
      }),
      { numRuns: 50, seed: 1 },
    );
  });

  it('refuses reserved bytes, a VMPL of no guest, and another size', () => {
    const bytes = encodeReportRequest({ reportData: new Uint8Array(64), vmpl: 0 });
    for (let at = 0x44; at < 0x60; at++) expect(() => decodeReportRequest(changed(bytes, at))).toThrow(`found 0x1 at ${hex(at)}`);
    for (let at = 0x41; at < 0x44; at++) expect(() => decodeReportRequest(changed(bytes, at))).toThrow('VMPL at 0x040: found 0x1');
    expect(() => encodeReportRequest({ reportData: new Uint8Array(64), vmpl: 4 })).toThrow('VMPL at 0x040: found 0x4; expected 0 to 3');
    expect(() => encodeReportRequest({ reportData: new Uint8Array(63), vmpl: 0 })).toThrow('report data at 0x000: found 63 bytes');
    expect(() => decodeReportRequest(bytes.subarray(1))).toThrow('MSG_REPORT_REQ: found 95 bytes; expected 96');
  });
});

describe('MSG_REPORT_RSP', () => {
  const answer = encodeReportResponse(0, REPORT);

  it('has the report at 0x20, also in a larger buffer', () => {
    expect(answer.length).toBe(0x20 + 0x4a0);
    expect(decodeReportResponse(answer)).toEqual(REPORT);
    const buffer = new Uint8Array(4000);
    buffer.set(answer);
    expect(decodeReportResponse(buffer)).toEqual(REPORT);
  });

  it('refuses reserved bytes, another size, and bytes behind the report', () => {
    for (let at = 0x08; at < 0x20; at++) expect(() => decodeReportResponse(changed(answer, at))).toThrow(`found 0x1 at ${hex(at)}`);
    expect(() => decodeReportResponse(changed(answer, 0x04))).toThrow('report size at 0x004: found 0x401; expected 0x4a0');
    expect(() => decodeReportResponse(answer.subarray(0, 0x4bf))).toThrow('found 1215 bytes; expected 1216 or more');
    expect(() => decodeReportResponse(answer.subarray(0, 0x1f))).toThrow('found 31 bytes; expected 32 or more');
    expect(() => decodeReportResponse(Uint8Array.from([...answer, 0, 5]))).toThrow('bytes behind the report, 0x4c0 to 0x4c1: found 0x5');
  });

  it.each([
    [0x16, 'the firmware refused with 0x16 (invalid parameters)'],
    [0x27, 'the firmware refused with 0x27 (invalid key selection)'],
    [0x99, 'the firmware refused with 0x99'],
  ])('with status %i has no report', (status, says) => {
    expect(() => decodeReportResponse(encodeReportResponse(status, null))).toThrow(`status at 0x000: ${says}`);
  });
});

describe('MSG_KEY_REQ', () => {
  const request = { root: 'VCEK', fields: ['policy', 'tcb'], vmpl: 2, guestSvn: 7, tcb: 0x73n << 56n } as const;

  it('comes back from its bytes as it was', () => {
    const any = fc.record({
      root: fc.constantFrom('VCEK', 'VMRK'),
      fields: fc.subarray([...KEY_FIELDS]),
      vmpl,
      guestSvn: fc.integer({ min: 0, max: 0xffffffff }),
      tcb: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    });
    fc.assert(
      fc.property(any, (one) => {
        expect(decodeKeyRequest(encodeKeyRequest(one))).toEqual(one);
      }),
      { numRuns: 100, seed: 1 },
    );
  });

  it('has each field at its offset', () => {
    const bytes = Buffer.from(encodeKeyRequest({ ...request, root: 'VMRK' }));
    expect([bytes.length, bytes.readUInt32LE(0), bytes.readBigUInt64LE(8)]).toEqual([0x20, 1, 0x21n]);
    expect([bytes.readUInt32LE(0x10), bytes.readUInt32LE(0x14), bytes.readBigUInt64LE(0x18)]).toEqual([2, 7, 0x73n << 56n]);
  });

  it('refuses reserved bytes and bits', () => {
    const bytes = encodeKeyRequest(request);
    for (let at = 4; at < 8; at++) expect(() => decodeKeyRequest(changed(bytes, at))).toThrow('reserved bytes 0x004 to 0x007');
    expect(() => decodeKeyRequest(changed(bytes, 0, 2))).toThrow('root key at 0x000: reserved bits 0x2');
    expect(() => decodeKeyRequest(changed(bytes, 8, 0x40))).toThrow('guest field select at 0x008: reserved bits 0x40');
    expect(() => decodeKeyRequest(changed(bytes, 0x10, 4))).toThrow('VMPL at 0x010: found 0x4');
  });
});

describe('MSG_KEY_RSP', () => {
  const KEY = Uint8Array.from({ length: 32 }, (_, i) => i + 1);

  it('has the key at 0x20', () => {
    const bytes = encodeKeyResponse(0, KEY);
    expect([bytes.length, ...bytes.subarray(0x20)]).toEqual([0x40, ...KEY]);
    expect(decodeKeyResponse(bytes)).toEqual(KEY);
  });

  it('refuses reserved bytes, and tells a status', () => {
    for (let at = 4; at < 0x20; at++)
      expect(() => decodeKeyResponse(changed(encodeKeyResponse(0, KEY), at))).toThrow('reserved bytes 0x004 to 0x01f');
    expect(() => decodeKeyResponse(encodeKeyResponse(0x27, null))).toThrow('0x27 (invalid key selection)');
  });
});
