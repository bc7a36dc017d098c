/**
 * What goes together in one search. Each pair of a reduction, a bound, a kind of property and a
 * start has one line here: whether it is used together, refused, or one of the two is switched off;
 * and why. docs/large-spaces.md shows this table, and the command line refuses by it.
 */

export const SEARCH_FEATURES = [
  'scheduler',
  'local',
  'sleep',
  'symmetry',
  'bound',
  'liveness',
  'per-actor',
  'monitor',
  'recorded-run',
] as const;
/**
 * `scheduler`: one state for all configurations of the scheduler that reach each other by its own
 * steps. `local`: local steps run on. `sleep`: sleep sets. `symmetry`: one state for all that
 * differ by a renaming. `bound`: limits of deviations. `liveness`: `eventually` properties.
 * `per-actor`: a property of one of several actors that are alike. `monitor`: a property that
 * remembers the past. `recorded-run`: the futures of a recorded run.
 */
export type SearchFeature = (typeof SEARCH_FEATURES)[number];

/**
 * `absent`: one of the two was measured and is not built. `off`: the second is not decided, and the
 * guarantee says so.
 */
export type Together = 'together' | 'refused' | 'off' | 'absent';

export interface Pair {
  readonly one: SearchFeature;
  readonly other: SearchFeature;
  readonly together: Together;
  readonly reason: string;
}

const pair = (one: SearchFeature, other: SearchFeature, together: Together, reason: string): Pair => ({ one, other, together, reason });

export const PAIRS: readonly Pair[] = [
  pair('scheduler', 'local', 'refused', 'a class has many ways on where a state has one'),
  pair('scheduler', 'sleep', 'absent', 'sleep sets do not pay: decision 0010'),
  pair('scheduler', 'symmetry', 'together', 'classes that differ by names are one, as states are'),
  pair('scheduler', 'bound', 'refused', 'a bound prices each preemption, and the configurations of a class have different prices'),
  pair('scheduler', 'liveness', 'together', 'but cycles are looked for in a second search, which keeps every state'),
  pair('scheduler', 'per-actor', 'together', 'a property that looks at a CPU is looked at in every configuration of a class'),
  pair('scheduler', 'monitor', 'together', 'but no class has one past: all states are searched, and the guarantee says why'),
  pair('scheduler', 'recorded-run', 'together', 'what follows from the start is the same'),
  pair('local', 'sleep', 'absent', 'sleep sets do not pay: decision 0010'),
  pair('local', 'symmetry', 'together', 'where one thing only can happen, so it is in each state of the orbit'),
  pair('local', 'bound', 'refused', 'a bound prices each step, and a state that is not kept has no price'),
  pair('local', 'liveness', 'together', 'but cycles are looked for in a second search, which keeps every state'),
  pair('local', 'per-actor', 'together', 'local steps stop at each state that a property may have to look at'),
  pair('local', 'monitor', 'together', 'a monitor looks after each step, also after those that run on'),
  pair('local', 'recorded-run', 'together', 'what runs on from the start is the same'),
  pair('sleep', 'symmetry', 'absent', 'the steps asleep in a state have to be renamed with it'),
  pair('sleep', 'bound', 'absent', 'a step that sleeps in one order may be the cheaper one in the other'),
  pair('sleep', 'liveness', 'absent', 'a step that sleeps is an edge that is missing from the cycle'),
  pair('sleep', 'per-actor', 'absent', 'a run ends where a property breaks, and what was to be woken behind that is never taken'),
  pair('sleep', 'monitor', 'absent', 'two orders of the same steps may leave a monitor in two states'),
  pair('sleep', 'recorded-run', 'absent', 'sleep sets do not pay: decision 0010'),
  pair('symmetry', 'bound', 'refused', 'the in-order run that deviations are counted against steps the lowest CPU first'),
  pair('symmetry', 'liveness', 'off', 'fairness is owed to each actor, and back in the same orbit is not back in the same state'),
  pair(
    'symmetry',
    'per-actor',
    'together',
    'but one state cannot speak for all of its orbit: at the first that differs the search begins again without symmetry',
  ),
  pair(
    'symmetry',
    'monitor',
    'together',
    'but a monitor knows whom it follows: the search is without symmetry, and the guarantee says why',
  ),
  pair('symmetry', 'recorded-run', 'refused', 'a recorded run has told the actors apart that a renaming would exchange'),
  pair('bound', 'liveness', 'off', 'a fair schedule switches CPUs without end, and so goes past each bound'),
  pair('bound', 'per-actor', 'together', 'a bound leaves schedules out and merges no states'),
  pair('bound', 'monitor', 'together', 'what a monitor remembers is part of the state, at each price'),
  pair('bound', 'recorded-run', 'together', 'deviations are counted from where the search starts'),
  pair('liveness', 'per-actor', 'together', 'what one actor owes is followed for each actor by itself'),
  pair('liveness', 'monitor', 'together', 'what a monitor remembers is part of the state that a cycle comes back to'),
  pair('liveness', 'recorded-run', 'together', 'but what has to come true once is not asked for: it may have done so before'),
  pair('per-actor', 'monitor', 'together', 'each actor that is followed has a monitor of its own'),
  pair('per-actor', 'recorded-run', 'together', 'a start leaves schedules out and merges no states'),
  pair('monitor', 'recorded-run', 'together', 'what a monitor remembers stands in the journal, like the state of any actor'),
];

/** The line of two features, in whichever order. */
export function pairOf(one: SearchFeature, other: SearchFeature): Pair {
  const found = PAIRS.find((each) => (each.one === one && each.other === other) || (each.one === other && each.other === one));
  if (!found) throw new Error(`${one} and ${other} stand in no line of the table`);
  return found;
}

/** What a search with this feature says of `eventually` properties: all that it does not decide. */
export const undecidedWith = (feature: SearchFeature, eventually: readonly string[]): readonly string[] =>
  pairOf(feature, 'liveness').together === 'together' ? [] : eventually;

/** What one search may be asked for, besides its states. */
export type Asked = 'bound' | 'scheduler' | 'symmetry' | 'local' | 'compact' | 'liveness' | 'recorded-run';

const refused = (one: Asked & SearchFeature, other: Asked & SearchFeature) => [one, other, pairOf(one, other).reason] as const;

/** Pairs that one search cannot have together, and why: for programs and for the command line. */
export const REFUSED: readonly (readonly [one: Asked, other: Asked, reason: string])[] = [
  refused('scheduler', 'bound'),
  refused('scheduler', 'local'),
  ['compact', 'scheduler', 'a class is compared with others by its exact program part'],
  refused('symmetry', 'bound'),
  refused('local', 'bound'),
  refused('symmetry', 'recorded-run'),
  ['compact', 'local', 'the way to a state that was not kept is found by exact states'],
  ['compact', 'bound', 'a search with a bound compares prices of exact states'],
  ['compact', 'symmetry', 'orbits are compared by their exact states'],
  refused('liveness', 'bound'),
  refused('liveness', 'symmetry'),
  ['liveness', 'compact', 'a cycle is found in exact states that are all kept'],
];
