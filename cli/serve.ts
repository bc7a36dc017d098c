/** `serve`: runs over HTTP, recorded or live. */
import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { shippedNames } from '../api/shipped-scenarios.ts';
import type { RunStart } from '../events/journal.ts';
import { codeOf } from '../replay/errors.ts';
import { runIdOf, toHex } from '../replay/identity.ts';
import { type ChooserSpec, type EngineName, openSession } from '../sim/session.ts';
import { driveRun } from '../timeline/serve/drive.ts';
import { FollowedRun } from '../timeline/serve/followed-run.ts';
import { journalFileRun } from '../timeline/serve/journal-run.ts';
import { LiveRun } from '../timeline/serve/live-run.ts';
import type { RunSource } from '../timeline/serve/run-source.ts';
import { type RunningServer, startServer } from '../timeline/serve/server.ts';
import { loadReference, looksLikePath, resolved } from './catalog.ts';
import { type Call, type Command, integer, SCENARIO_OPTIONS } from './command.ts';
import { EXIT, fileError, usageError } from './errors.ts';
import { makeFolder } from './folder.ts';
import { noteInput } from './inputs.ts';
import type { Io } from './io.ts';
import { isInProgress, named, noteUnsealed } from './journal-file.ts';
import { RUNS_FOLDER } from './recording.ts';
import { fileTargetOf } from './target.ts';

interface Options {
  readonly port?: number;
  readonly host?: string;
  readonly token?: string;
  readonly allowOrigin?: readonly string[];
  readonly allowHost?: readonly string[];
  readonly variant?: string;
  readonly mutant?: string;
  readonly set?: Readonly<Record<string, string>>;
  readonly chooser?: 'fifo' | 'random';
  readonly seed?: number;
  readonly engine?: EngineName;
  readonly output?: string;
  readonly pace?: number;
}

const PORT_MAX = 65_535;

/** A run that is served, and what moves it if it is live. */
interface Served {
  readonly source: RunSource;
  readonly drive: ((signal: AbortSignal) => Promise<unknown>) | null;
}

const collect = (text: string, previous: unknown): readonly string[] => [...((previous as readonly string[] | undefined) ?? []), text];

function journal(file: string, io: Io): Served {
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
  try {
    makeFolder(folder);
  } catch (error) {
    throw fileError(error, folder, 'write');
  }
  const name = join(folder, toHex(runIdOf(start)));
  try {
    return new LiveRun(start, { file: `${name}.wsj` });
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
    return new LiveRun(start, { file: `${name}-${randomUUID().slice(0, 8)}.wsj` });
  }
}

function live(reference: string, io: Io, options: Options): Served {
  const { chooser = 'fifo', seed = 0, engine = 'live', pace = 0 } = options;
  const scenario = resolved(loadReference(reference, io).scenario, options);
  const spec: ChooserSpec = chooser === 'random' ? { name: chooser, seed } : { name: chooser };
  let source: LiveRun | null = null;
  const { run, start } = openSession({ scenario, engine, chooser: spec, seed, sink: (block, names) => source!.block(block, names) });
  const { output } = options;
  source = output === undefined ? namedLive(start, io) : new LiveRun(start, { file: fileTargetOf(output, io, '-o') });
  const turns = pace > 0 ? { stepsPerTurn: 1, pauseMs: pace } : {};
  return { source, drive: (signal) => driveRun(run, source, { ...turns, signal }) };
}

const isScenario = (operand: string): boolean => (looksLikePath(operand) ? /\.ya?ml$/.test(operand) : shippedNames().includes(operand));

function operandsOf(args: readonly string[], io: Io): readonly string[] {
  if (args.length > 0) return args;
  const folder = resolve(io.cwd, RUNS_FOLDER);
  const journals = existsSync(folder) ? readdirSync(folder).filter((file) => file.endsWith('.wsj')) : [];
  if (journals.length === 0) throw usageError(`nothing to serve: ./${RUNS_FOLDER} holds no journals; expected journals or a scenario`);
  return journals.sort().map((file) => join(RUNS_FOLDER, file));
}

function servedOf(operand: string, io: Io, options: Options): Served {
  if (isScenario(operand)) return live(operand, io, options);
  // A word that is neither a file nor a scenario was meant as a scenario: that error lists the
  // names.
  if (!looksLikePath(operand) && !operand.endsWith('.wsj') && !existsSync(resolve(io.cwd, operand))) return live(operand, io, options);
  return journal(operand, io);
}

async function started(served: readonly Served[], options: Options, { env }: Io): Promise<RunningServer> {
  const token = options.token ?? env.WORLDSWITCH_TOKEN;
  try {
    return await startServer({
      sources: served.map(({ source }) => source),
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
  if (options.output !== undefined && operands.filter(isScenario).length !== 1) throw usageError('-o is for one live run');
  for (const operand of operands) noteInput(operand, io);
  const served: Served[] = [];
  try {
    for (const operand of operands) served.push(servedOf(operand, io, options));
    const server = await started(served, options, io);
    if (json) out.json({ url: server.url, runs: served.map(({ source }) => source.id) });
    else out.line(server.url);
    out.sink.flush();
    err.sink.flush();
    const drives = served.flatMap(({ drive }) => (drive ? [drive(signal)] : []));
    const failed = await stopped(signal, drives);
    await Promise.allSettled(drives);
    await server.close();
    if (failed) throw failed;
    const isWhole = served.every(({ source, drive }) => !drive || source.summary().end?.ended !== 'stopped');
    if (!isWhole) err.line('interrupted: the journal of the live run is kept, sealed as stopped');
    return isWhole ? EXIT.ok : EXIT.partial;
  } finally {
    for (const { source } of served) source.close();
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
  operands: '[journal|scenario...]',
  details: [
    `The first line of stdout is the URL. Journals are served as they are; a scenario runs live while it is watched. Without operands: all journals of ./${RUNS_FOLDER}. docs/serve.md has the endpoints. Ctrl-C stops.`,
    'Without a token the server listens on this machine only. WORLDSWITCH_TOKEN keeps a token off the command line.',
  ],
  options: [
    { flags: '--port <n>', description: 'default: a free one', parse: integer(0, PORT_MAX) },
    { flags: '--host <address>', description: 'address to listen on (default: 127.0.0.1); others need a token' },
    { flags: '--token <token>', description: 'asked for in Authorization: Bearer TOKEN' },
    { flags: '--allow-origin <origin>', description: 'a page that may read; may be repeated', parse: collect },
    { flags: '--allow-host <name>', description: 'a name by which the server may be called; may be repeated', parse: collect },
    ...SCENARIO_OPTIONS,
    { flags: '--chooser <name>', description: 'who decides in a live run (default: fifo)', choices: ['fifo', 'random'] },
    { flags: '--seed <n>', description: 'seed of the random chooser (default: 0)', parse: integer(0) },
    { flags: '--engine <name>', description: 'default: live', choices: ['live', 'memo'] },
    { flags: '--pace <ms>', description: 'a live run takes one step in so many milliseconds', parse: integer(1) },
    { flags: '-o, --output <file>', description: 'journal of the live run (default: ./worldswitch-runs/<run id>.wsj)' },
  ],
  examples: [
    ['serve run.wsj --port 7117', 'a recorded run'],
    ['serve rmp-churn --set rounds=500 --pace 20', 'a run to watch'],
    ['serve', `everything in ./${RUNS_FOLDER}`],
  ],
  run,
};
