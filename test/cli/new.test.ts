/** `new race`: the folder that it makes runs at once, and nothing of a refused one is left. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { dependencyOn } from '../../cli/new.ts';
import { versionText } from '../../cli/version.ts';
import { mechanisms } from '../../sim/host/registry.ts';
import { Bench } from './run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());

const FILES = ['README.md', 'jsconfig.json', 'options.d.ts', 'package.json', 'scenario.schema.json'];

describe('new race', () => {
  it.each(['amd', 'intel', 'arm64'])('makes a folder of which one variant breaks and one is clean, on %s', async (arch) => {
    const name = `first-${arch}`;
    const before = mechanisms().length;
    const { code, json } = await bench.run(['new', 'race', name, '--arch', arch, '--json']);
    const files = [...FILES, `${name}.js`, `${name}.test.js`, `${name}.yaml`].sort();
    expect([code, json()]).toEqual([0, { folder: name, files }]);
    expect(readdirSync(bench.path(name)).sort()).toEqual(files);
    expect(mechanisms()).toHaveLength(before);
    // A module imports the package; here it gets the sources.
    const own = bench.path(`${name}/${name}.js`);
    writeFileSync(own, readFileSync(own, 'utf8').replace("'worldswitch/kit'", `'${pathToFileURL('api/kit.ts').href}'`));
    const compared = await bench.run(['compare', `./${name}/${name}.yaml`, '--models', `${name}/${name}.js`, '--json']);
    const { rows } = compared.json<{ rows: { variant: string; violations: { property: string }[] }[] }>();
    expect(rows.map(({ variant, violations }) => [variant, violations.map(({ property }) => property)])).toEqual([
      ['broken', [`${name}.counts-each`]],
      ['fixed', []],
    ]);
    expect(readFileSync(bench.path(`${name}/scenario.schema.json`), 'utf8')).toContain(`"${name}-add"`);
  });

  it('asks for the checkout that it comes from, or for the version of a package that is installed', async () => {
    await bench.run(['new', 'race', 'asks', '--arch', 'amd', '--dir', 'deep/asks']);
    const { dependencies } = JSON.parse(readFileSync(bench.path('deep/asks/package.json'), 'utf8')) as Record<
      string,
      Record<string, string>
    >;
    const [, path] = /^file:(.*)$/.exec(dependencies!.worldswitch!)!;
    expect(resolve(bench.path('deep/asks'), path!)).toBe(process.cwd());
    expect(dependencyOn('/project/node_modules/worldswitch', '/project/mine')).toBe(versionText());
  });

  it('refuses a folder that is there, and leaves it as it was', async () => {
    bench.makeFolder('there');
    writeFileSync(bench.path('there/mine.txt'), 'mine');
    const { code, err } = await bench.run(['new', 'race', 'there', '--arch', 'amd']);
    expect([code, err]).toEqual([2, expect.stringContaining('there is there already, and nothing in it was changed')]);
    expect(readdirSync(bench.path('there'))).toEqual(['mine.txt']);
    expect((await bench.run(['new', 'race', 'there', '--arch', 'amd', '--dir', 'below/other'])).code).toBe(0);
    expect(readdirSync(bench.path('below'))).toEqual(['other']);
  });

  it.each([
    [['race', 'Bad_name', '--arch', 'amd'], 'expected: a kebab-case name'],
    [['race', `a${'b'.repeat(40)}`, '--arch', 'amd'], 'of at most 40 characters'],
    [['race', '../out', '--arch', 'amd'], 'expected: a kebab-case name'],
    [['race', 'rmp-churn', '--arch', 'amd'], 'rmp-churn is the name of a shipped scenario'],
    [['race', 'split-lock', '--arch', 'intel'], 'split-lock is the name of a shipped mechanism'],
    [['race', 'host', '--arch', 'intel'], 'host is the name of a shipped mechanism'],
    [['race', 'mine'], '--arch is missing'],
    [['race', 'mine', '--arch', 'riscv'], 'Allowed choices are amd, intel, arm64'],
    [['rase', 'mine', '--arch', 'amd'], 'found "rase"'],
  ])('refuses %j', async (argv, says) => {
    const { code, err } = await bench.run(['new', ...argv]);
    expect([code, err]).toEqual([2, expect.stringContaining(says)]);
    expect(existsSync(bench.path('mine'))).toBe(false);
  });
});
