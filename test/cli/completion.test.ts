/** What shells complete, asked of the shells themselves. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { COMMANDS } from '../../cli/commands.ts';
import { Bench } from './run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());

const has = (shell: string): boolean => spawnSync(shell, ['--version']).status === 0;
for (const shell of ['bash', 'zsh', 'fish']) if (!has(shell)) console.warn(`SKIPPED: no completion of ${shell}: it is not installed`);

async function script(shell: string): Promise<string> {
  const { code, out } = await bench.run(['completion', shell]);
  expect(code).toBe(0);
  const file = bench.path(`completion.${shell}`);
  writeFileSync(file, out);
  return file;
}

/** What is offered for the last of the words. */
type Offers = (words: readonly string[]) => Promise<string[]>;

const bash: Offers = async (words) => {
  const file = await script('bash');
  const line = words.map((word) => `'${word}'`).join(' ');
  const ask = `source '${file}'; COMP_WORDS=(${line}); COMP_CWORD=${words.length - 1}; _worldswitch; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return spawnSync('bash', ['-c', ask], { encoding: 'utf8', cwd: bench.folder }).stdout.split('\n');
};
const fish: Offers = async (words) => {
  const file = await script('fish');
  const ask = `source '${file}'; complete -C '${words.join(' ')}'`;
  const { stdout } = spawnSync('fish', ['--no-config', '-c', ask], { encoding: 'utf8', cwd: bench.folder });
  return stdout.split('\n').map((line) => line.split('\t')[0]!);
};

const CASES: readonly (readonly [words: readonly string[], offered: readonly string[], not: readonly string[]])[] = [
  [['worldswitch', 'sh'], ['show', 'shrink'], ['run']],
  [['worldswitch', 'run', 'rmp-host'], ['rmp-host-write-race'], ['rmp-churn']],
  [['worldswitch', 'run', '--cho'], ['--chooser'], ['--seed']],
  [['worldswitch', 'run', '--chooser', 'p'], ['pct', 'pos'], ['fifo']],
  [['worldswitch', 'show', 'lat'], ['latest'], []],
  [['worldswitch', 'completion', 'z'], ['zsh'], ['bash']],
];

describe('bash', () => {
  it.skipIf(!has('bash')).each(['two words.wsj', '*', 'tab\tin.wsj', '$(touch taken)'])('offers the file %j as one word', async (name) => {
    const folder = `names ${name.length}`;
    bench.makeFolder(folder);
    writeFileSync(bench.path(`${folder}/${name}`), '');
    expect(await bash(['worldswitch', 'show', `${folder}/`])).toEqual([`${folder}/${name}`, '']);
  });

  it.skipIf(!has('bash'))('completes the value of --name=value', async () => {
    expect(await bash(['worldswitch', 'run', '--chooser', '=', 'p'])).toEqual(['pct', 'pos', '']);
    expect(await bash(['worldswitch', 'run', '--engine', '='])).toEqual(['live', 'memo', '']);
  });
});

describe.each([
  ['bash', bash],
  ['fish', fish],
] as const)('%s', (shell, offers) => {
  it.skipIf(!has(shell)).each(CASES)('completes %j', async (words, offered, not) => {
    const found = await offers(words);
    expect(found).toEqual(expect.arrayContaining([...offered]));
    for (const name of not) expect(found).not.toContain(name);
  });

  it.skipIf(!has(shell))('knows all commands', async () => {
    expect(await offers(['worldswitch', ''])).toEqual(expect.arrayContaining(COMMANDS.map(({ name }) => name)));
  });
});

describe('zsh', () => {
  it.skipIf(!has('zsh'))('loads it', async () => {
    const file = await script('zsh');
    const ask = `autoload -U compinit; compinit -u -D; source '${file}'; print -- $_comps[worldswitch]`;
    const { stdout, stderr } = spawnSync('zsh', ['-f', '-c', ask], { encoding: 'utf8', cwd: bench.folder });
    expect([stdout.trim(), stderr]).toEqual(['_worldswitch', '']);
  });
});

describe('another shell', () => {
  it('is refused with the names of those that are known', async () => {
    const { code, err } = await bench.run(['completion', 'tcsh']);
    expect([code, err]).toEqual([2, expect.stringContaining('tcsh is no shell that is known; expected bash, zsh, fish')]);
  });
});
