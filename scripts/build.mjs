/**
 * Builds `dist` from the sources.
 *
 * The compiler writes into a folder beside `dist` that takes its place only when all went well:
 * output of deleted sources does not survive, and a failed build leaves the last good one.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const DIST = join(ROOT, 'dist');
const DIST_NEXT = `${DIST}.${process.pid}`;
const CONFIG = join(ROOT, 'tsconfig.build.json');

/** @type {{ include: string[] }} */
const { include: folders } = JSON.parse(readFileSync(CONFIG, 'utf8'));
/** @type {{ bin: Record<string, string> }} */
const { bin } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));

/** @param {string} folder */
const hasSources = (folder) =>
  existsSync(join(ROOT, folder)) &&
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).some((name) => name.endsWith('.ts'));

/** TypeScript's bin is a script of its package; going through it spares a shell. */
const compile = () => {
  const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');
  return spawnSync(process.execPath, [compiler, '--project', CONFIG, '--outDir', DIST_NEXT], { cwd: ROOT, stdio: 'inherit' }).status ?? 1;
};

/** The schema of scenario files, which scenarios name for editors: what was compiled prints it. */
const writeSchema = () => {
  const { status, stdout } = spawnSync(process.execPath, [join(DIST_NEXT, 'cli', 'main.js'), 'schema'], { cwd: ROOT });
  if (status === 0) writeFileSync(join(DIST_NEXT, 'scenario.schema.json'), stdout);
  return status ?? 1;
};

const build = () => {
  if (!folders.some(hasSources)) {
    console.error(`Nothing to build: no .ts file in ${folders.join(', ')}.`);
    return 0;
  }
  const status = compile() || writeSchema();
  if (status !== 0) return status;
  rmSync(DIST, { recursive: true, force: true });
  renameSync(DIST_NEXT, DIST);
  for (const path of Object.values(bin)) {
    if (existsSync(join(ROOT, path))) chmodSync(join(ROOT, path), 0o755);
  }
  return 0;
};

try {
  process.exitCode = build();
} finally {
  rmSync(DIST_NEXT, { recursive: true, force: true });
}
