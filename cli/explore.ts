/**
 * `explore`: every interleaving of a scenario, or every future of a recorded run; a shortest
 * counterexample, or a guarantee.
 */
import { dirname, resolve } from 'node:path';
import type { RunEnd } from '../events/journal.ts';
import { together } from '../sim/explore/covered/holes.ts';
import { untakenText } from '../sim/explore/guarantee.ts';
import type { Exploration, ExploreRequest, Violation } from '../sim/explore/request.ts';
import { topologyOf } from '../sim/host/topology.ts';
import { ownIn } from '../sim/paths/own.ts';
import { NO_PROPERTY, namesProperty } from '../sim/scenario/expectations.ts';
import type { ResolvedScenario } from '../sim/scenario/types.ts';
import type { Call, Command } from './command.ts';
import { EXIT } from './errors.ts';
import { checkFolder } from './folder.ts';
import { printHoles } from './holes.ts';
import type { Io } from './io.ts';
import { commandText, type Part, type Printer, styled } from './output.ts';
import { costText, printCommands } from './report.ts';
import { printHeadline } from './run.ts';
import { checkSampling, runSampling, SAMPLING_OPTIONS, type SamplingOptions } from './sampling.ts';
import { type Carried, carry, carryMerge, forged, type Sharding } from './search/carry.ts';
import { checkGraphFile, GRAPH_STATES, notWhole, tooLarge, writeGraph } from './search/graph-file.ts';
import type { SearchSubject } from './search/image-file.ts';
import { CHECKPOINT_STATES, keeper, unlessDamaged } from './search/keeping.ts';
import { coverageDocument, expectPaths, lineCoverage, printCoverage } from './search/line-coverage.ts';
import { memoryBound } from './search/memory.ts';
import { EXPLORE_OPTIONS, type ExploreFlags, limitsOf, reduces, STATES_DEFAULT } from './search/options.ts';
import { askedFor } from './search/subject.ts';
import { recordTrail, shownAsRun } from './searching.ts';

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
  memoryOrder: scenario.host.options.memory,
  violations: violations.map(({ labels: _, ...violation }) => violation),
  namesProperty: namesProperty(scenario),
  missed: exploration.missed,
  undecided: exploration.undecided,
  ...(exploration.unreduced !== undefined && { unreduced: exploration.unreduced }),
  ...(exploration.within && { within: exploration.within }),
  ...(exploration.omissions !== undefined && { omissions: exploration.omissions }),
  coverage: exploration.coverage,
});

/** What to do about properties that a search does not check. */
const CHECKS_ALL = 'A search without a bound, shards, --compact and --reduce symmetry checks them.';

/** A schedule ends where a property breaks: what would have come true behind that is not known. */
function missedText(id: string, { exhausted, bound }: Exploration, violations: readonly Shown[]): readonly Part[] {
  if (!exhausted) return [styled('yellow', `Not met so far: ${id}`)];
  if (violations.some(({ lasso }) => !lasso))
    return [styled('yellow', `Not met: ${id}`), `, under ${bound}; those that break something end there, and it may come behind`];
  return [styled('yellow', `Never: ${id}`), `, under ${bound}: the race that the scenario is about did not happen`];
}

function print(printer: Printer, scenario: ResolvedScenario, exploration: Exploration, violations: readonly Shown[]): void {
  for (const violation of violations) {
    const { property, message, least, journal, lasso } = violation;
    const cost = costText(violation);
    printer.line(styled('red', `Broken: ${property}`), ` in ${cost}`, least ? '' : ' (a less deviating schedule may exist)');
    printer.line(`  ${message}`);
    if (lasso) printer.line(`  Back to step ${lasso.from}: the last ${lasso.length} steps repeat forever.`);
    if (journal)
      printCommands(
        printer,
        [
          ['replay', journal],
          ['show', journal, '--points'],
        ],
        '  ',
      );
  }
  for (const id of exploration.missed) printer.line(...missedText(id, exploration, violations));
  const { undecided, exhausted, bound } = exploration;
  if (violations.length === 0 && exhausted && undecided.length > 0)
    printer.line(
      styled('yellow', 'Clean, but these properties were not checked'),
      `: ${undecided.join(', ')}. Searched: ${bound}. ${CHECKS_ALL}`,
    );
  else if (violations.length === 0 && exhausted && !namesProperty(scenario))
    printer.line(styled('yellow', 'Clean'), `: ${bound}; ${NO_PROPERTY}`);
  else if (violations.length === 0 && exhausted) printer.line(styled('green', 'Clean'), `: ${bound}`);
  printer.line();
  for (const line of exploration.guarantee) printer.line(line);
  const all = together([exploration.ledger]);
  if (all.holes.length > 0) printer.line(`${untakenText(exploration.coverage.whole)}, by path:`);
  if (all.holes.length > 0) printHoles(printer, all, ownIn(scenario, topologyOf(scenario)));
}

function printSharding(printer: Printer, { of, index, file, statesAtLeast }: Sharding): void {
  if (statesAtLeast !== null) printer.line(`Merged from ${of} shards, which overlap: the space has at least ${statesAtLeast} states.`);
  else if (file === null)
    printer.line(styled('yellow', 'No result'), `: shard ${index} of ${of} was stopped, and would get further the next time`);
  else
    printer.line(
      `The result of shard ${index} of ${of} is in ${file}; all ${of} together: `,
      commandText(['explore', '--merge', dirname(file)]),
    );
}

/** Paths whose lines are asked for; none: all. */
const pathsNamed = ({ coverage }: ExploreFlags): readonly string[] => (coverage === undefined || coverage === true ? [] : coverage);

async function found(
  reference: string | undefined,
  flags: ExploreFlags,
  call: Call,
): Promise<Carried & { readonly subject: SearchSubject; readonly budget?: number }> {
  const { io } = call;
  if (flags.merge !== undefined) return carryMerge(flags.merge, reference, flags, io);
  const { subject, image, states } = await askedFor(reference, flags, io);
  expectPaths(pathsNamed(flags), subject.scenario, subject.from === null ? reference : undefined);
  const { maxMemory, resume, graphStates = GRAPH_STATES } = flags;
  const budget = flags.maxStates ?? states ?? STATES_DEFAULT;
  const maxStates = flags.graph === undefined ? budget : Math.min(budget, graphStates + 1);
  const keep = flags.checkpoint ?? resume;
  const kept = keep === undefined ? null : keeper(keep, flags.checkpointEvery ?? CHECKPOINT_STATES, subject, call);
  const request: ExploreRequest = {
    scenario: subject.scenario,
    maxStates,
    limits: limitsOf(flags),
    counts: flags.coverage !== undefined,
    graph: flags.graph !== undefined,
    scheduler: flags.reduce === undefined ? 'where-it-applies' : reduces(flags, 'scheduler'),
    symmetry: reduces(flags, 'symmetry'),
    local: reduces(flags, 'local'),
    compact: flags.compact === true,
    isTimed: flags.time !== undefined,
    ...(maxMemory !== undefined && { fits: memoryBound(maxMemory) }),
    ...(subject.from && { from: subject.from }),
    ...(image && { image }),
    ...(kept && { onTurn: kept.onTurn }),
  };
  try {
    return {
      ...(await carry(request, subject, flags, io)
        .catch(shownAsRun({ ...subject, folder: flags.output, io }))
        .catch(unlessDamaged(resume))),
      subject,
      budget,
    };
  } finally {
    kept?.close();
  }
}

/**
 * The graph in its file, and its size.
 * @throws CliError if the space is too large, or was not searched to the end
 */
function writtenGraph(file: string, { graph, limit }: Exploration, { name }: ResolvedScenario, statesMax: number, io: Io) {
  if (limit === 'states') throw tooLarge(name, statesMax);
  if (graph === undefined) throw notWhole(name);
  const bytes = writeGraph(graph, file, io);
  return { file, bytes, states: graph.states.length, steps: graph.steps.length };
}

const breaks = ({ violation }: RunEnd, property: string): boolean =>
  [violation, ...(violation?.also ?? [])].some((broken) => broken?.property === property);

async function run(call: Call): Promise<number> {
  const { io, out, json, args } = call;
  const flags = call.options as ExploreFlags;
  checkSampling(call.options);
  const { strategy } = call.options as Pick<SamplingOptions, 'strategy'>;
  if (flags.graph !== undefined) checkGraphFile(flags.graph, io);
  if (flags.output !== undefined) checkFolder(resolve(io.cwd, flags.output), flags.output);
  if (strategy !== undefined) return runSampling(call, call.options as SamplingOptions, (await askedFor(args[0], flags, io)).subject);
  const { result, interrupted, subject, sharding, budget = STATES_DEFAULT } = await found(args[0], flags, call);
  const { scenario, prefix } = subject;
  const graphMax = Math.min(budget, flags.graphStates ?? GRAPH_STATES);
  const graph = flags.graph === undefined ? null : writtenGraph(flags.graph, result, scenario, graphMax, io);
  const violations: Shown[] = [];
  for (const violation of result.violations) {
    const recorded = await recordTrail({
      scenario,
      labels: [...prefix, ...violation.labels],
      shows: violation.property,
      folder: flags.output,
      io,
    });
    recorded.close();
    const stored = flags.merge ?? flags.resume;
    if (stored !== undefined && !breaks(recorded.end, violation.property)) throw forged(stored, violation.property);
    violations.push({ ...violation, journal: recorded.path });
  }
  const lines = flags.coverage === undefined ? null : lineCoverage(result, scenario, pathsNamed(flags));
  if (json)
    out.json({
      ...documentOf(result, violations, scenario),
      ...(sharding && { shards: sharding }),
      ...(lines && { lines: coverageDocument(lines) }),
      ...(graph && { graph }),
    });
  else {
    printHeadline(out, scenario);
    out.line();
    print(out, scenario, result, violations);
    if (sharding) printSharding(out, sharding);
    if (lines) {
      out.line();
      printCoverage(out, lines, result.coverage.whole);
    }
    if (graph) out.line(`Graph: ${graph.states} states and ${graph.steps} steps in ${graph.file}`);
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
    'With --strategy it draws schedules instead, for a space that is too large: random (every alternative alike), pct (random priorities that change at d - 1 places, with a bound that is printed), pos (random priorities of events, drawn again where events depend on each other), surw (even over the orders at one shared actor), starve (one actor is held up for a while), portfolio (all of these, and changes of schedules that showed something new). It promises nothing of what was not drawn. Exit code 0: all were drawn and nothing broke.',
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
    ['explore rmp-churn --shard 1/4 -o shards', 'one of four parts, for any outside queue'],
    ['explore --merge shards', 'the verdict of all four'],
    ['explore worldswitch-runs/RUN.wsj --from 40', 'everything that could have followed step 40'],
  ],
  run,
};
