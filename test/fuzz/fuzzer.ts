/**
 * Runs inputs in this process and says what went wrong: an internal error, a stack trace, an exit
 * code that does not exist, output without end, or a 5xx.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { journalBytesRun } from '../../timeline/serve/journal-run.ts';
import { Bench } from '../cli/run-cli.ts';
import { appOf } from '../timeline/serve/fixtures.ts';
import { Draw } from './draw.ts';
import { INPUTS, requestInput, type Seeds, scenarioSeeds } from './inputs.ts';

/** A command is told to stop after so long, as a user would. */
const PATIENCE_MS = 5_000;
const OUTPUT_CHARS_MAX = 10_000_000;
const STACK = /\n\s+at .*:\d+:\d+\)?/;
const EXITS: readonly number[] = [0, 1, 2, 3, 4];
/** How many kinds of inputs there are, with requests as the last. */
const KINDS = INPUTS.length + 1;

export interface Mishap {
  readonly what: string;
  /** Where the input is kept. */
  readonly folder: string;
}

export class Fuzzer {
  readonly #seed: number;
  readonly #kept: string;
  readonly #bench = new Bench();
  #seeds: Seeds | null = null;

  /** `kept`: a folder for inputs that go wrong. */
  constructor(seed: number, kept: string) {
    this.#seed = seed;
    this.#kept = kept;
  }

  close(): void {
    this.#bench.clear();
  }

  async #made(): Promise<Seeds> {
    if (this.#seeds) return this.#seeds;
    const read = async (file: string, argv: readonly string[]): Promise<Uint8Array> => {
      await this.#bench.run(argv);
      return readFileSync(this.#bench.path(file));
    };
    const journal = await read('seed.wsj', ['run', 'vmsa-in-use-kick', '--variant', 'no-kick', '-o', 'seed.wsj']);
    const search = await read('seed.wss', ['explore', 'rmpadjust-vs-rmpupdate', '--max-states', '60', '--checkpoint', 'seed.wss']);
    this.#seeds = { scenarios: scenarioSeeds(), journal, search };
    return this.#seeds;
  }

  /** Runs input number `at`. @returns null if nothing went wrong */
  async run(at: number): Promise<Mishap | null> {
    const draw = new Draw(this.#seed * 1_000_003 + at);
    return at % KINDS === INPUTS.length ? this.#request(draw, at) : this.#command(draw, at);
  }

  async #command(draw: Draw, at: number): Promise<Mishap | null> {
    const { argv, files } = await INPUTS[at % KINDS]!(draw, await this.#made());
    this.#bench.makeFolder('.');
    for (const [name, content] of Object.entries(files)) writeFileSync(this.#bench.path(name), content);
    let what: string | null;
    try {
      const { code, out, err } = await this.#bench.run(argv, { signal: AbortSignal.timeout(PATIENCE_MS) });
      what = !EXITS.includes(code)
        ? `exit code ${code}: ${err.slice(0, 300)}`
        : STACK.test(err) || STACK.test(out)
          ? `a stack trace: ${(out + err).slice(0, 300)}`
          : out.length + err.length > OUTPUT_CHARS_MAX
            ? `${out.length + err.length} characters of output`
            : null;
    } catch (error) {
      what = `an exception: ${error instanceof Error ? error.stack : String(error)}`;
    }
    for (const name of ['out', 'good.wsj', 'small.wsj', 'worldswitch-runs'])
      rmSync(this.#bench.path(name), { recursive: true, force: true });
    return what === null
      ? null
      : this.#mishap(at, `worldswitch ${argv.join(' ')}: ${what}`, { ...files, 'argv.json': JSON.stringify(argv) });
  }

  async #request(draw: Draw, at: number): Promise<Mishap | null> {
    const { journal } = await this.#made();
    const run = journalBytesRun(journal);
    const app = appOf([run]);
    const { path, init } = requestInput(draw, run.id);
    let what: string | null;
    try {
      const response = await app.request(path, init);
      const text = await response.text();
      what = response.status >= 500 || STACK.test(text) ? `status ${response.status}: ${text.slice(0, 300)}` : null;
    } catch (error) {
      what = `an exception: ${error instanceof Error ? error.stack : String(error)}`;
    } finally {
      run.close();
    }
    return what === null
      ? null
      : this.#mishap(at, `${init.method} ${path}: ${what}`, { 'request.json': JSON.stringify({ path, ...init }) });
  }

  #mishap(at: number, what: string, files: Readonly<Record<string, string | Uint8Array>>): Mishap {
    const folder = `${this.#kept}/${this.#seed}-${at}`;
    mkdirSync(folder, { recursive: true });
    for (const [name, content] of Object.entries(files)) writeFileSync(`${folder}/${name}`, content);
    return { what, folder };
  }
}
