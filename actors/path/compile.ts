/**
 * The first half of expanding a path: items become a graph of steps whose edges say what runs on
 * the way to the next step.
 */

import type { Letter, Outgoing } from '../../events/event.ts';
import { checkLocals } from './locals.ts';
import { waitingIn } from './looks.ts';
import { refuseLacking, stepOf } from './needs.ts';
import { type PathPatches, patched } from './patch.ts';
import { type Flow, type Item, otherwise, type Path, PathError, type Source, type Step, type StepSpec } from './path.ts';
import { itemAt } from './shape.ts';
import { checkWays } from './ways.ts';

type AnyEvent = { readonly type: string };

/**
 * What happens between two steps: locals bound or cleared, and conditions that decide whether this
 * route is taken.
 */
export type Op<T, L> = { readonly local: (walker: T, locals: L) => Partial<L> } | { readonly test: (walker: T, locals: L) => boolean };

/** One way from a step to the next. Routes are tried in order; the last one always holds. */
export interface Route<T, L> {
  readonly ops: readonly Op<T, L>[];
  readonly target: string;
  /** Calls, and cases of a `when`, that lie on the way: their places in the path. */
  readonly crosses: readonly string[];
}

/**
 * The place of an item: the path that it stands in, under the names of those that call it, and its
 * index in each list around it. That of a case has one index more, and one behind the last where
 * none is taken.
 */
export const placeIn = (prefix: string, indexes: readonly number[]): string => `${prefix}#${indexes.join('.')}`;

export interface Edge<T, L> {
  readonly on: string;
  /** Takes the locals out of an answer. */
  readonly take?: (event: never, walker: T, locals: L) => Partial<L>;
  /** Whether the step's own effects happen on this edge. */
  readonly acts: boolean;
  /** Whether it is the answer to what the step asked. */
  readonly asked: boolean;
  /** Empty: the step asks and stays where it is. */
  readonly routes: readonly Route<T, L>[];
}

export interface GraphNode<T, L, E extends AnyEvent> extends Source {
  readonly id: string;
  readonly spec: StepSpec<T, L, E>;
  readonly edges: readonly Edge<T, L>[];
  readonly requires: boolean;
  readonly stops: boolean;
  /** Of a stop: what the walker says when it is given a step all the same. */
  readonly again?: ((walker: T) => Outgoing) | undefined;
  /** The loops around it, across calls, innermost first. */
  readonly loops: readonly string[];
  /** What the paths around it list as their locals. */
  readonly locals: readonly string[];
  /** The step of a primitive that it is, or is part of: `spin_lock of mmu_lock`. */
  readonly partOf: string | null;
  letter: Letter | null;
  flow: Flow | null;
}

export interface Graph<T, L, E extends AnyEvent> {
  readonly nodes: ReadonlyMap<string, GraphNode<T, L, E>>;
  /** The step that the path begins with. */
  readonly entry: string;
  /** Loops that wait: a step of their own, called paths included, yields or idles; or all look. */
  readonly waiting: ReadonlySet<string>;
}

interface Scope<T, L> extends Source {
  readonly prefix: string;
  /** Indexes of the items around these, within the path. */
  readonly at: readonly number[];
  /** Where the items after these continue. */
  readonly next: readonly Route<T, L>[];
  /** Where `leaveLoop` goes on. */
  readonly loopExit: readonly Route<T, L>[];
  readonly pathExit: readonly Route<T, L>[];
  readonly loops: readonly string[];
  readonly locals: readonly string[];
  readonly requires: boolean;
  /** As that of a node. */
  readonly partOf: string | null;
}

/** The name of a step, or of a path that is called, under those that call it. */
export const under = (prefix: string, name: string): string => (prefix ? `${prefix}.${name}` : name);
const after = <T, L>(ops: readonly Op<T, L>[], routes: readonly Route<T, L>[], crosses: readonly string[] = []): Route<T, L>[] =>
  routes.map((route) => ({ ops: [...ops, ...route.ops], target: route.target, crosses: [...crosses, ...route.crosses] }));
const clearing = <T, L>(locals: readonly string[]): Op<T, L>[] =>
  locals.length ? [{ local: () => Object.fromEntries(locals.map((name) => [name, undefined])) as Partial<L> }] : [];

/** Each branch behind another one, without a step between them, multiplies the ways. */
const WAYS_MAX = 4096;

/** Where a path without a home would go when it returns: nowhere. */
const END = '(end)';

/** Compiles one top-level path. `home` is where it goes when it returns; '' if it never does. */
export function compile<T, L, E extends AnyEvent>(
  unpatched: Path<T, L, E>,
  stepEvent: string,
  home: string,
  patches: PathPatches = {},
  uses?: ReadonlySet<object>,
  keeps: readonly string[] = [],
): Graph<T, L, E> {
  const top = patched(unpatched, patches);
  checkWays(top, patches);
  if (uses) checkLocals(top, patches, keeps);
  const end: readonly Route<T, L>[] = [{ ops: home ? clearing<T, L>(top.locals) : [], target: home || END, crosses: [] }];
  const { source, grade } = top;
  const scope: Scope<T, L> = {
    prefix: top.name,
    at: [],
    next: end,
    loopExit: [],
    pathExit: end,
    loops: [],
    locals: top.locals,
    requires: top.requires === 'N',
    partOf: null,
    source,
    grade,
  };
  const compiler = new Compiler<T, L, E>(stepEvent, patches, uses);
  compiler.walk(top.items, scope);
  for (const id of compiler.nodes.keys()) refuseStepsUnder(id, compiler.nodes);
  return { nodes: compiler.nodes, entry: compiler.entryOf(top.items, scope)[0]!.target, waiting: waitingIn(compiler.nodes) };
}

/** Collects the nodes of a path and of all it calls. */
class Compiler<T, L, E extends AnyEvent> {
  readonly nodes = new Map<string, GraphNode<T, L, E>>();
  readonly #stepEvent: string;
  readonly #patches: PathPatches;
  readonly #uses: ReadonlySet<object> | undefined;
  #loops = 0;

  constructor(stepEvent: string, patches: PathPatches, uses: ReadonlySet<object> | undefined) {
    this.#stepEvent = stepEvent;
    this.#patches = patches;
    this.#uses = uses;
  }

  /** Where control goes that reaches these items, from one of them on. */
  entryOf(items: readonly Item<T, L, E>[], scope: Scope<T, L>, from = 0): readonly Route<T, L>[] {
    const item = items[from];
    if (!item) return scope.next;
    const at = [...scope.at, from];
    const onward = (): Scope<T, L> => ({ ...scope, next: this.entryOf(items, scope, from + 1) });
    switch (item.kind) {
      case 'step':
      case 'stop':
        return [{ ops: [], target: under(scope.prefix, item.name), crosses: [] }];
      case 'loop':
        // No turn comes round without a step (ways.ts), so that no entry goes through the end of
        // the body.
        return this.entryOf(item.body, { ...scope, at, next: [], loopExit: this.entryOf(items, scope, from + 1) });
      case 'when': {
        const inner = onward();
        const taken = (i: number): string[] => [placeIn(scope.prefix, [...at, i])];
        const routes = item.cases.flatMap(([test, body], i) =>
          after(test === otherwise ? [] : [{ test }], this.entryOf(body, { ...inner, at: [...at, i] }), taken(i)),
        );
        if (routes.length > WAYS_MAX)
          throw new PathError(
            `${scope.prefix}: more than ${WAYS_MAX} ways lead from one step to the next; put a step between its branches`,
          );
        return item.cases.at(-1)?.[0] === otherwise ? routes : [...routes, ...after([], inner.next, taken(item.cases.length))];
      }
      case 'call':
        return after(item.bind ? [{ local: item.bind }] : [], this.#entryOfPath(patched(item.path, this.#patches), onward()), [
          placeIn(scope.prefix, at),
        ]);
      case 'note':
        return after([{ local: item.local }], this.entryOf(items, scope, from + 1));
      case 'leaveLoop':
        return scope.loopExit;
      case 'return':
        return scope.pathExit;
    }
  }

  #entryOfPath(path: Path<T, L, E>, scope: Scope<T, L>): readonly Route<T, L>[] {
    return this.entryOf(path.items, bodyScope(path, scope));
  }

  walk(items: readonly Item<T, L, E>[], scope: Scope<T, L>): void {
    for (const [i, item] of items.entries()) {
      if (this.#uses) refuseLacking(item, this.#uses, `${itemAt(scope.prefix, items, i)} of ${scope.source}`);
      const one = { ...scope, partOf: stepOf(item) ?? scope.partOf };
      this.#walkOne(item, one, { ...one, at: [...scope.at, i], next: this.entryOf(items, scope, i + 1) });
    }
  }

  #walkOne(item: Item<T, L, E>, scope: Scope<T, L>, inner: Scope<T, L>): void {
    switch (item.kind) {
      case 'step':
        this.#add(scope, item.name, item, edgesOf(item, this.#stepEvent, inner.next));
        break;
      case 'stop':
        this.#add(scope, item.name, {}, [], item.again);
        break;
      case 'loop': {
        const loops = [`${scope.prefix}#${this.#loops++}`, ...scope.loops];
        const body: Scope<T, L> = { ...inner, next: [], loopExit: inner.next, loops };
        this.walk(item.body, { ...body, next: this.entryOf(item.body, body) });
        break;
      }
      case 'when':
        for (const [i, [, body]] of item.cases.entries()) this.walk(body, { ...inner, at: [...inner.at, i] });
        break;
      case 'call': {
        const path = patched(item.path, this.#patches);
        this.walk(path.items, bodyScope(path, inner));
        break;
      }
      default:
        break;
    }
  }

  #add(
    { prefix, requires, source, grade, loops, locals, partOf }: Scope<T, L>,
    name: string,
    spec: StepSpec<T, L, E>,
    edges: readonly Edge<T, L>[],
    again?: (walker: T) => Outgoing,
  ): void {
    const id = under(prefix, name);
    if (this.nodes.has(id)) throw new PathError(`two steps are called ${id}; name one of them apart`);
    this.nodes.set(id, {
      id,
      spec,
      edges,
      requires,
      stops: edges.length === 0,
      again,
      source: spec.source ?? source,
      grade: spec.grade ?? grade,
      loops,
      locals,
      partOf,
      letter: null,
      flow: null,
    });
  }
}

/** A path that is called becomes a state with states inside; a step of its name would be lost. */
function refuseStepsUnder(id: string, nodes: ReadonlyMap<string, unknown>): void {
  for (let dot = id.indexOf('.'); dot > 0; dot = id.indexOf('.', dot + 1)) {
    const above = id.slice(0, dot);
    if (nodes.has(above)) throw new PathError(`${above} is a step and a path that is called; name one of them apart`);
  }
}

/** The scope of a called path: it returns to what follows the call, and its locals die then. */
function bodyScope<T, L, E extends AnyEvent>(path: Path<T, L, E>, scope: Scope<T, L>): Scope<T, L> {
  const back = after(clearing<T, L>(path.locals), scope.next);
  return {
    prefix: under(scope.prefix, path.name),
    at: [],
    next: back,
    loopExit: [],
    pathExit: back,
    loops: scope.loops,
    locals: [...scope.locals, ...path.locals],
    requires: scope.requires || path.requires === 'N',
    partOf: scope.partOf,
    source: path.source,
    grade: path.grade,
  };
}

function edgesOf<T, L, E extends AnyEvent>(step: Step<T, L, E>, stepEvent: string, next: readonly Route<T, L>[]): Edge<T, L>[] {
  type Take = NonNullable<Edge<T, L>['take']>;
  const asks = step.answers !== undefined;
  const own: Edge<T, L> = { on: stepEvent, acts: true, asked: false, routes: asks ? [] : next };
  const answers = Object.entries(step.answers ?? {}) as [string, Take][];
  const wakes = Object.entries(step.wakes ?? {}) as [string, Take][];
  return [
    ...(step.awaits ? [] : [own]),
    ...answers.map(([on, take]): Edge<T, L> => ({ on, take, acts: false, asked: true, routes: next })),
    ...wakes.map(([on, take]): Edge<T, L> => ({ on, take, acts: false, asked: false, routes: next })),
  ];
}
