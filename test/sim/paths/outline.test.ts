/** Outlines of paths: what stands in them, and at the end of which step each branch is decided. */
import { describe, expect, it } from 'vitest';
import { setup } from 'xstate';
import { expand } from '../../../actors/path/expand.ts';
import { otherwise, type Path, type Item as PathItem, pathsOf, USER_MODE, type Walker } from '../../../actors/path/path.ts';
import { type Outgoing, outgoing } from '../../../events/event.ts';
import { topologyOf } from '../../../sim/host/topology.ts';
import { type Line, type Outline, outlinesOf, type StepLine, type WhenLine } from '../../../sim/paths/outline.ts';
import { pathsIn } from '../../../sim/paths/sites.ts';
import { Prng } from '../../../sim/prng.ts';
import type { Topology } from '../../../sim/store.ts';
import { shipped } from '../play.ts';

interface Locals {
  readonly a?: number | undefined;
  readonly b?: number | undefined;
}
type Node = Walker<Locals> & { readonly n: number };
type Event = { readonly type: 'exec' } | { readonly type: 'answer' } | { readonly type: 'poke' };
const { path, step, call, loop, when, note, stop, leaveLoop, leavePath } = pathsOf<Node, Locals, Event>();
type Item = PathItem<Node, Locals, Event>;
const SOURCE = { source: 'a test', grade: 'decision' } as const;

function topologyWith(top: Path<Node, Locals, Event>): Topology {
  const { initial, states } = expand<Node, Locals, Event>(top, { root: 'node', frame: 'code', stepEvent: 'exec', from: USER_MODE });
  const machine = setup({
    types: { context: {} as Node, events: {} as Event, emitted: {} as Outgoing },
  }).createMachine({ id: 'node', initial, context: { n: 0, asking: null, frames: { code: {} } }, states: states as never });
  return {
    actors: [{ id: 'node:0', kind: 'node', input: null }],
    machines: { node: machine as never },
    catalogue: { exec: 'offer', ask: 'bus', answer: 'bus', poke: 'bus', mail: 'queued' },
  };
}

const scenario = shipped('rmp-lock');
const read = (top: Path<Node, Locals, Event>, name = top.name, depth = 0): Outline[] => {
  const topology = topologyWith(top);
  return outlinesOf(pathsIn(topology).get(name)!, { scenario, topology, depth });
};
const linesIn = (lines: readonly Line[]): Line[] =>
  lines.flatMap((line) => [
    line,
    ...(line.kind === 'loop' || line.kind === 'call' ? linesIn(line.items ?? []) : []),
    ...(line.kind === 'when' ? line.cases.flatMap(({ items }) => linesIn(items)) : []),
  ]);
const whensIn = (outline: Outline): WhenLine[] => linesIn(outline.items).filter((line) => line.kind === 'when');
const stepIn = (outline: Outline, name: string): StepLine =>
  linesIn(outline.items).find((line) => line.kind === 'step' && line.name === name) as StepLine;

describe('a step', () => {
  const asks = step('trylock', {
    send: (t) => [outgoing('other:0', { type: 'mail', n: t.n }), outgoing('mutex:1', { type: 'ask', why: 'lock' })],
    answers: { answer: () => ({ a: 1 }) },
    wakes: { poke: () => ({ b: 2 }) },
    mayResched: true,
    source: 'a file of its own',
  });
  const [outline] = read(
    path('walk', SOURCE, [step('start', { mode: 'kernel', preempt: 1 }), asks, step('never', { send: (_t, l) => fails(l) }), stop('end')], {
      locals: ['a', 'b'],
    }),
  );
  const fails = (_l: Locals): Outgoing => {
    throw new Error('only a run knows');
  };

  it('says its messages by how they travel, the kinds they go to, and texts that do not vary', () => {
    expect(stepIn(outline!, 'trylock').sends).toEqual([
      { type: 'mail', to: ['other:…'], delivery: 'queued', fields: {}, how: 'tried' },
      { type: 'ask', to: ['mutex:…'], delivery: 'bus', fields: { why: 'lock' }, how: 'tried' },
    ]);
    expect(stepIn(outline!, 'trylock').answers).toEqual([{ type: 'answer', locals: ['a'] }]);
    expect(stepIn(outline!, 'trylock').wakes).toEqual([{ type: 'poke', locals: ['b'] }]);
  });

  it('says that only a run knows where no try has an answer', () => {
    const { isOpen, sends } = stepIn(outline!, 'never');
    expect([isOpen, sends]).toEqual([true, []]);
    expect(stepIn(outline!, 'start').isOpen).toBe(false);
  });

  it('has the context that flows into it, and a source where that is its own', () => {
    expect(outline!.items.map((line) => (line as StepLine).letters)).toEqual([['U'], ['N'], ['N'], ['N']]);
    expect([stepIn(outline!, 'trylock').source, stepIn(outline!, 'start').source]).toEqual(['a file of its own', null]);
    expect(stepIn(outline!, 'start').marks).toEqual(['mode kernel', 'preempt +1']);
  });
});

describe('a path', () => {
  const inner = path('inner', SOURCE, [step('first'), when([(_t, l) => l.a === 1, [leavePath]]), step('second')]);

  it('that is called from several places is told once, with all of them', () => {
    const from = (name: string) => call(path(name, SOURCE, [call(inner)]));
    const outlines = read(path('walk', SOURCE, [step('start'), from('one'), from('two'), stop('end')]), 'inner');
    expect(outlines.map(({ places }) => places.map((place) => place.path))).toEqual([['walk.one.inner', 'walk.two.inner']]);
    expect(stepIn(outlines[0]!, 'second').ids).toEqual(['walk.one.inner.second', 'walk.two.inner.second']);
  });

  it('is told once for each form that it has', () => {
    const other = path('inner', SOURCE, [step('third')]);
    const top = path('walk', SOURCE, [
      call(path('one', SOURCE, [call(inner), step('back')])),
      call(path('two', SOURCE, [call(other)])),
      stop('end'),
    ]);
    expect(read(top, 'inner').map(({ names }) => names)).toEqual([['first', 'second'], ['third']]);
  });

  it('shows calls with their items as deep as it is asked to', () => {
    const top = path('walk', SOURCE, [
      step('start'),
      call(path('outer', SOURCE, [call(path('deep', SOURCE, [step('bottom')]))])),
      stop('end'),
    ]);
    const shown = (depth: number): string[] =>
      linesIn(read(top, 'walk', depth)[0]!.items).flatMap((line) =>
        line.kind === 'step' ? line.name : line.kind === 'call' ? line.path : [],
      );
    expect([0, 1, 2].map(shown)).toEqual([
      ['start', 'outer'],
      ['start', 'outer', 'deep'],
      ['start', 'outer', 'deep', 'bottom'],
    ]);
  });
});

describe('a branch is decided', () => {
  const isA = (_t: Node, l: Locals): boolean => l.a === 1;

  it('at the end of the step before it, of the last step of a call, or of the step before the path', () => {
    const inner = path('inner', SOURCE, [when([isA, [step('taken')]]), step('last')]);
    const top = path('walk', SOURCE, [
      step('start'),
      when([isA, [step('extra')]], [otherwise, []]),
      call(inner),
      when([isA, [step('after')]]),
      loop(when([isA, [leaveLoop]]), step('turn')),
      stop('end'),
    ]);
    const [walk] = read(top);
    expect(whensIn(walk!).map(({ decidedAfter, decidedBefore }) => [decidedAfter, decidedBefore])).toEqual([
      [['start'], []],
      [['inner.last'], []],
      [['inner.last', 'after', 'turn'], []],
    ]);
    const [called] = read(top, 'inner');
    expect(whensIn(called!).map(({ decidedAfter, decidedBefore }) => [decidedAfter, decidedBefore])).toEqual([
      [[], ['walk.start', 'walk.extra']],
    ]);
  });
});

/** Items that mean something anywhere: each loop can be left, and each turn of it meets a step. */
class Draw {
  readonly #prng: Prng;
  #names = 0;

  constructor(seed: number) {
    this.#prng = new Prng(seed);
  }

  items(depth: number): Item[] {
    return Array.from({ length: this.#prng.below(4) }, () => this.#item(depth));
  }

  #item(depth: number): Item {
    const holds = () => true;
    switch (this.#prng.below(depth > 0 ? 6 : 2)) {
      case 0:
        return note(() => ({ a: 1 }));
      case 1:
      case 2:
        return this.#step();
      case 3:
        return when([holds, this.items(depth - 1)], [this.#prng.below(2) === 0 ? otherwise : holds, this.items(depth - 1)]);
      case 4:
        return loop(this.#step(), ...this.items(depth - 1), when([holds, [...this.items(depth - 1), leaveLoop]]));
      default:
        return call(path(`p${this.#names++}`, SOURCE, [...this.items(depth - 1), this.#step()], { locals: ['a'] }));
    }
  }

  #step(): Item {
    return step(`s${this.#names++}`);
  }
}

/** The steps after which each branch was met, when a path is walked in every way, loops twice. */
function met(items: readonly Item[]): Map<Item, Set<string>> {
  const found = new Map<Item, Set<string>>();
  type Went = { readonly last: ReadonlySet<string>; readonly left: ReadonlySet<string> };
  const join = (...sets: readonly ReadonlySet<string>[]) => new Set(sets.flatMap((set) => [...set]));
  const walk = (list: readonly Item[], prefix: string, before: ReadonlySet<string>): Went => {
    let last = before;
    let left: ReadonlySet<string> = new Set();
    for (const item of list) {
      if (last.size === 0) break;
      if (item.kind === 'step') last = new Set([`${prefix}${item.name}`]);
      else if (item.kind === 'leaveLoop') {
        left = join(left, last);
        last = new Set();
      } else if (item.kind === 'call') last = walk(item.path.items, `${prefix}${item.path.name}.`, last).last;
      else if (item.kind === 'when') {
        found.set(item, join(found.get(item) ?? new Set(), last));
        const ways = item.cases.map(([, body]) => walk(body, prefix, last));
        left = join(left, ...ways.map((way) => way.left));
        last = join(...ways.map((way) => way.last), item.cases.at(-1)![0] === otherwise ? new Set() : last);
      } else if (item.kind === 'loop') {
        const first = walk(item.body, prefix, last);
        const again = walk(item.body, prefix, first.last);
        last = join(first.left, again.left);
      }
    }
    return { last, left };
  };
  walk(items, '', new Set(['(before)']));
  return found;
}

it('says of any path what a walk in every way finds', () => {
  const branches = Array.from({ length: 400 }, (_, seed) => {
    const items = [step('begin'), ...new Draw(seed).items(3), stop('end')];
    const expected = met(items);
    const ends = (name: string): string => name.split('.').at(-1)!;
    const compare = (list: readonly Item[], lines: readonly Line[]): number =>
      list.reduce((sum, item, i) => {
        const line = lines[i]!;
        if (item.kind === 'loop' && line.kind === 'loop') return sum + compare(item.body, line.items);
        if (item.kind === 'call' && line.kind === 'call') return sum + compare(item.path.items, line.items!);
        if (item.kind !== 'when' || line.kind !== 'when') return sum;
        // A called path has its own names for its steps, and full ones for those of callers.
        const steps = [...line.decidedAfter, ...line.decidedBefore].map(ends);
        expect(new Set(steps)).toEqual(new Set([...expected.get(item)!].map(ends)));
        return sum + 1 + item.cases.reduce((inside, [, body], at) => inside + compare(body, line.cases[at]!.items), 0);
      }, 0);
    return compare(items, read(path('walk', SOURCE, items, { locals: ['a'] }), 'walk', 9)[0]!.items);
  });
  expect(branches.reduce((sum, count) => sum + count)).toBeGreaterThan(200);
});

describe.each([
  ['rmp-host-write-race', 'amd'],
  ['sld-wrmsr-preempted', 'intel'],
  ['oslock-status-bit', 'arm64'],
])('the paths of %s', (name) => {
  const chosen = shipped(name);
  const topology = topologyOf(chosen);
  const paths = pathsIn(topology);
  const outlines = [...paths.values()].flatMap((sites) => outlinesOf(sites, { scenario: chosen, topology, depth: 0 }));

  it('have each step of each machine once, with its context', () => {
    const steps = outlines.flatMap(({ items, places }) =>
      linesIn(items).flatMap((line) =>
        line.kind === 'step' || line.kind === 'stop' ? line.ids.map((id, i) => `${places[i]!.kind} ${id}`) : [],
      ),
    );
    const nodes = [...paths.values()]
      .flat()
      // What stands in the top path itself belongs to the programs that the scenario has.
      .flatMap(({ kind, walk }) => [
        ...[...walk.graph.nodes.keys()].map((id) => `${kind} ${id}`),
        ...[...(walk.whole?.graph.nodes.keys() ?? [])].filter((id) => id.split('.').length > 2).map((id) => `${kind} ${id}`),
      ]);
    expect(steps.length).toBe(new Set(steps).size);
    expect([...new Set(nodes)].sort()).toEqual([...steps].sort());
    const blind = outlines.flatMap(({ name: path, items }) =>
      linesIn(items).flatMap((line) => (line.kind === 'step' && line.letters.length === 0 ? `${path}.${line.name}` : [])),
    );
    expect(blind).toEqual([]);
  });

  it('say of each branch where it is decided', () => {
    const whens = outlines.flatMap(whensIn);
    expect(whens.length).toBeGreaterThan(30);
    expect(whens.filter(({ decidedAfter, decidedBefore }) => decidedAfter.length + decidedBefore.length === 0)).toEqual([]);
  });

  it('say of nearly each message what it is, without a run', () => {
    const sending = outlines
      .flatMap(({ items }) => linesIn(items))
      .filter((line) => line.kind === 'step' && (line.sends.length > 0 || line.isOpen)) as StepLine[];
    const open = sending.filter(({ isOpen }) => isOpen);
    expect(open.length / sending.length).toBeLessThan(0.1);
  });
});
