/** `explore --coverage`: each line of each path with how often it was taken, and a profile. */
import type { AnyStateNode } from 'xstate';
import { walksOf } from '../../actors/path/walks.ts';
import type { Profile, Traffic } from '../../sim/explore/covered/inspection.ts';
import { countedLines, type LineCounts, takenLines } from '../../sim/explore/inspect/line-counts.ts';
import type { Exploration } from '../../sim/explore/request.ts';
import { topologyOf } from '../../sim/host/topology.ts';
import { type Outline, outlinesOf } from '../../sim/paths/outline.ts';
import { ownIn } from '../../sim/paths/own.ts';
import { pathsIn, type Site } from '../../sim/paths/sites.ts';
import { unknownName } from '../../sim/scenario/issues.ts';
import type { ResolvedScenario } from '../../sim/scenario/types.ts';
import { usageError } from '../errors.ts';
import { commandText, type Printer, styled, table } from '../output.ts';
import { type CodeRow, codeLines, codeRows } from '../paths/pseudo-code.ts';

/** A line with how often it was taken: 1 stands for any number where nothing was counted. */
export interface CountedRow extends CodeRow {
  /** Null where it is no line that is taken, or nothing is known of it. */
  readonly count: number | null;
  readonly sent: Readonly<Record<string, number>>;
}

export interface CountedPath extends Pick<Outline, 'name' | 'source' | 'grade' | 'places'> {
  readonly lines: readonly CountedRow[];
}

/** A transition of a machine that is written by hand. */
export interface CountedTransition {
  readonly kind: string;
  readonly from: string;
  readonly on: string;
  readonly to: string | null;
  readonly count: number;
}

export interface LineCoverage {
  /** False: it is known which lines were taken, not how often. */
  readonly isCounted: boolean;
  /** How the numbers came about, in a sentence. */
  readonly says: string;
  readonly paths: readonly CountedPath[];
  readonly machines: readonly CountedTransition[];
  readonly profile: Profile | null;
}

const number = (value: number): string => String(value).replace(/\B(?=(\d{3})+$)/g, ',');

/** What a step has sent that no try has said, in a line below. */
const sentRow = (row: CountedRow): CountedRow[] => {
  const sent = Object.entries(row.sent);
  if (sent.length === 0 || row.isUntried !== true) return [];
  const text = `sent ${sent.map(([message, count]) => `${message} (${number(count)})`).join(', ')}`;
  return [{ ids: [], letters: '', depth: row.depth + 2, text, isComment: true, count: null, sent: {} }];
};

function rowsOf(outline: Outline, counts: LineCounts): CountedRow[] {
  return codeRows(outline, true).map((row): CountedRow => {
    const kindAt = (i: number): string => outline.places[i]!.kind;
    const known = row.ids.flatMap((id, i) => counts.of(kindAt(i), id) ?? []);
    const sent: Record<string, number> = {};
    for (const [i, id] of row.ids.entries())
      for (const [message, count] of counts.sentBy(kindAt(i), id)) sent[message] = (sent[message] ?? 0) + count;
    const count = counts.isCounted ? known.reduce((sum, one) => sum + one, 0) : Math.max(0, ...known);
    return { ...row, count: known.length > 0 ? count : null, sent };
  });
}

function transitionsOf(kind: string, root: AnyStateNode, { taken }: Traffic): CountedTransition[] {
  const found: CountedTransition[] = [];
  const nameOf = (node: AnyStateNode): string => node.path.join('.') || node.id;
  const visit = (node: AnyStateNode): void => {
    for (const [on, definitions] of node.transitions)
      for (const definition of definitions)
        found.push({
          kind,
          from: nameOf(node),
          on,
          to: definition.target?.[0] ? nameOf(definition.target[0]) : null,
          count: taken.get(definition) ?? 0,
        });
    for (const inner of Object.values(node.states)) visit(inner as AnyStateNode);
  };
  visit(root);
  return found;
}

const saysOf = ({ exhausted, bound, states, transitions, unchanged, traffic }: Exploration): string =>
  traffic
    ? `Counted over ${number(traffic.steps)} steps of ${number(states)} states: ${number(transitions)} transitions and ${number(unchanged)} that change nothing${exhausted ? '' : '; the search was not whole'}.`
    : `Taken or not, over ${bound}: where a search merges states, leaves schedules out, or keeps fingerprints or parts of them, steps are not counted. A search of all schedules with none of these counts them.`;

/** A path by its own name, or by the name under those that call it, as holes are told. */
const isNamed = (sites: readonly Site[], name: string): boolean => sites.some(({ prefix, path }) => path.name === name || prefix === name);

/**
 * What a search has taken, line by line. `names`: of which paths; all that the scenario walks where
 * there are none.
 */
export function lineCoverage(exploration: Exploration, scenario: ResolvedScenario, names: readonly string[] = []): LineCoverage {
  const { traffic, profile = null, ledger } = exploration;
  const topology = traffic?.topology ?? topologyOf(scenario);
  const counts = traffic ? countedLines(traffic) : takenLines(topology, ledger);
  const paths = pathsIn(topology);
  const reading = { scenario, topology, depth: 0 };
  const used = [...paths.values()].map((sites) => sites.filter(({ isUsed }) => isUsed)).filter((sites) => sites.length > 0);
  const isOwn = ownIn(scenario, topology);
  const chosen = names.length === 0 ? used : used.filter((sites) => names.some((name) => isNamed(sites, name)));
  const mine = ({ places }: Outline): boolean => places.some(({ kind, path }) => isOwn({ kind, name: `${path}.` }));
  const outlines = chosen.flatMap((sites) => outlinesOf(sites, reading));
  const byHand = Object.entries(topology.machines).filter(
    ([kind, machine]) => walksOf(machine).length === 0 && (scenario.model !== undefined || topology.origins?.[kind] !== undefined),
  );
  return {
    isCounted: counts.isCounted,
    says: saysOf(exploration),
    // Those of the user's own modules first.
    paths: [...outlines.filter(mine), ...outlines.filter((outline) => !mine(outline))].map((outline) => ({
      name: outline.name,
      source: outline.source,
      grade: outline.grade,
      places: outline.places,
      lines: rowsOf(outline, counts),
    })),
    machines: traffic ? byHand.flatMap(([kind, machine]) => transitionsOf(kind, machine.root as unknown as AnyStateNode, traffic)) : [],
    profile,
  };
}

/**
 * `reference`: the scenario as the user named it, if it was.
 * @throws CliError if one is no path of the scenario
 */
export function expectPaths(names: readonly string[], scenario: ResolvedScenario, reference?: string): void {
  if (names.length === 0) return;
  const paths = pathsIn(topologyOf(scenario));
  const known = [...paths.keys()].sort();
  for (const name of names)
    if (![...paths.values()].some((sites) => isNamed(sites, name)))
      throw usageError(`--coverage: ${unknownName(name, `the name of a path of ${scenario.name}`, known)}`, {
        attempt: commandText(['paths', '--scenario', reference ?? 'SCENARIO']),
      });
}

/** As they stand in --json. */
export const coverageDocument = ({ isCounted, says, paths, machines, profile }: LineCoverage) => ({
  counted: isCounted,
  says,
  paths: paths.map(({ lines, ...path }) => ({
    ...path,
    lines: lines
      .filter(({ isComment }) => isComment !== true)
      .map(({ ids, letters, depth, text, count, sent }) => ({ ids, letters, depth, text, count, sent })),
  })),
  machines,
  profile,
});

const COUNT_WIDTH = 9;
const PROFILE_ROWS = 12;

/** `never` only where the search was whole: what it did not take can never be taken. */
const countText = (count: number | null, isCounted: boolean, whole: boolean): string => {
  if (count === null) return '';
  if (count === 0) return whole ? 'never' : 'not yet';
  return isCounted ? number(count) : 'taken';
};

const wasEntered = ({ lines }: CountedPath): boolean => lines.some(({ count }) => count !== null && count > 0);

function printProfile(printer: Printer, { states, actors, steps }: Profile): void {
  printer.line(
    styled('bold', 'Which actors make the states'),
    `: local states, and how many of the ${number(states)} states there were without the actor`,
  );
  const varying = actors.filter(({ locals }) => locals > 1).slice(0, PROFILE_ROWS);
  table(
    printer,
    varying.map(({ actor, locals, without }) => [actor, number(locals), without === null ? 'too many to tell' : number(without)]),
  );
  printer.line();
  printer.line(styled('bold', 'Which lines make the states'), ': states that stand before the step, local states there, fields that vary');
  table(
    printer,
    (steps.some(({ isLine }) => isLine) ? steps.filter(({ isLine }) => isLine) : steps)
      .filter(({ locals }) => locals > 1)
      .slice(0, PROFILE_ROWS)
      .map(({ kind, step, states: at, locals, varying: fields }) => [
        number(at),
        number(locals),
        `${kind} ${step}${fields.length > 0 ? `: ${fields.map(({ field, values }) => `${field} ${values}`).join(', ')}` : ''}`,
      ]),
  );
}

/** The counts in front of the code of each path. */
export function printCoverage(printer: Printer, coverage: LineCoverage, whole: boolean): void {
  const { isCounted, says, paths, machines, profile } = coverage;
  const limit = Number.isFinite(printer.limit) ? printer.limit : Number.MAX_SAFE_INTEGER;
  const before = (row: CodeRow): string => `${countText((row as CountedRow).count, isCounted, whole).padStart(COUNT_WIDTH)}  `;
  printer.line(styled('bold', 'Coverage of lines'));
  printer.line(says);
  for (const path of paths.filter(wasEntered)) {
    printer.line();
    printer.line(styled('bold', path.name), `  ${path.source} (${path.grade})`);
    const rows = path.lines.filter(({ isComment }) => isComment !== true).flatMap((row) => [row, ...sentRow(row)]);
    for (const line of codeLines(rows, limit, before)) printer.line(line);
  }
  const others = paths.filter((path) => !wasEntered(path)).map(({ name }) => name);
  if (others.length > 0) {
    printer.line();
    printer.line(`Paths that were ${whole ? 'never' : 'not yet'} entered: ${others.join(', ')}`);
  }
  if (machines.length > 0) {
    printer.line();
    printer.line(styled('bold', 'Transitions'));
    table(
      printer,
      machines.map(({ kind, from, on, to, count }) => [
        countText(count, isCounted, whole).padStart(COUNT_WIDTH),
        `${kind}  ${from} on ${on}${to === null ? '' : ` -> ${to}`}`,
      ]),
      '',
    );
  }
  if (profile) {
    printer.line();
    printProfile(printer, profile);
  }
}
