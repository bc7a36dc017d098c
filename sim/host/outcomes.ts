/**
 * What a run did to the host and its guests, whatever was checked: the columns by which designs are
 * compared.
 */
import type { PcpuContext } from '../../actors/host/pcpu.ts';
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
  Object.fromEntries(outcomesFor(arch).map((outcome) => [outcome.name, outcome.count(world)]));
