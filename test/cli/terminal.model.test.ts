/** What every command prints on a terminal: no line is wider, and no property's name is cut. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { COMMANDS } from '../../cli/commands.ts';
import { Bench } from './run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());

const STORE = 'thread:netd/0@emulate_dma_write.store#2';

beforeAll(async () => {
  await bench.run(['run', 'rmp-host-write-race', '-o', 'race.wsj']);
  await bench.run(['inject', 'race.wsj', '--at', STORE, '--preempt', 'pcpu:0', '-o', 'fork.wsj']);
  await bench.run(['run', 'rmp-host-write-race', '--chooser', 'random-uniform', '--seed', '39', '-o', 'random.wsj']);
});

const ESC = '\u001b';

/** Files are printed as they are, and so is what a program takes. */
const DATA: readonly (readonly string[])[] = [
  ['scenarios', 'rmp-lock'],
  ['schema'],
  ['completion', 'bash'],
  ['machines', 'psp', '--format', 'json'],
];

const LINES: readonly (readonly string[])[] = [
  ['--help'],
  ...COMMANDS.map(({ name }) => [name, '--help']),
  ['scenarios'],
  ['check', 'no.yaml'],
  ['run', 'rmp-host-write-race', '--mode', 'memory'],
  ['run', 'rmp-host-write-race', '--mode', 'memory', '--verbose'],
  ['run', 'rmp-host-write-race', '--chooser', 'random-uniform', '--seed', '39'],
  ['run', 'sld-guest-ac', '--variant', 'fatal'],
  ['run', 'no-such-scenario'],
  ['replay', 'fork.wsj'],
  ['replay', 'no.wsj'],
  ['inject', 'race.wsj', '--at', STORE, '--preempt', 'pcpu:0', '--mode', 'memory'],
  ['inject', 'race.wsj', '--at', '5', '--preempt', 'pcpu:7'],
  ['inject', 'race.wsj', '--at', 'thread:netd/0@nothing', '--preempt', 'pcpu:0'],
  ['show', 'fork.wsj'],
  ['show', 'random.wsj', '--explain'],
  ['show', 'fork.wsj', '--points'],
  ['show', 'fork.wsj', '--step', '36'],
  ['verify', 'fork.wsj'],
  ['verify', 'rmpadjust-vs-rmpupdate'],
  ['explore', 'rmp-host-write-race', '--deviations', '1'],
  ['explore', 'rmp-lock'],
  ['explore', 'rmp-host-write-race', '--strategy', 'pct', '--schedules', '20'],
  ['explore', 'random.wsj', '--max-states', '2000'],
  ['compare', 'rmpadjust-vs-rmpupdate'],
  ['shrink', 'fork.wsj'],
  ['diff', 'race.wsj', 'random.wsj'],
  ['machines'],
  ['paths', 'KVM_RUN', '--depth', '2'],
  ['paths', '--about'],
  ['explore', 'rmp-overlap-forever', '--coverage'],
  ['export', 'race.wsj', '--format', 'chrome', '-o', 'race.json'],
  ['runs'],
  ['demo'],
];

/** Colours and styles. */
const SGR = new RegExp(`${ESC}\\[[0-9;]*m`, 'g');
/** Lines as they stand on the terminal: a line of progress is replaced by what comes after it. */
const linesIn = (text: string): string[] =>
  text
    .replace(SGR, '')
    .split('\n')
    .map((line) => line.slice(line.lastIndexOf('\u001b[K') + 1).replace(/^\[K/, ''));

describe.each([80, 120])('on a terminal of %i columns', (columns) => {
  it.each(LINES.map((argv) => [argv.join(' '), argv] as const))('`%s` fits', async (_, argv) => {
    const { out, err } = await bench.run(argv, { isTerminal: true, columns });
    const wide = [...linesIn(out), ...linesIn(err)].filter((line) => line.length > columns);
    expect(wide).toEqual([]);
    for (const progress of err.split('\r').slice(1)) expect(progress.split('\n')[0]!.length).toBeLessThan(columns + '\u001b[K'.length);
  });
});

describe('on the narrowest terminal', () => {
  const helps = [['--help'], ...COMMANDS.map(({ name }) => [name, '--help'])];
  it.each(helps.map((argv) => [argv.join(' '), argv] as const))('`%s` fits', async (_, argv) => {
    const { out } = await bench.run(argv, { isTerminal: true, columns: 40 });
    expect(linesIn(out).filter((line) => line.length > 40)).toEqual([]);
  });
});

describe('on a terminal', () => {
  it('the property that breaks stands whole in its row of the timeline', async () => {
    const { out } = await bench.run(['run', 'rmp-host-write-race', '--chooser', 'random-uniform', '--seed', '39', '--mode', 'memory'], {
      isTerminal: true,
      columns: 80,
    });
    expect(out.replace(SGR, '')).toMatch(/breaks rmp\.host-panic/);
  });

  it.each(DATA.map((argv) => [argv.join(' '), argv] as const))('`%s` prints what it prints into a file', async (_, argv) => {
    const [terminal, file] = [await bench.run(argv, { isTerminal: true, columns: 80 }), await bench.run(argv)];
    expect(terminal.out).toBe(file.out);
  });
});

describe('elsewhere', () => {
  it('no line is broken', async () => {
    const { out } = await bench.run(['compare', 'rmpadjust-vs-rmpupdate']);
    expect(Math.max(...out.split('\n').map((line) => line.length))).toBeGreaterThan(120);
  });
});
