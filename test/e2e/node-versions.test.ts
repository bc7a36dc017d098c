/**
 * One scenario, one seed, the same choices: every version of Node writes the same bytes, and
 * replays what another wrote.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { obtainNodes } from './node-binaries.ts';

const MAIN = resolve('dist/cli/main.js');
const TIMEOUT_MS = 40_000;
const CHURN = ['rmp-churn', '--set', 'rounds=20', '--chooser', 'random', '--seed', '7'];
/** By the name of the journal. */
const RUNS: readonly (readonly [string, readonly string[]])[] = [
  ['live', [...CHURN, '--engine', 'live']],
  ['memo', [...CHURN, '--engine', 'memo']],
  ['race', ['rmp-host-write-race']],
];
/** The churn fills several blocks; a journal that is smaller than this compares too little. */
const CHURN_BYTES_MIN = 100_000;

const nodes = await obtainNodes();
for (const { version, missing } of nodes) if (missing !== '') console.warn(`SKIPPED: nothing is compared with Node ${version}: ${missing}`);

const folder = mkdtempSync(join(tmpdir(), 'worldswitch-nodes-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Options for one version of Node may be unknown to another. */
const env = { ...process.env, NODE_OPTIONS: '', NO_COLOR: '1' };

function worldswitch(node: string, ...argv: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(node, [MAIN, ...argv], { cwd: folder, encoding: 'utf8', env, timeout: TIMEOUT_MS });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout;
}

const fileOf = (writer: string, name: string): string => join(folder, `${writer}-${name}.wsj`);
const sha256 = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');

const HERE = 'here';
const identity = (node: string) => JSON.parse(worldswitch(node, '--version', '--json')) as { node: string; modelId: string };

beforeAll(() => {
  if (!existsSync(MAIN)) throw new Error(`${MAIN} is missing; npm run build makes it`);
  for (const [name, argv] of RUNS) worldswitch(process.execPath, 'run', ...argv, '-o', fileOf(HERE, name));
});

describe(`Node ${process.versions.node}, which the others are compared with`, () => {
  it('writes the same bytes with both engines, and enough of them', () => {
    expect(statSync(fileOf(HERE, 'live')).size).toBeGreaterThan(CHURN_BYTES_MIN);
    expect(sha256(fileOf(HERE, 'memo'))).toBe(sha256(fileOf(HERE, 'live')));
    expect(sha256(fileOf(HERE, 'race'))).not.toBe(sha256(fileOf(HERE, 'live')));
  });
});

for (const { version, path, missing } of nodes) {
  describe(`Node ${version}`, () => {
    it('runs the program, with the same model', ({ skip }) => {
      if (path === null) return skip(missing);
      expect(worldswitch(path, '--version')).toBe(worldswitch(process.execPath, '--version'));
      expect(identity(path)).toEqual({ ...identity(process.execPath), node: version });
    });

    it.for(RUNS)('writes the same bytes: %s', ([name, argv], { skip }) => {
      if (path === null) return skip(missing);
      const file = fileOf(version, name);
      worldswitch(path, 'run', ...argv, '-o', file);
      expect(sha256(file)).toBe(sha256(fileOf(HERE, name)));
    });

    it('resolves what a module of the user’s own imports, where no package is installed beside it', ({ skip }) => {
      if (path === null) return skip(missing);
      const patch = resolve('examples/my-patch/my-patch.js');
      const { ok } = JSON.parse(
        worldswitch(path, 'check', resolve('scenarios/sev-snp/rmpadjust-vs-rmpupdate.yaml'), '--models', patch, '--json'),
      ) as { ok: boolean };
      expect(ok).toBe(true);
    });

    it.for(['live', 'race'])('replays what another version wrote: %s', (name, { skip }) => {
      if (path === null) return skip(missing);
      expect(JSON.parse(worldswitch(path, 'replay', fileOf(HERE, name), '--json'))).toMatchObject({ identical: true, sealed: true });
    });
  });
}
