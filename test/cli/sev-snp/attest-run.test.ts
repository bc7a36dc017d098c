/** `attest RUN`: the reports of a run, which are those of its seed, and runs without any. */
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { reportsIn } from '../../../cli/sev-snp/run-reports.ts';
import type { Journal } from '../../../replay/reader.ts';
import { fileOf } from '../../sim/play.ts';
import { Bench } from '../run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());

beforeAll(async () => {
  await bench.run(['run', 'attestation-report', '-o', 'run.wsj']);
  await bench.run(['run', 'attestation-report', '--chooser', 'random', '--seed', '8', '-o', 'other.wsj']);
  await bench.run(['run', 'rmp-churn', '-o', 'churn.wsj']);
});

interface Told {
  readonly ok: boolean;
  readonly reports: readonly {
    readonly step: number;
    readonly vm: string;
    readonly sequence: number;
    readonly signed: boolean;
    readonly bytes: string;
    readonly request: string;
    readonly report: { readonly reportData: string; readonly chipId: string; readonly vmpl: number; readonly measurement: string };
  }[];
}

const reportsOf = async (file: string): Promise<Told> => (await bench.run(['attest', file, '--json'])).json<Told>();

describe('attest RUN', () => {
  it('has each report that a guest was given, with the step, and its signature', async () => {
    const { ok, reports } = await reportsOf('run.wsj');
    expect(ok).toBe(true);
    expect(reports.map(({ vm, sequence, signed, report }) => [vm, sequence, signed, report.vmpl, report.reportData.slice(0, 6)])).toEqual([
      ['vm:vm0', 2, true, 0, '341200'],
      ['vm:vm0', 4, true, 1, '785600'],
    ]);
    const { out } = await bench.run(['show', 'run.wsj', '--step', `${reports[0]!.step}`, '--json']);
    expect(out).toContain('psp');
    expect(reports[0]!.request.length).toBe(2 * (0x60 + 0x60));
  });

  it('prints them, and the lines fit a terminal', async () => {
    const { code, out } = await bench.run(['attest', 'run.wsj'], { isTerminal: true, columns: 80, env: { NO_COLOR: '1' } });
    expect(code).toBe(0);
    expect(out).toMatch(/step \d+: vm:vm0, response 4/);
    expect(out.split('\n').filter((line) => line.length > 80)).toEqual([]);
  });

  it('gives bytes that attest --decode reads', async () => {
    const { reports } = await reportsOf('run.wsj');
    writeFileSync(bench.path('one.hex'), reports[1]!.bytes);
    const decoded = await bench.run(['attest', '--decode', 'one.hex', '--json']);
    expect(decoded.json<{ readonly report: unknown }>().report).toEqual(reports[1]!.report);
  });

  it('has the chip of the seed, and the same bytes for the same run', async () => {
    const [one, again, other] = await Promise.all([reportsOf('run.wsj'), reportsOf('run.wsj'), reportsOf('other.wsj')]);
    expect(again).toEqual(one);
    expect(other.reports[0]!.report.chipId).not.toBe(one.reports[0]!.report.chipId);
  });

  it('says so if no guest was given one', async () => {
    const { code, out, err } = await bench.run(['attest', 'churn.wsj']);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain('churn.wsj: no guest of this run was given an attestation report');
    expect(err).toContain('try: worldswitch run attestation-report');
  });

  it('has the launch digest of a VM that says what is measured, and zeros for one that does not', async () => {
    const [shipped] = (await reportsOf('run.wsj')).reports;
    expect(shipped!.report.measurement).toBe('0'.repeat(96));
    writeFileSync(
      bench.path('measured.yaml'),
      fileOf('scenarios/sev-snp/attestation-report.yaml').replace(
        '    type: snp\n',
        '    type: snp\n    options: { launch: { pages: [{ type: normal, gfn: 0x100, fill: 7 }] } }\n',
      ),
    );
    const { digest } = (await bench.run(['launch-digest', 'measured.yaml', '--json'])).json<{ digest: string }>();
    expect((await bench.run(['run', 'measured.yaml', '-o', 'measured.wsj'])).code).toBe(0);
    const { ok, reports } = await reportsOf('measured.wsj');
    expect(ok).toBe(true);
    expect(reports.map(({ report }) => report.measurement)).toEqual([digest, digest]);
  });

  it('takes nothing for a report that the firmware cannot have given', () => {
    const good = { vm: 'vm:a', sequence: 2, data: 1, vmpl: 0 };
    const scenario = { vms: [null, 5, { id: 'a', settings: { asid: 1 } }, { id: 'b', settings: { asid: 0.5 } }, { id: 'c' }] };
    const journalOf = (responses: readonly unknown[], vms: object = scenario) =>
      ({
        start: { scenario: vms, seed: 1 },
        recordsFrom: () => responses.map((response) => ({ kind: 'deliver', type: 'psp.response', step: 1, payload: { response } })),
      }) as unknown as Journal;
    const bad = [null, 5, 'x', {}, { ...good, vm: 'vm:b' }, { ...good, vm: 'vm:c' }, { ...good, sequence: 1 }, { ...good, sequence: 2.5 }];
    const all = [...bad, { ...good, data: -1 }, { ...good, vmpl: 4 }, { ...good, vmpl: '0' }];
    expect(() => reportsIn(journalOf(all), 'x.wsj')).toThrow('no guest of this run');
    for (const vms of [{}, { vms: null }, { vms: 'x' }])
      expect(() => reportsIn(journalOf([good], vms), 'x.wsj')).toThrow('no guest of this run');
    expect(reportsIn(journalOf([...all, good, good]), 'x.wsj', () => new Map())).toHaveLength(1);
  });

  it('takes no file and run at once, and no file that is no journal', async () => {
    const both = await bench.run(['attest', 'run.wsj', '--decode', 'one.hex']);
    expect(both.code).toBe(2);
    expect(both.err).toContain('a journal alone, or --decode FILE');
    writeFileSync(bench.path('text'), 'no journal');
    const text = await bench.run(['attest', './text']);
    expect(text.code).toBe(3);
    expect(text.err).toContain('try: worldswitch attest --decode FILE');
  });
});
