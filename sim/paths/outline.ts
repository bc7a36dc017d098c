/**
 * A path as data that people can read: its items with their contexts, the messages they say, and
 * where each branch is decided.
 */
import { placeIn, under } from '../../actors/path/compile.ts';
import { type Filling, fillingOf } from '../../actors/path/filled.ts';
import { patched } from '../../actors/path/patch.ts';
import { type Grade, otherwise } from '../../actors/path/path.ts';
import type { ShownGraph, ShownItem, ShownPath, ShownSpec } from '../../actors/path/walks.ts';
import type { Letter } from '../../events/event.ts';
import type { ResolvedScenario } from '../scenario/types.ts';
import type { Topology } from '../store.ts';
import { codeText } from './code-text.ts';
import { messagesOf, type Said } from './messages.ts';
import type { Site } from './sites.ts';
import { emptySlotsIn } from './slot-places.ts';
import { Trial } from './trial.ts';

/** An event that ends a step, and the locals that it gives. */
export interface Taken {
  readonly type: string;
  readonly locals: readonly string[];
}

interface Placed {
  /** The slot of KVM that the item fills. */
  readonly slot: Filling | null;
}

export interface StepLine extends Placed {
  readonly kind: 'step' | 'stop';
  readonly name: string;
  /** Its full names, as points and coverage have them, one for each place of the path. */
  readonly ids: readonly string[];
  /** Contexts in which it runs. */
  readonly letters: readonly Letter[];
  /** What else its definition says, such as `sleeps` and `preempt +1`. */
  readonly marks: readonly string[];
  readonly sends: readonly Said[];
  /** It says something that only a run knows. */
  readonly isOpen: boolean;
  readonly answers: readonly Taken[];
  readonly wakes: readonly Taken[];
  /** Fields of the walker, and locals, that it changes itself. */
  readonly sets: readonly string[];
  readonly locals: readonly string[];
  /** Where it comes from, where that is told apart from its path. */
  readonly source: string | null;
  readonly grade: Grade | null;
}

export interface CallLine extends Placed {
  readonly kind: 'call';
  readonly path: string;
  readonly ids: readonly string[];
  /** Locals that are set first. */
  readonly binds: readonly string[];
  /** Its items, where calls are shown so deep. */
  readonly items: readonly Line[] | null;
}

export interface CaseLine {
  readonly test: string;
  readonly ids: readonly string[];
  readonly items: readonly Line[];
}

export interface WhenLine extends Placed {
  readonly kind: 'when';
  /** Steps of this path, and of those that it calls, at whose end it is decided. */
  readonly decidedAfter: readonly string[];
  /** Steps before a call of this path at whose end it is decided, by their full names. */
  readonly decidedBefore: readonly string[];
  readonly cases: readonly CaseLine[];
  /** The way on where no case holds; null after `otherwise`. */
  readonly none: { readonly ids: readonly string[] } | null;
}

export interface LoopLine extends Placed {
  readonly kind: 'loop';
  readonly items: readonly Line[];
}

export interface NoteLine extends Placed {
  readonly kind: 'note';
  readonly locals: readonly string[];
}

export interface JumpLine extends Placed {
  readonly kind: 'leaveLoop' | 'leavePath';
}

export type Line = StepLine | CallLine | WhenLine | LoopLine | NoteLine | JumpLine;

/** A path, with all places at which it stands in this form. */
export interface Outline {
  readonly name: string;
  readonly source: string;
  readonly grade: Grade;
  readonly requires: 'N' | null;
  /** Locals that die when it returns. */
  readonly locals: readonly string[];
  readonly isUsed: boolean;
  /** Who walks it where: kinds of actors with the full name of the path. */
  readonly places: readonly { readonly kind: string; readonly path: string }[];
  /** Slots of KVM that stand in it and that nothing fills. */
  readonly emptySlots: readonly string[];
  /** What `replaceStep` finds in it. */
  readonly names: readonly string[];
  readonly items: readonly Line[];
}

/** What the outlines of one scenario are made with. */
export interface Reading {
  readonly scenario: ResolvedScenario;
  readonly topology: Topology;
  /** How many calls deep the items of called paths are shown. */
  readonly depth: number;
}

const MARKS: readonly (readonly [keyof ShownSpec, (value: never) => string])[] = [
  ['mode', (mode: string) => `mode ${mode}`],
  ['preempt', (by: number) => `preempt ${by > 0 ? '+1' : '-1'}`],
  ['spin', (by: number) => `spin ${by > 0 ? '+1' : '-1'}`],
  ['irqs', (on: boolean) => `irqs ${on ? 'on' : 'off'}`],
  ['insn', (inside: boolean) => `insn ${inside ? 'begins' : 'ends'}`],
  ...(['inside', 'mayResched', 'sleeps', 'idles', 'rests', 'yields', 'computes', 'awaits', 'chooses'] as const).map(
    (key) => [key, () => key] as const,
  ),
];

const marksOf = (spec: ShownSpec): string[] => MARKS.flatMap(([key, text]) => (spec[key] === undefined ? [] : [text(spec[key] as never)]));

/** The text by which two forms of a path are told apart. */
function formOf(path: ShownPath): string {
  const shape = (item: ShownItem): unknown => {
    if (item.kind === 'call') return [item.kind, item.path.name];
    if (item.kind === 'loop') return [item.kind, item.body.map(shape)];
    if (item.kind === 'when') return [item.kind, item.cases.map(([test, body]) => [codeText(test), body.map(shape)])];
    if (item.kind !== 'step') return [item.kind, 'name' in item ? item.name : ''];
    return [item.name, marksOf(item), item.send && codeText(item.send), Object.keys({ ...item.answers, ...item.wakes })];
  };
  return JSON.stringify([path.source, path.locals, path.items.map(shape)]);
}

/** A list of items at all of its places at once. */
interface List {
  readonly path: ShownPath;
  readonly sites: readonly { readonly prefix: string; readonly graph: ShownGraph }[];
  readonly at: readonly number[];
  readonly depth: number;
}

class Reader {
  readonly #catalogue: Topology['catalogue'];
  readonly #trial: Trial;
  readonly #site: Site;
  readonly #passing = new Map<ShownGraph, ReadonlyMap<string, readonly string[]>>();

  constructor(site: Site, { topology, scenario }: Reading) {
    this.#catalogue = topology.catalogue;
    this.#trial = new Trial(site.kind, topology, scenario);
    this.#site = site;
  }

  lines(items: readonly ShownItem[], list: List): Line[] {
    return items.map((item, i) => this.#line(item, { ...list, at: [...list.at, i] }));
  }

  #line(item: ShownItem, list: List): Line {
    const slot = fillingOf(item);
    const { at, sites, depth } = list;
    const idsOf = (...more: readonly number[]): string[] => sites.map(({ prefix }) => placeIn(prefix, [...at, ...more]));
    switch (item.kind) {
      case 'step':
        return this.#step(item.name, item, list, slot);
      case 'stop':
        return { ...this.#step(item.name, item.again ? { send: item.again } : {}, list, slot), kind: 'stop' };
      case 'loop':
        return { kind: 'loop', slot, items: this.lines(item.body, list) };
      case 'note':
        return { kind: 'note', slot, locals: this.#trial.fields(item.local) };
      case 'leaveLoop':
        return { kind: 'leaveLoop', slot };
      case 'return':
        return { kind: 'leavePath', slot };
      case 'call': {
        const called = patched(item.path, this.#site.walk.patches);
        const inside = sites.map(({ prefix, graph }) => ({ prefix: under(prefix, called.name), graph }));
        const items = depth > 0 ? this.lines(called.items, { path: called, sites: inside, at: [], depth: depth - 1 }) : null;
        return { kind: 'call', slot, path: called.name, ids: idsOf(), binds: this.#trial.fields(item.bind), items };
      }
      case 'when': {
        const cases = item.cases.map(
          ([test, body], i): CaseLine => ({
            test: codeText(test),
            ids: idsOf(i),
            items: this.lines(body, { ...list, at: [...at, i] }),
          }),
        );
        const none = item.cases.at(-1)![0] === otherwise ? null : { ids: idsOf(item.cases.length) };
        return { kind: 'when', slot, ...this.#decided(list, item.cases.length), cases, none };
      }
    }
  }

  #step(name: string, spec: ShownSpec, { sites, path }: List, slot: Filling | null): StepLine {
    const ids = sites.map(({ prefix }) => under(prefix, name));
    const letters = sites.flatMap(({ graph }, i) => graph.nodes.get(ids[i]!)?.letter ?? []);
    const taken = (events: ShownSpec['answers']): Taken[] =>
      Object.entries(events ?? {}).map(([type, take]) => ({ type, locals: this.#trial.fieldsTaken(take as never) }));
    const sends = spec.send ? messagesOf(spec.send, this.#trial, this.#catalogue) : [];
    return {
      kind: 'step',
      slot,
      name,
      ids,
      letters: [...new Set(letters)],
      marks: marksOf(spec),
      sends,
      isOpen: spec.send !== undefined && sends.length === 0,
      answers: taken(spec.answers),
      wakes: taken(spec.wakes),
      sets: this.#trial.fields(spec.set),
      locals: this.#trial.fields(spec.local),
      source: spec.source !== undefined && spec.source !== path.source ? spec.source : null,
      grade: spec.grade !== undefined && spec.grade !== path.grade ? spec.grade : null,
    };
  }

  /** Steps with a route that crosses a case of the branch, or none of its cases. */
  #decided({ sites, at }: List, cases: number): Pick<WhenLine, 'decidedAfter' | 'decidedBefore'> {
    const within = new Set<string>();
    const before = new Set<string>();
    for (const { prefix, graph } of sites) {
      const places = Array.from({ length: cases + 1 }, (_, i) => placeIn(prefix, [...at, i]));
      for (const step of places.flatMap((place) => this.#deciding(graph).get(place) ?? []))
        if (step.startsWith(`${prefix}.`)) within.add(step.slice(prefix.length + 1));
        else before.add(step);
    }
    return { decidedAfter: [...within], decidedBefore: [...before] };
  }

  #deciding(graph: ShownGraph): ReadonlyMap<string, readonly string[]> {
    const before = this.#passing.get(graph);
    if (before) return before;
    const known = new Map<string, string[]>();
    for (const { id, edges } of graph.nodes.values())
      for (const pass of edges.flatMap(({ routes }) => routes.flatMap(({ crosses }) => crosses)))
        known.set(pass, [...new Set([...(known.get(pass) ?? []), id])]);
    this.#passing.set(graph, known);
    return known;
  }
}

const namesIn = (items: readonly Line[]): string[] =>
  items.flatMap((line) => {
    if (line.kind === 'step' || line.kind === 'stop') return [line.name];
    if (line.kind === 'call') return [line.path];
    if (line.kind === 'loop') return namesIn(line.items);
    return line.kind === 'when' ? line.cases.flatMap((one) => namesIn(one.items)) : [];
  });

/** The forms of a path that stands at these places: nearly always one. */
export function outlinesOf(sites: readonly Site[], reading: Reading): Outline[] {
  const forms = new Map<string, Site[]>();
  for (const site of sites) {
    const form = formOf(site.path);
    forms.set(form, [...(forms.get(form) ?? []), site]);
  }
  return [...forms.values()].map((alike): Outline => {
    const [first] = alike as [Site];
    const { path } = first;
    const items = new Reader(first, reading).lines(path.items, { path, sites: alike, at: [], depth: reading.depth });
    return {
      name: path.name,
      source: path.source,
      grade: path.grade,
      requires: path.requires ?? null,
      locals: path.locals,
      isUsed: alike.some(({ isUsed }) => isUsed),
      places: alike.map(({ kind, prefix }) => ({ kind, path: prefix })),
      emptySlots: emptySlotsIn(path.name, reading.scenario),
      names: [...new Set(namesIn(items))],
      items,
    };
  });
}
