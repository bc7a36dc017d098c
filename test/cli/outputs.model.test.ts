/**
 * Every option that writes a file, under one table: a pipe, a socket, standard output, folders,
 * links, and the file that the command reads.
 */
import { execFileSync, spawn } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { realFiles } from '../../replay/files.ts';
import type { FileSystem } from '../../replay/part-file.ts';
import { Bench } from './run-cli.ts';

const bench = new Bench();
const { folder } = bench;
const MINE = './mine.yaml';
/** What each command reads, and what stands there besides. */
const KEPT = ['bad.wsj', 'mine.yaml', 'modules.mjs', 'plan.json', 'run.wsj'];

interface Row {
  readonly words: (output: string) => readonly string[];
  readonly input: string;
}

/** Options whose file may be anything that takes bytes. */
const ANY: Readonly<Record<string, Row>> = {
  'run -o': { words: (output) => ['run', MINE, '-o', output], input: 'mine.yaml' },
  'run -o, of a schedule': { words: (output) => ['run', MINE, '--schedule', '@plan.json', '-o', output], input: 'plan.json' },
  'run -o, with a module': { words: (output) => ['run', MINE, '--models', 'modules.mjs', '-o', output], input: 'modules.mjs' },
  'inject -o': { words: (output) => ['inject', 'run.wsj', '--at', '1', '--choose', 'exec(pcpu:1)', '-o', output], input: 'run.wsj' },
  'shrink -o': { words: (output) => ['shrink', 'bad.wsj', '-o', output], input: 'bad.wsj' },
  'export -o': { words: (output) => ['export', 'run.wsj', '--format', 'chrome', '-o', output], input: 'run.wsj' },
  'verify --salvage': { words: (output) => ['verify', 'run.wsj', '--salvage', output], input: 'run.wsj' },
  'verify --junit': { words: (output) => ['verify', 'run.wsj', '--junit', output], input: 'run.wsj' },
  'verify --junit, of a scenario': { words: (output) => ['verify', MINE, '--junit', output], input: 'mine.yaml' },
};

/** Options whose file is read while the command goes on, and must be a regular one. */
const REGULAR: Readonly<Record<string, Row>> = {
  'explore --checkpoint': { words: (output) => ['explore', MINE, '--checkpoint', output], input: 'mine.yaml' },
  'explore --checkpoint, of a journal': { words: (output) => ['explore', 'run.wsj', '--checkpoint', output], input: 'run.wsj' },
  'serve -o': { words: (output) => ['serve', MINE, '-o', output], input: 'mine.yaml' },
  'serve -o, beside a journal': { words: (output) => ['serve', MINE, 'run.wsj', '-o', output], input: 'run.wsj' },
};

/** Options that take a folder, and make it. */
const FOLDER: Readonly<Record<string, (output: string) => readonly string[]>> = {
  'explore -o': (output) => ['explore', MINE, '-o', output],
  'explore --shard -o': (output) => ['explore', MINE, '--shard', '1/2', '-o', output],
  'explore --strategy -o': (output) => ['explore', MINE, '--strategy', 'random', '--schedules', '2', '-o', output],
};

const clear = (): void => {
  for (const name of readdirSync(folder)) if (!KEPT.includes(name)) rmSync(bench.path(name), { recursive: true });
};

/** Names that a command has left besides those of before. */
const left = (...before: readonly string[]): readonly string[] =>
  readdirSync(folder).filter((name) => ![...KEPT, 'worldswitch-runs', ...before].includes(name));

const makePipe = (): unknown => execFileSync('sh', ['-c', 'mkfifo pipe'], { cwd: folder });

const inode = (name: string): string => {
  const { dev, ino, mode } = lstatSync(bench.path(name), { bigint: true });
  return `${dev} ${ino} ${mode}`;
};

beforeAll(async () => {
  copyFileSync('scenarios/sev-snp/rmpadjust-vs-rmpupdate.yaml', bench.path('mine.yaml'));
  writeFileSync(bench.path('plan.json'), '0.0\n');
  writeFileSync(bench.path('modules.mjs'), "export const mechanism = { name: 'mine', arches: ['amd'] };\n");
  await bench.run(['run', MINE, '-o', 'run.wsj']);
  await bench.run(['run', 'rmp-host-write-race', '--schedule', '2', '-o', 'bad.wsj']);
});
beforeEach(clear);
afterAll(() => bench.clear());

describe.each(Object.entries(ANY))('%s', (_name, { words, input }) => {
  it('writes into a pipe, leaves it one, and gives a file and standard output the same bytes', async () => {
    const { code } = await bench.run(words('out'));
    const bytes = readFileSync(bench.path('out'));
    expect(bytes.length).toBeGreaterThan(100);
    makePipe();
    const before = inode('pipe');
    const reader = spawn('sh', ['-c', 'cat pipe > copy'], { cwd: folder });
    const read = new Promise((done) => reader.once('exit', done));
    expect((await bench.run(words('pipe'))).code).toBe(code);
    await read;
    expect(inode('pipe')).toBe(before);
    expect(readFileSync(bench.path('copy')).equals(bytes)).toBe(true);
    const streamed = await bench.run(words('-'));
    expect([streamed.code, Buffer.from(streamed.bytes).equals(bytes)]).toEqual([code, true]);
    expect(left('out', 'pipe', 'copy')).toEqual([]);
  });

  it('refuses --json beside standard output', async () => {
    const { code, json } = await bench.run([...words('-'), '--json']);
    expect(code).toBe(2);
    expect(json<{ error: { message: string } }>().error.message).toMatch(/^--json and (-o|--\w+) - both want standard output$/);
  });

  it('follows a link, also one that leads nowhere yet, and replaces the file behind it', async () => {
    mkdirSync(bench.path('store'));
    writeFileSync(bench.path('store/old'), 'old');
    symlinkSync('store/old', bench.path('link'));
    symlinkSync('store/new', bench.path('dangling'));
    for (const [name, to] of [
      ['link', 'store/old'],
      ['dangling', 'store/new'],
    ] as const) {
      expect((await bench.run(words(name))).code).not.toBe(2);
      expect(readlinkSync(bench.path(name))).toBe(to);
      expect(readFileSync(bench.path(to)).length).toBeGreaterThan(100);
    }
    expect(readdirSync(bench.path('store')).sort()).toEqual(['new', 'old']);
  });

  it('refuses the file that it reads, under each of its names', async () => {
    const before = readFileSync(bench.path(input));
    linkSync(bench.path(input), bench.path('hard'));
    symlinkSync(input, bench.path('soft'));
    for (const output of [input, `./${input}`, join(folder, input), 'hard', 'soft']) {
      const { code, err } = await bench.run(words(output));
      expect([code, err]).toEqual([2, expect.stringContaining(`${output} is the file that is read as`)]);
      expect(readFileSync(bench.path(input)).equals(before)).toBe(true);
    }
    expect(left('hard', 'soft')).toEqual([]);
  });
});

describe.each(Object.entries({ ...ANY, ...REGULAR }))('%s', (_name, { words }) => {
  it('refuses a folder and a folder that is not there, in the words of all', async () => {
    mkdirSync(bench.path('taken'));
    const taken = await bench.run(words('taken'));
    expect([taken.code, taken.err]).toEqual([2, expect.stringMatching(/taken is a folder; (-o|--\w+) takes the name of a file/)]);
    const nowhere = await bench.run(words('no/such/file'));
    expect([nowhere.code, nowhere.err]).toEqual([2, expect.stringContaining('cannot write no/such/file: there is no such file or folder')]);
    const below = await bench.run(words('run.wsj/file'));
    expect([below.code, below.err]).toEqual([2, expect.stringContaining('cannot write run.wsj/file: a part of the path is a file')]);
    expect([left('taken'), readdirSync(bench.path('taken'))]).toEqual([[], []]);
  });

  it('refuses a socket and leaves it one', async () => {
    const server: Server = createServer();
    await new Promise<void>((done) => server.listen(bench.path('socket'), done));
    try {
      const before = inode('socket');
      const { code, err } = await bench.run(words('socket'));
      expect([code, err]).toEqual([2, expect.stringContaining('socket is a socket')]);
      expect(inode('socket')).toBe(before);
    } finally {
      server.close();
    }
  });
});

describe.each(Object.entries(REGULAR))('%s', (_name, { words, input }) => {
  it('refuses what is no regular file, and the file that is read', async () => {
    makePipe();
    const before = [inode('pipe'), readFileSync(bench.path(input))];
    linkSync(bench.path(input), bench.path('hard'));
    for (const output of ['pipe', '-', input, 'hard']) {
      const { code, err } = await bench.run(words(output));
      expect([code, err]).toEqual([2, expect.stringMatching(/is no regular file|is the file that is read as/)]);
    }
    expect([inode('pipe'), readFileSync(bench.path(input))]).toEqual(before);
    expect(left('pipe', 'hard')).toEqual([]);
  });
});

describe.each(Object.entries(FOLDER))('%s', (_name, words) => {
  it('refuses standard output and a file, before it searches', async () => {
    for (const [output, message] of [
      ['-', '-o takes a folder here'],
      ['run.wsj', 'cannot write run.wsj: it is a file; expected a folder'],
    ] as const) {
      const { code, err } = await bench.run(words(output));
      expect([code, err]).toEqual([2, expect.stringContaining(message)]);
    }
    expect(left()).toEqual([]);
  });
});

describe('two searches', () => {
  it('do not keep themselves in one file, and one that was killed keeps no other away', async () => {
    const words = ['explore', 'rmp-host-write-race', '--checkpoint', 'kept.wss', '--checkpoint-every', '50', '--max-states', '500'];
    const controller = new AbortController();
    const first = bench.run(words, { signal: controller.signal });
    await new Promise((done) => setImmediate(done));
    const refused = await bench.run(words);
    controller.abort();
    await first;
    expect([refused.code, refused.err]).toEqual([2, expect.stringContaining('kept.wss is the checkpoint of another search')]);
    writeFileSync(bench.path('kept.wss.lock'), '');
    expect((await bench.run(words)).code).not.toBe(2);
    expect(left()).toEqual(['kept.wss']);
  });

  it('free the name before they let go of it: a lock that is closed may be removed by another', async () => {
    const atClose: boolean[] = [];
    const lock = bench.path('kept.wss.lock');
    let held = -1;
    const files: FileSystem = {
      ...realFiles,
      open(path, flags) {
        const fd = realFiles.open(path, flags);
        if (path === lock) held = fd;
        return fd;
      },
      close(fd) {
        if (fd === held) atClose.push(existsSync(lock));
        realFiles.close(fd);
      },
    };
    await bench.run(['explore', 'rmp-host-write-race', '--checkpoint', 'kept.wss', '--max-states', '50'], { files });
    expect(atClose[0]).toBe(false);
    expect(left()).toEqual(['kept.wss']);
  });
});
