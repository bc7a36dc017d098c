/**
 * The commands of the README as a reader types them, held against what it shows; a line `…` stands
 * for any lines.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ROOT } from './packed.ts';

const README = readFileSync(join(ROOT, 'README.md'), 'utf8');
const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: Record<string, string> };

const folder = mkdtempSync(join(tmpdir(), 'worldswitch-readme-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const program = join(folder, 'worldswitch');
writeFileSync(program, `#!/bin/sh\nexec '${process.execPath}' '${join(ROOT, 'dist', 'cli', 'main.js')}' "$@"\n`);
chmodSync(program, 0o755);

interface Example {
  readonly commands: string;
  readonly shown: string;
}
const EXAMPLE = /^```sh\n(?<commands>[\s\S]*?)^```\n[^`]*?(?:`[^`\n]+`[^`]*?)*?^```text\n(?<shown>[\s\S]*?)^```\n/gm;
/**
 * Each block of commands with the block of text that follows it, in the order of the README: later
 * ones use the files of earlier ones.
 */
const examples = README.split(/^## /m)
  .flatMap((section) => [...section.matchAll(EXAMPLE)])
  .map(({ groups }) => groups as unknown as Example);

/**
 * `npm start` without its installation, which would pull node_modules away from the other tests.
 */
const INSTALLED = 'npm ci && npm start';
const typed = ({ commands }: Example): string =>
  commands.replace(INSTALLED, scripts.start!.replace('node dist/cli/main.js', 'worldswitch'));

function printed(commands: string): string {
  const env = { ...process.env, NO_COLOR: '1', PATH: `${folder}${delimiter}${process.env.PATH ?? ''}` };
  return spawnSync('sh', ['-c', commands], { cwd: folder, encoding: 'utf8', env }).stdout;
}

/**
 * What of the text that is shown does not stand in what was printed, in this order; null if all of
 * it does.
 */
function missingFrom(output: string, shown: string): string | null {
  const [first, ...rest] = shown.split(/^…\n/m);
  if (!output.startsWith(first!)) return first!;
  let from = first!.length;
  for (const part of rest) {
    const at = `\n${output}`.indexOf(`\n${part}`, from);
    if (at < 0) return part;
    from = at + part.length;
  }
  return rest.at(-1) === '' || from === output.length ? null : 'the end of the output';
}

describe('README.md', () => {
  it('has examples, and begins with the two commands', () => {
    expect(examples.length).toBeGreaterThanOrEqual(5);
    expect(examples[0]!.commands).toBe(`${INSTALLED}\n`);
    expect(README).toContain('```sh\nnpm cit\n```');
  });

  it.each(examples)(
    'shows what is printed by $commands',
    (example) => {
      const output = printed(typed(example));
      expect(missingFrom(output, example.shown)).toBeNull();
    },
    60_000,
  );
});
