/**
 * Explores every variant of every shipped scenario to its end, and compares what breaks with what
 * the scenario expects, and what no variant takes with its `uncovered`. One line for each variant;
 * the exit code is 1 when an expectation is not met, or when a search ran out of states before it
 * could tell. What no machine at hand can search whole is searched within a bound, and its line
 * says so.
 *
 * `npm run soak` takes minutes and gigabytes. `npm run soak NAME…` takes only these scenarios;
 * `--max-states N` changes the budget.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { shippedNames, shippedPath } from '../api/shipped-scenarios.ts';
import { Explorer } from '../sim/explore/breadth/explorer.ts';
import { searchedBy } from '../sim/explore/breadth/searched.ts';
import { type Ledger, ledgerOf } from '../sim/explore/covered/ledger.ts';
import { lassosOf } from '../sim/explore/cycles/endless.ts';
import { judge } from '../sim/explore/excuses.ts';
import { BoundedSearch } from '../sim/explore/in-order/bounded.ts';
import type { Search } from '../sim/explore/request.ts';
import { knownProperties } from '../sim/properties/index.ts';
import { variantNames } from '../sim/scenario/checks.ts';
import { goesBy } from '../sim/scenario/expectations.ts';
import { loadScenario } from '../sim/scenario/load.ts';
import { resolveScenario } from '../sim/scenario/resolve.ts';
import type { ResolvedScenario, Scenario } from '../sim/scenario/types.ts';

const STATES_DEFAULT = 60_000_000;
const PROGRESS_MS = 1000;
const ALL = 'all schedules';

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
  readonly ledger: Ledger;
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
    const search = new BoundedSearch({ scenario, limits: { deviations }, states: maxStates });
    const report = drive(search.run(), what);
    const found = report.findings.map(({ property, labels }) => ({ property, steps: labels.length }));
    const ledger = ledgerOf(scenario, search.world.engine);
    return { ...report, found, ledger, bound: report.closed ? ALL : `within ${deviations} deviations` };
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
  const ledger = ledgerOf(scenario, explorer.world.engine);
  return { ...report, found: [...report.findings, ...endless], missed, ledger, bound: ALL };
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

/** Explores one variant and prints its line. */
function soak(scenario: ResolvedScenario): { readonly isMet: boolean; readonly isWhole: boolean; readonly ledger: Ledger } {
  const begin = performance.now();
  const report = explored(scenario);
  const seconds = ((performance.now() - begin) / 1000).toFixed(1);
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  const wrong = complaint(scenario, report);
  const verdict = report.found.map(({ property, steps }) => `${property} in ${steps} steps`).join(', ') || 'clean';
  const space = `${number(report.states)} states, ${number(report.transitions)} transitions, ${number(report.unchanged)} unchanged`;
  const line = [`${scenario.name} ${scenario.variant}`, `${verdict}${wrong ? `: ${wrong}` : ''}`, report.bound, space, `${seconds} s`];
  console.log(`${wrong ? 'NOT MET' : 'ok     '}  ${line.join('  ')}`);
  return { isMet: wrong === null, isWhole: report.bound === ALL && report.limit === null, ledger: report.ledger };
}

/** Whether the file says what its variants never take, and nothing that they do. */
function says({ name, uncovered = [] }: Scenario, ledgers: readonly Ledger[], whole: boolean): boolean {
  const { open, stale } = judge(ledgers, uncovered, { whole });
  const wrong = [...(whole ? open.map((hole) => `never taken: ${hole.name}`) : []), ...stale.map((glob) => `names nothing: ${glob}`)];
  for (const line of wrong) console.log(`NOT MET  ${name} uncovered  ${line}`);
  return wrong.length === 0;
}

const names = positionals.length > 0 ? positionals : shippedNames();
let met = 0;
let all = 0;
let isSaid = true;
for (const name of names) {
  const file = shippedPath(name);
  const scenario = loadScenario(readFileSync(file, 'utf8'), file, known);
  const soaked = variantNames(scenario).map((variant) => soak(resolveScenario(scenario, { variant, knownProperties: known })));
  const ledgers = soaked.map(({ ledger }) => ledger);
  const whole = soaked.every(({ isWhole }) => isWhole);
  isSaid = says(scenario, ledgers, whole) && isSaid;
  all += soaked.length;
  met += soaked.filter(({ isMet }) => isMet).length;
}
console.log(`${met} of ${all} as expected`);
process.exitCode = met === all && all > 0 && isSaid ? 0 : 1;
