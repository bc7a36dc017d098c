/**
 * Explores every variant of every shipped scenario to its end, and holds what breaks against what the scenario expects. One line for
 * each variant; the exit code is 1 when an expectation is not met, or when a search ran out of states before it could tell.
 *
 * `npm run soak` takes minutes and gigabytes. `npm run soak NAME…` takes only these scenarios; `--max-states N` changes the budget.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { type ExploreReport, Explorer } from '../sim/explore/explorer.ts';
import { PROPERTIES } from '../sim/properties/index.ts';
import { variantNames } from '../sim/scenario/checks.ts';
import { loadScenario } from '../sim/scenario/load.ts';
import { resolveScenario } from '../sim/scenario/resolve.ts';
import type { ResolvedScenario } from '../sim/scenario/types.ts';

const STATES_DEFAULT = 60_000_000;
const PROGRESS_MS = 1000;

const known = PROPERTIES.map(({ id, form }) => ({ id, kind: form }));
const { values, positionals } = parseArgs({ allowPositionals: true, options: { 'max-states': { type: 'string' } } });
const maxStates = Number(values['max-states'] ?? STATES_DEFAULT);
if (!Number.isInteger(maxStates) || maxStates < 1) throw new Error(`--max-states is ${values['max-states']}; expected an integer above 0`);

function explored(scenario: ResolvedScenario): ExploreReport {
  const search = new Explorer({ scenario, budget: { states: maxStates } }).run();
  let shownAt = performance.now();
  for (let turn = search.next(); ; turn = search.next()) {
    if (turn.done) return turn.value;
    if (!process.stderr.isTTY || performance.now() - shownAt < PROGRESS_MS) continue;
    shownAt = performance.now();
    process.stderr.write(`\r\x1b[K  ${scenario.name} ${scenario.variant}: ${turn.value.states} states, ${turn.value.frontier} to expand`);
  }
}

/** Why the expectation is not met; null if it is. */
function complaint({ expect }: ResolvedScenario, { exhausted, limit, findings, reached }: ExploreReport): string | null {
  const found = findings.map(({ property }) => property);
  const expected = expect === null || expect === 'clean' ? [] : expect.violates;
  const unexpected = found.filter((property) => !expected.includes(property));
  if (unexpected.length > 0) return `breaks ${unexpected.join(', ')}, which it is not expected to`;
  if (!exhausted) return `undecided: ${limit} ran out`;
  const missing = expected.filter((property) => !found.includes(property));
  if (missing.length > 0) return `does not break ${missing.join(', ')}`;
  const never = [...reached].flatMap(([id, met]) => (met === null ? [id] : []));
  return never.length > 0 ? `the race never happens: ${never.join(', ')}` : null;
}

const number = (value: number): string => value.toLocaleString('en');

/** Explores one variant and prints its line; whether the expectation is met. */
function soak(scenario: ResolvedScenario): boolean {
  const begin = performance.now();
  const report = explored(scenario);
  const seconds = ((performance.now() - begin) / 1000).toFixed(1);
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  const wrong = complaint(scenario, report);
  const found = report.findings.map(({ property, steps }) => `${property} in ${steps}`).join(', ') || 'clean';
  const space = `${number(report.states)} states  ${number(report.transitions)} transitions  ${number(report.unchanged)} unchanged`;
  console.log(
    `${wrong ? 'NOT MET' : 'ok     '}  ${scenario.name} ${scenario.variant}  ${space}  ${seconds} s  ${found}${wrong ? `: ${wrong}` : ''}`,
  );
  return wrong === null;
}

const shipped = readdirSync('scenarios').flatMap((file) => (file.endsWith('.yaml') ? [file.slice(0, -'.yaml'.length)] : []));
const names = positionals.length > 0 ? positionals : shipped.sort();
let met = 0;
let all = 0;
for (const name of names) {
  const file = `scenarios/${name}.yaml`;
  const scenario = loadScenario(readFileSync(file, 'utf8'), file, known);
  for (const variant of variantNames(scenario)) {
    all++;
    if (soak(resolveScenario(scenario, { variant, knownProperties: known }))) met++;
  }
}
console.log(`${met} of ${all} as expected`);
process.exitCode = met === all && all > 0 ? 0 : 1;
