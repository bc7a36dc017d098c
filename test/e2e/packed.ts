/** The package as others get it: packed, and installed into a project that is empty but for it. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { npm } from './npm.ts';

export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const TIMEOUT_MS = 40_000;

/** TypeScript's bin is a script of its package. */
export const COMPILER = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');

/** Packs what was built, as it is: building again would pull `dist` away from other tests. */
export async function pack(folder: string): Promise<{ readonly archive: string; readonly unpacked: string }> {
  if (!existsSync(join(ROOT, 'dist', 'cli', 'main.js'))) throw new Error('dist is missing; npm run build makes it');
  const said = await npm(ROOT, 'pack', '--json', '--pack-destination', folder);
  if ('missing' in said) throw new Error(said.missing);
  const [{ filename }] = JSON.parse(said.stdout) as [{ filename: string }];
  const archive = join(folder, filename);
  execFileSync('tar', ['-xzf', archive, '-C', folder]);
  return { archive, unpacked: join(folder, 'package') };
}

/**
 * Installs the package and what it depends on; a project without a manifest gets one.
 * @returns why it could not, or ''
 */
export async function install(archive: string, project: string): Promise<string> {
  mkdirSync(project, { recursive: true });
  const manifest = join(project, 'package.json');
  if (!existsSync(manifest)) writeFileSync(manifest, JSON.stringify({ name: 'project', private: true, type: 'module' }));
  const said = await npm(project, 'install', '--prefer-offline', '--engine-strict', '--omit=dev', archive);
  return 'missing' in said ? said.missing : '';
}

export function run(cwd: string, program: string, ...argv: readonly string[]) {
  return spawnSync(program, argv, { cwd, encoding: 'utf8', env: { ...process.env, NO_COLOR: '1' }, timeout: TIMEOUT_MS });
}

/** The program as it is called where it was installed. */
export const worldswitchIn =
  (project: string) =>
  (...argv: readonly string[]) =>
    run(project, 'npx', '--no-install', 'worldswitch', ...argv);
