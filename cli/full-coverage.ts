/** `verify --full-coverage`: every variant of a scenario searched, and what none of them takes. */
import type { Item } from '../sim/explore/covered/chart.ts';
import { countsText, together } from '../sim/explore/covered/holes.ts';
import type { Ledger } from '../sim/explore/covered/ledger.ts';
import { coveredBy, judge } from '../sim/explore/excuses.ts';
import { variantNames } from '../sim/scenario/checks.ts';
import { againstExpected } from '../sim/scenario/expectations.ts';
import { loadReference, resolved } from './catalog.ts';
import { CliError, EXIT } from './errors.ts';
import { holeLines, plainHole } from './holes.ts';
import type { Io } from './io.ts';
import { drive, shownAsRun } from './searching.ts';

/** States of each variant. */
export const COVERAGE_STATES = 300_000;

export interface FullCoverage {
  readonly ok: boolean;
  readonly exit: number;
  readonly document: Readonly<Record<string, unknown>>;
  readonly lines: readonly string[];
}

const fullText = (excused: readonly Item[], whole: boolean): string =>
  excused.length === 0
    ? 'full coverage: the variants together take every micro-step, branch and operation'
    : `full coverage: ${whole ? 'no variant takes' : 'what was searched does not take'} ${countsText(excused)}, and the file says why`;

const openText = (open: readonly Item[], whole: boolean): string =>
  whole
    ? `no variant takes ${countsText(open)}; a scenario that reaches them, or an entry of \`uncovered\` that says why not:`
    : `what was searched does not take ${countsText(open)}, which a wider search may; see --max-states:`;

/** @throws CliError if it is interrupted: what is not searched may be taken */
export async function fullCoverageOf(
  reference: string,
  { mutant, maxStates: asked }: { readonly mutant?: string | undefined; readonly maxStates?: number | undefined },
  io: Io,
): Promise<FullCoverage> {
  const { scenario } = loadReference(reference, io);
  const maxStates = asked ?? scenario.bounds?.states ?? COVERAGE_STATES;
  const ledgers: Ledger[] = [];
  const partly: string[] = [];
  const against: string[] = [];
  const held: string[] = [];
  for (const variant of variantNames(scenario)) {
    const ready = resolved(scenario, { variant, mutant });
    const { result, interrupted } = await drive(coveredBy(ready, maxStates), io, { what: `${scenario.name} ${variant}` }).catch(
      shownAsRun({ scenario: ready, prefix: [], folder: undefined, io }),
    );
    if (interrupted) throw new CliError({ code: 'interrupted', exit: EXIT.partial, message: `interrupted in the search of ${variant}` });
    const { ledger, exhausted, broken, isWhole } = result;
    ledgers.push(ledger);
    if (!exhausted) partly.push(variant);
    if (ready.expect === null) continue;
    const issues = againstExpected(ready.expect, broken, isWhole);
    against.push(...issues.map((issue) => `${variant}: ${issue}`));
    if (isWhole && issues.length === 0) held.push(variant);
  }
  const whole = partly.length === 0;
  const { open, excused, stale } = judge(ledgers, scenario.uncovered ?? [], { whole });
  const isFull = open.length === 0 && stale.length === 0;
  const ok = isFull && against.length === 0;
  const isUndecided = !whole && stale.length === 0 && against.length === 0;
  const exit = ok ? EXIT.ok : isUndecided ? EXIT.partial : EXIT.broken;
  const lines = [
    ...against,
    ...(held.length > 0 ? [`every schedule of ${held.join(', ')} does what is expected`] : []),
    ...(open.length > 0 ? [openText(open, whole)] : []),
    ...(isFull ? [fullText(excused, whole)] : []),
    ...holeLines({ ...together(ledgers), holes: open }),
    ...stale.map((glob) => `uncovered: ${glob} names nothing that is not taken; take the entry out`),
    ...(partly.length > 0 ? [`searched in part, to ${maxStates} states and the schedules that deviate least: ${partly.join(', ')}`] : []),
  ];
  return { ok, exit, document: { ok, against, neverTaken: open.map(plainHole), excused: excused.length, stale, partly }, lines };
}
