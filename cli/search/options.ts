/** The options of `explore`: what they are called, and what they ask for together. */
import { InvalidArgumentError } from 'commander';
import { didYouMean } from '../../events/nearest.ts';
import type { Shard } from '../../sim/explore/space/division.ts';
import { progress } from '../../sim/properties/liveness.ts';
import { integer, type OptionSpec, SCENARIO_OPTIONS } from '../command.ts';
import { usageError } from '../errors.ts';
import { expectTogether, type Feature } from './combinations.ts';
import { GRAPH_STATES, GRAPH_STATES_MAX } from './graph-file.ts';
import { CHECKPOINT_STATES } from './keeping.ts';

export interface ExploreFlags {
  readonly variant?: string;
  readonly mutant?: string;
  readonly set?: Readonly<Record<string, string>>;
  readonly from?: number;
  readonly deviations?: number;
  readonly preemptions?: number;
  readonly switches?: number;
  readonly reduce?: ReadonlySet<Reduction> | false;
  readonly liveness?: true;
  readonly maxStates?: number;
  readonly maxMemory?: number;
  readonly time?: number;
  readonly checkpoint?: string;
  readonly checkpointEvery?: number;
  readonly resume?: string;
  readonly workers?: number;
  readonly shard?: Shard;
  readonly merge?: string;
  readonly compact?: true;
  /** Names of paths; true for all. */
  readonly coverage?: readonly string[] | true;
  readonly graph?: string;
  readonly graphStates?: number;
  readonly output?: string;
}

export const STATES_DEFAULT = 10_000_000;

const BUDGETS: readonly OptionSpec[] = [
  {
    flags: '--max-states <n>',
    description: `states before it gives up (default: the scenario's bounds.states, or ${STATES_DEFAULT})`,
    parse: integer(1),
  },
  { flags: '--max-memory <mib>', description: 'MiB of resident memory before it gives up', parse: integer(1) },
  { flags: '--time <s>', description: 'seconds before it gives up, closing work included', parse: integer(1) },
];

const COMPACT: OptionSpec = {
  flags: '--compact',
  description: '64-bit fingerprints instead of exact states: less memory, and the states expected to be missed are told',
};

const KEEPING: readonly OptionSpec[] = [
  { flags: '--checkpoint <file>', description: 'keep the search in this file as it goes, and when it ends' },
  { flags: '--checkpoint-every <n>', description: `new states between two checkpoints (default: ${CHECKPOINT_STATES})`, parse: integer(1) },
  { flags: '--resume <file>', description: 'go on with the search in this file, and keep it there' },
];

/** The most workers. Each is a thread, and more threads than processors only cost time. */
const WORKERS_MAX = 64;

export const SHARDS_MAX = 4096;

/** `I/N`, counted from 1. */
function shardIn(text: string): Shard {
  const [index, of] = (/^([0-9]+)\/([0-9]+)$/.exec(text) ?? []).slice(1).map(Number);
  if (index === undefined || of === undefined || index < 1 || index > of || of > SHARDS_MAX)
    throw new InvalidArgumentError(`Expected I/N with I from 1 to N, and N at most ${SHARDS_MAX}.`);
  return { index, of };
}

export const REDUCTIONS = ['scheduler', 'symmetry', 'local'] as const;
export type Reduction = (typeof REDUCTIONS)[number];
const isReduction = (name: string): name is Reduction => (REDUCTIONS as readonly string[]).includes(name);

/** `none`, or names with commas between them. */
function reductions(text: string, previous: unknown): ReadonlySet<Reduction> {
  if (previous === false) throw new InvalidArgumentError('--no-reduce says that there is none.');
  if (previous !== undefined) throw new InvalidArgumentError('Expected --reduce once; scheduler,symmetry does both.');
  if (text === 'none') return new Set();
  const names = text.split(',').map((name) => name.trim());
  if (names.includes('none')) throw new InvalidArgumentError('none goes with nothing else.');
  for (const name of names)
    if (!isReduction(name))
      throw new InvalidArgumentError(
        `Expected none, or a list of ${REDUCTIONS.join(', ')}, such as scheduler,symmetry${didYouMean(name, REDUCTIONS)}.`,
      );
  return new Set(names.filter(isReduction));
}

const INSPECTING: readonly OptionSpec[] = [
  {
    flags: '--coverage [paths]',
    description:
      'print each line of the paths (a list; all of the scenario unless given) with how often it was taken, and what makes the states',
    parse: (text) => text.split(',').map((name) => name.trim()),
  },
  { flags: '--graph <file>', description: `write the reachable graph, up to ${GRAPH_STATES} states, as .dot or .json` },
  { flags: '--graph-states <n>', description: `write it up to so many states`, parse: integer(1, GRAPH_STATES_MAX) },
];

const SHARING: readonly OptionSpec[] = [
  { flags: '--workers <n>', description: 'threads that search together (default: 1)', parse: integer(1, WORKERS_MAX) },
  { flags: '--shard <i/n>', description: 'search one of n parts, and write its result into the folder of -o', parse: shardIn },
  { flags: '--merge <dir>', description: 'no search: the verdict of all shards whose results are in this folder' },
];

export const EXPLORE_OPTIONS: readonly OptionSpec[] = [
  ...SCENARIO_OPTIONS,
  { flags: '--from <step>', description: 'journal only: all futures from this step (default: 0)', parse: integer(0) },
  { flags: '--deviations <k>', description: 'at most k deviations from the in-order run', parse: integer(0, 500) },
  { flags: '--preemptions <k>', description: 'at most k preemptions, migrations and picks out of order', parse: integer(0, 500) },
  { flags: '--switches <k>', description: 'at most k switches', parse: integer(0, 500) },
  {
    flags: '--reduce <list>',
    description:
      'a list of scheduler: one state for all configurations of the scheduler that reach each other by its own steps; symmetry: one state for all that differ by a renaming of interchangeable actors, such as CPUs; local: no state is kept in which one thing only can happen; or none',
    parse: reductions,
  },
  { flags: '--liveness', description: `also look for hangs, unbounded retries and livelocks (asks for ${progress.id} besides)` },
  { flags: '--no-reduce', description: 'no reduction and no bound' },
  ...BUDGETS,
  COMPACT,
  ...KEEPING,
  ...SHARING,
  ...INSPECTING,
  { flags: '-o, --output <dir>', description: 'folder of the counterexamples (default: ./worldswitch-runs)' },
];

/** The limits of a bounded search; empty for one of all schedules. */
export const limitsOf = ({ deviations, preemptions, switches }: ExploreFlags) => ({
  ...(deviations !== undefined && { deviations }),
  ...(preemptions !== undefined && { preemptions }),
  ...(switches !== undefined && { switches }),
});

export const reduces = ({ reduce }: ExploreFlags, name: Reduction): boolean => reduce !== undefined && reduce !== false && reduce.has(name);

/** The bound in words, for the line that shows progress. */
export const boundOf = (flags: ExploreFlags): string => {
  const limits = Object.entries(limitsOf(flags)).map(([name, most]) => `${most} ${name}`);
  return limits.length > 0 ? `, at most ${limits.join(' and ')}` : '';
};

/**
 * @throws CliError where two options do not go together; `isJournal`: the search starts within a
 * recorded run
 */
export function checkFlags(flags: ExploreFlags, isJournal: boolean): void {
  if (flags.checkpointEvery !== undefined && flags.checkpoint === undefined && flags.resume === undefined)
    throw usageError('--checkpoint-every says how often; it wants --checkpoint or --resume to say where');
  if (flags.graphStates !== undefined && flags.graph === undefined)
    throw usageError('--graph-states says how many states; it wants --graph to say where');
  const asked: Readonly<Record<Feature, boolean>> = {
    bound: Object.keys(limitsOf(flags)).length > 0,
    scheduler: reduces(flags, 'scheduler'),
    symmetry: reduces(flags, 'symmetry'),
    local: reduces(flags, 'local'),
    'no-reduce': flags.reduce === false,
    'recorded-run': isJournal,
    memory: flags.maxMemory !== undefined,
    checkpoint: flags.checkpoint !== undefined || flags.resume !== undefined,
    workers: (flags.workers ?? 1) > 1,
    shard: flags.shard !== undefined,
    compact: flags.compact === true,
    liveness: flags.liveness === true,
    coverage: flags.coverage !== undefined,
    graph: flags.graph !== undefined,
  };
  expectTogether((Object.keys(asked) as Feature[]).filter((feature) => asked[feature]));
}
