/** `verify --full-coverage`: every variant of a scenario searched, and what none of them takes. */

import { countsText, together } from '../sim/explore/covered/holes.ts';
import type { Ledger } from '../sim/explore/covered/ledger.ts';
import { coveredBy, judge } from '../sim/explore/excuses.ts';
import { variantNames } from '../sim/scenario/checks.ts';
import { loadReference, resolved } from './catalog.ts';
import { CliError, EXIT } from './errors.ts';
import { holeLines, plainHole } from './holes.ts';
import type { Io } from './io.ts';
import { drive } from './searching.ts';

/** States of each variant. */
export const COVERAGE_STATES = 300_000;

export interface FullCoverage {
  readonly ok: boolean;
  readonly document: Readonly<Record<string, unknown>>;
  readonly lines: readonly string[];
}

/** @throws CliError if it is interrupted: what is not searched may be taken */
export async function fullCoverageOf(
  reference: string,
  { mutant, maxStates = COVERAGE_STATES }: { readonly mutant?: string | undefined; readonly maxStates?: number | undefined },
  io: Io,
): Promise<FullCoverage> {
  const { scenario } = loadReference(reference, io);
  const ledgers: Ledger[] = [];
  const partly: string[] = [];
  for (const variant of variantNames(scenario)) {
    const ready = resolved(scenario, { variant, mutant });
    const { result, interrupted } = await drive(coveredBy(ready, maxStates), io, { what: `${scenario.name} ${variant}` });
    if (interrupted) throw new CliError({ code: 'interrupted', exit: EXIT.partial, message: `interrupted in the search of ${variant}` });
    ledgers.push(result.ledger);
    if (!result.exhausted) partly.push(variant);
  }
  const { open, excused, stale } = judge(ledgers, scenario.uncovered ?? []);
  const ok = open.length === 0 && stale.length === 0;
  const lines = [
    ...(open.length > 0
      ? [`no variant takes ${countsText(open)}; a scenario that reaches them, or an entry of \`uncovered\` that says why not:`]
      : [`full coverage: no variant takes ${excused} micro-steps, branches and operations, and the file says why`]),
    ...holeLines({ ...together(ledgers), holes: open }),
    ...stale.map((glob) => `uncovered: ${glob} names nothing that is not taken; take the entry out`),
    ...(partly.length > 0 ? [`searched in part, to ${maxStates} states and the schedules that deviate least: ${partly.join(', ')}`] : []),
  ];
  return { ok, document: { ok, neverTaken: open.map(plainHole), excused, stale, partly }, lines };
}
