/** The actors of a run whose model is not the host's. */
import type { ModelModule } from '../models.ts';
import type { ResolvedScenario } from '../scenario/types.ts';
import type { Topology } from '../store.ts';
import { MechanismError } from './mechanism.ts';
import { checkedTopology } from './own-topology.ts';
import { mechanisms, originOf } from './registry.ts';

/** A model that is not the host's, with the mechanism that brings it. */
export function modelTopology(model: ModelModule, scenario: ResolvedScenario): Topology {
  const owner = mechanisms().find((mechanism) => mechanism.models?.includes(model));
  const origin = owner ? originOf(owner) : null;
  const where = `${origin ?? owner?.name ?? 'a program'}: topology() of model ${model.name}`;
  const topology = checkedTopology(madeBy(model, scenario, where), where);
  return origin === null
    ? topology
    : { ...topology, origins: Object.fromEntries(Object.keys(topology.machines).map((kind) => [kind, origin])) };
}

/** What the model answers; what it throws names it. */
function madeBy(model: ModelModule, scenario: ResolvedScenario, where: string): unknown {
  try {
    return model.topology(scenario);
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'Error') throw error;
    throw new MechanismError(`${where} throws: ${error.message}`, { cause: error });
  }
}
