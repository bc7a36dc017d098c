/** What a simulated chip answers: the same for a seed; node:crypto opens and verifies it. */
import { createDecipheriv, createHash, createPublicKey, verify } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { decodeReport } from '../../../../actors/sev-snp/firmware/attestation-report.ts';
import { headerOf } from '../../../../actors/sev-snp/firmware/guest-message.ts';
import { chipOf, guestSecrets } from '../../../../actors/sev-snp/firmware/key-hierarchy.ts';
import { answerRequest } from '../../../../actors/sev-snp/firmware/simulated-report.ts';

const REQUEST = { seed: 7, asid: 1, sequence: 3, data: 0x1234, vmpl: 2, measurement: new Uint8Array(48) };

/** Opens a message by the layout of the notes on the domain, with no code of ours. */
function opened(message: Uint8Array, key: Uint8Array): Buffer {
  const bytes = Buffer.from(message);
  const iv = Buffer.concat([bytes.subarray(0x20, 0x28), Buffer.alloc(4)]);
  const decipher = createDecipheriv('aes-256-gcm', key, iv);
  decipher.setAAD(bytes.subarray(0x30, 0x60)).setAuthTag(bytes.subarray(0, 16));
  return Buffer.concat([decipher.update(bytes.subarray(0x60)), decipher.final()]);
}

describe('the answer of a simulated chip', () => {
  const answer = answerRequest(REQUEST);
  const key = guestSecrets(chipOf(7), 1).vmpcks[0]!;

  it('is sealed with the VMPCK of its guest, under the number after the request', () => {
    expect(headerOf(answer.request)).toEqual({ sequence: 3n, type: 5, version: 1, vmpck: 0 });
    expect(headerOf(answer.response)).toEqual({ sequence: 4n, type: 6, version: 1, vmpck: 0 });
    expect(opened(answer.request, key).readUInt32LE(0x40)).toBe(2);
    const response = opened(answer.response, key);
    expect([response.readUInt32LE(0), response.readUInt32LE(4)]).toEqual([0, 0x4a0]);
    expect(response.subarray(0x20)).toEqual(Buffer.from(answer.report));
  });

  it('has what the guest asked for, and is signed by the chip', () => {
    const { vmpl, reportData, measurement, signature } = decodeReport(answer.report);
    expect([vmpl, Buffer.from(reportData).readBigUInt64LE(), reportData.slice(8).every((byte) => byte === 0)]).toEqual([2, 0x1234n, true]);
    expect(measurement).toEqual(new Uint8Array(48));
    const [x, y] = [answer.publicKey.slice(1, 49), answer.publicKey.slice(49)].map((part) => Buffer.from(part).toString('base64url'));
    const publicKey = createPublicKey({ format: 'jwk', key: { kty: 'EC', crv: 'P-384', x: x!, y: y! } });
    const compact = Buffer.concat([Buffer.from(signature.slice(0, 48)).reverse(), Buffer.from(signature.slice(72, 120)).reverse()]);
    expect(verify('sha384', answer.report.subarray(0, 0x2a0), { key: publicKey, dsaEncoding: 'ieee-p1363' }, compact)).toBe(true);
  });

  it('differs by seed, guest, number and request, and in nothing for the same', () => {
    const others = [{ seed: 8 }, { asid: 2 }, { sequence: 5 }, { data: 0x1235 }, { vmpl: 3 }, { measurement: new Uint8Array(48).fill(1) }];
    const all = [{}, ...others].map((other) => Buffer.from(answerRequest({ ...REQUEST, ...other }).response).toString('hex'));
    expect(new Set(all).size).toBe(all.length);
    expect(answerRequest(REQUEST)).toEqual(answer);
  });

  it('is the same on every machine', () => {
    const digest = createHash('sha384').update(answer.request).update(answer.response).digest('hex');
    expect(digest).toBe('c3dae640b803389fd08ac4318020bdcb42f432927b1b184a85da2b514c27f44ce08708c330f1a43dcf32e79265f2af09');
  });
});
