/**
 * Explores every variant of every shipped scenario to its end, and compares what breaks with what
 * the scenario expects. One line for each variant; the exit code is 1 when an expectation is not
 * met, or when a search ran out of states before it could tell. What no machine at hand can search
 * whole is searched within a bound, and its line says so.
 *
 * `npm run soak` takes minutes and gigabytes. `npm run soak NAME…` takes only these scenarios;
 * `--max-states N` changes the budget.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { shippedNames, shippedPath } from '../api/shipped-scenarios.ts';
import { Explorer } from '../sim/explore/breadth/explorer.ts';
import { searchedBy } from '../sim/explore/breadth/searched.ts';
import { lassosOf } from '../sim/explore/cycles/endless.ts';
import { BoundedSearch } from '../sim/explore/in-order/bounded.ts';
import type { Search } from '../sim/explore/request.ts';
import { knownProperties } from '../sim/properties/index.ts';
import { variantNames } from '../sim/scenario/checks.ts';
import { goesBy } from '../sim/scenario/expectations.ts';
import { loadScenario } from '../sim/scenario/load.ts';
import { resolveScenario } from '../sim/scenario/resolve.ts';
import type { ResolvedScenario } from '../sim/scenario/types.ts';

const STATES_DEFAULT = 60_000_000;
const PROGRESS_MS = 1000;

const known = knownProperties();
const { values, positionals } = parseArgs({ allowPositionals: true, options: { 'max-states': { type: 'string' } } });
const maxStates = Number(values['max-states'] ?? STATES_DEFAULT);
if (!Number.isInteger(maxStates) || maxStates < 1) throw new Error(`--max-states is ${values['max-states']}; expected an integer above 0`);

/**
 * Deviations within which a variant is searched, because all its schedules are too many: rmp-churn
 * is made to be long.
 */
const WITHIN: Readonly<Record<string, number>> = { 'rmp-churn default': 3 };

/** What either search says, as far as an expectation needs it. */
interface Explored {
  readonly bound: string;
  readonly limit: string | null;
  readonly states: number;
  readonly transitions: number;
  readonly unchanged: number;
  readonly found: readonly (Parameters<typeof goesBy>[0] & { readonly steps: number })[];
  readonly missed: readonly string[];
}

function drive<R>(search: Search<R>, what: string): R {
  let shownAt = performance.now();
  for (let turn = search.next(); ; turn = search.next()) {
    if (turn.done) return turn.value;
    if (!process.stderr.isTTY || performance.now() - shownAt < PROGRESS_MS) continue;
    shownAt = performance.now();
    process.stderr.write(`\r\x1b[K  ${what}: ${turn.value.states} states, ${turn.value.frontier} to expand`);
  }
}

function explored(scenario: ResolvedScenario): Explored {
  const what = `${scenario.name} ${scenario.variant}`;
  const deviations = WITHIN[what];
  if (deviations !== undefined) {
    const report = drive(new BoundedSearch({ scenario, limits: { deviations }, states: maxStates }).run(), what);
    const found = report.findings.map(({ property, labels }) => ({ property, steps: labels.length }));
    return { ...report, found, bound: report.closed ? 'all schedules' : `within ${deviations} deviations` };
  }
  const explorer = new Explorer({ scenario, budget: { states: maxStates } });
  const report = drive(explorer.run(), what);
  const lassos = drive(lassosOf(searchedBy(explorer, report), scenario.properties.eventually), what);
  const endless = lassos.findings.map(({ stem, cycle, lasso, ...found }) => ({
    ...found,
    ...(lasso && { lasso }),
    steps: stem.length + cycle.length,
  }));
  const missed = [...report.reached].flatMap(([id, met]) => (met === null ? [id] : []));
  return { ...report, found: [...report.findings, ...endless], missed, bound: 'all schedules' };
}

/** Why the expectation is not met; null if it is. */
function complaint({ expect }: ResolvedScenario, { limit, found, missed }: Explored): string | null {
  const expected = expect === null || expect === 'clean' ? [] : expect.violates;
  const unexpected = found.filter((violation) => !expected.some((name) => goesBy(violation, name)));
  if (unexpected.length > 0) return `breaks ${unexpected.map(({ property }) => property).join(', ')}, which it is not expected to`;
  if (limit !== null) return `undecided: ${limit} ran out`;
  const missing = expected.filter((name) => !found.some((violation) => goesBy(violation, name)));
  if (missing.length > 0) return `does not break ${missing.join(', ')}`;
  return missed.length > 0 ? `the race never happens: ${missed.join(', ')}` : null;
}

const number = (value: number): string => value.toLocaleString('en');

/** Explores one variant and prints its line; whether the expectation is met. */
function soak(scenario: ResolvedScenario): boolean {
  const begin = performance.now();
  const report = explored(scenario);
  const seconds = ((performance.now() - begin) / 1000).toFixed(1);
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  const wrong = complaint(scenario, report);
  const verdict = report.found.map(({ property, steps }) => `${property} in ${steps} steps`).join(', ') || 'clean';
  const space = `${number(report.states)} states, ${number(report.transitions)} transitions, ${number(report.unchanged)} unchanged`;
  const line = [`${scenario.name} ${scenario.variant}`, `${verdict}${wrong ? `: ${wrong}` : ''}`, report.bound, space, `${seconds} s`];
  console.log(`${wrong ? 'NOT MET' : 'ok     '}  ${line.join('  ')}`);
  return wrong === null;
}

const names = positionals.length > 0 ? positionals : shippedNames();
let met = 0;
let all = 0;
for (const name of names) {
  const file = shippedPath(name);
  const scenario = loadScenario(readFileSync(file, 'utf8'), file, known);
  for (const variant of variantNames(scenario)) {
    all++;
    if (soak(resolveScenario(scenario, { variant, knownProperties: known }))) met++;
  }
}
console.log(`${met} of ${all} as expected`);
process.exitCode = met === all && all > 0 ? 0 : 1;
