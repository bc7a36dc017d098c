/**
 * The commands of docs/mechanisms/sev-snp.md about launches, with its files: they print what is
 * shown. WORLDSWITCH_DOCS=write puts it there.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, expect, it } from 'vitest';
import { Bench } from '../run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());

const DOCUMENT = new URL('../../../docs/mechanisms/sev-snp.md', import.meta.url);
const text = readFileSync(DOCUMENT, 'utf8');
const HEADING = '## Launch digests and ID blocks\n';
const from = text.indexOf(HEADING);
const section = text.slice(from, text.indexOf('\n## ', from + 1));
const FILE = /<!-- file: (\S+) -->\n\n```\w+\n([\s\S]*?)```/g;
const COMMAND = /```console\n\$ worldswitch (.*)\n([\s\S]*?)```/g;

it('the section about launches shows what its commands print', async () => {
  const files = [...section.matchAll(FILE)];
  const commands = [...section.matchAll(COMMAND)];
  expect([files.length, commands.length]).toEqual([2, 3]);
  for (const [, name, content] of files) writeFileSync(bench.path(name!), content!);
  let written = section;
  for (const [block, line, output] of commands) {
    const { code, out, err } = await bench.run(line!.split(' '));
    expect([code, err]).toEqual([0, '']);
    written = written.replace(block!, () => `\`\`\`console\n$ worldswitch ${line}\n${out}\`\`\``);
    if (process.env.WORLDSWITCH_DOCS !== 'write') expect(output).toBe(out);
  }
  if (process.env.WORLDSWITCH_DOCS === 'write')
    writeFileSync(
      DOCUMENT,
      text.replace(section, () => written),
    );
});
