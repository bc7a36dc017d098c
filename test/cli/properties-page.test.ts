/** docs/properties.md: its module and scenario run, with the output that the page shows. */
import { writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fileOf } from '../sim/play.ts';
import { Bench } from './run-cli.ts';

const PAGE = fileOf('docs/properties.md');
const bench = new Bench();
afterAll(() => bench.clear());

const from = (path: string): string => pathToFileURL(path).href;
const blocks = (language: string): readonly string[] =>
  [...PAGE.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'gms'))].map((match) => match[1]!);

const MODULES = ['--models', 'desk.mjs'];
const [yaml] = blocks('yaml');

beforeAll(() => {
  const [module] = blocks('js');
  const own = module!
    .replace("'worldswitch/extend'", JSON.stringify(from('api/extend.ts')))
    .replace("'xstate'", JSON.stringify(from('node_modules/xstate/dist/xstate.esm.js')));
  writeFileSync(bench.path('desk.mjs'), own);
  writeFileSync(bench.path('desk.yaml'), yaml!);
  writeFileSync(bench.path('overtaken.yaml'), yaml!.replace(/always: .*/, 'always: [desk.overtaken]').replace(/^expect:.*/ms, ''));
});

/** Lines that stand in this order in a text. */
function expectLines(text: string, lines: readonly string[]): void {
  let at = 0;
  for (const line of lines) {
    const found = text.indexOf(`${line}\n`, at);
    expect(found, `${line}\nin\n${text}`).toBeGreaterThanOrEqual(0);
    at = found + line.length;
  }
}

const shown = blocks('console').map((block) => block.trimEnd().split('\n'));

describe('the page on properties', () => {
  it('shows four commands', () => expect(shown).toHaveLength(4));

  it.each(shown.map(([command, ...lines]) => [command!, lines] as const))('%s', async (command, lines) => {
    const args = command.replace('$ npx worldswitch ', '').replace('desk.js', 'desk.mjs').split(' ');
    const { out } = await bench.run(args);
    expectLines(
      out,
      lines.filter((line) => line !== '…'),
    );
  });

  it('tells how many states a property adds', async () => {
    const sizes = [...PAGE.matchAll(/^\| ((?:`desk\.[a-z-]+`(?:, )?)+) \| (\d+) \|$/gm)].flatMap(([, names, states]) =>
      names!.split(', ').map((name) => [name.slice(1, -1), Number(states)] as const),
    );
    expect(sizes).toHaveLength(6);
    for (const [name, states] of sizes) {
      const key = /asks-first|known|not-new/.test(name) ? 'always' : 'eventually';
      writeFileSync(
        bench.path('one.yaml'),
        yaml!.replace(/ {2}always: .*\n {2}eventually: .*/, `  ${key}: [${name}]`).replace(/^expect:.*/ms, ''),
      );
      const { json } = await bench.run(['explore', 'one.yaml', '--variant', 'strong', ...MODULES, '--json']);
      expect([name, json<{ readonly states: number }>().states]).toEqual([name, states]);
    }
  });

  it('says what runs, replays, injections and shrinking judge: the same', async () => {
    const run = await bench.run(['run', 'desk.yaml', '--variant', 'weak', ...MODULES, '-o', 'weak.wsj']);
    expect(run.out).toContain('Broken: desk.once after 6 steps');
    expect(run.out).toContain('and desk.served: client:1: it is waiting, and what that leads to does not come');
    const replay = await bench.run(['replay', 'weak.wsj', ...MODULES]);
    expect(replay.out).toContain('the run breaks desk.once after 6 steps, as recorded');
    const shrunk = await bench.run(['shrink', 'weak.wsj', ...MODULES]);
    expect([shrunk.code, shrunk.err]).toEqual([0, '']);
    const injected = await bench.run(['inject', 'weak.wsj', '--at', '5', '--choose', 'serve(clerk:0, client:1)', ...MODULES]);
    expect(injected.err).toBe('');
    const asked = await bench.run(['explore', 'weak.wsj', '--from', '4', ...MODULES, '--json']);
    const { violations } = asked.json<{ readonly violations: readonly { readonly property: string }[] }>();
    expect(violations.map(({ property }) => property)).toEqual(['desk.once', 'desk.served']);
  });
});
