/**
 * A search over orbits: one state for all that differ by a renaming, the same findings, and models
 * that are refused.
 */
import { describe, expect, it } from 'vitest';
import type { ActorId } from '../../../../events/event.ts';
import { Explorer } from '../../../../sim/explore/breadth/explorer.ts';
import { type OrbitReport, OrbitSearch } from '../../../../sim/explore/reduce/orbits.ts';
import { SymmetryError } from '../../../../sim/explore/reduce/symmetry.ts';
import { finish } from '../../../../sim/explore/turns.ts';
import { topologyOf } from '../../../../sim/host/topology.ts';
import { type Property, sometimes } from '../../../../sim/property.ts';
import type { ResolvedScenario } from '../../../../sim/scenario/types.ts';
import type { Topology } from '../../../../sim/store.ts';
import { shipped } from '../../play.ts';
import { actorIn, CATALOGUE, chain, machineOf, rule, type StateTable, toy } from '../toy.ts';
import { expectCovered } from './covered.ts';

const orbitsOf = (scenario: ResolvedScenario): OrbitReport => finish(new OrbitSearch(scenario, 100_000).run());

function* permutations<T>(items: readonly T[]): Generator<readonly T[]> {
  if (items.length === 0) yield [];
  for (const [i, item] of items.entries()) for (const rest of permutations(items.filter((_, at) => at !== i))) yield [item, ...rest];
}
/** Of actors that change places one by one. */
function* renamings(groups: readonly (readonly ActorId[])[]): Generator<ReadonlyMap<string, string>> {
  const [first, ...rest] = groups;
  if (!first) yield new Map();
  else
    for (const order of permutations(first))
      for (const others of renamings(rest)) yield new Map([...others, ...first.map((id, i): [string, string] => [id, order[i]!])]);
}

/** How many orbits the whole space has. */
function bruteForce(scenario: ResolvedScenario): { readonly orbits: number; readonly broken: readonly string[] } {
  const explorer = new Explorer({ scenario, budget: { states: 100_000 } });
  const report = finish(explorer.run());
  expect(report.exhausted).toBe(true);
  const { store } = explorer.world;
  const all = [...renamings((topologyOf(scenario).interchangeable ?? []) as readonly (readonly ActorId[])[])];
  const ids = new RegExp(store.ids.join('|'), 'g');
  const orbits = new Set<string>();
  for (let state = 0; state < explorer.space.count; state++) {
    const texts = explorer.localsOf(state).map((local, slot) => `${store.ids[slot]!} ${store.kindOfSlot[slot]!.locals.texts[local]!}`);
    const images = all.map((names) =>
      texts
        .map((text) => text.replace(ids, (id) => names.get(id) ?? id))
        .sort()
        .join('\n'),
    );
    orbits.add(images.sort()[0]!);
  }
  return { orbits: orbits.size, broken: report.findings.map(({ property }) => property).sort() };
}

/** Three interchangeable actors of one machine. */
const three = (machine: ReturnType<typeof machineOf>): Topology => ({
  actors: ['node:0', 'node:1', 'node:2'].map((id) => ({ id, kind: 'node', input: null })),
  machines: { node: machine },
  catalogue: CATALOGUE,
  interchangeable: [['node:0', 'node:1', 'node:2']],
});
const all = (value: string) => (world: Parameters<Property['check']>[0]) =>
  world.actors('node').every((actor) => actor.value === value) ? `all are in ${value}` : null;

describe('orbits', () => {
  it.each([
    { vcpus: '2', pages: '1', rounds: '2' },
    { vcpus: '2', pages: '2', rounds: '2' },
    { vcpus: '3', pages: '2', rounds: '1' },
    { vcpus: '3', pages: '3', rounds: '1' },
  ])('of rmp-lock are those of all renamings: %o', (set) => {
    const scenario = shipped('rmp-lock', undefined, set);
    const report = orbitsOf(scenario);
    const { orbits, broken } = bruteForce(scenario);
    expect(report).toMatchObject({ exhausted: true, states: orbits });
    expect(report.findings.map(({ property }) => property).sort()).toEqual(broken);
  });

  it('break what the whole space breaks, by a schedule as it stands', () => {
    const scenario = toy(three(machineOf(chain(2))), [rule(all('s1'), 'alike')]);
    const report = orbitsOf(scenario);
    expect(report.states).toBe(bruteForce(scenario).orbits);
    expect(report.findings).toMatchObject([{ labels: expect.arrayContaining(['exec(node:0)', 'exec(node:1)', 'exec(node:2)']) }]);
  });

  it('know which sometimes property never came true', () => {
    const evidence = { kinds: ['node'], source: 'a test', grade: 'decision' } as const;
    const met = sometimes('toy.all-at-once', { ...evidence, check: all('s1') });
    const missed = sometimes('toy.never', { ...evidence, check: all('s9') });
    expect(orbitsOf(toy(three(machineOf(chain(2))), [met, missed])).missed).toEqual(['toy.never']);
  });

  it('go on behind a machine that has halted', () => {
    const halts = machineOf({
      a: { on: { exec: { to: 'b' } } },
      b: { on: { exec: { to: 'c' } }, tags: ['halt'] },
      c: { on: {}, tags: ['rest'] },
    });
    const scenario = toy(three(halts));
    const report = orbitsOf(scenario);
    expect(report.states).toBe(bruteForce(scenario).orbits);
    expect(report.findings).toEqual([]);
  });

  it('are refused with a property that tells interchangeable actors apart', () => {
    const first = rule((world) => (actorIn(world, 'node:0').value === 's1' ? 'the first is in s1' : null), 'first');
    expect(() => orbitsOf(toy(three(machineOf(chain(2))), [first]))).toThrow(SymmetryError);
  });

  it('are refused with such a property also where local steps go through the only states that show it', () => {
    const rest: StateTable = { on: {}, tags: ['rest'] };
    const asks = [{ to: 'other:0', type: 'ask' }] as const;
    const told = ['node:0', 'node:1'].map((to) => ({ to, type: 'ask' }));
    const topology: Topology = {
      actors: [...['node:0', 'node:1'].map((id) => ({ id, kind: 'node', input: null })), { id: 'other:0', kind: 'other', input: null }],
      machines: {
        // The first node rules the other one out, chooses, and goes through `alone`.
        node: machineOf({
          start: { on: { exec: { to: 'first', sends: asks }, ask: { to: 'out' } } },
          first: { on: { exec: { to: 'alone' }, pick: { to: 'end' }, ask: { to: 'first' } } },
          alone: { on: { exec: { to: 'end' } } },
          end: rest,
          out: rest,
        }),
        other: machineOf({ up: { on: { ask: { to: 'up', sends: told } }, tags: ['rest'] } }),
      },
      catalogue: CATALOGUE,
      interchangeable: [['node:0', 'node:1']],
    };
    for (const id of ['node:0', 'node:1']) {
      const seen = rule((world) => (actorIn(world, id).value === 'alone' ? `${id} is alone` : null), 'alone');
      const scenario = toy(topology, [seen]);
      expect(() => orbitsOf(scenario), id).toThrow(SymmetryError);
      expect(() => finish(new OrbitSearch(scenario, 100_000, true).run()), id).toThrow(SymmetryError);
    }
  });
});

describe('orbits of hosts', () => {
  it.each([
    ['rmpadjust-vs-rmpupdate', 'inuse', 2],
    ['vmsa-in-use-kick', 'kick-and-block', 2],
    ['oslock-brk', 'patch-v2', 2],
    ['sld-flagless-toggle', 'neither', 2],
    ['sld-one-work-item', 'gen2-global', 4],
  ] as const)('cover every state: %s %s, one for up to %i', (name, variant, factor) => {
    const found = expectCovered(shipped(name, variant));
    expect(found).toBeGreaterThan(0.98 * factor);
    expect(found).toBeLessThanOrEqual(factor);
  });

  it('need no two CPUs that share what others have for themselves', () => {
    expect(() => orbitsOf(shipped('sld-smt-siblings', 'v8'))).toThrow('no two actors of the model are interchangeable');
  });

  it('are refused where an actor goes by the name of a CPU: the work items of generation 2 do', () => {
    expect(() => orbitsOf(shipped('sld-one-work-item', 'gen2'))).toThrow(
      /schedule_delayed_work_on.*not the same where .*pcpu:0 is called pcpu:1/,
    );
  });
});
