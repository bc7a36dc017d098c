/**
 * The second half of expanding a path: the graph of its steps becomes the XState states of one
 * region.
 */
import {
  type EventObject,
  emit,
  enqueueActions,
  type MachineContext,
  type MetaObject,
  type NonReducibleUnknown,
  type StateNodeConfig,
} from 'xstate';
import type { Letter, Outgoing } from '../../events/event.ts';
import { compile, type Edge, type Graph, type GraphNode, type Route } from './compile.ts';
import { flowThrough } from './flow.ts';
import { looks } from './looks.ts';
import type { PathPatches } from './patch.ts';
import { type Flow, type Grade, type Path, PathError, type Walker } from './path.ts';
import type { Walk, Walked, WalkMeta } from './walks.ts';

/**
 * What a generated region is to `setup({ types }).createMachine`; its state names and targets are
 * checked here, not by the compiler.
 */
export type Region<C extends MachineContext, E extends EventObject> = StateNodeConfig<
  C,
  E,
  never,
  never,
  never,
  never,
  string,
  NonReducibleUnknown,
  Outgoing,
  MetaObject,
  MetaObject
>;

/** The meta of every generated state. */
export interface StepMeta extends Partial<WalkMeta> {
  readonly step: string;
  readonly letter: Letter;
  readonly ns: number;
  readonly source: string;
  readonly grade: Grade;
  readonly idles?: true;
  readonly yields?: true;
  readonly computes?: true;
  /** The loops around it that wait, innermost first: to go round in one of them is a wait. */
  readonly waits?: readonly string[];
  /** What is offered here besides the step: the other options of a `choose`. */
  readonly offers?: (walker: never) => readonly { readonly type: string; readonly option: number }[];
}

export interface ExpandOptions<T> {
  /** Absolute id of the region that gets the states, for example `thread.code`. */
  readonly root: string;
  readonly frame: string;
  readonly stepEvent: string;
  readonly from: Flow;
  /** Tells the actor that decides about preemption that the context changed. */
  readonly announce?: (walker: T, letter: Letter) => Outgoing;
  /**
   * What becomes of the messages of a step where the CPU has a store buffer; `fences`: the step is
   * a full barrier.
   */
  readonly order?: (walker: T, sent: readonly Outgoing[], fences: boolean) => readonly Outgoing[];
  /** What the way out to user mode changes of the walker, after the step's own. */
  readonly toUser?: (walker: T) => Partial<T>;
  /** Said at the end of every micro-step, given what it sent: how a guest step is acknowledged. */
  readonly acknowledge?: (walker: T, letter: Letter, sent: readonly Outgoing[]) => readonly Outgoing[];
  /**
   * Where the outermost path goes when it returns, and what is sent then; without one it must be a
   * loop.
   */
  readonly home?: { readonly target: string; readonly send: (walker: T) => Outgoing };
  /** Locals that outlive the path: those that it lists are gone when it returns. */
  readonly keeps?: readonly string[];
  /** What stands in the place of paths, by name. */
  readonly patches?: PathPatches;
  /** What takes part in the run; a step of anything else is refused. */
  readonly uses?: ReadonlySet<object>;
}

/** The same path with all that a program could ask for. It is shown, and not walked. */
export type Whole<T extends Walker<L>, L, E extends EventObject> = () => Path<T, L, E>;

export interface Expansion<C extends MachineContext, E extends EventObject> {
  readonly initial: string;
  /** Absolute target of the first step. */
  readonly entry: string;
  readonly states: Readonly<Record<string, Region<C, E>>>;
}

const NOMINAL_NS = 100;

/**
 * Expands a path into states of a machine whose context is the walker.
 * @throws PathError where the path breaks a rule of contexts
 */
export function expand<T extends Walker<L> & MachineContext, L extends object, E extends EventObject>(
  path: Path<T, L, E>,
  options: ExpandOptions<T>,
  whole?: Whole<T, L, E>,
): Expansion<T, E> {
  const graph = graphOf(path, options);
  const states: Record<string, unknown> = {};
  const shown = (one: Path<T, L, E>, of: Graph<T, L, E>) => ({ path: one, graph: of }) as unknown as Walked;
  const walks = (): Walk => {
    const { uses: _, ...withoutUses } = options;
    const { patches = {}, stepEvent, frame } = options;
    const all = whole?.();
    return { ...shown(path, graph), patches, stepEvent, frame, whole: all ? shown(all, graphOf(all, withoutUses)) : null };
  };
  for (const node of graph.nodes.values()) {
    const { meta, ...state } = stateOf(node, graph, options);
    place(states, node.id.split('.'), { ...state, meta: node.id === graph.entry ? { ...meta, walks } : meta });
  }
  return { initial: path.name, entry: `#${options.root}.${graph.entry}`, states: states as Record<string, Region<T, E>> };
}

function graphOf<T extends Walker<L> & MachineContext, L, E extends EventObject>(
  path: Path<T, L, E>,
  { home, stepEvent, patches, from, uses, keeps }: ExpandOptions<T>,
): Graph<T, L, E> {
  const graph = compile(path, stepEvent, home?.target ?? '', patches, uses, keeps);
  flowThrough(graph, from, home?.target ?? '');
  return graph;
}

function place(states: Record<string, unknown>, names: readonly string[], state: object): void {
  const [name, ...rest] = names;
  if (rest.length === 0) {
    states[name!] = state;
    return;
  }
  if (!Object.hasOwn(states, name!)) states[name!] = { initial: rest[0], states: {} };
  place((states[name!] as { states: Record<string, unknown> }).states, rest, state);
}

function stateOf<T extends Walker<L> & MachineContext, L extends object, E extends EventObject>(
  node: GraphNode<T, L, E>,
  graph: Graph<T, L, E>,
  options: ExpandOptions<T>,
): { readonly meta: StepMeta; readonly [key: string]: unknown } {
  const on: Record<string, object[]> = {};
  for (const edge of node.edges) {
    on[edge.on] ??= [];
    if (edge.routes.length === 0) on[edge.on]!.push(new Transition(node, graph, options, edge, null).config());
    for (const route of edge.routes) on[edge.on]!.push(new Transition(node, graph, options, edge, route).config());
  }
  const { again } = node;
  if (again) on[options.stepEvent] = [{ actions: emit(({ context }: { readonly context: T }) => again(context)) }];
  const { idles, yields, computes, ns, chooses } = node.spec;
  const waits = node.loops.filter((loop) => graph.waiting.has(loop));
  if (chooses) on.choose = [choiceOf(options.frame)];
  const meta: StepMeta = {
    step: node.id,
    letter: node.letter!,
    ns: ns ?? NOMINAL_NS,
    source: node.source,
    grade: node.grade,
    ...((idles || looks(node.spec)) && { idles: true as const }),
    ...(yields && { yields }),
    ...(computes && { computes }),
    ...(waits.length > 0 && { waits }),
    ...(chooses && { offers: (walker: T) => optionsFrom(walker, options.frame, chooses) }),
  };
  return { on, meta, ...((node.stops || node.spec.rests) && { tags: 'rest' }) };
}

interface Chosen {
  readonly option?: number;
}
/** The options of a `choose` that can still be taken besides the first; none once one was. */
function optionsFrom<T extends Walker<L>, L>(walker: T, frame: string, chooses: (walker: T) => number) {
  const { option } = walker.frames[frame] as Chosen;
  if (option !== undefined) return [];
  return Array.from({ length: chooses(walker) - 1 }, (_, index) => ({ type: 'choose', option: index + 1 }));
}
/** An option is taken: the walker stands where it stood. */
const choiceOf = (frame: string): object => ({
  actions: enqueueActions(({ context, event, enqueue }) => {
    const { frames } = context as Walker<object>;
    enqueue.assign({ frames: { ...frames, [frame]: { ...frames[frame], option: (event as unknown as Chosen).option } } } as never);
  }),
});

/** One XState transition: an edge of the graph together with one of its routes. */
class Transition<T extends Walker<L> & MachineContext, L extends object, E extends EventObject> {
  readonly node: GraphNode<T, L, E>;
  readonly graph: Graph<T, L, E>;
  readonly options: ExpandOptions<T>;
  readonly edge: Edge<T, L>;
  readonly route: Route<T, L> | null;

  constructor(node: GraphNode<T, L, E>, graph: Graph<T, L, E>, options: ExpandOptions<T>, edge: Edge<T, L>, route: Route<T, L> | null) {
    this.node = node;
    this.graph = graph;
    this.options = options;
    this.edge = edge;
    this.route = route;
  }

  config(): object {
    return {
      ...(this.route && { target: `#${this.options.root}.${this.route.target}` }),
      guard: ({ context, event }: { context: T; event: E }) => this.holds(context, event),
      actions: enqueueActions(({ context, event, enqueue }) => {
        const { walker, sent } = this.run(context as T, event as E);
        enqueue.assign(walker as never);
        for (const message of sent) enqueue.emit(message as never);
      }),
    };
  }

  /** Regions see each other's answers: only the frame that asked may take one. */
  holds(context: T, event: E): boolean {
    if (this.edge.asked && context.asking !== this.options.frame) return false;
    return this.route === null || this.#follow(...this.#act(context, event)) !== null;
  }

  run(context: T, event: E): { walker: T; sent: Outgoing[] } {
    const { frame, announce, acknowledge, home } = this.options;
    const sent = this.edge.acts ? this.#sent(context) : [];
    const [acted, locals] = this.#act(context, event);
    const left = this.route ? this.#follow(acted, locals)! : locals;
    if (this.route) this.#refuseUnlisted(left, this.route.target);
    const walker: T = {
      ...acted,
      ...this.#leftKernel(acted),
      asking: this.route ? null : frame,
      frames: { ...acted.frames, [frame]: left },
    };
    if (this.route) {
      const letter = this.graph.nodes.get(this.route.target)?.letter;
      if (letter && announce && letter !== this.node.letter) sent.push(announce(walker, letter));
      if (letter && acknowledge) sent.push(...acknowledge(walker, letter, sent));
      if (home && this.route.target === home.target) sent.push(home.send(walker));
    }
    return { walker, sent };
  }

  /** The messages of the step itself. */
  #sent(context: T): Outgoing[] {
    const { frame, order } = this.options;
    const { send, fences = false } = this.node.spec;
    const sent = send ? ([] as Outgoing[]).concat(send(context, context.frames[frame]!)) : [];
    return order ? [...order(context, sent, fences)] : sent;
  }

  #leftKernel(walker: T): Partial<T> {
    const { toUser } = this.options;
    const isLeft = this.node.flow?.mode !== 'user' && this.route && this.graph.nodes.get(this.route.target)?.flow?.mode === 'user';
    return toUser && isLeft ? toUser(walker) : {};
  }

  /**
   * A local that no path around the next step lists would never die, and keep states apart that
   * are one.
   * @throws PathError
   */
  #refuseUnlisted(left: L, target: string): void {
    const { keeps = [] } = this.options;
    const listed = [...(this.graph.nodes.get(target)?.locals ?? []), ...keeps];
    const unlisted = Object.keys(left).find((name) => !listed.includes(name));
    if (unlisted === undefined) return;
    throw new PathError(`${this.node.id} leaves the local ${unlisted}, which no path around ${target} lists in locals: it would never die`);
  }

  /** The step's own effects, then what the answer says. */
  #act(context: T, event: E): [T, L] {
    const { set, local } = this.node.spec;
    const before = context.frames[this.options.frame]!;
    const walker = this.edge.acts && set ? { ...context, ...set(context, before) } : context;
    const own = this.edge.acts && local ? { ...before, ...local(context, before) } : before;
    return [walker, this.edge.take ? { ...own, ...this.edge.take(event as never, walker, own) } : own];
  }

  /**
   * The locals at the end of the route, or null if one of its tests fails. Locals that died are
   * gone.
   */
  #follow(walker: T, start: L): L | null {
    let locals = start;
    for (const op of this.route!.ops) {
      if ('local' in op) locals = { ...locals, ...op.local(walker, locals) };
      else if (!op.test(walker, locals)) return null;
    }
    return Object.fromEntries(Object.entries(locals).filter(([, value]) => value !== undefined)) as L;
  }
}
