/** `show`: what a journal says about its run, its records, one state, and where one can inject. */

import type { JournalRecord, Json } from '../events/journal.ts';
import { stateAt } from '../replay/fold.ts';
import { reportStep, type StepReport } from '../replay/inspect.ts';
import { foreignModel } from '../replay/model.ts';
import type { Journal } from '../replay/reader.ts';
import { indicesIn, inShort } from '../replay/schedule-text.ts';
import { unknownName } from '../sim/scenario/issues.ts';
import { TEXTS } from '../timeline/mechanisms/shipped.ts';
import { jsonText } from '../timeline/text.ts';
import { type Call, type Command, integer } from './command.ts';
import { messageText } from './effects.ts';
import { EXIT, usageError } from './errors.ts';
import { explanationOf, printExplanation } from './explain.ts';
import type { Io } from './io.ts';
import { checkStep, unsealedText, withJournal } from './journal-file.ts';
import { commandText, type Part, type Printer, styled, table } from './output.ts';
import { type ListedPoint, listPoints } from './point-list.ts';
import { titleOf } from './report.ts';

interface Options {
  readonly step?: number;
  readonly actor?: string;
  readonly points?: true;
  readonly explain?: true;
  readonly from?: number;
  readonly limit?: number;
}

const RECORDS_SHOWN = 40;
const POINTS_SHOWN = 200;
const DOCUMENT_LIMIT = 10_000;
/** Actors of one state, moves, and other offers, that a text shows. */
const STATES_SHOWN = 64;
/** Characters of a context among others. */
const CONTEXT_CHARS = 1000;
/** Alternatives of one point that a text shows. */
const OTHERS_SHOWN = 16;
/** The model is not the one that wrote the journal: the records are read all the same. */
const MODEL_ERRORS: readonly string[] = ['RestoreError', 'ResolvedScenarioError', 'JournalModulesError'];

/** What stands in a journal beside its records. */
function factsOf(journal: Journal, live: boolean) {
  const { header, start, end, sealed, torn, records, steps, root } = journal;
  const { name, variant, mutant } = start.scenario as { readonly name?: unknown; readonly variant?: unknown; readonly mutant?: unknown };
  return {
    runId: header.runId,
    scenario: String(name),
    variant: String(variant),
    ...(mutant !== undefined && { mutant: String(mutant) }),
    chooser: start.chooser,
    seed: start.seed,
    schedule: start.schedule,
    modelId: start.modelId,
    modelVersion: start.modelVersion,
    modules: start.modules,
    sealed,
    live,
    torn,
    records,
    steps,
    root,
    verdict: end?.verdict ?? null,
    violation: end?.violation ?? null,
    ended: end?.ended ?? null,
    comesBack: end?.comesBack ?? null,
    outcomes: end?.outcomes ?? null,
    actors: start.actors,
  };
}

/** A step looked at; of a journal that has none, nothing. */
interface Look extends Pick<StepReport, 'state' | 'inFlight' | 'count' | 'alternatives'> {
  readonly step: number | null;
  readonly digest: string | null;
  readonly vtime: number | null;
  readonly note: string | null;
}

const NOTHING: Look = {
  step: null,
  digest: null,
  vtime: null,
  state: {},
  inFlight: [],
  count: 0,
  alternatives: [],
  note: 'no step was recorded: there is no state to show',
};

/**
 * The state from the records, and from the model what could come next; without that if the model
 * does not know the state.
 */
function looked(journal: Journal, step: number, limit: number): Look {
  if (journal.records === 0) return NOTHING;
  try {
    return { ...reportStep(journal, step, limit), note: null };
  } catch (error) {
    if (!(error instanceof Error && MODEL_ERRORS.includes(error.name))) throw error;
    const { digest, vtime, actors, inFlight } = stateAt(journal, step);
    const note = `what could come next is not known: ${foreignModel(journal) ?? error.message}`;
    return { step, digest, vtime, state: Object.fromEntries(actors), inFlight, count: 0, alternatives: [], note };
  }
}

function checkActor({ actors }: Journal, actor: string | undefined): void {
  if (actor !== undefined && !actors.includes(actor)) throw usageError(unknownName(actor, 'an actor of the run', actors));
}

function* chosenRecords(journal: Journal, { from = 1, limit, actor }: Options, limitDefault: number): Generator<JournalRecord, void> {
  let left = limit ?? limitDefault;
  for (const record of journal.recordsFrom(from)) {
    if (left === 0) return;
    if (actor !== undefined && record.actor !== actor && record.peer !== actor) continue;
    left--;
    yield record;
  }
}

const inPart = (text: string): string => (text.length > CONTEXT_CHARS ? `${text.slice(0, CONTEXT_CHARS)}…` : text);

const ofActor = (state: StepReport['state'], actor: string | undefined): StepReport['state'] =>
  actor === undefined || !Object.hasOwn(state, actor) ? state : { [actor]: state[actor]! };

function document(journal: Journal, options: Options & { readonly live: boolean }, file: string, io: Io) {
  const { step = journal.steps, actor, points, explain, from, limit, live } = options;
  const { state, ...report } = looked(journal, step, DOCUMENT_LIMIT);
  return {
    ...report,
    state: ofActor(state, actor),
    journal: factsOf(journal, live),
    ...(explain && { explanation: explanationOf(journal, file, io) }),
    ...(points && { points: [...listPoints(journal, { from, limit: limit ?? DOCUMENT_LIMIT, actor })] }),
    ...(!points && (from !== undefined || limit !== undefined) && { records: [...chosenRecords(journal, options, DOCUMENT_LIMIT)] }),
  };
}

const SCHEDULE_CHARS_MAX = 80;

/** Indices by rows; what else is in its place, such as the numbers of a chooser, as it is. */
/** Choosers that draw nothing. */
const SEEDLESS: readonly string[] = ['fifo', 'replay'];

function scheduleText(schedule: string): string {
  const text = /^[0-9.]+$/.test(schedule) ? inShort(indicesIn(schedule).map((index) => ({ index }))) : schedule;
  return text.length > SCHEDULE_CHARS_MAX ? `${text.slice(0, SCHEDULE_CHARS_MAX)}…` : text;
}

function printFacts(printer: Printer, journal: Journal, live: boolean): void {
  const facts = factsOf(journal, live);
  const { runId, chooser, seed, schedule, sealed, torn, records, steps, root, verdict, violation, ended, comesBack } = facts;
  printer.line(styled('bold', titleOf({ ...facts, name: facts.scenario })));
  const rows: Part[][] = [
    ['run', runId],
    ['chooser', `${chooser}${SEEDLESS.includes(chooser) ? '' : `, seed ${seed}`}${schedule === '' ? '' : `, ${scheduleText(schedule)}`}`],
    ['records', `${records} in ${steps} steps`],
    ['sealed', sealed ? 'yes' : `no: ${unsealedText({ torn, records, steps, live })}`],
    ['root', root],
    [
      'verdict',
      verdict === null
        ? 'none'
        : violation
          ? styled(
              'red',
              `${violation.property} at step ${violation.step}: ${violation.message}${violation.lasso ? `; back to step ${violation.lasso.from}` : ''}${(violation.also ?? []).map(({ property, message }) => `; and ${property}: ${message}`).join('')}`,
            )
          : `${verdict} (${ended})${comesBack ? `; back in the state of step ${comesBack.from}` : ''}`,
    ],
    ['model', foreignModel(journal) ?? 'this one'],
    ...journal.start.modules.map(({ name, sha256 }) => ['module', `${name}, SHA-256 ${sha256}`]),
  ];
  table(printer, rows);
}

function recordCells({ seq, step, kind, actor, peer, type, payload, cause }: JournalRecord): Part[] {
  const place = kind === 'send' ? `${actor} -> ${peer ?? '?'}` : kind === 'deliver' && peer !== null ? `${peer} -> ${actor}` : actor;
  const what = kind === 'choice' ? String(payload.label) : kind === 'change' ? JSON.stringify(payload.value) : messageText(type, payload);
  return [String(seq).padStart(6), String(step).padStart(5), kind, place, what, styled('dim', cause === 0 ? '' : `<- ${cause}`)];
}

const ofText = ({ from = 1, actor }: Options): string =>
  `${actor === undefined ? '' : ` of ${actor}`}${from > 1 ? ` from ${from} on` : ''}`;

function printRecords(printer: Printer, journal: Journal, options: Options): void {
  const head: Part[] = [' seq', ' step', 'kind', 'actor', 'what', 'cause'].map((title) => styled('dim', title));
  const records = [...chosenRecords(journal, options, RECORDS_SHOWN)];
  table(printer, [head, ...records.map(recordCells)], '');
  const last = records.at(-1)?.seq ?? 0;
  if (records.length === 0) printer.line(styled('dim', `  none${ofText(options)}; the last record is ${journal.records}`));
  if (records.length === (options.limit ?? RECORDS_SHOWN) && last < journal.records)
    printer.line(styled('dim', `  more: --from ${last + 1}, --limit N`));
}

const contextText = (context: Json | undefined): string => jsonText(context ?? null, TEXTS);

function printStep(printer: Printer, journal: Journal, step: number, actor: string | undefined): void {
  const { digest, vtime, state, inFlight, count, alternatives, note } = looked(journal, step, STATES_SHOWN);
  if (digest === null) {
    printer.line(note ?? '');
    return;
  }
  printer.line(styled('bold', `After step ${step}`), `   digest ${digest}   ${vtime} ns of nominal cost`);
  const states = Object.entries(ofActor(state, actor));
  for (const [id, { value, context }] of states.slice(0, STATES_SHOWN)) {
    printer.line('  ', styled('cyan', id), `  ${JSON.stringify(value)}`);
    printer.line(styled('dim', `      ${actor === undefined ? inPart(contextText(context)) : contextText(context)}`));
  }
  if (states.length > STATES_SHOWN)
    printer.line(styled('dim', `  ${states.length - STATES_SHOWN} more actors: --actor ID for one, --json for all`));
  printer.line(inFlight.length === 0 ? 'Nothing in flight' : 'In flight');
  for (const { from, to, type, payload } of inFlight) printer.line(`  ${from} -> ${to}  ${messageText(type, payload)}`);
  printer.line(note ?? (alternatives.length === 0 ? 'No alternative' : 'What can come next'));
  for (const { index, label, taken } of alternatives) printer.line(`  ${index}  `, taken ? styled('green', `${label}  taken`) : label);
  if (count > alternatives.length) printer.line(styled('dim', `  ${count - alternatives.length} more, of ${count} in all`));
}

function pointCells({ step, point, label, count, alternatives }: ListedPoint): Part[] {
  const others = alternatives.filter((alternative) => alternative !== label);
  const shown = others.slice(0, OTHERS_SHOWN);
  const more = count - 1 - shown.length;
  const text = `or ${shown.join('; ')}${more > 0 ? `; and ${more} more` : ''}`;
  return [String(step).padStart(5), point ?? '-', label, styled('dim', others.length === 0 ? '' : text)];
}

function printPoints(printer: Printer, journal: Journal, { actor, from, limit = POINTS_SHOWN }: Options, file: string): void {
  const points = [...listPoints(journal, { from, limit, actor })];
  table(printer, [[' step', 'point', 'chosen', 'other alternatives'].map((title) => styled('dim', title)), ...points.map(pointCells)], '');
  const last = points.at(-1);
  if (last && points.length === limit && last.step < journal.steps)
    printer.line(styled('dim', `  more: --from ${last.step + 1}, --limit N`));
  const example = points.find(({ point, alternatives }) => point !== null && alternatives.some((label) => label.startsWith('preempt(')));
  const preempt = example?.alternatives.find((label) => label.startsWith('preempt('));
  if (example && preempt)
    printer.command([styled('bold', 'Inject: ')], commandText(['inject', file, '--at', example.point!, '--preempt', preempt.slice(8, -1)]));
}

function explainTo(printer: Printer, journal: Journal, file: string, io: Io): void {
  const explanation = explanationOf(journal, file, io);
  if (explanation) printExplanation(printer, explanation);
  else
    printer.line(`${file} ${journal.sealed ? 'shows no violation' : 'is not sealed and tells no verdict'}: there is nothing to explain.`);
}

function run({ io, out, json, args, options: given }: Call): Promise<number> {
  const options = given as Options;
  const [file] = args as [string];
  const { step, actor, points, explain, from, limit } = options;
  if (step !== undefined && points) throw usageError('--step shows one state, --points all points; expected one of them');
  if (!json && explain && (step !== undefined || points))
    throw usageError(`--explain tells the violation, --${points ? 'points all points' : 'step one state'}; expected one of them`);
  if (!json && !points && (step !== undefined || explain) && (from !== undefined || limit !== undefined))
    throw usageError(
      `${from === undefined ? '--limit is' : '--from is'} for records and points, and --${explain ? 'explain' : 'step'} shows none`,
    );
  return withJournal(file, io, (journal, live) => {
    checkStep(journal, step);
    checkActor(journal, actor);
    if (json) out.json(document(journal, { ...options, live }, file, io));
    else if (options.explain) explainTo(out, journal, file, io);
    else if (points) printPoints(out, journal, options, file);
    else if (step !== undefined) printStep(out, journal, step, actor);
    else {
      if (from === undefined && limit === undefined) printFacts(out, journal, live);
      printRecords(out, journal, options);
    }
    return EXIT.ok;
  });
}

export const COMMAND: Command = {
  operands: '<journal>',
  details: [
    'Without options: the facts and the first records. With --json and without --step: the last state, and the facts under `journal`; at most 10,000 points or records unless --limit says otherwise.',
  ],
  options: [
    { flags: '--step <n>', description: 'the state after this step, and what could come next', parse: integer(0) },
    { flags: '--actor <id>', description: 'only what concerns this actor' },
    { flags: '--points', description: 'every step by name, with what was chosen and what could have been' },
    { flags: '--explain', description: 'the violation as a story, with sources, remedies and a test to paste' },
    { flags: '--from <n>', description: 'first record (seq); with --points, the first step', parse: integer(1) },
    { flags: '--limit <n>', description: 'at most so many records or points', parse: integer(1) },
  ],
  examples: [
    ['show run.wsj', 'facts and records'],
    ['show run.wsj --step 36 --actor rmp:0x1000', 'the state of one actor'],
    ['show run.wsj --explain', 'why the property broke'],
    ['show run.wsj --points --actor thread:netd/0', 'where one can inject into a thread'],
  ],
  run,
};
