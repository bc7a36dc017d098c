/** `explore`: every interleaving of a scenario, or every future of a recorded run; a shortest counterexample, or a guarantee. */
import { stateAt } from '../replay/fold.ts';
import { scenarioOf } from '../replay/model.ts';
import { type Exploration, type ExploreRequest, explore, type Violation } from '../sim/explore/explore.ts';
import { SymmetryError } from '../sim/explore/symmetry.ts';
import type { ResolvedScenario } from '../sim/scenario/types.ts';
import { loadReference, resolved } from './catalog.ts';
import { type Call, type Command, integer, SCENARIO_OPTIONS } from './command.ts';
import { EXIT, usageError } from './errors.ts';
import type { Io } from './io.ts';
import { withJournal } from './journal-file.ts';
import { commandText, type Printer, styled } from './output.ts';
import { printHeadline } from './run.ts';
import { checkSampling, runSampling, SAMPLING_OPTIONS, type SamplingOptions } from './sampling.ts';
import { drive, recordTrail } from './searching.ts';

interface ExploreOptions extends Pick<SamplingOptions, 'strategy'> {
  readonly variant?: string;
  readonly set?: Readonly<Record<string, string>>;
  readonly from?: number;
  readonly deviations?: number;
  readonly preemptions?: number;
  readonly switches?: number;
  readonly reduce?: string | false;
  readonly maxStates?: number;
  readonly maxMemory?: number;
  readonly time?: number;
  readonly output?: string;
}

const STATES_DEFAULT = 10_000_000;

interface Target {
  readonly scenario: ResolvedScenario;
  readonly from?: ExploreRequest['from'];
  /** Choices that lead to where the search starts. */
  readonly prefix: readonly string[];
}

/** A journal is told from a scenario by its ending. */
const isJournal = (reference: string): boolean => reference.endsWith('.wsj');

function targetOf(reference: string, options: ExploreOptions, io: Io): Promise<Target> | Target {
  if (!isJournal(reference)) {
    if (options.from !== undefined) throw usageError('--from is for a journal; a scenario is searched from its start');
    return { scenario: resolved(loadReference(reference, io).scenario, options), prefix: [] };
  }
  if (options.variant !== undefined || options.set)
    throw usageError('a journal carries its variant and parameters; leave --variant and --set out');
  return withJournal(reference, io, (journal) => {
    const { from = 0 } = options;
    if (from > journal.steps) throw usageError(`${reference} ends with step ${journal.steps}; there is no step ${from}`);
    const choices = [...journal.choices()].slice(0, from);
    return { scenario: scenarioOf(journal), from: stateAt(journal, from), prefix: choices.map(({ label }) => label) };
  });
}

/** A violation with the journal that shows it. */
interface Shown extends Violation {
  readonly journal: string | null;
}

const documentOf = (exploration: Exploration, violations: readonly Shown[], scenario: ResolvedScenario) => ({
  scenario: scenario.name,
  variant: scenario.variant,
  exhausted: exploration.exhausted,
  limit: exploration.limit,
  states: exploration.states,
  transitions: exploration.transitions,
  unchanged: exploration.unchanged,
  guarantee: exploration.guarantee.join('\n'),
  bound: exploration.bound,
  violations: violations.map(({ labels: _, ...violation }) => violation),
  missed: exploration.missed,
  coverage: exploration.coverage,
});

function print(printer: Printer, exploration: Exploration, violations: readonly Shown[]): void {
  for (const { property, message, steps, preemptions, switches, disturbances, least, journal } of violations) {
    const cost = `${steps} steps, ${disturbances} disturbances, ${preemptions} preemptions, ${switches} switches`;
    printer.line(styled('red', `Broken: ${property}`), ` in ${cost}`, least ? '' : ' (a less deviating schedule may exist)');
    printer.line(`  ${message}`);
    if (journal)
      printer.line(styled('bold', '  See it: '), commandText(['replay', journal]), '   ', commandText(['show', journal, '--points']));
  }
  for (const id of exploration.missed)
    printer.line(
      styled('yellow', `${exploration.exhausted ? 'Never' : 'Not met so far'}: ${id}`),
      exploration.exhausted ? `, under ${exploration.bound}: the race that the scenario is about did not happen` : '',
    );
  if (violations.length === 0 && exploration.exhausted) printer.line(styled('green', 'Clean'), `: ${exploration.bound}`);
  printer.line();
  for (const line of exploration.guarantee) printer.line(line);
}

/** A model without symmetry is the user's to know. */
function unlessSymmetry(error: unknown): never {
  throw error instanceof SymmetryError ? usageError(error.message) : error;
}

async function run(call: Call): Promise<number> {
  const { io, out, json, args, options: given } = call;
  const options = given as ExploreOptions;
  const [reference] = args as [string];
  checkSampling(given);
  const target = await targetOf(reference, options, io);
  if (options.strategy !== undefined) return runSampling(call, given as SamplingOptions, target);
  const { scenario, from, prefix } = target;
  const { deviations, preemptions, switches, maxStates = STATES_DEFAULT, maxMemory, time, output } = options;
  const isUnbounded = options.reduce === false;
  const symmetry = options.reduce === 'symmetry';
  const limits = {
    ...(deviations !== undefined && { deviations }),
    ...(preemptions !== undefined && { preemptions }),
    ...(switches !== undefined && { switches }),
  };
  if (isUnbounded && Object.keys(limits).length > 0)
    throw usageError('--no-reduce has no bound; leave --deviations, --preemptions and --switches out');
  if (maxMemory !== undefined && Object.keys(limits).length > 0)
    throw usageError('a search with a bound does not measure its memory; leave --max-memory out and give --max-states');
  if (symmetry && (from || Object.keys(limits).length > 0)) throw usageError('--reduce symmetry is for a whole scenario without a bound');
  const request: ExploreRequest = {
    scenario,
    maxStates,
    limits,
    symmetry,
    ...(maxMemory !== undefined && { maxBytes: maxMemory * 2 ** 20 }),
    ...(from && { from }),
  };
  const { result, interrupted } = await drive(explore(request), io, time, `${scenario.name} ${scenario.variant}`).catch(unlessSymmetry);
  const violations: Shown[] = [];
  for (const violation of result.violations) {
    const recorded = await recordTrail({ scenario, labels: [...prefix, ...violation.labels], folder: output, io });
    recorded.close();
    violations.push({ ...violation, journal: recorded.path });
  }
  if (json) out.json(documentOf(result, violations, scenario));
  else {
    printHeadline(out, scenario);
    out.line();
    print(out, result, violations);
  }
  if (violations.length > 0) return EXIT.broken;
  if (!result.exhausted || interrupted) return EXIT.partial;
  return result.missed.length > 0 ? EXIT.broken : EXIT.ok;
}

export const COMMAND: Command = {
  operands: '<scenario|journal>',
  details: [
    'Searches breadth first over exact states; every reaction it remembered is re-executed through XState at the end. Each violation is given by the schedule that is least in the order disturbances, preemptions, switches, steps, as a journal. A run ends where a property breaks.',
    'With a bound the search goes in the order of deviations from the in-order run, and the guarantee names the bound; it says "all schedules" when nothing was cut.',
    'With --strategy it draws schedules instead, for a space that is too large: random (every alternative alike), pct (random priorities that change at d - 1 places, with a bound that is printed), pos (random priorities of events, drawn anew where events depend on each other), surw (even over the orders at one shared actor), starve (one actor is held up for a while), portfolio (all of these, and changes of schedules that showed something new). It promises nothing of what was not drawn. Exit code 0: all were drawn and nothing broke.',
    'Exit code 0: nothing broke under any schedule within the bound. 1: something broke, or a race the scenario is about never happened. 4: interrupted or out of budget; what was found is kept.',
  ],
  options: [
    ...SCENARIO_OPTIONS,
    { flags: '--from <step>', description: 'journal only: all futures from this step (default: 0)', parse: integer(0) },
    { flags: '--deviations <k>', description: 'at most k deviations from the in-order run', parse: integer(0, 500) },
    { flags: '--preemptions <k>', description: 'at most k preemptions and migrations', parse: integer(0, 500) },
    { flags: '--switches <k>', description: 'at most k switches', parse: integer(0, 500) },
    {
      flags: '--reduce <list>',
      description: 'symmetry: one state for all that differ by a renaming of interchangeable actors; none: no reduction',
      choices: ['none', 'symmetry'],
    },
    { flags: '--no-reduce', description: 'no reduction and no bound' },
    { flags: '--max-states <n>', description: `states before it gives up (default: ${STATES_DEFAULT})`, parse: integer(1) },
    { flags: '--max-memory <mib>', description: 'MiB of state tables before it gives up', parse: integer(1) },
    { flags: '--time <s>', description: 'seconds before it gives up', parse: integer(1) },
    ...SAMPLING_OPTIONS,
    { flags: '-o, --output <dir>', description: 'folder of the counterexamples (default: ./worldswitch-runs)' },
  ],
  examples: [
    ['explore rmp-host-write-race', 'the default variant, all schedules'],
    ['explore rmp-host-write-race --variant map-lock-user --json', 'a guarantee, for programs'],
    ['explore rmp-churn --deviations 2', 'all schedules with at most two deviations'],
    ['explore rmp-churn --strategy pct --depth 3 --seed 1', '10,000 schedules by random priorities, and the chance of a miss'],
    ['explore rmp-churn --set rounds=20 --strategy portfolio --time 60', 'whatever a minute finds'],
    ['explore worldswitch-runs/RUN.wsj --from 40', 'everything that could have followed step 40'],
  ],
  run,
};
