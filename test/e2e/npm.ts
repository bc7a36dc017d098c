/** npm as a process, and the difference between what it cannot reach and what is wrong. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const TIMEOUT_MS = 60_000;
/** Of one request; without it a network that swallows packets holds npm for minutes. */
const FETCH_MS = 20_000;
/**
 * Codes of errors that say: not from here, or not now. A wrong hash, a package that does not
 * install or a script that fails is not among them.
 */
const UNREACHABLE = /^(?:E(?:NOTFOUND|AI_AGAIN|CONN\w+|TIMEDOUT|(?:NET|HOST)UNREACH|NOTCACHED|4\d\d|5\d\d)|ERR_SOCKET_TIMEOUT|ETARGET)$/;

/** What npm printed, or why what it needs cannot be had. */
export type Said = { readonly stdout: string } | { readonly missing: string };

/**
 * Runs npm in a folder; scripts of packages do not run.
 * @throws Error for anything but a registry that cannot be reached
 */
export async function npm(cwd: string, ...argv: readonly string[]): Promise<Said> {
  const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--fetch-retries=0', `--fetch-timeout=${FETCH_MS}`];
  try {
    return await promisify(execFile)('npm', [...argv, ...options], { cwd, timeout: TIMEOUT_MS, maxBuffer: 1 << 26 });
  } catch (error) {
    const { killed, stderr = '' } = error as { killed?: boolean; stderr?: string };
    if (killed) return { missing: `npm ${argv[0]} took longer than ${TIMEOUT_MS / 1000} s` };
    const code = /^npm error code (\S+)$/m.exec(stderr)?.[1];
    if (code !== undefined && UNREACHABLE.test(code)) return { missing: `npm ${argv[0]}: ${code}` };
    throw error;
  }
}
