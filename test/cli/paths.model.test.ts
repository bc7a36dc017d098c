/** `paths`: kernel functions as pseudo-code, and what a module can change on a host. */
import { afterAll, describe, expect, it } from 'vitest';
import { host } from '../../actors/host/host-env.ts';
import { register } from '../../sim/host/registry.ts';
import { topologyOf } from '../../sim/host/topology.ts';
import { pathsIn } from '../../sim/paths/sites.ts';
import { SEQUENCE_PLACES, slotsOn } from '../../sim/paths/slot-places.ts';
import { shipped } from '../sim/play.ts';
import { Bench } from './run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());

interface ListedPath {
  readonly name: string;
  readonly source: string;
  readonly used: boolean;
}

describe('paths without a name', () => {
  it('lists those that the scenario walks before all others of its host, in 80 columns', async () => {
    const { code, out } = await bench.run(['paths'], { isTerminal: true, columns: 80, env: { NO_COLOR: '1' } });
    expect(code).toBe(0);
    expect(out.split('\n').filter((line) => line.length > 80)).toEqual([]);
    expect(out.indexOf('KVM_RUN')).toBeLessThan(out.indexOf('of this amd host besides'));
    expect(out.indexOf('of this amd host besides')).toBeLessThan(out.indexOf('kvm_rmp_make_shared'));
  });

  it('has the same as data, with sources', async () => {
    const list = (await bench.run(['paths', '--json', '--scenario', 'sld-wrmsr-preempted'])).json<ListedPath[]>();
    expect(new Set(list.map(({ name }) => name)).size).toBe(list.length);
    expect(list.every(({ source }) => source.length > 0)).toBe(true);
    expect([list.some(({ used }) => used), list.some(({ used }) => !used)]).toEqual([true, true]);
    expect(list.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['main', 'guest', 'kvm_sched_out', 'kvm_sched_in', 'worker_thread']),
    );
  });

  it('is empty for a model that has none', async () => {
    expect((await bench.run(['paths', '--json', '--scenario', 'rmp-lock'])).json()).toEqual([]);
  });
});

describe('one path', () => {
  it('says of each branch at the end of which step it is decided, and what can be patched', async () => {
    const { code, out } = await bench.run(['paths', 'mutex_lock_killable']);
    expect(code).toBe(0);
    expect(out).toContain('replaceStep finds: trylock, schedule, trylock_or_handoff');
    expect(out).toContain('when, decided at the end of trylock or trylock_or_handoff:');
    expect(out).toContain('case isGranted(t, l) || ends(t)');
    expect(out).toMatch(/^P +schedule: sleeps; sends cpu\.sleep/m);
  });

  it('tells the slots of KVM, filled and empty', async () => {
    const { out } = await bench.run(['paths', 'kvm_arm_vcpu_enter_exit', '--scenario', 'oslock-read-back']);
    expect(out).toContain('slots here that nothing fills: ');
    expect(out).toMatch(/\[slot \w+: mechanism os-lock\]/);
  });

  it.each([
    ['dot', /^digraph "rmpupdate" \{\n(?: {2}[^\n]+;\n)+\}\n$/, '"RMPUPDATE" -> "RMPUPDATE"'],
    ['mermaid', /^flowchart TD\n(?: {2}n\d+(?:\[| -->)[^\n]*\n)+$/, '-->'],
  ])('is drawn for %s', async (format, shape, has) => {
    const { code, out } = await bench.run(['paths', 'rmpupdate', '--format', format, '--depth', '1']);
    expect([code, shape.test(out)], out).toEqual([0, true]);
    expect(out).not.toContain(has === '-->' ? '--> \n' : has);
  });

  it.each([
    ['dot', / {2}subgraph cluster_1 \{\n {4}label="guest\.core_pvalidate_one\.PVALIDATE/, /"0:lock"[\s\S]*"1:lock"/],
    ['mermaid', / {2}subgraph f1\["guest\.core_pvalidate_one\.PVALIDATE/, /f0n0\[[\s\S]*f1n0\[/],
  ])('is drawn in each of its forms for %s', async (format, box, both) => {
    const { out } = await bench.run(['paths', 'PVALIDATE', '--format', format]);
    expect(out).toMatch(box);
    expect(out).toMatch(both);
  });

  it.each([
    [['paths', 'rmpupdat'], 'found "rmpupdat"', 'did you mean "rmpupdate"?'],
    [['paths', '--depth', '2'], '--depth is for one path', 'expected its name'],
    [['paths', '--format', 'dot'], '--format is for one path', 'expected its name'],
    [['paths', 'rmpupdate', '--about'], '--about is about all paths', 'leave rmpupdate or --about out'],
    [['paths', 'main', '--scenario', 'rmp-lock'], 'found "main"', 'a path of rmp-lock'],
  ])('%j is refused', async (args, found, expected) => {
    const { code, err } = await bench.run(args);
    expect([code, err.includes(found), err.includes(expected)], err).toEqual([2, true, true]);
  });
});

describe('paths --about', () => {
  it('tells what can be patched, filled, imported and sent', async () => {
    const { out } = await bench.run(['paths', '--about']);
    for (const part of ['patch().paths, by name: main, KVM_RUN', 'Slots of KVM', 'replaceStep', 'mutex.lock']) expect(out).toContain(part);
  });

  /** A mechanism that puts a step into each slot that nothing else claims. */
  it.each(['rmp-host-write-race', 'sld-wrmsr-preempted', 'oslock-status-bit'])('says where the slots of %s stand', (name) => {
    const scenario = shipped(name);
    const free = slotsOn(scenario).filter(({ slot, filledBy }) => filledBy.length === 0 && Object.hasOwn(SEQUENCE_PLACES, slot));
    const probes = free.filter(({ slot }) => !['entering', 'leaving', 'putting'].includes(slot));
    expect(probes.length).toBeGreaterThan(5);
    const parts = Object.fromEntries(probes.map(({ slot }) => [slot, { items: () => [host.step(`probe_${slot}`)] }]));
    const unregister = register({ name: 'probe', arches: ['amd', 'intel', 'arm64'], kvm: () => parts });
    try {
      const paths = pathsIn(topologyOf(scenario));
      const stands = (slot: string): string[] =>
        [...paths].flatMap(([path, sites]) =>
          sites.some(({ graph, prefix }) => graph.nodes.has(`${prefix}.probe_${slot}`)) ? [path] : [],
        );
      for (const { slot, paths: said } of probes) expect([slot, stands(slot)]).toEqual([slot, expect.arrayContaining([...said])]);
    } finally {
      unregister();
    }
  });
});
