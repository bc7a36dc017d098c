/** The object of docs/extend.md that is freed while it is used: a violation, in words. */
import { readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { Bench } from './run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());

const fence = '```';
const section = readFileSync('docs/extend.md', 'utf8').split('## Things that come and go')[1]!.split('\n## ')[0]!;
const blocks = [...section.matchAll(new RegExp(`${fence}\\w+\\n([\\s\\S]*?)${fence}`, 'g'))].map(([, text]) => text!);
/** As if the package were installed beside it. */
const installed = (code: string): string =>
  code
    .replace("'worldswitch/extend'", JSON.stringify(pathToFileURL('api/extend.ts').href))
    .replace("'xstate'", JSON.stringify(pathToFileURL('node_modules/xstate/dist/xstate.esm.js').href));

describe('an object of a module', () => {
  it('that is used behind its end is told as docs/extend.md has it', async () => {
    writeFileSync(bench.path('my-buffer.mjs'), installed(blocks[0]!));
    const threads = '[[{ write-buffer: {} }], [{ free-buffer: {} }]]';
    const text = `name: freed\nsummary: s\nhost: { arch: intel }\nprocesses: { p: { threads: ${threads} } }\nproperties: { always: [object.use-after-free] }\n`;
    writeFileSync(bench.path('freed.yaml'), text);
    const { code, out } = await bench.run(['explore', './freed.yaml', '--models', 'my-buffer.mjs']);
    expect(code).toBe(1);
    expect(out).toContain(blocks[1]!.trimEnd());
    expect((await bench.run(['run', './freed.yaml', '--models', 'my-buffer.mjs'])).code).toBe(0);
  });
});
