/**
 * `explore --strategy`: schedules drawn at random, for spaces that are too large to search;
 * findings as journals, as a search gives them.
 */

import { type Sample, type SampledViolation, sample } from '../sim/explore/sample.ts';
import type { SampleRequest } from '../sim/explore/sampling/request.ts';
import { DEPTH_DEFAULT, STEPS_DEFAULT, STRATEGIES } from '../sim/explore/sampling/strategies.ts';
import type { PlainWorld } from '../sim/restore.ts';
import type { ResolvedScenario } from '../sim/scenario/types.ts';
import { type Call, integer, type OptionSpec } from './command.ts';
import { EXIT, usageError } from './errors.ts';
import { modelWords } from './model-files.ts';
import { commandText, type Printer, styled } from './output.ts';
import { PCT_OPTIONS } from './pct-options.ts';
import { costText, printCommands, selectionWords } from './report.ts';
import { printHeadline } from './run.ts';
import { drive, recordTrail, shownAsRun } from './searching.ts';

export interface SamplingOptions {
  readonly strategy?: SampleRequest['strategy'];
  readonly seed?: number;
  readonly schedules?: number;
  readonly depth?: number;
  readonly horizon?: number;
  readonly maxSteps?: number;
  readonly time?: number;
  readonly output?: string;
  readonly variant?: string;
  readonly mutant?: string;
  readonly set?: Readonly<Record<string, string>>;
  readonly liveness?: true;
}

const SCHEDULES_DEFAULT = 10_000;

export const SAMPLING_OPTIONS: readonly OptionSpec[] = [
  {
    flags: '--strategy <name>',
    description: 'draw schedules instead of searching all',
    choices: [...STRATEGIES, 'portfolio'],
  },
  { flags: '--seed <n>', description: 'sample: everything drawn follows from it (default: 0)', parse: integer(0) },
  {
    flags: '--schedules <n>',
    description: `sample: how many (default: ${SCHEDULES_DEFAULT}, with --time alone no limit)`,
    parse: integer(1),
  },
  { flags: '--max-steps <n>', description: `sample: steps before a schedule is cut (default: ${STEPS_DEFAULT})`, parse: integer(1) },
  ...PCT_OPTIONS,
];

/** Options that make sense for a sample only. */
const SAMPLE_ONLY = ['seed', 'schedules', 'maxSteps', 'depth', 'horizon'] as const;
/** Options of a search that a sample has no use for. */
const SEARCH_ONLY = [
  'deviations',
  'preemptions',
  'switches',
  'reduce',
  'maxStates',
  'maxMemory',
  'checkpoint',
  'checkpointEvery',
  'resume',
  'workers',
  'shard',
  'merge',
  'compact',
  'coverage',
  'graph',
  'graphStates',
] as const;

const flagOf = (name: string): string => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

/**
 * @throws CliError if options of a search and of a sample are mixed, or depth and horizon are not
 * for the strategy
 */
export function checkSampling(options: Readonly<Record<string, unknown>>): void {
  const given = (names: readonly string[]) => names.filter((name) => options[name] !== undefined).map(flagOf);
  const { strategy } = options;
  if (strategy === undefined) {
    const [first] = given(SAMPLE_ONLY);
    if (first !== undefined)
      throw usageError(`${first} is for a sample; a search goes through all schedules`, { attempt: `--strategy pct ${first} …` });
    return;
  }
  const [first] = given(SEARCH_ONLY);
  if (first !== undefined)
    throw usageError(`${first} is for a search; --strategy ${String(strategy)} draws single schedules`, {
      expected: '--seed, --schedules, --time, --max-steps; for pct --depth and --horizon',
    });
  const [pct] = given(['depth', 'horizon']);
  if (pct !== undefined && strategy !== 'pct')
    throw usageError(`${pct} is for --strategy pct, not for ${String(strategy)}`, { attempt: `--strategy pct ${pct} …` });
}

export interface SamplingTarget {
  readonly scenario: ResolvedScenario;
  readonly from?: PlainWorld | null | undefined;
  /** Choices that lead to where the sample starts. */
  readonly prefix: readonly string[];
}

interface Shown extends SampledViolation {
  readonly journal: string | null;
  /**
   * The command that draws this schedule again, or the whole sample up to it; null where its
   * scenario came by standard input.
   */
  readonly again: readonly string[] | null;
}

/**
 * The command that shows a finding again without its journal; null where its scenario came by
 * standard input.
 */
function againOf(
  reference: string,
  violation: SampledViolation,
  request: SampleRequest,
  call: SamplingOptions,
  horizon: number | null,
): string[] | null {
  if (reference === '-') return null;
  const { liveness } = call;
  const { by, seed, depth, schedule } = violation;
  const scenario = [
    reference,
    ...selectionWords(call),
    ...(request.from && request.from.step > 0 ? ['--from', String(request.from.step)] : []),
    ...(liveness ? ['--liveness'] : []),
  ];
  const steps = request.stepsMax === STEPS_DEFAULT ? [] : ['--max-steps', String(request.stepsMax)];
  // `run` asks for no more than the scenario does.
  if (by === 'mutate' || request.from || liveness || request.strategy === 'portfolio') {
    const { strategy } = request;
    const pct = strategy === 'pct' ? ['--depth', String(request.depth), ...(horizon === null ? [] : ['--horizon', String(horizon)])] : [];
    return [
      'explore',
      ...scenario,
      '--strategy',
      strategy,
      '--seed',
      String(request.seed),
      '--schedules',
      String(schedule + 1),
      ...pct,
      ...steps,
    ];
  }
  const pct = by === 'pct' ? ['--depth', String(depth), '--horizon', String(horizon)] : [];
  return [
    'run',
    ...scenario,
    '--chooser',
    by === 'random' ? 'random-uniform' : by,
    '--seed',
    String(seed),
    ...pct,
    ...(by === 'surw' ? steps : []),
  ];
}

const documentOf = (result: Sample, violations: readonly Shown[], { scenario, strategy, seed }: SampleRequest) => ({
  scenario: scenario.name,
  variant: scenario.variant,
  exhausted: false,
  limit: result.limit,
  states: result.states,
  transitions: result.steps,
  schedules: result.schedules,
  strategy,
  seed,
  guarantee: result.guarantee.join('\n'),
  bound: `${result.schedules} schedules drawn by ${strategy}`,
  memoryOrder: scenario.host.options.memory,
  violations: violations.map(({ labels: _, again, ...violation }) => ({ ...violation, again: again && [...again, ...modelWords()] })),
  missed: result.missed,
  coverage: {
    localStates: result.localStates,
    reactions: result.reactions,
    depth: result.longest,
    cut: result.cut,
    stepMisses: result.stepMisses,
    strategies: result.strategies,
    corpus: result.corpus,
    pct: result.pct,
    ...result.coverage,
  },
});

function print(printer: Printer, { missed, guarantee, strategies, corpus, schedules }: Sample, violations: readonly Shown[]): void {
  for (const violation of violations) {
    const { property, message, broke, schedule, by, journal, again } = violation;
    const cost = costText(violation);
    printer.line(styled('red', `Broken: ${property}`), ` in ${cost}`);
    printer.line(`  ${message}`);
    printer.line(`  first by schedule ${schedule}, drawn by ${by}; broken by ${broke} of ${schedules} schedules`);
    if (journal)
      printCommands(
        printer,
        [
          ['replay', journal],
          ['shrink', journal],
        ],
        '  ',
      );
    if (again) printer.command([styled('bold', '  Again:  ')], commandText(again));
  }
  for (const id of missed) printer.line(styled('yellow', `Not met: ${id}`), ', in none of the schedules drawn');
  if (violations.length === 0) printer.line(styled('green', 'Nothing broke'), `: in ${schedules} schedules; a sample, no proof`);
  printer.line();
  for (const line of guarantee) printer.line(line);
  if (!corpus) return;
  const drawn = Object.entries(strategies).map(
    ([name, count]) => `${name} ${count.schedules} (${count.news} new, ${count.violations} broken)`,
  );
  printer.line(
    `Coverage: ${corpus.steps} different micro-steps, ${corpus.pairs} pairs of steps at one actor, ${corpus.kept} schedules kept.`,
  );
  printer.line(`Drawn by: ${drawn.join(', ')}.`);
}

/** Draws the sample that the options ask for. @returns the exit code */
export async function runSampling({ io, out, json, args }: Call, options: SamplingOptions, target: SamplingTarget): Promise<number> {
  const { strategy = 'random', seed = 0, depth = DEPTH_DEFAULT, horizon, maxSteps = STEPS_DEFAULT, time } = options;
  const { scenario, from, prefix } = target;
  const schedules = options.schedules ?? (time === undefined ? SCHEDULES_DEFAULT : Number.POSITIVE_INFINITY);
  const request: SampleRequest = {
    scenario,
    strategy,
    seed,
    schedules,
    stepsMax: maxSteps,
    depth,
    horizon,
    from: from ?? undefined,
    isTimed: time !== undefined,
  };
  const { result } = await drive(sample(request), io, { seconds: time, what: `${scenario.name} ${scenario.variant}` }).catch(
    shownAsRun({ scenario, from, prefix, folder: options.output, io }),
  );
  const violations: Shown[] = [];
  for (const violation of result.violations) {
    const recorded = await recordTrail({
      scenario,
      labels: [...prefix, ...violation.labels],
      shows: violation.property,
      folder: options.output,
      io,
    });
    recorded.close();
    const again = againOf(args[0]!, violation, request, options, result.pct?.horizon ?? null);
    violations.push({ ...violation, journal: recorded.path, again });
  }
  if (json) out.json(documentOf(result, violations, request));
  else {
    printHeadline(out, scenario);
    out.line();
    print(out, result, violations);
  }
  if (violations.length > 0) return EXIT.broken;
  if (result.limit === 'stopped') return EXIT.partial;
  return result.missed.length > 0 && prefix.length === 0 ? EXIT.broken : EXIT.ok;
}
