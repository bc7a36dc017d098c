/**
 * Which options of `explore` go together: the one place where a pair is refused, with the reason.
 */
import { type Asked, REFUSED as REFUSED_BY_SEARCHES } from '../../sim/explore/soundness.ts';
import { usageError } from '../errors.ts';

/** What a search is asked to do, as far as it may not go together with something else. */
export type Feature =
  | 'bound'
  | 'scheduler'
  | 'symmetry'
  | 'local'
  | 'no-reduce'
  | 'recorded-run'
  | 'memory'
  | 'checkpoint'
  | 'workers'
  | 'shard'
  | 'compact'
  | 'liveness'
  | 'coverage'
  | 'graph';

export const FEATURES: readonly Feature[] = [
  'bound',
  'scheduler',
  'symmetry',
  'local',
  'no-reduce',
  'recorded-run',
  'memory',
  'checkpoint',
  'workers',
  'shard',
  'compact',
  'liveness',
  'coverage',
  'graph',
];

/** Why one search cannot have both, and what to leave out. */
const both = (one: Asked, other: Asked, advice: string): readonly [Feature, Feature, string] => {
  const [, , reason] = REFUSED_BY_SEARCHES.find((pair) => pair[0] === one && pair[1] === other)!;
  return [one, other, `${reason}; ${advice}`];
};

/** Pairs that are refused; every other pair is searched as asked. */
export const REFUSED: readonly (readonly [Feature, Feature, string])[] = [
  ['no-reduce', 'bound', '--no-reduce has no bound; leave --deviations, --preemptions and --switches out'],
  ['memory', 'bound', 'a search with a bound does not measure its memory; leave --max-memory out and give --max-states'],
  both('scheduler', 'bound', 'leave --reduce scheduler, or the bound, out'),
  both('scheduler', 'local', 'leave one of the two out'),
  ['checkpoint', 'scheduler', 'a search of classes is not kept in a file; leave --checkpoint and --resume, or --reduce scheduler, out'],
  ['workers', 'scheduler', 'a search of classes runs on one thread; leave --workers, or --reduce scheduler, out'],
  ['shard', 'scheduler', 'a shard is of all states, not of classes; leave --shard, or --reduce scheduler, out'],
  both('compact', 'scheduler', 'leave --compact, or --reduce scheduler, out'),
  both('symmetry', 'bound', 'leave --reduce symmetry, or the bound, out'),
  both('local', 'bound', 'leave --reduce local, or the bound, out'),
  both('symmetry', 'recorded-run', '--reduce symmetry is for a whole scenario'),
  [
    'checkpoint',
    'bound',
    'a search with a bound keeps its schedules as objects, which no file holds; leave --checkpoint and --resume, or the bound, out',
  ],
  ['checkpoint', 'symmetry', 'a search of orbits is not kept in a file; leave --checkpoint and --resume, or --reduce symmetry, out'],
  ['checkpoint', 'local', 'a stored search keeps each state it went through; leave --checkpoint and --resume, or --reduce local, out'],
  ['workers', 'local', 'threads hand each other every state; leave --workers, or --reduce local, out'],
  ['shard', 'local', 'shards are cut by the states of all depths; leave --shard, or --reduce local, out'],
  both('compact', 'local', 'leave --compact, or --reduce local, out'),
  ['workers', 'bound', 'a search with a bound goes in one order, which threads cannot share; leave --workers, or the bound, out'],
  ['workers', 'symmetry', 'a search of orbits runs on one thread; leave --workers, or --reduce symmetry, out'],
  ['workers', 'checkpoint', 'a search of several threads is not kept in a file; leave --workers, or --checkpoint and --resume, out'],
  ['shard', 'bound', 'a shard is of a search of all schedules; leave --shard, or the bound, out'],
  ['shard', 'symmetry', 'a shard is of all schedules, not of orbits; leave --shard, or --reduce symmetry, out'],
  ['shard', 'recorded-run', 'a shard is of a whole scenario; leave --shard out, or name the scenario'],
  ['shard', 'checkpoint', 'a shard is searched again, not resumed; leave --shard, or --checkpoint and --resume, out'],
  ['shard', 'workers', 'a shard is searched by one thread, so that it is always the same; leave --shard, or --workers, out'],
  both('compact', 'bound', 'leave --compact, or the bound, out'),
  both('compact', 'symmetry', 'leave --compact, or --reduce symmetry, out'),
  [
    'compact',
    'checkpoint',
    'a stored search has the rows of all states, of which fingerprints keep none; leave --compact, or --checkpoint and --resume, out',
  ],
  ['compact', 'workers', 'threads hand each other exact states; leave --compact, or --workers, out'],
  ['compact', 'shard', 'the result of a shard promises exact states; leave --compact, or --shard, out'],
  both('liveness', 'bound', 'leave --liveness, or the bound, out'),
  both('liveness', 'symmetry', 'leave --liveness, or --reduce symmetry, out'),
  both('liveness', 'compact', 'leave --liveness, or --compact, out'),
  ['liveness', 'shard', 'a cycle may run through several shards; leave --liveness, or --shard, out'],
  ['coverage', 'shard', 'what one shard never takes, another one may; leave --coverage, or --shard, out'],
  ['graph', 'bound', 'a graph has all schedules; leave --graph, or the bound, out'],
  ['graph', 'scheduler', 'a class of states is no state of the graph; leave --graph, or --reduce scheduler, out'],
  ['graph', 'symmetry', 'a state of the graph stands for itself alone; leave --graph, or --reduce symmetry, out'],
  ['graph', 'local', 'a graph has the states that local steps run through; leave --graph, or --reduce local, out'],
  ['graph', 'compact', 'fingerprints keep no states; leave --graph, or --compact, out'],
  ['graph', 'workers', 'each thread keeps a part of the graph; leave --graph, or --workers, out'],
  ['graph', 'shard', 'a shard has a part of the graph; leave --graph, or --shard, out'],
];

/** @throws CliError for the first pair that is refused */
export function expectTogether(asked: readonly Feature[]): void {
  for (const [one, other, reason] of REFUSED) if (asked.includes(one) && asked.includes(other)) throw usageError(reason);
}
