/**
 * What the options of a matcher hold. A misspelt one would leave its place to a default, and a test
 * would pass that looks at something else.
 */
import { unknownName } from '../sim/scenario/issues.ts';

interface Kind {
  readonly holds: (value: unknown) => boolean;
  readonly expected: string;
}

const TEXT: Kind = { holds: (value) => typeof value === 'string', expected: 'text' };
const FLAG: Kind = { holds: (value) => typeof value === 'boolean', expected: 'true or false' };
const MAP: Kind = { holds: (value) => typeof value === 'object' && value !== null && !Array.isArray(value), expected: 'a map' };
const from = (min: number): Kind => ({
  holds: (value) => Number.isSafeInteger(value) && (value as number) >= min,
  expected: `an integer from ${min}`,
});

const SUBJECT = { variant: TEXT, set: MAP, mutant: TEXT, liveness: FLAG, models: MAP };

/** By matcher. */
const OPTIONS: Readonly<Record<string, Readonly<Record<string, Kind>>>> = {
  toBeClean: { ...SUBJECT, deviations: from(0), preemptions: from(0), switches: from(0), statesMax: from(1) },
  toBreak: { ...SUBJECT, disturbances: from(0), preemptions: from(0), switches: from(0), steps: from(0), statesMax: from(1) },
  toReplay: SUBJECT,
};

const shown = (value: unknown): string => (typeof value === 'function' ? 'a function' : (JSON.stringify(value) ?? String(value)));

/** @throws TypeError naming the option */
export function checkOptions(matcher: 'toBeClean' | 'toBreak' | 'toReplay', options: unknown): void {
  const known = OPTIONS[matcher]!;
  if (!MAP.holds(options)) throw new TypeError(`${matcher}(): found ${shown(options)} as options; expected a map`);
  for (const [name, value] of Object.entries(options as object)) {
    const kind = Object.hasOwn(known, name) ? known[name]! : null;
    if (kind === null) throw new TypeError(`${matcher}(): ${unknownName(name, 'an option', Object.keys(known))}`);
    if (value !== undefined && !kind.holds(value))
      throw new TypeError(`${matcher}(): ${name}: found ${shown(value)}; expected ${kind.expected}`);
  }
}
