/**
 * Actors of a host that may change places without any other actor noticing: its CPUs, each with all
 * that belongs to it, and processes that run the same programs for no guest. It is a proposal: the
 * reduction compares every reaction it meets with the renamed one.
 */
import type { ActorId } from '../../events/event.ts';
import { canonical } from '../canonical.ts';
import type { ActorSpec, Bundle } from '../store.ts';

const idsOf = (actors: readonly ActorSpec[], kind: string): ActorId[] => actors.flatMap((actor) => (actor.kind === kind ? [actor.id] : []));

/**
 * One bundle for each CPU; none where CPUs share what others have for themselves. `perCpu`: kinds
 * of which each CPU has one.
 */
function cpusIn(actors: readonly ActorSpec[], perCpu: readonly string[]): readonly Bundle[] {
  const [cpus = [], ...others] = ['pcpu', ...perCpu].map((kind) => idsOf(actors, kind));
  const owned = others.filter((ids) => ids.length > 0);
  return owned.some((ids) => ids.length !== cpus.length) ? [] : cpus.map((cpu, i) => [cpu, ...owned.map((ids) => ids[i]!)]);
}

interface ProcessInput {
  readonly threads: readonly ActorId[];
  readonly unborn?: readonly ActorId[];
  readonly vms: readonly string[];
}
interface ThreadInput {
  readonly program: number;
  readonly loops: ActorId | null;
}

/**
 * Processes by what their threads run: two that run the same may change places, threads and loop
 * counters with them.
 */
function processesIn(actors: readonly ActorSpec[]): readonly (readonly Bundle[])[] {
  const inputOf = new Map(actors.map(({ id, input }) => [id, input]));
  const alike = new Map<string, Bundle[]>();
  for (const { id, kind, input } of actors) {
    if (kind !== 'hostProcess') continue;
    const { threads, vms, unborn } = input as ProcessInput;
    // A bundle has the threads that a process begins with: one that starts others has none.
    if (vms.length > 0 || unborn !== undefined) continue;
    const inputs = threads.map((thread) => inputOf.get(thread) as ThreadInput);
    const runs = canonical(inputs.map(({ program, loops }) => [program, loops === null ? null : inputOf.get(loops)]));
    alike.set(runs, [...(alike.get(runs) ?? []), [id, ...threads, ...inputs.flatMap(({ loops }) => loops ?? [])]]);
  }
  return [...alike.values()];
}

/** Groups of bundles; the bundles of one group may change places. */
export const interchangeableIn = (actors: readonly ActorSpec[], perCpu: readonly string[]): readonly (readonly Bundle[])[] =>
  [cpusIn(actors, perCpu), ...processesIn(actors)].filter((group) => group.length > 1);
