/** Races of a test: a module and a scenario in, the verdict of all schedules out. */
import { type ExploreOptions, explore } from '../../../api/search.ts';
import { type Race, race } from '../../../sim/host/race.ts';
import { register } from '../../../sim/host/registry.ts';
import type { Property } from '../../../sim/property.ts';
import type { Scenario } from '../../../sim/scenario/types.ts';

type Programs = readonly (readonly Readonly<Record<string, object>>[])[];
export interface Raced {
  readonly processes?: Readonly<Record<string, { readonly cpu?: number; readonly threads: Programs }>>;
  readonly vms?: Readonly<Record<string, object>>;
  readonly race: Omit<Race, 'name' | 'arches'>;
  readonly host?: Partial<Scenario['host']>;
  readonly properties?: readonly Property[];
  readonly allow?: readonly string[];
  readonly search?: ExploreOptions;
  readonly arches?: Race['arches'];
}

/**
 * What all schedules of it come to: broken properties, deadlock, what never happens, or that
 * nothing breaks.
 */
export function raced({
  race: parts,
  properties = [],
  host = {},
  allow,
  processes,
  vms,
  search,
  arches = ['amd', 'intel', 'arm64'],
}: Raced) {
  const undo = register(race({ name: 'raced', arches, ...parts, properties }));
  try {
    const of = (form: Property['form']) => properties.filter((property) => property.form === form).map(({ id }) => id);
    const { verdict, exhausted, violations, states, missed, guarantee, memoryOrder } = explore(
      {
        name: 'raced',
        summary: 'A race of a test',
        host: { arch: 'amd', cpus: 2, ...host },
        ...(processes && { processes }),
        ...(vms && { vms }),
        ...(allow && { allow }),
        properties: { always: of('always'), sometimes: of('sometimes'), eventually: of('eventually') },
      } as unknown as Scenario,
      { statesMax: 100_000, ...search },
    );
    return {
      // A race that does not happen proves nothing.
      verdict: missed.length > 0 ? (`missed ${missed.join(', ')}` as const) : verdict,
      exhausted,
      states,
      missed,
      guarantee,
      memoryOrder,
      broken: violations.map(({ property }) => property),
      messages: violations.map(({ message }) => message),
    };
  } finally {
    undo();
  }
}
