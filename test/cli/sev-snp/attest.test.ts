/** `attest --decode`: reports in every form, certificates that fit and others, bad files. */
import { createECDH, createPrivateKey, createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeReport, REPORT_FIELDS } from '../../../actors/sev-snp/firmware/attestation-report.ts';
import { encodeReportResponse } from '../../../actors/sev-snp/firmware/guest-payloads.ts';
import { vcekOf } from '../../../actors/sev-snp/firmware/key-hierarchy.ts';
import { objectIdOf } from '../../../cli/sev-snp/der.ts';
import { MILAN_REPORT } from '../../actors/sev-snp/firmware/milan-report.ts';
import { CHIP, MILAN_TCB, plainReport, signedReport, turinReport } from '../../actors/sev-snp/firmware/sample-reports.ts';
import { Bench } from '../run-cli.ts';
import { AMD, certificateOf, type KeyPair, p384Pair, pem, versionValue } from './certificate.ts';

const bench = new Bench();
afterAll(() => bench.clear());

/** The chip's key as node has keys. */
function pairOf(secret: Uint8Array): KeyPair {
  const ecdh = createECDH('secp384r1');
  ecdh.setPrivateKey(secret);
  const point = ecdh.getPublicKey();
  const [x, y] = [point.subarray(1, 49), point.subarray(49)].map((part) => part.toString('base64url'));
  const jwk = { kty: 'EC', crv: 'P-384', x: x!, y: y!, d: Buffer.from(secret).toString('base64url') };
  return { privateKey: createPrivateKey({ format: 'jwk', key: jwk }), publicKey: createPublicKey({ format: 'jwk', key: jwk }) };
}

const report = signedReport(plainReport(3));
const bytes = encodeReport(report);
const pair = pairOf(vcekOf(CHIP, MILAN_TCB));
const EXTENSIONS = {
  [`${AMD}.2`]: Buffer.concat([Buffer.from([0x16, 8]), Buffer.from('Genoa-B0')]),
  [`${AMD}.3.1`]: versionValue(3),
  [`${AMD}.3.2`]: versionValue(0),
  [`${AMD}.3.3`]: versionValue(8),
  [`${AMD}.3.8`]: versionValue(0x73),
  [`${AMD}.4`]: report.chipId,
};
const VCEK = certificateOf(pair, EXTENSIONS);

interface Document {
  readonly ok: boolean;
  readonly report: Readonly<Record<string, unknown>>;
  readonly certificate: unknown;
  readonly checks: readonly { readonly name: string; readonly holds: boolean | null; readonly says: string }[];
}

const put = (name: string, content: Uint8Array | string): string => {
  writeFileSync(bench.path(name), content);
  return name;
};

beforeAll(() => {
  put('report.bin', bytes);
  put('vcek.der', VCEK);
});

const decoded = async (file: string, ...rest: readonly string[]) => bench.run(['attest', '--decode', file, ...rest]);
const checksOf = async (...argv: readonly string[]) => {
  const outcome = await bench.run(['attest', ...argv, '--json']);
  const { ok, checks } = outcome.json<Document>();
  return { code: outcome.code, ok, holds: checks.map(({ holds }) => holds), says: checks.map(({ says }) => says) };
};

describe('attest --decode', () => {
  it('has every field of a report in its document', async () => {
    for (const one of [plainReport(2), plainReport(4), turinReport(5), turinReport(2)]) {
      put('one.bin', encodeReport(signedReport(one)));
      const { code, json } = await decoded('one.bin', '--json');
      expect(code).toBe(0);
      const fields = Object.keys(json<Document>().report);
      const known = REPORT_FIELDS.map(([field]) => field as string).filter((field) => one.version >= 5 || !field.endsWith('Mitigations'));
      expect(fields.sort()).toEqual(
        [...known.filter((field) => one.version >= 3 || !field.startsWith('cpuid')), 'product', 'tcbLayout'].sort(),
      );
    }
  });

  it('tells numbers as numbers, words and bytes in hexadecimal, and what bits mean', async () => {
    put('turin.bin', encodeReport(signedReport(turinReport(5))));
    const { report: told } = (await decoded('turin.bin', '--json')).json<Document>();
    expect(told).toMatchObject({
      version: 5,
      product: 'Turin',
      policy: { raw: '0x0000000000030000', smt: true, debugging: false },
      launchTcb: { raw: '0x4700000004030201', fmc: 1, bootloader: 2, tee: 3, snp: 4, microcode: 0x47 },
      signerInfo: { raw: 0, signingKey: 'VCEK' },
      hostData: '05'.repeat(32),
      currentMitigations: '0x000000000000001f',
    });
  });

  it('reads a report in hexadecimal or base64, from standard input, and out of an answer, all alike', async () => {
    const { out } = await decoded('report.bin');
    expect(out).toContain('reported TCB         0x7308000000000003: bootloader 3, tee 0, snp 8, microcode 115');
    const hex = Buffer.from(bytes).toString('hex');
    const answer = encodeReportResponse(0, bytes);
    const forms: readonly (Uint8Array | string)[] = [
      hex,
      `0x${hex.toUpperCase()}\n`,
      hex.replace(/.{60}/g, '$&\r\n'),
      hex.replace(/../g, '$& '),
      answer,
      Buffer.concat([answer, Buffer.alloc(4000 - answer.length)]),
      Buffer.from(answer).toString('hex'),
      Buffer.from(bytes).toString('base64'),
      Buffer.from(bytes).toString('base64').replace(/.{76}/g, '$&\n'),
      Buffer.from(answer).toString('base64'),
    ];
    for (const form of forms) {
      expect((await decoded(put('form', form))).out).toBe(out);
      expect((await bench.run(['attest', '--decode', '-'], { stdin: form })).out).toBe(out);
    }
  });

  it('decodes a report as a Milan chip gives it', async () => {
    const { code, out } = await decoded(put('milan.hex', Buffer.from(MILAN_REPORT).toString('hex')));
    expect(code).toBe(0);
    expect(out).toMatch(/^product +Milan or Genoa$/m);
    expect(out).toMatch(/^measurement +7a1e5c266c0108db/m);
    expect(out).toMatch(/^host data +zeros \(32 bytes\)$/m);
  });

  const flipped = (at: number, by = 0x80) => bytes.map((byte, i) => (i === at ? byte ^ by : byte));
  const BAD: readonly (readonly [string, Uint8Array | string, string])[] = [
    ['nothing', '', '0 bytes are no report'],
    ['a cut report', bytes.subarray(0, 0x49f), '1183 bytes are no report'],
    ['a longer one', Buffer.concat([bytes, Buffer.alloc(1)]), '1185 bytes are no report'],
    ['a report with certificates behind it', Buffer.concat([bytes, VCEK]), `${0x4a0 + VCEK.length} bytes are no report`],
    [
      'an answer without a report',
      Buffer.concat([encodeReportResponse(0x16, null), Buffer.alloc(3968)]),
      'status at 0x000: the firmware refused with 0x16 (invalid parameters)',
    ],
    [
      'an answer with bytes behind',
      Buffer.concat([encodeReportResponse(0, bytes), Buffer.from([7])]),
      'bytes behind the report, 0x4c0 to 0x4c0',
    ],
    ['a reserved byte', flipped(0x4d), 'reserved bytes 0x04c to 0x04f: found 0x80 at 0x04d; expected 0'],
    ['a reserved byte in hexadecimal', Buffer.from(flipped(0x1ef)).toString('hex'), 'reserved bytes 0x1ef to 0x1ef'],
    ['a version that is not known', flipped(0, 4), 'version at 0x000: found 7; expected 2, 3, 4, 5'],
    ['a text', 'report: yes\n', 'line 1 has "r", which is no hexadecimal digit'],
    ['base64 of something else', Buffer.alloc(0x4a1, 0xff).toString('base64'), 'line 1 has "/", which is no hexadecimal digit'],
    ['half a byte', `${'00'.repeat(0x4a0)}0`, '2369 hexadecimal digits are no whole bytes'],
    ['too much', Buffer.alloc((1 << 16) + 1), 'more than 65536 bytes'],
  ];
  it.each(BAD)('refuses %s', async (_, content, says) => {
    const { code, out, err } = await decoded(put('bad', content));
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain(`worldswitch: bad: ${says}`);
    expect(err).toContain('expected: an attestation report: 1184 bytes');
  });

  it('says what is wrong with a command line', async () => {
    expect((await bench.run(['attest'])).err).toContain('expected: a journal, or --decode FILE');
    expect((await bench.run(['attest', '--vcek', 'vcek.der'])).code).toBe(2);
    expect((await decoded('no.bin')).err).toContain('cannot read no.bin: there is no such file');
    const both = await bench.run(['attest', '--decode', '-', '--vcek', '-'], { stdin: bytes });
    expect(both).toMatchObject({ code: 2, out: '' });
    expect(both.err).toContain('both read standard input');
  });
});

describe('attest --vcek', () => {
  it('verifies a report with the certificate of the chip, DER or PEM', async () => {
    expect(new X509Certificate(VCEK).subject).toBe('CN=SEV-VCEK');
    for (const file of ['vcek.der', put('vcek.pem', pem(VCEK))]) {
      expect(await checksOf('--decode', 'report.bin', '--vcek', file)).toMatchObject({ code: 0, ok: true, holds: [true, true, true] });
      const { code, out } = await decoded('report.bin', '--vcek', file);
      expect(code).toBe(0);
      expect(out).toMatch(/signature +holds +it is of the certificate's key/);
      expect(out).toContain('certificate of CN=SEV-VCEK; who has issued it is not checked');
    }
  });

  it('finds a report that was changed, and the certificate of another chip', async () => {
    const changed = put(
      'changed.bin',
      bytes.map((byte, i) => (i === 0x90 ? byte ^ 1 : byte)),
    );
    expect(await checksOf('--decode', changed, '--vcek', 'vcek.der')).toMatchObject({ code: 1, ok: false, holds: [false, true, true] });
    const other = put('other.der', certificateOf(p384Pair(), EXTENSIONS));
    expect(await checksOf('--decode', 'report.bin', '--vcek', other)).toMatchObject({ code: 1, holds: [false, true, true] });
  });

  it('finds a certificate of another TCB or chip id, and says what differs', async () => {
    const tcb = put('tcb.der', certificateOf(pair, { ...EXTENSIONS, [`${AMD}.3.8`]: versionValue(0xdb) }));
    const { code, holds, says } = await checksOf('--decode', 'report.bin', '--vcek', tcb);
    expect({ code, holds }).toEqual({ code: 1, holds: [true, false, true] });
    expect(says[1]).toBe('microcode 115, certificate 219');
    const chip = put('chip.der', certificateOf(pair, { ...EXTENSIONS, [`${AMD}.4`]: new Uint8Array(64).fill(9) }));
    expect(await checksOf('--decode', 'report.bin', '--vcek', chip)).toMatchObject({ code: 1, holds: [true, true, false] });
  });

  it('compares nothing that a certificate or a report does not tell', async () => {
    const bare = put('bare.der', certificateOf(pair));
    expect(await checksOf('--decode', 'report.bin', '--vcek', bare)).toMatchObject({ code: 0, ok: true, holds: [true, null, null] });
    const masked = put('masked.bin', encodeReport(signedReport(plainReport(2, { chipId: new Uint8Array(64) }))));
    expect(await checksOf('--decode', masked, '--vcek', 'vcek.der')).toMatchObject({ code: 0, holds: [true, null, null] });
  });

  it('reads the short chip id of Turin', async () => {
    const turin = signedReport(turinReport(2));
    put('turin.bin', encodeReport(turin));
    const versions = { '3.9': 1, '3.1': 2, '3.2': 3, '3.3': 4, '3.8': 0x47 };
    const listed = Object.entries(versions).map(([id, version]) => [`${AMD}.${id}`, versionValue(version)]);
    const short = { ...Object.fromEntries(listed), [`${AMD}.4`]: turin.chipId.slice(0, 8) };
    const file = put('turin.der', certificateOf(pairOf(vcekOf(CHIP, turin.reportedTcb)), short));
    expect(await checksOf('--decode', 'turin.bin', '--vcek', file)).toMatchObject({ code: 0, holds: [true, true, true] });
  });

  it('does not take a report for signed that says it is not', async () => {
    put('unsigned.bin', encodeReport(plainReport(3, { signerInfo: 7 << 2, signatureAlgorithm: 0 })));
    const { code, holds, says } = await checksOf('--decode', 'unsigned.bin', '--vcek', 'vcek.der');
    expect({ code, holds: holds[0], says: says[0] }).toEqual({ code: 1, holds: false, says: 'the report is not signed' });
    put('masked-key.bin', encodeReport(plainReport(3, { signerInfo: 2 })));
    const masked = await checksOf('--decode', 'masked-key.bin', '--vcek', 'vcek.der');
    expect({ code: masked.code, says: masked.says[0] }).toEqual({ code: 1, says: 'the report is not signed' });
  });

  it('reads a chip id that stands in an octet string of its own', async () => {
    const chip = put(
      'octets.der',
      certificateOf(pair, { ...EXTENSIONS, [`${AMD}.4`]: Buffer.concat([Buffer.from([4, 64]), report.chipId]) }),
    );
    expect(await checksOf('--decode', 'report.bin', '--vcek', chip)).toMatchObject({ code: 0, holds: [true, true, true] });
  });

  const BAD: readonly (readonly [string, () => Uint8Array | string, string])[] = [
    ['no certificate', () => 'hello', 'it is no X.509 certificate'],
    ['a cut certificate', () => VCEK.subarray(0, 200), 'it is no X.509 certificate'],
    ['a chain in DER', () => Buffer.concat([VCEK, VCEK]), `${VCEK.length} bytes follow the certificate`],
    ['a chain', () => pem(VCEK) + pem(VCEK), 'it has 2 certificates'],
    [
      'a key of another curve',
      () => certificateOf(generateKeyPairSync('ec', { namedCurve: 'P-256' })),
      'its key is of the curve prime256v1',
    ],
    [
      'an RSA key',
      () => certificateOf(generateKeyPairSync('rsa', { modulusLength: 2048 })),
      'its key is RSA; that of a chip is of the curve P-384',
    ],
    [
      'a version that is none',
      () => certificateOf(pair, { [`${AMD}.3.3`]: Buffer.from([4, 1, 8]) }),
      `its extension ${AMD}.3.3 (snp) is no security version`,
    ],
    [
      'a version below zero',
      () => certificateOf(pair, { [`${AMD}.3.1`]: Buffer.from([2, 1, 0xdb]) }),
      `its extension ${AMD}.3.1 (bootloader)`,
    ],
    [
      'a version with a zero too many',
      () => certificateOf(pair, { [`${AMD}.3.1`]: Buffer.from([2, 3, 0, 0, 0xdb]) }),
      `its extension ${AMD}.3.1 (bootloader)`,
    ],
    [
      'a version that is longer than its extension',
      () => certificateOf(pair, { [`${AMD}.3.1`]: Buffer.from([2, 2, 5]) }),
      `its extension ${AMD}.3.1 (bootloader)`,
    ],
    [
      'a version that is too large',
      () => certificateOf(pair, { [`${AMD}.3.1`]: Buffer.from([2, 2, 1, 0]) }),
      `its extension ${AMD}.3.1 (bootloader)`,
    ],
    [
      'a chip id of another size',
      () => certificateOf(pair, { [`${AMD}.4`]: new Uint8Array(16) }),
      `its extension ${AMD}.4 (chip id) has 16 bytes, not 64 or 8`,
    ],
    ['too much', () => Buffer.alloc((1 << 16) + 1), 'more than 65536 bytes'],
  ];
  it.each(BAD)('refuses %s', async (_, content, says) => {
    const { code, out, err } = await decoded('report.bin', '--vcek', put('bad.crt', content()));
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain(`worldswitch: bad.crt: ${says}`);
    expect(err).toContain('expected: the X.509 certificate of a VCEK or VLEK');
  });
});

it('object identifiers have their first two numbers in one', () => {
  expect(objectIdOf(Buffer.from('2b06010401 9c78 01 03 08'.replaceAll(' ', ''), 'hex'))).toBe('1.3.6.1.4.1.3704.1.3.8');
  expect(objectIdOf(Buffer.from([0x88, 0x37, 0x03]))).toBe('2.999.3');
});
