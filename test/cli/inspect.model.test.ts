/** `explore --coverage` and `explore --graph` on the command line. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import type { GraphState, GraphStep } from '../../sim/explore/covered/inspection.ts';
import { Bench } from './run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());

interface Line {
  readonly text: string;
  readonly count: number | null;
  readonly sent: Readonly<Record<string, number>>;
}
interface Document {
  readonly states: number;
  readonly transitions: number;
  readonly lines: {
    readonly counted: boolean;
    readonly says: string;
    readonly paths: readonly { readonly name: string; readonly lines: readonly Line[] }[];
    readonly machines: readonly { readonly kind: string; readonly count: number }[];
    readonly profile: { readonly states: number; readonly actors: readonly { readonly actor: string }[] } | null;
  };
}

describe('explore --coverage', () => {
  it('puts in front of each line how often it was taken, and marks those that never were', async () => {
    const { code, out } = await bench.run(['explore', 'rmp-overlap-forever', '--coverage'], {
      isTerminal: true,
      columns: 80,
      env: { NO_COLOR: '1' },
    });
    expect(code).toBe(0);
    const part = out.slice(out.indexOf('Coverage of lines'));
    expect(part.split('\n').filter((line) => line.length > 80)).toEqual([]);
    expect(part).toMatch(/^Counted over 229 steps of 197 states/m);
    expect(part).toMatch(/^ +\d+ {2}U +start/m);
    expect(part).toMatch(/^ +never +/m);
    expect(part).toContain('Which actors make the states');
    expect(part).toContain('Which lines make the states');
  });

  it('has the same as data, of the paths that are named', async () => {
    const { lines, states } = (await bench.run(['explore', 'rmp-overlap-forever', '--coverage', 'main', '--json'])).json<Document>();
    expect([lines.counted, lines.paths.map(({ name }) => name), lines.profile?.states]).toEqual([true, ['main'], states]);
    const [{ lines: rows }] = lines.paths as [Document['lines']['paths'][number]];
    const start = rows.find(({ text }) => text === 'start');
    expect(start!.count).toBeGreaterThan(0);
    expect(rows.some(({ count }) => count === 0)).toBe(true);
    const exit = rows.find(({ text }) => text.startsWith('do_exit'))!;
    expect(exit.sent).toMatchObject({ 'process.threadExit to hostProcess': exit.count, 'cpu.exit to pcpu': exit.count });
  });

  it('says what a reduction does to the counts, and then only what was taken', async () => {
    const plain = (await bench.run(['explore', 'rmp-overlap-forever', '--coverage', '--json'])).json<Document>();
    for (const flags of [['--reduce', 'local'], ['--compact']]) {
      const { lines } = (await bench.run(['explore', 'rmp-overlap-forever', '--coverage', '--json', ...flags])).json<Document>();
      expect([lines.counted, lines.profile], flags.join(' ')).toEqual([false, null]);
      expect(lines.says).toContain('steps are not counted');
      const stepsOf = ({ lines: { paths } }: Pick<Document, 'lines'>) => paths.flatMap(({ lines: rows }) => rows);
      const counted = stepsOf(plain);
      // What is known of a line is what the counts say of it.
      for (const [i, { text, count }] of stepsOf({ lines }).entries())
        if (count !== null) expect([flags, text, count]).toEqual([flags, counted[i]!.text, counted[i]!.count! > 0 ? 1 : 0]);
    }
  });

  it('counts the transitions of a model that is written by hand', async () => {
    const { lines, transitions } = (await bench.run(['explore', 'rmp-lock', '--set', 'vcpus=1', '--coverage', '--json'])).json<Document>();
    expect(lines.paths).toEqual([]);
    expect(lines.machines.length).toBeGreaterThan(5);
    expect(Math.max(...lines.machines.map(({ count }) => count))).toBeLessThanOrEqual(transitions);
    expect(lines.machines.some(({ count }) => count > 0)).toBe(true);
  });

  it('refuses a path that there is not, and a shard', async () => {
    const wrong = await bench.run(['explore', 'rmp-overlap-forever', '--coverage', 'mian']);
    expect([wrong.code, wrong.err.includes('did you mean "main"?')], wrong.err).toEqual([2, true]);
    writeFileSync(bench.path('own.yaml'), (await bench.run(['scenarios', 'rmp-overlap-forever'])).out);
    const own = await bench.run(['explore', './own.yaml', '--coverage', 'mian']);
    expect(own.err).toContain('try: worldswitch paths --scenario ./own.yaml\n');
    const shard = await bench.run(['explore', 'rmp-overlap-forever', '--coverage', '--shard', '1/2']);
    expect([shard.code, shard.err.includes('what one shard never takes, another one may')]).toEqual([2, true]);
  });
});

/** Reads the statements of a dot file: nodes and edges with their attributes. */
function readDot(text: string) {
  const value = String.raw`"(?:[^"\\]|\\.)*"`;
  const list = String.raw`\[(?:\w+=${value}(?:, )?)+\]`;
  const statement = new RegExp(String.raw`^ {2}(?:(\d+)(?: -> (\d+))? (${list})|node \[shape=box\]);$`);
  const lines = text.trimEnd().split('\n');
  expect([lines[0], lines.at(-1)]).toEqual([expect.stringMatching(/^digraph "[^"]+" \{$/), '}']);
  const found = lines.slice(1, -1).map((line) => statement.exec(line));
  expect(found.filter((match) => match === null)).toEqual([]);
  const statements = found.flatMap((match) => (match?.[1] === undefined ? [] : [match]));
  return { nodes: statements.filter((match) => match[2] === undefined), edges: statements.filter((match) => match[2] !== undefined) };
}

interface GraphFile {
  readonly format: string;
  readonly version: number;
  readonly states: readonly GraphState[];
  readonly steps: readonly GraphStep[];
}

describe('explore --graph', () => {
  const graph = (file: string, ...more: readonly string[]) => bench.run(['explore', 'rmp-overlap-forever', '--graph', file, ...more]);

  it('writes a space as dot and as JSON, the same bytes each time', async () => {
    await graph('a.dot');
    const { code, out } = await graph('a.json');
    await graph('b.json');
    await graph('b.dot');
    expect(code).toBe(0);
    const read = (name: string) => readFileSync(bench.path(name), 'utf8');
    expect([read('a.dot'), read('a.json')]).toEqual([read('b.dot'), read('b.json')]);
    const { format, version, states, steps } = JSON.parse(read('a.json')) as GraphFile;
    expect([format, version]).toEqual(['worldswitch-graph', 1]);
    expect(out).toContain(`Graph: ${states.length} states and ${steps.length} steps in a.json`);
    const dot = readDot(read('a.dot'));
    expect(dot.nodes.map(([, id]) => Number(id))).toEqual(states.map(({ id }) => id));
    expect(dot.edges.map(([, from, to]) => [Number(from), Number(to)])).toEqual(steps.map(({ from, to }) => [from, to]));
    expect(new Set(states.map(({ outcome }) => outcome))).toEqual(new Set(['goes-on', 'done']));
  });

  it('writes nothing of a space that is too large, and says how to raise the limit', async () => {
    writeFileSync(bench.path('kept.json'), 'as it was');
    for (const file of ['kept.json', 'none.json']) {
      const { code, err } = await graph(file, '--graph-states', '50');
      expect([code, err.includes('has more than 50 states; no graph was written'), err.includes('--graph-states N')], err).toEqual([
        2,
        true,
        true,
      ]);
    }
    expect([readFileSync(bench.path('kept.json'), 'utf8'), existsSync(bench.path('none.json'))]).toEqual(['as it was', false]);
    expect(readdirSync(bench.path('.')).filter((name) => name.includes('none') || name.endsWith('.part'))).toEqual([]);
  });

  it.each([
    [['--graph', 'x.svg'], 'whose name ends in .dot or .json'],
    [['--graph', 'x.dot', '--reduce', 'symmetry'], 'stands for itself alone'],
    [['--graph', 'x.dot', '--deviations', '1'], 'a graph has all schedules'],
    [['--graph', 'x.dot', '--compact'], 'fingerprints keep no states'],
    [['--graph-states', '5'], 'it wants --graph'],
  ])('refuses %j', async (flags, reason) => {
    const { code, err } = await bench.run(['explore', 'rmp-overlap-forever', ...flags]);
    expect([code, err.includes(reason)], err).toEqual([2, true]);
  });
});
