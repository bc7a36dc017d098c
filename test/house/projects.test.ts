/** Each test file is in one project, so that `npm test` runs it once. */
import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { projectFiles } from './source.ts';

const VITEST = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs');

interface Listed {
  readonly file: string;
  readonly projectName: string;
}

describe('projects', () => {
  let listed: readonly { readonly file: string; readonly project: string }[];

  beforeAll(() => {
    const text = execFileSync(process.execPath, [VITEST, 'list', '--filesOnly', '--json'], { encoding: 'utf8' });
    listed = (JSON.parse(text) as Listed[]).map(({ file, projectName }) => ({
      file: relative(process.cwd(), file).replaceAll('\\', '/'),
      project: projectName,
    }));
  });

  it('have each test file once', () => {
    const files = projectFiles().filter((file) => file.endsWith('.test.ts'));
    expect(files.length).toBeGreaterThan(100);
    expect(listed.map(({ file }) => file).sort()).toEqual(files);
  });

  it.each([
    ['test/replay/reader.test.ts', 'unit'],
    ['test/replay/shrink.model.test.ts', 'model'],
    ['test/claims/shows.test.ts', 'model'],
    ['test/contracts/chooser.test.ts', 'model'],
    ['test/sim/explore/explore.test.ts', 'model'],
    ['test/scenarios/explore.test.ts', 'scenarios'],
    ['test/e2e/cli.test.ts', 'e2e'],
  ])('run %s in %s', (file, project) => {
    expect(listed.find((one) => one.file === file)?.project).toBe(project);
  });
});
