/** The rule that machines are closed, as far as their charts show it. */
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
 * A machine is closed: it invokes nothing, waits for no clock and remembers no history. What its actions do is seen when they run.
 * @throws ModelError naming the state
 */
export function refuseOpenMachines({ kinds }: Store): void {
  for (const { name, machine, origin } of kinds)
    refuseOpen(machine.root as unknown as StateNodeLike, origin === null ? name : `${name} (${origin})`);
}

function refuseOpen(node: StateNodeLike, kind: string): void {
  const uses = node.invoke.length > 0 ? 'invoke' : node.after.length > 0 ? 'after' : node.type === 'history' ? 'history' : null;
  if (uses) throw new ModelError(`${kind} is not closed: ${node.id} uses ${uses}; machines only answer`);
  for (const inner of Object.values(node.states)) refuseOpen(inner, kind);
}
