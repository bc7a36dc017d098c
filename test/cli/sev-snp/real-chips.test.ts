/**
 * Reports of real chips, and the certificates of the keys that have signed them: public test data
 * of others, in `chips/`. Only a chip of AMD can have made these signatures, so that they show
 * which bytes are signed, and how, apart from all that is made here.
 *
 * @see microsoft/CCF, src/pal/test/snp_attestation_validation_data.h (`milan-3`, `genoa-3`);
 * canvasxyz/teekit, packages/qvl/test/sampleQuotes/sev-gcp.hex and sev-gcp-vcek.pem (`milan-5`);
 * reclaimprotocol/reclaim-js-sdk, the tests of verifyTeeAttestation() (`milan-5-vlek`)
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { Bench } from '../run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());

const chipFile = (name: string): string => fileURLToPath(new URL(`chips/${name}`, import.meta.url));
const reportOf = (chip: string): Buffer => Buffer.from(readFileSync(chipFile(`${chip}.hex`), 'utf8').replaceAll('\n', ''), 'hex');

interface Document {
  readonly ok: boolean;
  readonly report: Readonly<Record<string, unknown>>;
  readonly checks: readonly { readonly name: string; readonly holds: boolean | null }[];
}

/** What `attest` says of a report, held against the certificate of a chip. */
async function attested(file: string, certificate: string) {
  const outcome = await bench.run(['attest', '--decode', file, '--vcek', chipFile(`${certificate}.pem`), '--json']);
  const { report, checks } = outcome.json<Document>();
  return { code: outcome.code, report, holds: checks.map(({ holds }) => holds) };
}

interface Chip {
  readonly name: string;
  /** The signature, the TCB and the chip id. */
  readonly holds: readonly (boolean | null)[];
  /** Some of what the report says. */
  readonly says: Readonly<Record<string, unknown>>;
}

const CHIPS: readonly Chip[] = [
  {
    name: 'milan-3',
    holds: [true, true, true],
    says: {
      version: 3,
      product: 'Milan',
      guestSvn: 2,
      policy: expect.objectContaining({ abiMinor: 31, abiMajor: 0, smt: true, debugging: false }),
      vmpl: 0,
      platformInfo: expect.objectContaining({ raw: '0x0000000000000025', smt: true, tsme: false, ecc: true, aliasCheck: true }),
      reportedTcb: { raw: '0xdb18000000000004', bootloader: 4, tee: 0, snp: 0x18, microcode: 0xdb },
      currentBuild: 29,
      currentMinor: 55,
      currentMajor: 1,
    },
  },
  {
    name: 'genoa-3',
    holds: [true, true, true],
    says: {
      version: 3,
      product: 'Genoa',
      cpuidFamily: 0x19,
      cpuidModel: 0x11,
      cpuidStepping: 1,
      reportedTcb: { raw: '0x541700000000000a', bootloader: 10, tee: 0, snp: 0x17, microcode: 0x54 },
    },
  },
  {
    name: 'milan-5',
    holds: [true, true, true],
    says: { version: 5, product: 'Milan', launchMitigations: '0x000000000000000b', currentMitigations: '0x000000000000000b' },
  },
  {
    // The chip id is masked, and the provider has set the reported TCB below the current one.
    name: 'milan-5-vlek',
    holds: [true, true, null],
    says: {
      version: 5,
      product: 'Milan',
      vmpl: 1,
      signerInfo: { raw: 4, authorKey: false, maskChipKey: false, signingKey: 'VLEK' },
      policy: expect.objectContaining({ raw: '0x0000000002030000', pageSwapDisabled: true }),
      chipId: '00'.repeat(64),
      currentTcb: expect.objectContaining({ snp: 0x1c }),
      reportedTcb: expect.objectContaining({ snp: 0x1b }),
    },
  },
];

describe.each(CHIPS)('the report of the real chip $name', ({ name, holds, says }) => {
  it('is signed by its chip, and says what the chip has put there', async () => {
    const found = await attested(chipFile(`${name}.hex`), name);
    expect({ code: found.code, holds: found.holds }).toEqual({ code: 0, holds });
    expect(found.report).toMatchObject(says);
  });

  it('says the same as bytes and as text, held against a certificate or not', async () => {
    writeFileSync(bench.path('same.bin'), reportOf(name));
    const alone = await bench.run(['attest', '--decode', 'same.bin', '--json']);
    const { report } = await attested('same.bin', name);
    expect(report).toEqual(alone.json<Document>().report);
    expect(report).toEqual((await attested(chipFile(`${name}.hex`), name)).report);
  });

  it('is signed no more with another byte', async () => {
    const bytes = reportOf(name);
    bytes[0x50]! ^= 1;
    writeFileSync(bench.path('changed.bin'), bytes);
    expect(await attested('changed.bin', name)).toMatchObject({ code: 1, holds: [false, ...holds.slice(1)] });
  });
});

it('the certificate of one real chip has signed no report of another', async () => {
  const { code, holds } = await attested(chipFile('milan-5.hex'), 'milan-3');
  expect({ code, holds }).toEqual({ code: 1, holds: [false, false, false] });
});
