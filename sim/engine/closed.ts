/**
 * Rules that machines keep, as far as their charts show it: that they are closed, and that they can
 * say why an offer was never made.
 */
import type { Chance } from '../../actors/host/chance.ts';
import type { Store } from '../store.ts';
import { ModelError } from './port.ts';

interface StateNodeLike {
  readonly id: string;
  readonly type: string;
  readonly invoke: readonly unknown[];
  readonly after: readonly unknown[];
  readonly states: Readonly<Record<string, StateNodeLike>>;
}

/**
 * A machine is closed: it invokes nothing, waits for no clock and remembers no history. What its
 * actions do is seen when they run.
 * @throws ModelError naming the state
 */
export function refuseOpenMachines({ kinds }: Store): void {
  for (const { name, machine, origin } of kinds)
    refuseOpen(machine.root as unknown as StateNodeLike, origin === null ? name : `${name} (${origin})`);
}

/** @throws ModelError naming the entry of a machine's `chances` that has no last reason */
export function refuseUntold({ kinds }: Store): void {
  for (const { name, machine, origin } of kinds) {
    const { chances = [] } = (machine.root.meta ?? {}) as { readonly chances?: readonly Partial<Chance<unknown>>[] };
    const at = chances.findIndex(({ otherwise }) => typeof otherwise !== 'string');
    if (at < 0) continue;
    const kind = origin === null ? name : `${name} (${origin})`;
    throw new ModelError(`${kind}: chances[${at}] has no text "otherwise"; give the reason that is told where all its needs held`);
  }
}

function refuseOpen(node: StateNodeLike, kind: string): void {
  const uses = node.invoke.length > 0 ? 'invoke' : node.after.length > 0 ? 'after' : node.type === 'history' ? 'history' : null;
  if (uses) throw new ModelError(`${kind} is not closed: ${node.id} uses ${uses}; machines only answer`);
  for (const inner of Object.values(node.states)) refuseOpen(inner, kind);
}
