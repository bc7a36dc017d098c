/** Models besides the host's: machines of a user's own, with the properties that go with them. */
import type { Property } from './property.ts';
import type { ResolvedScenario } from './scenario/types.ts';
import type { Topology } from './store.ts';

/** A model of machines other than the host's. @public */
export interface ModelModule {
  /** What a scenario's `model` names. */
  readonly name: string;
  /** The actors of a scenario, from its parameters and host. */
  readonly topology: (scenario: ResolvedScenario) => Topology;
  readonly properties: readonly Property[];
}
