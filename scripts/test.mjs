/**
 * Runs the vitest projects one after another, each timed, and ends with one line:
 * `N passed, N failed`.
 *
 * Arguments go to vitest. Passes only if every project passes and at least one test ran.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const PROJECTS = ['unit', 'model', 'scenarios', 'e2e'];
const VITEST = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs');

/**
 * What the JSON reporter writes, as far as it is read here.
 * @typedef {{ numPassedTests: number, numFailedTests: number, numPendingTests: number,
 *   testResults: { status: string, assertionResults: { status: string }[] }[] }} Report
 */

/**
 * @typedef {{ name: string, seconds: number, passed: number, failed: number, skipped: number }}
 * Outcome
 */

/**
 * A file that fails outside its tests (a broken import, a failed hook) counts as one failure: its
 * tests never ran.
 * @param {Report} report
 */
const failuresIn = (report) => {
  const brokenFiles = report.testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
  );
  return report.numFailedTests + brokenFiles.length;
};

/**
 * @param {string} name
 * @param {string} reports
 * @param {string[]} args
 * @returns {Outcome}
 */
const runProject = (name, reports, args) => {
  const file = join(reports, `${name}.json`);
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
  const begin = performance.now();
  const options = ['run', '--project', name, '--passWithNoTests', ...reporters, ...args];
  const { status } = spawnSync(process.execPath, [VITEST, ...options], { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] });
  const seconds = (performance.now() - begin) / 1000;
  /** @type {Report} */
  const report = existsSync(file)
    ? JSON.parse(readFileSync(file, 'utf8'))
    : { numPassedTests: 0, numFailedTests: 0, numPendingTests: 0, testResults: [] };
  // A run that fails without a failed test (an error outside all of them, a crash) must still be
  // seen in the sum.
  const failed = Math.max(failuresIn(report), status === 0 ? 0 : 1);
  return { name, seconds, passed: report.numPassedTests, failed, skipped: report.numPendingTests };
};

const args = process.argv.slice(2);
const reports = mkdtempSync(join(tmpdir(), 'worldswitch-test-'));
try {
  const outcomes = PROJECTS.map((name) => runProject(name, reports, args));
  for (const { name, seconds, passed, failed, skipped } of outcomes) {
    const rest = skipped > 0 ? `, ${skipped} skipped` : '';
    console.log(`${name.padEnd(9)} ${seconds.toFixed(1).padStart(6)} s   ${passed} passed, ${failed} failed${rest}`);
  }
  const passed = outcomes.reduce((sum, outcome) => sum + outcome.passed, 0);
  const failed = outcomes.reduce((sum, outcome) => sum + outcome.failed, 0);
  if (passed + failed === 0) console.error('No test ran.');
  process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
  console.log(`${passed} passed, ${failed} failed`);
} finally {
  rmSync(reports, { recursive: true, force: true });
}
