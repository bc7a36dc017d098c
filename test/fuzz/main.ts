/**
 * `npm run fuzz -- --seconds N [--seed S] [--only I]`: inputs at random in a process of its own,
 * which is watched: it may crash, hang or take all memory.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Fuzzer, type Mishap } from './fuzzer.ts';

const HANG_MS = 60_000;
const HEAP_MAX_MB = 1024;
/** What begins with it is told to the worker. */
const WORKER = 'worker';

/** What the worker tells: what it is at, and what went wrong. */
interface Told {
  readonly at: number;
  readonly mishap: Mishap | null;
}

const { values } = parseArgs({
  options: {
    seconds: { type: 'string' },
    seed: { type: 'string' },
    only: { type: 'string' },
    [WORKER]: { type: 'string' },
    kept: { type: 'string' },
  },
});

async function work(seed: number, from: number, kept: string): Promise<void> {
  const fuzzer = new Fuzzer(seed, kept);
  process.on('disconnect', () => process.exit());
  for (let at = from; ; at++) {
    process.send!({ at, mishap: null } satisfies Told);
    const mishap = await fuzzer.run(at);
    if (mishap) process.send!({ at, mishap } satisfies Told);
    await new Promise((done) => setImmediate(done));
  }
}

const again = (seed: number, at: number): string => `npm run fuzz -- --seed ${seed} --only ${at}`;

/**
 * Watches workers, one after the other, until the time is over.
 * @returns how many things went wrong
 */
async function watch(seed: number, seconds: number, kept: string): Promise<number> {
  const end = Date.now() + 1000 * seconds;
  let next = 0;
  let wrong = 0;
  const tell = (at: number, what: string, folder: string): void => {
    wrong++;
    console.log(`${what}\n  again: ${again(seed, at)}\n  kept in ${folder}`);
  };
  while (Date.now() < end) {
    const child = fork(fileURLToPath(import.meta.url), [`--${WORKER}`, String(next), '--seed', String(seed), '--kept', kept], {
      execArgv: [...process.execArgv, `--max-old-space-size=${HEAP_MAX_MB}`],
    });
    const { at, how } = await watched(child, end, (told) => {
      if (told.mishap) tell(told.at, told.mishap.what, told.mishap.folder);
    });
    if (how !== null) tell(at, `input ${at}: ${how}`, kept);
    next = at + 1;
  }
  console.log(`${next} inputs, ${wrong} went wrong`);
  return wrong;
}

/** Ends with the worker: `how` it ended too early, or null where the time was over. */
function watched(
  child: ChildProcess,
  end: number,
  onTold: (told: Told) => void,
): Promise<{ readonly at: number; readonly how: string | null }> {
  return new Promise((done) => {
    let at = 0;
    let seen = Date.now();
    let how: string | null = null;
    let isOver = false;
    child.on('message', (told: Told) => {
      at = told.at;
      seen = Date.now();
      onTold(told);
    });
    const timer = setInterval(() => {
      if (Date.now() >= end) isOver = true;
      else if (Date.now() - seen < HANG_MS) return;
      else how = `nothing for ${HANG_MS / 1000} s`;
      child.kill('SIGKILL');
    }, 100);
    child.once('close', (code, signal) => {
      clearInterval(timer);
      done({ at, how: isOver ? null : (how ?? `the process ended with ${signal ?? code}`) });
    });
  });
}

const seed = Number(values.seed ?? Date.now() % 1_000_000);
const kept = values.kept ?? mkdtempSync(join(tmpdir(), 'worldswitch-fuzz-'));
if (values[WORKER] !== undefined) await work(seed, Number(values[WORKER]), kept);
else if (values.only !== undefined) {
  const fuzzer = new Fuzzer(seed, kept);
  const mishap = await fuzzer.run(Number(values.only));
  fuzzer.close();
  console.log(mishap ? `${mishap.what}\n  kept in ${mishap.folder}` : 'nothing went wrong');
  process.exitCode = mishap ? 1 : 0;
} else {
  console.log(`seed ${seed}`);
  process.exitCode = (await watch(seed, Number(values.seconds ?? 20), kept)) > 0 ? 1 : 0;
}
