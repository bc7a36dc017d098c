/**
 * The programs of docs/api.md and docs/extend.md as their readers have them: with the package as it
 * is packed, in a project that is empty. WORLDSWITCH_DOCS=write puts what they print into the
 * documents.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type Program, programsOf, show } from './documents.ts';
import { COMPILER, install, pack, ROOT, run } from './packed.ts';

const folder = mkdtempSync(join(tmpdir(), 'worldswitch-documents-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const { archive } = await pack(folder);
const project = join(folder, 'project');
const missing = await install(archive, project);
if (missing !== '') console.warn(`SKIPPED: the programs of documents are not tried: ${missing}`);

const configOf = (file: string): string =>
  JSON.stringify({
    compilerOptions: {
      target: 'ES2023',
      lib: ['ES2023'],
      module: 'NodeNext',
      strict: true,
      allowJs: true,
      typeRoots: [join(ROOT, 'node_modules', '@types')],
      types: ['node'],
      noEmitOnError: true,
      skipLibCheck: true,
      outDir: 'out',
    },
    files: [file],
  });

const programs = ['docs/api.md', 'docs/extend.md'].flatMap(programsOf);
/** These wait for a port, and for files that another program wrote. */
const compiled = ['docs/serve.md', 'docs/timelines.md'].flatMap(programsOf).filter(({ text }) => text.includes("from 'worldswitch"));

/** Puts a program into the project and compiles it. @returns its name there */
function built({ place, language, text }: Program): string {
  const name = place.replaceAll(/\W/g, '-');
  writeFileSync(join(project, `${name}.${language}`), text);
  writeFileSync(join(project, 'tsconfig.json'), configOf(`${name}.${language}`));
  expect(run(project, process.execPath, COMPILER)).toMatchObject({ stdout: '', status: 0 });
  return name;
}

describe('a program of a document', () => {
  it('is found', () => {
    expect(programs.length).toBeGreaterThan(8);
    expect(programs.filter(({ text }) => !/from 'worldswitch(?:\/\w+)?'/.test(text))).toEqual([]);
  });

  it.for(programs)('$place compiles, runs, and prints what is shown', (program: Program, { skip }) => {
    if (missing !== '') return skip(missing);
    const name = built(program);
    const { output } = program;
    const { status, stdout, stderr } = run(project, process.execPath, `out/${name}.js`);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    if (output === null || output === stdout) return;
    if (process.env.WORLDSWITCH_DOCS === 'write') show(program, stdout);
    else expect(stdout).toBe(output);
  });

  it.for(compiled)('$place compiles', (program, { skip }) => {
    if (missing !== '') return skip(missing);
    built(program);
  });
});
