/** The package as others get it: what is packed, installed into an empty project, called there and imported there. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { shippedFile, shippedNames } from '../../cli/shipped.ts';
import { PROGRAM, tsconfigWith } from './consumer.ts';
import { COMPILER, install, pack, ROOT, run, worldswitchIn } from './packed.ts';

const RACE = 'rmp-host-write-race';

const folder = mkdtempSync(join(tmpdir(), 'worldswitch-package-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const jsonOf = <T>(path: string): T => JSON.parse(readFileSync(path, 'utf8')) as T;
const manifest = jsonOf<{ version: string; scripts: Record<string, string>; exports: Record<string, unknown> }>(join(ROOT, 'package.json'));

const filesBelow = (path: string): string[] =>
  readdirSync(path, { recursive: true, encoding: 'utf8' }).filter((file) => statSync(join(path, file)).isFile());

const { archive, unpacked } = await pack(folder);
const project = join(folder, 'project');
const missing = await install(archive, project);
if (missing !== '') console.warn(`SKIPPED: the package is not tried in a project of its own: ${missing}`);
const worldswitch = worldswitchIn(project);

describe('what is packed', () => {
  const files = filesBelow(unpacked);

  it('has the texts, and every shipped scenario', () => {
    const scenarios = shippedNames().map(shippedFile);
    expect(scenarios.length).toBeGreaterThan(0);
    expect(files).toEqual(
      expect.arrayContaining(['package.json', 'LICENSE', 'README.md', 'CHANGELOG.md', ...scenarios.map((file) => `scenarios/${file}`)]),
    );
  });

  it('has nothing else but documents and what was built', () => {
    const known =
      /^(?:package\.json|LICENSE|README\.md|CHANGELOG\.md|docs\/.+\.(?:md|json)|scenarios\/.+\.(?:yaml|json)|dist\/.+\.(?:js|d\.ts)(?:\.map)?)$/;
    expect(files.filter((file) => !known.test(file))).toEqual([]);
    expect(files.filter((file) => /(?:^|\/)(?:test|bench|scripts|node_modules)\/|\.test\./.test(file))).toEqual([]);
  });

  it('has each source as one module with its types, and nothing of sources that are gone', () => {
    const { include } = jsonOf<{ include: string[] }>(join(ROOT, 'tsconfig.build.json'));
    const sources = include.flatMap((name) => filesBelow(join(ROOT, name)).map((file) => `dist/${name}/${file}`));
    const modules = sources.filter((file) => file.endsWith('.ts')).map((file) => file.slice(0, -'.ts'.length));
    for (const ending of ['.js', '.d.ts']) {
      const built = files.filter((file) => file.startsWith('dist/') && file.endsWith(ending)).map((file) => file.slice(0, -ending.length));
      const unbuilt = modules.filter((name) => !built.includes(name));
      const gone = built.filter((name) => !modules.includes(name));
      expect({ ending, unbuilt, gone }, 'npm run build').toEqual({ ending, unbuilt: [], gone: [] });
    }
  });

  it('names no place of the machine that built it', () => {
    const place = /(?<![\w.*])\/(?:home|Users|root|work)\/[\w.]|file:\/\/\/[\w.]/;
    const named = files.filter((file) => {
      const text = readFileSync(join(unpacked, file), 'utf8');
      return text.includes(ROOT) || place.test(text);
    });
    expect(named).toEqual([]);
  });
});

describe('in a project of its own', () => {
  it('says its version, and lists its scenarios', ({ skip }) => {
    skip(missing !== '', missing);
    expect(worldswitch('--version').stdout).toBe(`${manifest.version}\n`);
    const { status, stdout } = worldswitch('scenarios');
    expect(status).toBe(0);
    expect(stdout).toContain(`${RACE}  `);
  });

  it('runs a scenario and writes the journal there', ({ skip }) => {
    skip(missing !== '', missing);
    const { status, stdout } = worldswitch('run', RACE, '--json');
    expect(status).toBe(0);
    const ran = JSON.parse(stdout) as { verdict: string; journal: string };
    expect(ran.verdict).toBe('clean');
    expect(worldswitch('verify', ran.journal).status).toBe(0);
  });

  it('explores a scenario, and its counterexample replays', ({ skip }) => {
    skip(missing !== '', missing);
    const { status, stdout } = worldswitch('explore', 'rmpadjust-vs-rmpupdate', '--json');
    expect(status).toBe(1);
    const { exhausted, violations } = JSON.parse(stdout) as { exhausted: boolean; violations: { property: string; journal: string }[] };
    expect({ exhausted, properties: violations.map(({ property }) => property) }).toEqual({
      exhausted: true,
      properties: ['rmp.vm-bugged'],
    });
    expect(JSON.parse(worldswitch('replay', violations[0]!.journal, '--json').stdout)).toMatchObject({ identical: true, sealed: true });
  });

  it('is imported by a strict program, without skipping the types of libraries', ({ skip }) => {
    skip(missing !== '', missing);
    writeFileSync(join(project, 'program.ts'), PROGRAM);
    writeFileSync(join(project, 'tsconfig.json'), tsconfigWith(join(ROOT, 'node_modules', '@types')));
    expect(run(project, process.execPath, COMPILER)).toMatchObject({ stdout: '', status: 0 });
    const ran = JSON.parse(worldswitch('run', RACE, '-o', 'race.wsj', '--json').stdout) as {
      verdict: string;
      steps: number;
      digest: string;
    };
    const { stdout, stderr } = run(project, process.execPath, 'out/program.js', 'race.wsj');
    expect(stderr).toBe('');
    const program = JSON.parse(stdout) as { events: number };
    expect(program).toMatchObject({ verdict: ran.verdict, steps: ran.steps, recorded: ran.steps, digest: ran.digest });
    expect(program.events).toBeGreaterThan(ran.steps);
  });

  it('has subpaths without an ending, for the five folders alone', ({ skip }) => {
    skip(missing !== '', missing);
    const load = (path: string) => run(project, process.execPath, '--input-type=module', '--eval', `await import('worldswitch/${path}')`);
    expect(load('sim/session').status).toBe(0);
    expect(load('sim/session.js').stderr).toContain('ERR_MODULE_NOT_FOUND');
    expect(load('cli/main').stderr).toContain('ERR_PACKAGE_PATH_NOT_EXPORTED');
    expect(Object.keys(manifest.exports)).toEqual([
      './events/*',
      './actors/*',
      './sim/*',
      './replay/*',
      './timeline/*',
      './scenarios/*',
      './package.json',
    ]);
  });

  it('has every subpath that the documents name', ({ skip }) => {
    skip(missing !== '', missing);
    const subpath = /(?<=['`])worldswitch\/(?:events|actors|sim|replay|timeline)\/[\w./-]+(?=['`])/g;
    const documents = filesBelow(unpacked).filter((file) => file.endsWith('.md'));
    const named = documents.flatMap((file) =>
      (readFileSync(join(unpacked, file), 'utf8').match(subpath) ?? []).map((path) => ({ file, path })),
    );
    expect(named.length).toBeGreaterThan(0);
    const script = 'for (const path of process.argv.slice(1)) await import(path).catch(() => console.log(path));';
    const { stdout } = run(project, process.execPath, '--input-type=module', '--eval', script, ...new Set(named.map(({ path }) => path)));
    expect(named.filter(({ path }) => stdout.split('\n').includes(path)).map(({ file, path }) => `${file} names ${path}`)).toEqual([]);
  });
});

describe('npm start', () => {
  it('runs a race, replays it, and breaks it', () => {
    const words = manifest.scripts.start!.split(' ');
    expect(words).toEqual(['node', 'dist/cli/main.js', 'demo']);
    const cwd = mkdtempSync(join(folder, 'start-'));
    const { status, stdout, stderr } = run(cwd, process.execPath, join(ROOT, words[1]!), ...words.slice(2), '--json');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const demo = JSON.parse(stdout) as object;
    expect(Object.keys(demo)).toEqual(['run', 'replay', 'inject']);
    expect(demo).toMatchObject({ run: { verdict: 'clean' }, replay: { identical: true }, inject: { verdict: 'violation' } });
    expect(readdirSync(join(cwd, 'worldswitch-runs'))).toHaveLength(2);
  });
});
