/**
 * What a search never took, on the command line: `explore`, `compare`, and `verify --full-coverage`
 * with what a file excuses.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Hole } from '../../sim/explore/covered/chart.ts';
import { Bench } from './run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());
const write = (name: string, text: string): void => {
  mkdirSync(dirname(bench.path(name)), { recursive: true });
  writeFileSync(bench.path(name), text);
};

const scenario = (uncovered: string, allow = '') => `name: alone
summary: one guest, one thread
host: { arch: amd, cpus: 1, features: [sev, sev-es, sev-snp] }
vms:
  vm0:
    type: snp
    options: { pages: [{ gfn: 0x5, pfn: 0x1005, state: shared }] }
    vcpus: [[{ hlt: {} }, { write: { gfn: 0x5, private: false } }]]
processes:
  qemu0: { threads: [[{ KVM_RUN: { vcpu: vm0/0 } }]] }
${allow}
${uncovered}
`;
const EXCUSED = `uncovered:
  - { steps: main.KVM_RUN.*, why: one guest that halts forever }
  - { steps: guest.*, why: it does nothing else }
  - { steps: kvm_sched_*, why: there is one thread }
`;
const OPERATION = "  - { steps: 'vcpu:vm0/0 operation *', why: nothing wakes the guest }\n";

interface Document {
  readonly coverage: {
    readonly neverTaken: readonly Hole[];
    readonly impossible: readonly string[];
    readonly stale?: readonly string[];
    readonly excused?: number;
  };
}

describe('coverage', () => {
  it('is told in lines of 80 columns, and listed in --json', async () => {
    write('alone.yaml', scenario(''));
    const { code, out } = await bench.run(['explore', './alone.yaml']);
    expect(code).toBe(0);
    const lines = out.slice(out.indexOf('Never taken, by path:')).trimEnd().split('\n');
    expect(lines.length).toBeGreaterThan(5);
    expect(lines.filter((line) => line.length > 80)).toEqual([]);
    expect(lines.at(-1)).toMatch(/^ {2}… and at \d+ more places; --json lists all$/);
    expect(out).toContain('no preemption was possible on pcpu:0: nothing else was ever runnable there');
    const { coverage } = (await bench.run(['explore', './alone.yaml', '--json'])).json<Document>();
    expect(coverage.neverTaken).toContainEqual({ kind: 'vcpu', what: 'operation', name: 'vcpu:vm0/0 operation 2 write' });
    expect(coverage.impossible).toHaveLength(2);
  });

  it('is told of each variant by compare, and of all together', async () => {
    const { out } = await bench.run(['compare', './alone.yaml']);
    expect(out).toMatch(/^default: Could not happen: no preemption/m);
    expect(out).toMatch(/^No variant takes: \d+ micro-steps/m);
    const document = (await bench.run(['compare', './alone.yaml', '--json'])).json<Document & { readonly rows: readonly Document[] }>();
    expect(document.rows[0]!.coverage.impossible).toHaveLength(2);
    expect(document.coverage.neverTaken).toEqual(document.rows[0]!.coverage.neverTaken);
  });

  it('is told of a sample', async () => {
    const { coverage } = (
      await bench.run(['explore', './alone.yaml', '--strategy', 'random', '--schedules', '5', '--json'])
    ).json<Document>();
    expect(coverage.neverTaken.map(({ what }) => what)).toContain('operation');
  });
});

describe('verify --full-coverage', () => {
  const verify = (name: string, text: string) => {
    write(name, text);
    return bench.run(['verify', `./${name}`, '--full-coverage']);
  };

  it('fails on what no variant takes, and verify without it does not', async () => {
    const { code, out } = await verify('open.yaml', scenario(EXCUSED));
    expect([code, out]).toEqual([1, expect.stringContaining('BAD ./open.yaml: no variant takes 1 operation;')]);
    expect(out).toContain('vcpu:vm0/0: 1 operation');
    expect((await bench.run(['verify', './open.yaml'])).code).toBe(0);
  });

  it('takes what the file excuses, with its reason', async () => {
    const { code, out } = await verify('alone.yaml', scenario(EXCUSED + OPERATION));
    expect(code, out).toBe(0);
    expect(out).toContain('full coverage: no variant takes');
  });

  it('fails on an entry that excuses nothing', async () => {
    write('stale.yaml', scenario(`${EXCUSED}${OPERATION}  - { steps: main.KVM_RUN.ioctl, why: it runs }\n`));
    const { code, json } = await bench.run(['verify', './stale.yaml', '--full-coverage', '--json']);
    expect(code).toBe(1);
    expect(json<Document>().coverage).toMatchObject({ ok: false, neverTaken: [], stale: ['main.KVM_RUN.ioctl'] });
  });

  it('goes through a folder', async () => {
    write('many/open.yaml', scenario(EXCUSED).replace('name: alone', 'name: open'));
    const { code, out } = await bench.run(['verify', 'many', '--full-coverage']);
    expect(code).toBe(1);
    expect(out).toContain('BAD many/open.yaml: no variant takes 1 operation');
  });

  it.each([
    ['a glob that names everything', "uncovered: [{ steps: '**', why: all }]", 'which names everything'],
    ['a glob twice', 'uncovered: [{ steps: a.*, why: x }, { steps: a.*, why: y }]', 'found "a.*" twice'],
    ['an entry without a reason', 'uncovered: [{ steps: a.* }]', 'why'],
  ])('refuses %s, with its line', async (_, text, expected) => {
    write('wrong.yaml', scenario(text));
    const { code, err } = await bench.run(['verify', './wrong.yaml', '--full-coverage']);
    expect(code).toBe(2);
    expect(err).toMatch(/wrong\.yaml:12/);
    expect(err).toContain(expected);
  });

  it('is for scenarios, and --max-states is for it', async () => {
    await bench.run(['run', './alone.yaml', '-o', 'alone.wsj']);
    expect(await bench.run(['verify', 'alone.wsj', '--full-coverage'])).toMatchObject({ code: 2 });
    expect(await bench.run(['verify', './alone.yaml', '--max-states', '5'])).toMatchObject({ code: 2 });
  });
});

describe('what could not happen', () => {
  it('from a state in which an actor is given nothing more is told by what holds there', async () => {
    await bench.run(['run', 'rmp-host-write-race', '-o', 'race.wsj']);
    const { json } = await bench.run(['explore', 'race.wsj', '--from', '84', '--json']);
    const { impossible } = json<{ coverage: { impossible: readonly string[] } }>().coverage;
    expect(impossible).toContain('no migration was possible: no thread that may move ever waited in a run queue');
    expect(impossible).not.toContain('no migration was possible: there is one pCPU');
  });

  it('is not told of a host that a model of its own does not have', async () => {
    const { out } = await bench.run(['explore', 'rmp-lock', '--set', 'vcpus=2']);
    expect(out).toContain('Covered: all schedules; exact state vectors, every reaction re-executed.');
  });
});

describe('a scenario without a property', () => {
  it('is clean with a word that only deadlocks were looked for', async () => {
    write('nothing.yaml', scenario(''));
    const { code, out } = await bench.run(['explore', 'nothing.yaml']);
    expect([code, out]).toEqual([
      0,
      expect.stringContaining('Clean: all schedules; the scenario names no property that has to hold, so only'),
    ]);
  });
});
