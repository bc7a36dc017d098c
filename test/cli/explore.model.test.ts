/**
 * `explore`: verdicts and guarantees, counterexamples as journals, bounds, budgets, and what the
 * exit code says of each.
 */
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Bench } from './run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());

const RACE = 'rmpadjust-vs-rmpupdate';

interface Document {
  readonly exhausted: boolean;
  readonly limit: string | null;
  readonly states: number;
  readonly transitions: number;
  readonly unchanged: number;
  readonly guarantee: string;
  readonly bound: string;
  readonly violations: readonly {
    readonly property: string;
    readonly steps: number;
    readonly preemptions: number;
    readonly switches: number;
    readonly disturbances: number;
    readonly least: boolean;
    readonly journal: string;
  }[];
  readonly missed: readonly string[];
  readonly coverage: { readonly reactions: number; readonly depth: number };
}

/** perf watches one CPU of two, so that they are not interchangeable. */
const NAMED_CPU = `
name: named-cpu
summary: A breakpoint of the host on one CPU
host: { arch: amd, cpus: 2, preemption: none, kernel: "6.12" }
processes: { perf: { threads: [[{ perf-breakpoint: { cpu: 0, address: 0x1000 } }, { touch-address: { address: 0x1000 } }]] } }
`;

describe('explore', () => {
  it('gives a violation by a journal that replays, shows it and can be explored', async () => {
    const { code, json, err } = await bench.run(['explore', RACE, '--json']);
    const document = json<Document>();
    expect([code, err]).toEqual([1, '']);
    expect(document).toMatchObject({
      exhausted: true,
      limit: null,
      states: 26_580,
      transitions: 63_370,
      unchanged: 0,
      bound: 'all schedules',
    });
    expect(document.coverage.reactions).toBeGreaterThan(0);
    const [violation] = document.violations;
    expect(violation).toMatchObject({ property: 'rmp.vm-bugged', steps: 52, disturbances: 0, preemptions: 0, switches: 2, least: true });
    expect((await bench.run(['replay', violation!.journal, '--json'])).json()).toMatchObject({ identical: true, steps: 52 });
    expect((await bench.run(['show', violation!.journal, '--explain'])).out).toContain('rmp.vm-bugged broke at step 52');
    const futures = await bench.run(['explore', violation!.journal, '--from', '24', '--json']);
    expect(futures.json<Document>().violations[0]!.property).toBe('rmp.vm-bugged');
  });

  it('tells people the same, with the commands that show it', async () => {
    const { code, out } = await bench.run(['explore', RACE]);
    expect(code).toBe(1);
    expect(out).toContain('Broken: rmp.vm-bugged in 52 steps, 0 disturbances, 0 preemptions, 2 switches');
    expect(out).toContain('26,580 states, 63,370 transitions');
    const again = /See it: worldswitch (replay \S+)/.exec(out)![1]!.split(' ');
    expect((await bench.run(again)).code).toBe(0);
  });

  it('gives a guarantee for a variant that holds, and ends with 0', async () => {
    const { code, json } = await bench.run(['explore', RACE, '--variant', 'overlap-2m', '--json']);
    const document = json<Document>();
    expect(code).toBe(0);
    expect(document).toMatchObject({ exhausted: true, states: 26_488, violations: [], missed: [] });
    expect(document.guarantee).toContain('Of all schedules, none breaks');
    const { out } = await bench.run(['explore', RACE, '--variant', 'overlap-2m']);
    expect(out).toContain('Clean: all schedules');
  });

  it('refuses a bound of memory that the program alone takes, and names the least one', async () => {
    const { code, err } = await bench.run(['explore', RACE, '--max-memory', '16']);
    expect(code).toBe(2);
    const least = /--max-memory 16 is too little: .* take (\d+) MiB/.exec(err)![1]!;
    expect(err).toContain(`try: --max-memory ${least}, or more`);
    // The process of all tests is larger than a command alone.
    expect((await bench.run(['explore', RACE, '--max-memory', '100000', '--json'])).json<Document>().states).toBe(26_580);
  });

  it('names what was not checked where it calls a variant clean', async () => {
    const { code, out } = await bench.run(['explore', RACE, '--variant', 'overlap-2m', '--deviations', '2']);
    expect(out).toContain('Clean, but these properties were not checked: cpu.progress. Searched: all schedules with at most 2 deviations.');
    expect([code, out.includes('Clean: ')]).toEqual([0, false]);
  });

  it('writes the counterexamples into the folder asked for, and nothing where nothing broke', async () => {
    await bench.run(['explore', RACE, '-o', 'found']);
    expect(readdirSync(bench.path('found'))).toEqual([expect.stringMatching(/^[0-9a-f]{32}\.wsj$/)]);
    await bench.run(['explore', RACE, '--variant', 'overlap-2m', '-o', 'clean']);
    expect(existsSync(bench.path('clean'))).toBe(false);
  });

  it.each([
    [['--deviations', '1'], 'all schedules with at most 1 deviation', 0],
    [['--deviations', '2'], 'all schedules with at most 2 deviations', 1],
    [['--preemptions', '0', '--switches', '0'], 'all schedules with at most 0 preemptions and 0 switches', 1],
  ])('names the bound of %j', async (options, bound, code) => {
    const outcome = await bench.run(['explore', RACE, '--json', ...options]);
    expect(outcome.json<Document>()).toMatchObject({ exhausted: true, bound });
    expect(outcome.code).toBe(code);
  });

  it('says that a race did not happen within a bound, and does not call that a success', async () => {
    const { code, out } = await bench.run(['explore', RACE, '--variant', 'overlap-2m', '--deviations', '0']);
    expect(code).toBe(1);
    expect(out).toContain('Never: rmp.entry-lock-is-contended, under all schedules with at most 0 deviations');
  });

  it('does not say that a race never happens where schedules end before it, at what they break', async () => {
    const text = [
      'name: ends-early',
      'summary: A property breaks in each schedule',
      'host: { arch: amd, cpus: 1, preemption: none, options: { kvm.guestDr6: each-run } }',
      'vms:',
      '  vm0:',
      '    type: svm',
      '    vcpus:',
      '      - - { mov-to-dr: { dr: 6, value: 0xffff0ff1 } }',
      '        - { wrmsr-fastpath: { msr: x2apic-icr } }',
      '        - { mov-from-dr: { dr: 6 } }',
      'processes: { qemu0: { threads: [[{ KVM_RUN: { vcpu: vm0/0 } }]] } }',
      'properties: { always: [debug.registers-read-back], sometimes: [debug.user-space-sees] }',
    ].join('\n');
    writeFileSync(bench.path('ends-early.yaml'), text);
    const { code, out } = await bench.run(['explore', bench.path('ends-early.yaml')]);
    expect(code).toBe(1);
    expect(out).toContain('Broken: debug.registers-read-back');
    expect(out).toContain('Not met: debug.user-space-sees, under all schedules; those that break something end there');
    expect(out).not.toContain('Never: debug.user-space-sees');
  });

  it.each([
    ['states', [RACE, '--max-states', '500'], 'states'],
    ['states within a bound', [RACE, '--max-states', '500', '--deviations', '9'], 'states'],
  ])('ends with 4 when its budget of %s is used up, and promises nothing', async (_, args, limit) => {
    const { code, json } = await bench.run(['explore', ...args, '--json']);
    expect(json<Document>()).toMatchObject({ exhausted: false, limit, violations: [] });
    expect(json<Document>().guarantee).not.toContain('Of all schedules, none');
    expect(code).toBe(4);
  });

  it('ends with 4 when it is interrupted, and with what it has found', async () => {
    const { code, json } = await bench.run(['explore', 'rmp-churn', '--json'], { signal: AbortSignal.abort() });
    expect(code).toBe(4);
    expect(json<Document>()).toMatchObject({ exhausted: false, limit: 'stopped' });
  });

  it('does not say "never" of a search that ended early', async () => {
    const { out } = await bench.run(['explore', RACE, '--max-states', '50']);
    expect(out).toContain('Not met so far: rmp.entry-lock-is-contended');
    expect(out).not.toContain('Never');
  });

  it.each([
    ['a variant that is not', [RACE, '--variant', 'none']],
    ['a scenario that is not', ['rmpadjust']],
    ['--from without a journal', [RACE, '--from', '3']],
    ['a reduction there is not', [RACE, '--reduce', 'magic']],
    ['no reduction and a bound', [RACE, '--no-reduce', '--deviations', '2']],
    ['memory within a bound', [RACE, '--deviations', '2', '--max-memory', '8']],
    ['symmetry within a bound', ['rmp-lock', '--reduce', 'symmetry', '--switches', '2']],
    ['no states', [RACE, '--max-states', '0']],
  ])('refuses %s', async (_, args) => {
    const { code, out, err } = await bench.run(['explore', ...args]);
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(/^worldswitch: /);
  });
});

describe('explore with --reduce symmetry', () => {
  it('searches one of all states that differ by a renaming', async () => {
    const { code, json } = await bench.run(['explore', 'rmp-lock', '--reduce', 'symmetry', '--json']);
    expect(code).toBe(0);
    expect(json<Document>()).toMatchObject({ exhausted: true, states: 6_687, transitions: 19_245, violations: [] });
    expect(json<Document>().bound).toContain('one state for up to 48 that differ by a renaming');
  });

  it.each([
    ['no two actors are interchangeable', 'symmetry', ['sevdbg-db-tarpit'], 'no two actors of the model are interchangeable'],
    ['a program names a CPU', 'symmetry', ['./named-cpu.yaml'], 'the model tells interchangeable actors apart'],
    ['classes cannot be renamed', 'scheduler,symmetry', ['./named-cpu.yaml'], 'so no state can stand for others'],
  ])('searches without it and says why, where %s', async (_, reduce, [scenario], why) => {
    writeFileSync(bench.path('named-cpu.yaml'), NAMED_CPU);
    const { code, json } = await bench.run(['explore', scenario!, '--reduce', reduce, '--json']);
    const plain = await bench.run(['explore', scenario!, '--json', ...(reduce === 'symmetry' ? [] : ['--reduce', 'scheduler'])]);
    const { unreduced, guarantee, violations, ...rest } = json<Document & { readonly unreduced: string }>();
    expect(unreduced).toContain(why);
    expect(guarantee.split('\n')[1]).toBe(`No symmetry: ${unreduced}.`);
    const { guarantee: _without, violations: broken, ...all } = plain.json<Document>();
    expect([code, rest.states, violations.length]).toEqual([plain.code, all.states, broken.length]);
  });
});

describe('explore a journal', () => {
  beforeAll(async () => {
    await bench.run(['run', RACE, '-o', 'run.wsj']);
  });

  it('searches everything that could have followed a step, and speaks of that only', async () => {
    const { code, json } = await bench.run(['explore', 'run.wsj', '--from', '60', '--json']);
    expect(code).toBe(0);
    expect(json<Document>()).toMatchObject({ exhausted: true, violations: [], missed: [], bound: 'all schedules from step 60 on' });
    expect(json<Document>().states).toBeLessThan(200);
  });

  it('searches from its start unless told otherwise, and puts the way there before what it finds', async () => {
    const whole = (await bench.run(['explore', 'run.wsj', '--json'])).json<Document>();
    expect(whole).toMatchObject({ states: 26_580, bound: 'all schedules' });
    const late = (await bench.run(['explore', 'run.wsj', '--from', '5', '--json'])).json<Document>();
    const [violation] = late.violations;
    const choices = (await bench.run(['diff', violation!.journal, 'run.wsj', '--json'])).json<{ first: { step: number } }>();
    expect(choices.first.step).toBeGreaterThan(5);
    expect((await bench.run(['replay', violation!.journal, '--json'])).json()).toMatchObject({
      steps: 5 + violation!.steps,
      identical: true,
    });
  });

  it.each([
    ['a step it has not', ['run.wsj', '--from', '999'], 'there is no step 999: the journal has steps 0 to 84'],
    ['another variant', ['run.wsj', '--variant', 'inuse'], 'a journal carries its variant, mutant and parameters'],
    ['a file there is not', ['none.wsj'], 'there is no such file'],
  ])('refuses %s', async (_, args, message) => {
    const { code, err } = await bench.run(['explore', ...args]);
    expect(code).toBe(2);
    expect(err).toContain(message);
  });
});
