/** How contexts flow through the graph of a path: preempt count, spinlocks, interrupts, mode. */
import type { Graph, GraphNode } from './compile.ts';
import { ContextError, type Flow, letterOf, PathError } from './path.ts';

type AnyEvent = { readonly type: string };

/** A count that a step has raised, or interrupts that it has switched off. */
interface Taken {
  readonly what: 'preempt' | 'spin' | 'rcu' | 'bh' | 'irqs';
  readonly by: string;
}

/**
 * Lets the context flow along the edges, as sparse and lockdep would demand: two ways into a step
 * must agree.
 * @throws ContextError
 */
export function flowThrough<T, L, E extends AnyEvent>(graph: Graph<T, L, E>, from: Flow, home: string): void {
  const todo: [string, Flow, readonly Taken[]][] = [[graph.entry, from, []]];
  const takenAt = new Map<string, readonly Taken[]>();
  for (let job = todo.pop(); job; job = todo.pop()) {
    const [id, flow, taken] = job;
    if (id === home) continue;
    const node = graph.nodes.get(id);
    if (!node) throw new PathError(`a path runs off its end at ${id}`);
    if (node.flow) {
      if (!sameFlow(node.flow, flow))
        throw new ContextError(
          'unbalanced context',
          id,
          `${id} is entered with ${told(node.flow)} and with ${told(flow)}`,
          leftText(takenAt.get(id)!, taken),
        );
      continue;
    }
    node.flow = flow;
    takenAt.set(id, taken);
    node.letter = node.spec.inside ? 'X' : letterOf(flow, node.spec.mayResched === true);
    const left = leaving(node, flow);
    const then = takenBehind(node, taken);
    for (const edge of node.edges) for (const route of edge.routes) todo.push([route.target, left, then]);
  }
}

/** What is taken behind the step. */
function takenBehind<T, L, E extends AnyEvent>({ id, spec, partOf }: GraphNode<T, L, E>, before: readonly Taken[]): readonly Taken[] {
  const { irqs } = spec;
  const by = partOf ?? id;
  let taken = before;
  const change = (what: Taken['what'], count: number): void => {
    if (count > 0) taken = [...taken, { what, by }];
    const last = taken.findLastIndex((one) => one.what === what);
    if (count < 0) taken = taken.filter((_, i) => i !== last);
  };
  for (const what of ['preempt', 'spin', 'rcu', 'bh'] as const) change(what, spec[what] ?? 0);
  if (irqs !== undefined) change('irqs', irqs ? -1 : 1);
  return taken;
}

/** What one of two ways has taken and not given back; null if that does not tell them apart. */
function leftText(one: readonly Taken[], other: readonly Taken[]): string | null {
  const lacks = (of: readonly Taken[], others: readonly Taken[]): readonly Taken[] =>
    of.filter(({ what, by }) => !others.some((two) => two.what === what && two.by === by));
  const left = [...lacks(one, other), ...lacks(other, one)];
  if (left.length === 0) return null;
  const names = [...new Set(left.map(({ by }) => by))];
  const isLock = left.some(({ what }) => what === 'spin');
  return `on one way there ${names.join(' and ')} is not given back; expected it to be ${isLock ? 'unlocked' : 'undone'} on each way`;
}

const sameFlow = (a: Flow, b: Flow) =>
  a.mode === b.mode &&
  a.preempt === b.preempt &&
  a.spin === b.spin &&
  a.rcu === b.rcu &&
  a.bh === b.bh &&
  a.irqs === b.irqs &&
  a.insn === b.insn;
const told = (flow: Flow) =>
  `${flow.mode} mode, preempt ${flow.preempt}, spin ${flow.spin}, irqs ${flow.irqs ? 'on' : 'off'}${flow.insn ? ', inside an instruction' : ''}${flow.rcu ? ', inside rcu_read_lock()' : ''}${flow.bh ? ', softirqs off' : ''}`;

function leaving<T, L, E extends AnyEvent>(node: GraphNode<T, L, E>, flow: Flow): Flow {
  const { preempt = 0, spin = 0, irqs = flow.irqs, mode = flow.mode, insn = flow.insn, sleeps, mayResched } = node.spec;
  const rcu = (flow.rcu ?? 0) + (node.spec.rcu ?? 0);
  const bh = (flow.bh ?? 0) + (node.spec.bh ?? 0);
  const atomic = flow.preempt > 0 || flow.spin > 0 || !flow.irqs;
  const { id } = node;
  if (node.requires && !atomic) throw new ContextError('preemption left on', id, `${id} needs preemption off, its caller left it on`);
  if (sleeps && atomic) throw new ContextError('scheduling while atomic', id, `${id} sleeps with ${told(flow)}: scheduling while atomic`);
  if ((sleeps || mayResched) && flow.rcu) throw new ContextError('scheduling inside RCU', id, `${id} sleeps, or may, with ${told(flow)}`);
  if (flow.preempt + preempt < 0 || flow.spin + spin < 0 || rcu < 0 || bh < 0)
    throw new ContextError('unbalanced context', id, `${id} drops a count that is 0`);
  return { mode, preempt: flow.preempt + preempt, spin: flow.spin + spin, irqs, insn, ...(rcu > 0 && { rcu }), ...(bh > 0 && { bh }) };
}
