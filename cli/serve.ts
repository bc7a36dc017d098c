/** `serve`: runs over HTTP, recorded or live, and recordings of real kernels. */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { openInjection, openReplay } from '../api/open-run.ts';
import { shippedNames } from '../api/shipped-scenarios.ts';
import type { RunStart } from '../events/journal.ts';
import { codeOf } from '../replay/errors.ts';
import { runIdOf, toHex } from '../replay/identity.ts';
import { openJournal } from '../replay/open.ts';
import type { Run } from '../sim/run.ts';
import type { BlockSink } from '../sim/sequencer.ts';
import { type ChooserSpec, type EngineName, openSession } from '../sim/session.ts';
import { driveRun } from '../timeline/serve/drive.ts';
import { FollowedRun } from '../timeline/serve/followed-run.ts';
import { journalFileRun } from '../timeline/serve/journal-run.ts';
import { LiveRun } from '../timeline/serve/live-run.ts';
import { type RecordingSource, recordingTable } from '../timeline/serve/recordings.ts';
import type { RunSource } from '../timeline/serve/run-source.ts';
import { type RunningServer, startServer } from '../timeline/serve/server.ts';
import { traceTimeline } from '../trace/timeline.ts';
import { loadReference, looksLikePath, resolved } from './catalog.ts';
import { type Call, type Command, collect, integer, SCENARIO_OPTIONS } from './command.ts';
import { EXIT, failureOf, fileError, usageError } from './errors.ts';
import { makeFolder } from './folder.ts';
import { INJECT_FLAGS, INJECT_OPTIONS, type InjectFlags, injectionOf } from './inject.ts';
import { noteInput } from './inputs.ts';
import type { Io } from './io.ts';
import { isInProgress, named, noteForeign, noteUnsealed, openSource } from './journal-file.ts';
import { RUNS_FOLDER } from './recording.ts';
import { journalsIn } from './runs-folder.ts';
import { fileTargetOf } from './target.ts';
import { traceUnlessJournal } from './trace-file.ts';

interface Options extends InjectFlags {
  readonly inject?: string | true;
  readonly replay?: true;
  readonly port?: number;
  readonly host?: string;
  readonly token?: string;
  readonly allowOrigin?: readonly string[];
  readonly allowHost?: readonly string[];
  readonly variant?: string;
  readonly mutant?: string;
  readonly set?: Readonly<Record<string, string>>;
  readonly chooser?: 'fifo' | 'random' | 'random-uniform';
  readonly seed?: number;
  readonly engine?: EngineName;
  readonly output?: string;
  readonly pace?: number;
}

const PORT_MAX = 65_535;

/** A run that is served, and what moves it if it is live. */
interface ServedRun {
  readonly source: RunSource;
  readonly drive: ((signal: AbortSignal) => Promise<unknown>) | null;
}
type Served = ServedRun | { readonly recording: RecordingSource };

function journal(file: string, io: Io): ServedRun {
  try {
    const path = resolve(io.cwd, file);
    const source = isInProgress(path) ? new FollowedRun(path) : journalFileRun(path);
    // Of a sealed one the summary would be read here already.
    if (!source.sealed) noteUnsealed(file, source.summary(), io);
    return { source, drive: null };
  } catch (error) {
    throw named(fileError(error, file, 'read'), file);
  }
}

/**
 * A live run whose file is named after it; another name where a second process writes the same run,
 * or was killed while it wrote: where they are stopped decides what each of them holds.
 */
function namedLive(start: RunStart, io: Io): LiveRun {
  const folder = resolve(io.cwd, RUNS_FOLDER);
  makeFolder(folder, RUNS_FOLDER);
  const name = join(folder, toHex(runIdOf(start)));
  try {
    return new LiveRun(start, { file: `${name}.wsj` });
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
    return new LiveRun(start, { file: `${name}-${randomUUID().slice(0, 8)}.wsj` });
  }
}

function live(reference: string, io: Io, options: Options): ServedRun {
  const { chooser = 'fifo', seed = 0, engine = 'live' } = options;
  const scenario = resolved(loadReference(reference, io).scenario, options);
  const spec: ChooserSpec = chooser === 'fifo' ? { name: chooser } : { name: chooser, seed };
  return watched((sink) => openSession({ scenario, engine, chooser: spec, sink }), io, options);
}

/** A recorded run that goes on again while it is watched: as it was, or with one other choice. */
function again(file: string, io: Io, options: Options): ServedRun {
  const { source: bytes, live: isWritten, close } = openSource(file, io);
  try {
    const recorded = openJournal(bytes);
    const { sealed, torn, records, steps } = recorded;
    if (!sealed) noteUnsealed(file, { torn, records, steps, live: isWritten }, io);
    noteForeign(recorded, io);
    const at = options.at ?? (options.inject === true ? undefined : options.inject);
    const opened = () =>
      options.replay ? openReplay(recorded) : openInjection(recorded, injectionOf(file, { ...options, ...(at !== undefined && { at }) }));
    // What cannot be chosen there is said before anything is written or served.
    opened().alternatives();
    const open = opened();
    return watched((sink) => ({ ...open.connect(sink), start: open.start }), io, options, close);
  } catch (error) {
    close();
    throw named(error, file);
  }
}

/** A run that has not begun, and how it is begun and ended where that is not as usual. */
interface Driven {
  readonly run: Run;
  readonly start: RunStart;
  readonly begin?: () => void;
  readonly to?: number;
}

function watched(open: (sink: BlockSink) => Driven, io: Io, options: Options, close = (): void => {}): ServedRun {
  let source: LiveRun | null = null;
  const { run, start, begin, to } = open((block, names) => source!.block(block, names));
  const { output, pace = 0 } = options;
  source = output === undefined ? namedLive(start, io) : new LiveRun(start, { file: fileTargetOf(output, io, '-o') });
  const how = { ...(pace > 0 && { stepsPerTurn: 1, pauseMs: pace }), ...(begin && { begin }), ...(to !== undefined && { to }) };
  return { source, drive: (signal) => driveRun(run, source, { ...how, signal }).finally(close) };
}

const isScenario = (operand: string): boolean => (looksLikePath(operand) ? /\.ya?ml$/.test(operand) : shippedNames().includes(operand));

function operandsOf(args: readonly string[], io: Io): readonly string[] {
  if (args.length > 0) return args;
  const journals = journalsIn(io);
  if (journals.length === 0) throw usageError(`nothing to serve: ./${RUNS_FOLDER} holds no journals; expected journals or a scenario`);
  return journals.map(({ file }) => file).sort();
}

/**
 * A word that is neither a file nor a scenario was meant as a scenario: that error tells the likest
 * names.
 */
const isLive = (operand: string, io: Io): boolean =>
  isScenario(operand) || (!looksLikePath(operand) && !operand.endsWith('.wsj') && !existsSync(resolve(io.cwd, operand)));

async function servedOf(operand: string, io: Io, options: Options): Promise<Served> {
  if (isLive(operand, io)) return live(operand, io, options);
  if (isAgain(options)) return again(operand, io, options);
  const recording = await traceUnlessJournal(operand, io);
  if (!recording) return journal(operand, io);
  const { file, format, kernel, lines } = recording;
  return { recording: { file: basename(file), format, kernel, lines: lines.length, events: () => traceTimeline(recording) } };
}

const isAgain = ({ inject, replay }: Options): boolean => inject !== undefined || replay === true;

/** What a journal that goes on again has decided. */
const DECIDED = ['variant', 'set', 'mutant', 'chooser', 'seed', 'engine'] as const;

/** Options that say what goes on belong to one run, and to one that goes on. */
function checkOptions(operands: readonly string[], options: Options, { cwd }: Io): void {
  const scenarios = operands.filter(isScenario).length;
  const stray = INJECT_FLAGS.find((flag) => options[flag] !== undefined);
  if (isAgain(options)) {
    const flag = options.replay ? '--replay' : '--inject';
    if (options.replay && options.inject !== undefined) throw usageError('found --inject and --replay; expected one of the two');
    if (operands.length !== 1 || scenarios === 1) throw usageError(`${flag} is for one journal; found ${operands.join(', ') || 'none'}`);
    if (options.replay && stray !== undefined)
      throw usageError(`found --${stray} with --replay, which changes no choice; expected --inject POINT in its place`);
    const decided = DECIDED.find((name) => options[name] !== undefined && !(name === 'seed' && options.replay !== true));
    if (decided !== undefined) throw usageError(`found --${decided} with ${flag}; the journal says that, expected a command without it`);
    return;
  }
  if (stray !== undefined) throw usageError(`found --${stray} without --inject; expected serve JOURNAL --inject POINT --${stray} …`);
  const unused = [...DECIDED, 'pace' as const].find((name) => options[name] !== undefined);
  if (unused !== undefined && operands.every((operand) => !isScenario(operand) && existsSync(resolve(cwd, operand))))
    throw usageError(`found --${unused}, which is for a live run; ${operands.join(', ')} is served as recorded`);
  if (options.output !== undefined && scenarios !== 1) throw usageError('-o is for one live run');
}

async function started(
  runs: readonly ServedRun[],
  recordings: readonly RecordingSource[],
  options: Options,
  { env }: Io,
): Promise<RunningServer> {
  const token = options.token ?? env.WORLDSWITCH_TOKEN;
  try {
    return await startServer({
      sources: runs.map(({ source }) => source),
      recordings,
      ...(options.host !== undefined && { host: options.host }),
      ...(options.port !== undefined && { port: options.port }),
      ...(token !== undefined && token !== '' && { token }),
      allowOrigins: options.allowOrigin ?? [],
      allowHosts: options.allowHost ?? [],
    });
  } catch (error) {
    // The user gave an origin that is invalid.
    throw error instanceof RangeError ? usageError(error.message) : error;
  }
}

async function run({ io, out, err, json, args, options: given }: Call): Promise<number> {
  const options = given as Options;
  const signal = io.interruption();
  const operands = operandsOf(args, io);
  checkOptions(operands, options, io);
  for (const operand of operands) noteInput(operand, io);
  const runs: ServedRun[] = [];
  const recordings: RecordingSource[] = [];
  try {
    for (const operand of operands) {
      try {
        const one = await servedOf(operand, io, options);
        if ('recording' in one) recordings.push(one.recording);
        else runs.push(one);
      } catch (error) {
        const { exit, message } = failureOf(error);
        // Of a whole folder, one file that cannot be read takes nothing from the others.
        if (args.length > 0 || exit === EXIT.internal) throw error;
        err.line(`not served: ${message}`);
      }
    }
    if (runs.length + recordings.length === 0) throw usageError(`nothing to serve: no journal of ./${RUNS_FOLDER} can be read`);
    const server = await started(runs, recordings, options, io);
    if (json) out.json({ url: server.url, runs: runs.map(({ source }) => source.id), recordings: [...recordingTable(recordings).keys()] });
    else out.line(server.url);
    out.sink.flush();
    err.sink.flush();
    const drives = runs.flatMap(({ drive }) => (drive ? [drive(signal)] : []));
    const failed = await stopped(signal, drives);
    await Promise.allSettled(drives);
    await server.close();
    if (failed) throw failed;
    const isWhole = runs.every(({ source, drive }) => !drive || source.summary().end?.ended !== 'stopped');
    if (!isWhole) err.line('interrupted: the journal of the live run is kept, sealed as stopped');
    return isWhole ? EXIT.ok : EXIT.partial;
  } finally {
    for (const { source } of runs) source.close();
  }
}

/** Waits until the server is stopped, or a live run fails. */
function stopped(signal: AbortSignal, drives: readonly Promise<unknown>[]): Promise<Error | null> {
  return new Promise((done) => {
    if (signal.aborted) done(null);
    signal.addEventListener('abort', () => done(null), { once: true });
    for (const drive of drives) drive.catch((error: unknown) => done(error instanceof Error ? error : new Error(String(error))));
  });
}

export const COMMAND: Command = {
  operands: '[journal|recording|scenario...]',
  details: [
    `The first line of stdout is the URL. Journals, and recordings of real kernels, are served as they are; a scenario runs live while it is watched. Without operands: all journals of ./${RUNS_FOLDER}. docs/serve.md has the endpoints. Ctrl-C stops.`,
    'Without a token the server listens on this machine only. WORLDSWITCH_TOKEN keeps a token off the command line.',
  ],
  options: [
    { flags: '--port <n>', description: 'default: a free one', parse: integer(0, PORT_MAX) },
    { flags: '--host <address>', description: 'address to listen on (default: 127.0.0.1); others need a token' },
    { flags: '--token <token>', description: 'asked for in Authorization: Bearer TOKEN' },
    { flags: '--allow-origin <origin>', description: 'a page that may read; may be repeated', parse: collect, repeats: true },
    {
      flags: '--allow-host <name>',
      description: 'a name by which the server may be called; may be repeated',
      parse: collect,
      repeats: true,
    },
    ...SCENARIO_OPTIONS,
    { flags: '--replay', description: 'the journal is re-executed while it is watched' },
    { flags: '--inject [point]', description: 'the journal is forked there, and the fork runs while it is watched; as inject does' },
    ...INJECT_OPTIONS,
    { flags: '--chooser <name>', description: 'who decides in a live run (default: fifo)', choices: ['fifo', 'random', 'random-uniform'] },
    { flags: '--seed <n>', description: 'seed of a chooser that draws, or of --then random (default: 0)', parse: integer(0) },
    { flags: '--engine <name>', description: 'default: live', choices: ['live', 'memo'] },
    { flags: '--pace <ms>', description: 'a live run takes one step in so many milliseconds', parse: integer(1) },
    { flags: '-o, --output <file>', description: 'journal of the live run (default: ./worldswitch-runs/<run id>.wsj)' },
  ],
  examples: [
    ['serve run.wsj --port 7117', 'a recorded run'],
    ['serve rmp-churn --set rounds=500 --pace 20', 'a run to watch'],
    ["serve run.wsj --inject 'thread:netd/0@emulate_dma_write.store#2' --preempt pcpu:0", 'watch a fork as it runs'],
    ['serve trace.txt imported.wsj', 'a recording beside the run that was made of it'],
    ['serve', `everything in ./${RUNS_FOLDER}`],
  ],
  run,
};
