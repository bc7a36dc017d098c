/**
 * The package as others get it: what is packed, installed into an empty project, called there and
 * imported there.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { shippedFile, shippedNames } from '../../api/shipped-scenarios.ts';
import { shippedMaps } from '../../cli/trace-maps.ts';
import { scenarioJsonSchema } from '../../sim/scenario/json-schema.ts';
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

const files = filesBelow(unpacked);

describe('what is packed', () => {
  it('has the texts, every shipped scenario, and the maps of recorded kernels', () => {
    const scenarios = shippedNames().map(shippedFile);
    expect(scenarios.length).toBeGreaterThan(0);
    expect(files).toEqual(
      expect.arrayContaining([
        'package.json',
        'LICENSE',
        'README.md',
        'CHANGELOG.md',
        'CONTRIBUTING.md',
        'examples/my-patch/my-patch.js',
        ...scenarios.map((file) => `scenarios/${file}`),
        ...shippedMaps().map((name) => `trace/maps/${name}.yaml`),
      ]),
    );
  });

  it('has nothing else but documents, examples and what was built', () => {
    const known =
      /^(?:package\.json|LICENSE|README\.md|CHANGELOG\.md|CONTRIBUTING\.md|docs\/.+\.(?:md|json|svg)|scenarios\/.+\.(?:yaml|json)|trace\/maps\/.+\.yaml|dist\/scenario\.schema\.json|dist\/.+\.(?:js|d\.ts)(?:\.map)?)$/;
    const examples = filesBelow(join(ROOT, 'examples')).filter((file) => !/(?:^|\/)(?:out|node_modules)\//.test(file));
    const others = files.filter((file) => !file.startsWith('examples/'));
    expect(files.filter((file) => file.startsWith('examples/')).sort()).toEqual(examples.map((file) => `examples/${file}`).sort());
    expect(others.filter((file) => !known.test(file))).toEqual([]);
    expect(others.filter((file) => /(?:^|\/)(?:test|bench|scripts|node_modules)\/|\.test\./.test(file))).toEqual([]);
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

  it('has every file that its documents link to', () => {
    const linked = files
      .filter((file) => file.endsWith('.md'))
      .flatMap((file) =>
        [...readFileSync(join(unpacked, file), 'utf8').matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)].map(([, to]) => ({
          file,
          to: join(dirname(file), to!).replace(/\/$/, ''),
        })),
      );
    expect(linked.length).toBeGreaterThan(20);
    expect(linked.filter(({ to }) => !files.includes(to) && !files.some((file) => file.startsWith(`${to}/`)))).toEqual([]);
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
    expect(program).toMatchObject({ folds: true, verdict: ran.verdict, steps: ran.steps, recorded: ran.steps, digest: ran.digest });
    expect(program.events).toBeGreaterThan(ran.steps);
  });

  it('has these entry points and no others', ({ skip }) => {
    skip(missing !== '', missing);
    expect(Object.keys(manifest.exports)).toEqual([
      '.',
      './extend',
      './kit',
      './journal',
      './timeline',
      './vitest',
      './scenario.schema.json',
      './scenarios/*',
      './package.json',
    ]);
    const load = (path: string) => run(project, process.execPath, '--input-type=module', '--eval', `await import('${path}')`);
    for (const path of ['worldswitch', 'worldswitch/extend', 'worldswitch/kit', 'worldswitch/journal', 'worldswitch/timeline'])
      expect(load(path)).toMatchObject({ status: 0, stderr: '' });
    for (const path of ['worldswitch/sim/session', 'worldswitch/cli/main', 'worldswitch/extend.js', 'worldswitch/dist/api/index.js'])
      expect(load(path).stderr).toContain('ERR_PACKAGE_PATH_NOT_EXPORTED');
  });

  it('has the schema of scenario files, as the sources make it, where its scenarios look for it', () => {
    const schema = jsonOf<object>(join(unpacked, 'dist', 'scenario.schema.json'));
    expect(schema).toEqual(JSON.parse(JSON.stringify(scenarioJsonSchema())));
    const [first] = readFileSync(join(unpacked, 'scenarios', 'sev-snp', 'rmp-churn.yaml'), 'utf8').split('\n');
    const [, path] = /^# yaml-language-server: \$schema=(.+)$/.exec(first!)!;
    expect(join(unpacked, 'scenarios', 'sev-snp', path!)).toBe(join(unpacked, 'dist', 'scenario.schema.json'));
  });

  it('names no other subpath in its documents', () => {
    const subpath = /(?<=['`])worldswitch\/[\w./-]+(?=['`])/g;
    const documents = files.filter((file) => file.endsWith('.md') && !/^(?:CHANGELOG|docs\/decisions\/)/.test(file));
    const named = documents.flatMap((file) =>
      (readFileSync(join(unpacked, file), 'utf8').match(subpath) ?? []).map((path) => ({ file, path })),
    );
    expect(named.length).toBeGreaterThan(0);
    const known = Object.keys(manifest.exports).map((name) => name.replace('./', 'worldswitch/').replace('*', ''));
    const isKnown = (path: string): boolean => known.some((name) => path === name || (name.endsWith('/') && path.startsWith(name)));
    expect(named.filter(({ path }) => !isKnown(path))).toEqual([]);
  });

  it('is the program that a module of its user imports from, and says which entry point to import from', ({ skip }) => {
    skip(missing !== '', missing);
    const check = (name: string, text: string) => {
      writeFileSync(join(folder, name), text);
      return run(folder, process.execPath, join(project, 'node_modules/worldswitch/dist/cli/main.js'), 'scenarios', '--models', name);
    };
    const body = "export const mechanism = { name: 'mine', arches: ['amd'] };";
    const own = ['worldswitch', 'worldswitch/extend', 'worldswitch/kit', 'worldswitch/journal', 'worldswitch/timeline'].map(
      (path) => `import '${path}';`,
    );
    expect(check('own.mjs', `${own.join('')}${body}`)).toMatchObject({ status: 0, stderr: '' });
    for (const path of ['worldswitch/actors/paths/env', 'worldswitch/sim/property']) {
      const { status, stderr } = check(`old-${path.split('/').at(-1)}.mjs`, `import '${path}';${body}`);
      expect(status).toBe(2);
      expect(stderr).toContain(`imports ${path}, which the package does not have`);
      expect(stderr).toContain(`try: replace '${path}' by 'worldswitch/extend'`);
    }
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
