/**
 * What a run did to the host and its guests, whatever was checked: the columns by which designs are
 * compared.
 */
import type { PcpuContext } from '../../actors/host/pcpu-context.ts';
import { ModelError, thrownText } from '../engine/port.ts';
import { shown } from '../scenario/issues.ts';
import type { Arch, ResolvedScenario } from '../scenario/types.ts';
import type { WorldView } from '../view.ts';
import type { Outcome } from './mechanism.ts';
import { mechanismsOf } from './registry.ts';

export const HOST_OUTCOMES: readonly Outcome[] = [
  {
    name: 'hostPanics',
    title: 'host panics',
    count: (world) => world.actors<PcpuContext>('pcpu').filter(({ context }) => context.panicReason != null).length,
    concerns: (_scenario, kinds) => kinds.has('pcpu'),
  },
];

/** The outcomes of a host, in the order of their columns. */
export const outcomesFor = (arch: Arch): readonly Outcome[] => [
  ...HOST_OUTCOMES,
  ...mechanismsOf(arch).flatMap(({ outcomes }) => outcomes ?? []),
];

/** The names of those that can happen in a scenario with actors of these kinds. */
export const outcomesIn = (scenario: ResolvedScenario, kinds: ReadonlySet<string>): readonly string[] =>
  outcomesFor(scenario.host.arch).flatMap(({ name, concerns }) => (concerns?.(scenario, kinds) === false ? [] : [name]));

/** Counts in the present state, by name. */
export const outcomesOf = (world: WorldView, arch: Arch): Readonly<Record<string, number>> =>
  Object.fromEntries(outcomesFor(arch).map((outcome) => [outcome.name, counted(outcome, world)]));

/** @throws ModelError if code of a user's own throws, or gives no number */
function counted({ name, count }: Outcome, world: WorldView): number {
  let found: unknown;
  try {
    found = count(world);
  } catch (error) {
    throw new ModelError(`count() of the outcome ${name} throws: ${thrownText(error)}`, { cause: error });
  }
  if (typeof found === 'number' && Number.isSafeInteger(found)) return found;
  throw new ModelError(`count() of the outcome ${name} gives ${shown(found)}; expected an integer`);
}
