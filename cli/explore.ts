/** `explore`: every interleaving of a scenario, or every future of a recorded run; a shortest counterexample, or a guarantee. */
import { conclude, type Exploration, type ExploreRequest, explore, searchedWay, type Violation } from '../sim/explore/explore.ts';
import { SymmetryError } from '../sim/explore/symmetry.ts';
import type { ResolvedScenario } from '../sim/scenario/types.ts';
import type { Call, Command } from './command.ts';
import { EXIT, usageError } from './errors.ts';
import type { Io } from './io.ts';
import { commandText, type Printer, styled } from './output.ts';
import { printHeadline } from './run.ts';
import { checkSampling, runSampling, SAMPLING_OPTIONS, type SamplingOptions } from './sampling.ts';
import type { SearchSubject } from './search/image-file.ts';
import { CHECKPOINT_STATES, keeper, unlessDamaged } from './search/keeping.ts';
import { boundOf, EXPLORE_OPTIONS, type ExploreFlags, limitsOf, STATES_DEFAULT } from './search/options.ts';
import { askedFor } from './search/subject.ts';
import { searchTogether } from './search/team.ts';
import { type Drive, drive, Overseer, recordTrail } from './searching.ts';

/** A violation with the journal that shows it. */
interface Shown extends Violation {
  readonly journal: string | null;
}

const documentOf = (exploration: Exploration, violations: readonly Shown[], scenario: ResolvedScenario) => ({
  scenario: scenario.name,
  variant: scenario.variant,
  ...(scenario.mutant !== undefined && { mutant: scenario.mutant }),
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
  for (const { property, message, steps, preemptions, switches, disturbances, least, journal, lasso } of violations) {
    const cost = `${steps} steps, ${disturbances} disturbances, ${preemptions} preemptions, ${switches} switches`;
    printer.line(styled('red', `Broken: ${property}`), ` in ${cost}`, least ? '' : ' (a less deviating schedule may exist)');
    printer.line(`  ${message}`);
    if (lasso) printer.line(`  Back to step ${lasso.from}: the last ${lasso.length} steps repeat for ever.`);
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

/** By one thread, or by several together. */
async function searched(request: ExploreRequest, subject: SearchSubject, flags: ExploreFlags, io: Io): Promise<Drive<Exploration>> {
  const { time, workers = 1 } = flags;
  const what = `${subject.scenario.name} ${subject.scenario.variant}${boundOf(flags)}`;
  // A cycle is found in a space that one thread has as a whole.
  const isEndless = subject.scenario.properties.eventually.length > 0;
  if (workers === 1 || isEndless) return drive(explore(request), io, time, what);
  const overseer = new Overseer(io, time, what);
  const { maxStates, maxBytes } = request;
  const budget = { states: maxStates, ...(maxBytes !== undefined && { bytes: maxBytes }) };
  const facts = await searchTogether(subject, workers, budget, (progress) => overseer.look(progress));
  overseer.end();
  return drive(conclude(request, facts, searchedWay(request)), io, time, `${what}, schedules`);
}

async function run(call: Call): Promise<number> {
  const { io, out, err, json, args, options: given } = call;
  const flags = given as ExploreFlags & Pick<SamplingOptions, 'strategy'>;
  checkSampling(given);
  const { subject, image } = await askedFor(args[0], flags, io);
  if (flags.strategy !== undefined) return runSampling(call, given as SamplingOptions, subject);
  const { scenario, from, prefix } = subject;
  const { maxStates = STATES_DEFAULT, maxMemory, output, resume } = flags;
  const keep = flags.checkpoint ?? resume;
  const request: ExploreRequest = {
    scenario,
    maxStates,
    limits: limitsOf(flags),
    symmetry: flags.reduce === 'symmetry',
    ...(maxMemory !== undefined && { maxBytes: maxMemory * 2 ** 20 }),
    ...(from && { from }),
    ...(image && { image }),
    ...(keep !== undefined && { onTurn: keeper(keep, flags.checkpointEvery ?? CHECKPOINT_STATES, subject, { io, err }) }),
  };
  const { result, interrupted } = await searched(request, subject, flags, io).catch(unlessSymmetry).catch(unlessDamaged(resume));
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
  operands: '[scenario|journal]',
  details: [
    'Searches breadth first over exact states; every reaction it remembered is re-executed through XState at the end. Each violation is given by the schedule that is least in the order disturbances, preemptions, switches, steps, as a journal. A run ends where a property breaks.',
    'With a bound the search goes in the order of deviations from the in-order run, and the guarantee names the bound; it says "all schedules" when nothing was cut.',
    'With --strategy it draws schedules instead, for a space that is too large: random (every alternative alike), pct (random priorities that change at d - 1 places, with a bound that is printed), pos (random priorities of events, drawn anew where events depend on each other), surw (even over the orders at one shared actor), starve (one actor is held up for a while), portfolio (all of these, and changes of schedules that showed something new). It promises nothing of what was not drawn. Exit code 0: all were drawn and nothing broke.',
    'Exit code 0: nothing broke under any schedule within the bound. 1: something broke, or a race the scenario is about never happened. 4: interrupted or out of budget; what was found is kept.',
  ],
  options: [...EXPLORE_OPTIONS, ...SAMPLING_OPTIONS],
  examples: [
    ['explore rmp-host-write-race', 'the default variant, all schedules'],
    ['explore rmp-host-write-race --variant map-lock-user --json', 'a guarantee, for programs'],
    ['explore rmp-churn --deviations 2', 'all schedules with at most two deviations'],
    ['explore rmp-host-write-race --variant auto-share --checkpoint search.wss', 'a long search, kept in a file as it goes'],
    ['explore --resume search.wss', 'goes on where it was killed'],
    ['explore rmp-host-write-race --variant map-lock-user --workers 2', 'the same search on two threads'],
    ['explore rmp-churn --strategy pct --depth 3 --seed 1', '10,000 schedules by random priorities, and the chance of a miss'],
    ['explore rmp-churn --set rounds=20 --strategy portfolio --time 60', 'whatever a minute finds'],
    ['explore worldswitch-runs/RUN.wsj --from 40', 'everything that could have followed step 40'],
  ],
  run,
};
