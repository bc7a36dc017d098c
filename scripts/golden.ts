/**
 * Writes test/golden/digests.json. `npm run golden`, after a change that is meant. Refuses digests
 * that changed while MODEL_VERSION did not; `npm run golden -- --unreleased` accepts them, for a
 * version of which no journals exist. Runs that are in no commit yet may change.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { changedRuns, type Golden, goldenOf } from './golden-runs.ts';

const FILE = 'test/golden/digests.json';
/** What was committed last; outside a repository, what the file has. */
function goldenBefore(): Golden {
  const { status, stdout } = spawnSync('git', ['show', `HEAD:${FILE}`], { encoding: 'utf8', maxBuffer: 1 << 28 });
  const text = status === 0 ? stdout : existsSync(FILE) ? readFileSync(FILE, 'utf8') : null;
  return text === null ? { modelVersion: 0, runs: {} } : (JSON.parse(text) as Golden);
}

const before = goldenBefore();
const after = goldenOf();
const changed = changedRuns(before, after);
if (changed.length > 0 && before.modelVersion === after.modelVersion && !process.argv.includes('--unreleased')) {
  console.error(
    `${changed.length} runs changed (${changed.slice(0, 3).join('; ')}${changed.length > 3 ? '; …' : ''}) under model version ${after.modelVersion}.`,
  );
  console.error('Raise it: add an entry to BEHAVIOUR_LOG in sim/model-version.ts that says what changed and why, then run this again.');
  process.exit(1);
}
const lines = Object.entries(after.runs).map(([name, run]) => `    ${JSON.stringify(name)}: ${JSON.stringify(run)}`);
mkdirSync('test/golden', { recursive: true });
writeFileSync(FILE, `{\n  "modelVersion": ${after.modelVersion},\n  "runs": {\n${lines.join(',\n')}\n  }\n}\n`);
console.log(`${FILE}: ${lines.length} runs of model version ${after.modelVersion}, ${changed.length} changed`);
