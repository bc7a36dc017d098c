/**
 * The explorer against SPIN, a hand-packed search and plain XState: states a second, bytes a state,
 * time to a verdict and to a bug.
 */
import { fileURLToPath } from 'node:url';
import type { FirstBug, Shrinking } from './explore-bugs.ts';
import type { Lap, Searched, Which } from './explore-child.ts';
import type { NaiveReport } from './explore-naive.ts';
import {
  type Against,
  type Compiled,
  folderOf,
  type Laps,
  ratesOf,
  secondsOver,
  takeTurns,
  timedProcess,
  withCompiled,
} from './explore-processes.ts';
import { type Spin, spinMissing, spinOf } from './explore-spin.ts';
import { type Figure, median, type Table, type Value } from './harness.ts';

interface Counts {
  readonly states: number;
  readonly transitions: number;
}

interface Size extends Counts {
  readonly vcpus: number;
  readonly rounds: number;
  /** Power of two of the hash slots that SPIN needs. */
  readonly table: number;
}

/** What SPIN, rumur and the prototype counted. */
const SIZES: readonly Size[] = [
  { vcpus: 4, states: 232_105, transitions: 643_436, rounds: 7, table: 19 },
  { vcpus: 5, states: 2_249_750, transitions: 6_895_400, rounds: 5, table: 22 },
];
const SMALL: Counts = { states: 20_024, transitions: 48_342 };

/** Scenarios of the host's own model, in which each violation is known. */
const HOST = [
  ['rmp-host-write-race', 'panic-sigbus'],
  ['rmpadjust-vs-rmpupdate', 'inuse'],
  ['vmsa-in-use-kick', 'kick'],
] as const;
/** Those that break in a state. */
const BUGGY = [HOST[0], HOST[1], ['rmp-host-write-race', 'auto-share'], ['rmp-host-write-race', 'kill-guest']] as const;
const BYTES_AIM = 32;
const VERDICT_AIM = 0.7;
const NAIVE_SECONDS = 60;
const ROUNDS = 3;
const BUG_TIMES = 5;
const SHRUNK = 6;

const PACKED = fileURLToPath(new URL('./models/rmpjs.mjs', import.meta.url));
const COLD = 'explorer, cold';
const WARM = 'explorer, warm';
const NAIVE = 'transition(), string keys';

const lockOf = (vcpus: number): Which => ({ folder: folderOf('rmp-lock'), name: 'rmp-lock', set: { vcpus: String(vcpus) } });
const hostOf = (name: string, variant: string): Which => ({ folder: folderOf(name), name, variant });

/** @throws unless both are the same space */
function assertEqual(who: string, found: Counts, wanted: Counts): void {
  if (found.states !== wanted.states || found.transitions !== wanted.transitions)
    throw new Error(`${who}: ${found.states} states, ${found.transitions} transitions; wanted ${wanted.states}, ${wanted.transitions}`);
}

/** One process of the explorer: the first search is cold, the last one warm. */
function explored(
  compiled: Compiled,
  which: Which,
  wanted: Counts | null,
  keep: (searched: Searched) => void,
): Readonly<Record<string, Lap>> {
  const searched = compiled.child<Searched>('search', { which, times: 3 });
  if (wanted) assertEqual('explorer', searched, wanted);
  keep(searched);
  return { [COLD]: searched.laps[0]!, [WARM]: searched.laps.at(-1)! };
}

function packed({ vcpus, ...wanted }: Size, { folder }: Compiled): Readonly<Record<string, Lap>> {
  const { stdout } = timedProcess([process.execPath, PACKED, String(vcpus), '3'], folder);
  const searched = JSON.parse(stdout) as Counts & { readonly laps: readonly Lap[] };
  assertEqual('hand packed', searched, wanted);
  return { 'hand packed, cold': searched.laps[0]!, 'hand packed, warm': searched.laps.at(-1)! };
}

const stepsOf = (searched: Searched): Value[] => [
  {
    name: 'whole steps not in the trie',
    value: (100 * searched.trieMisses) / (searched.transitions + searched.unchanged),
    unit: '% of steps',
  },
  { name: 'XState calls', value: searched.xstateCalls, unit: 'calls' },
  { name: 'deliveries they stand for', value: searched.deliveries, unit: 'deliveries' },
  { name: 'trie', value: searched.trieBytes, unit: 'bytes' },
  ...Object.entries(searched.trieDrops).map(([why, times]): Value => ({ name: `trie dropped: ${why}`, value: times, unit: 'times' })),
  { name: 'in use with parent links', value: searched.usedBytesPerState, unit: 'bytes a state', aim: BYTES_AIM },
  { name: 'allocated', value: searched.bytesPerState, unit: 'bytes a state' },
];

/** Seconds of the naive search of a space with that many deliveries. */
function naiveLap(report: NaiveReport & Lap, deliveries: number): Lap {
  const factor = report.finished ? 1 : deliveries / report.deliveries;
  return { wall: report.wall * factor, cpu: report.cpu * factor };
}

interface Measured {
  readonly laps: Laps;
  readonly verdicts: Laps;
  readonly searched: Searched;
  readonly spinBytes: readonly Value[];
}

function race(size: Size, compiled: Compiled, spin: Spin | null): Measured {
  let searched: Searched | null = null;
  const spinBytes: Value[] = [];
  const asserted = (name: string, ended: ReturnType<Spin['verify']>): Readonly<Record<string, Lap>> => {
    assertEqual(name, ended, size);
    if (!spinBytes.some((value) => value.name === name)) spinBytes.push({ name, value: ended.bytesPerState, unit: 'bytes a state' });
    return { [name]: ended };
  };
  const laps = takeTurns(
    [
      () => explored(compiled, lockOf(size.vcpus), size, (found) => (searched = found)),
      () => packed(size, compiled),
      ...(spin ? [() => asserted('SPIN', spin.verify()), () => asserted('SPIN, tuned', spin.verifyTuned())] : []),
    ],
    size.rounds,
  );
  const verdicts = takeTurns(
    [
      () => {
        const ended = compiled.cli(['explore', 'rmp-lock', '--set', `vcpus=${size.vcpus}`, '--json']);
        assertEqual('worldswitch explore', JSON.parse(ended.stdout) as Counts, size);
        return { 'worldswitch explore': ended };
      },
      ...(spin ? [() => ({ 'spin -a, gcc -O2, pan': spin.fromModel() }), () => ({ pan: spin.verify() })] : []),
    ],
    size.rounds,
  );
  return { laps, verdicts, searched: searched!, spinBytes };
}

function verdictTable({ vcpus }: Size, { verdicts }: Measured): Table {
  const values = [...verdicts].map(([name, ended]): Value => ({ name, value: 1e3 * median(ended.map(({ wall }) => wall)), unit: 'ms' }));
  for (const base of [...verdicts.keys()].slice(1)) {
    for (const clock of ['wall', 'cpu'] as const) {
      const value = median(secondsOver(verdicts, 'worldswitch explore', base, clock));
      const aim = base === 'pan' ? {} : { aim: VERDICT_AIM };
      values.push({ name: `worldswitch explore to ${base}, ${clock}`, value, unit: 'x', ...aim });
    }
  }
  return { title: `rmp-lock, ${vcpus} vCPUs: whole processes, from their start to the verdict`, values };
}

function rivals(warm: string, withSpin: boolean, aim?: number): Against[string] {
  const spins: Against[string] = [aim === undefined ? ['SPIN'] : ['SPIN', aim], ['SPIN, tuned']];
  return [...(withSpin ? spins : []), [`hand packed, ${warm}`]];
}

function lockTables(size: Size, compiled: Compiled): Table[] {
  const missing = spinMissing();
  const spin = missing === null ? spinOf(size.vcpus, size.table, compiled.folder) : null;
  const measured = race(size, compiled, spin);
  const { laps, searched, spinBytes } = measured;
  const aim = size.vcpus === 5 ? 1 : undefined;
  const against: Against = { [COLD]: rivals('cold', spin !== null, aim), [WARM]: rivals('warm', spin !== null, aim) };
  const title = `rmp-lock, ${size.vcpus} vCPUs: ${size.states} states, ${size.transitions} transitions in every row`;
  const without = missing === null ? [] : [{ title: `SPIN is not measured: ${missing}` }];
  return [
    ...without,
    { title, rates: ratesOf(laps, size.states, 'cpu', against), values: [...stepsOf(searched), ...spinBytes] },
    { title: `${title}; wall time`, rates: ratesOf(laps, size.states, 'wall', against) },
    verdictTable(size, measured),
    ...(size.vcpus === 4 ? [naiveLockTable(size, measured, compiled)] : []),
  ];
}

/** 3 vCPUs are searched to the end; 4 as far as the time allows. */
function naiveLockTable({ states, rounds, ...size }: Size, { laps, searched }: Measured, compiled: Compiled): Table {
  const small = compiled.child<NaiveReport & Lap>('naive', { which: lockOf(3), seconds: Number.MAX_SAFE_INTEGER });
  assertEqual(NAIVE, small, SMALL);
  const report = compiled.child<NaiveReport & Lap>('naive', { which: lockOf(size.vcpus), seconds: NAIVE_SECONDS });
  if (report.finished) assertEqual(NAIVE, report, { states, ...size });
  const lap = naiveLap(report, searched.deliveries);
  const all: Laps = new Map([
    [COLD, laps.get(COLD)!],
    [WARM, laps.get(WARM)!],
    [NAIVE, Array.from({ length: rounds }, () => lap)],
  ]);
  const share = `${((100 * report.deliveries) / searched.deliveries).toFixed(0)} % of its deliveries in ${NAIVE_SECONDS} s, the rest extrapolated`;
  return {
    title: `rmp-lock, ${size.vcpus} vCPUs, against plain XState, once: ${report.finished ? 'searched to the end' : share}`,
    rates: ratesOf(all, states, 'cpu', { [COLD]: [[NAIVE, 100]], [WARM]: [[NAIVE, 100]] }),
    values: [{ name: `${NAIVE}, 3 vCPUs to the end`, value: small.states / small.cpu, unit: 'states/s (cpu)' }],
  };
}

function hostTable([name, variant]: (typeof HOST)[number], compiled: Compiled): Table {
  const which = hostOf(name, variant);
  let searched: Searched | null = null;
  const laps = takeTurns([() => explored(compiled, which, null, (found) => (searched = found))], ROUNDS);
  const { states, transitions, findings, deliveries } = searched!;
  const report = compiled.child<NaiveReport & Lap>('naive', { which, seconds: NAIVE_SECONDS });
  if (report.finished) assertEqual(NAIVE, report, searched!);
  const lap = naiveLap(report, deliveries);
  const all: Laps = new Map([...laps, [NAIVE, Array.from({ length: ROUNDS }, () => lap)]]);
  const share = report.finished
    ? 'searched to its end, once'
    : `${((100 * report.deliveries) / deliveries).toPrecision(2)} % of its deliveries in ${NAIVE_SECONDS} s, the rest extrapolated`;
  return {
    title: `${name}, ${variant}: ${states} states, ${transitions} transitions, breaks ${findings.join(', ')}; plain XState: ${share}`,
    rates: ratesOf(all, states, 'cpu', { [COLD]: [[NAIVE, 50]], [WARM]: [[NAIVE, 50]] }),
    values: stepsOf(searched!),
  };
}

/** The largest space that is shipped and searched to its end: once, as it takes long. */
function largestTable(compiled: Compiled): Table {
  const [name, variant] = ['rmp-host-write-race', 'auto-share'];
  const searched = compiled.child<Searched>('search', { which: hostOf(name, variant), times: 1 });
  const { states, transitions, findings, laps } = searched;
  return {
    title: `${name}, ${variant}, the largest: ${states} states, ${transitions} transitions, breaks ${findings.join(', ')}; once`,
    values: [{ name: COLD, value: states / laps[0]!.cpu, unit: 'states/s (cpu)' }, ...stepsOf(searched)],
  };
}

function bugTable([name, variant]: (typeof BUGGY)[number], compiled: Compiled): Table {
  const found = compiled.child<FirstBug[]>('bugs', { which: hostOf(name, variant), times: BUG_TIMES });
  const values = found.flatMap(({ property, breadthFirst, leastDeviating, random }): Value[] => {
    const { disturbances, preemptions, switches } = leastDeviating;
    const cost = `${disturbances} disturbances, ${preemptions} preemptions, ${switches} switches`;
    const gaveUp = `${random.missed} of ${random.seeds} seeds gave up`;
    const schedules =
      2 * random.missed < random.seeds
        ? `ms, ${random.effort} schedules, ${random.steps} steps; ${gaveUp}`
        : `ms until it gave up, ${random.effort} schedules; ${gaveUp}`;
    return [
      {
        name: `${property}, breadth first`,
        value: breadthFirst.ms,
        unit: `ms, ${breadthFirst.effort} states, ${breadthFirst.steps} steps`,
      },
      {
        name: `${property}, least deviating`,
        value: leastDeviating.ms,
        unit: `ms, ${leastDeviating.effort} states, ${leastDeviating.steps} steps, ${cost}`,
      },
      { name: `${property}, random`, value: random.ms, unit: schedules },
    ];
  });
  return { title: `${name}, ${variant}: to the first state that breaks a property`, values };
}

function shrinkTable(compiled: Compiled): Table {
  const all = BUGGY.flatMap(([name, variant]) => compiled.child<Shrinking[]>('shrinks', { which: hostOf(name, variant), times: SHRUNK }));
  const of = (pick: (one: Shrinking) => number) => median(all.map(pick));
  // One that costs nothing cannot be divided by.
  const over = (cost: (one: Shrinking) => number) => of((one) => (1 + cost(one)) / (1 + one.least));
  return {
    title: `${all.length} random failing schedules, shrunk; cost: disturbances, preemptions and switches, and 1 for the schedule itself`,
    values: [
      { name: 'cost before to the least', value: over(({ before }) => before), unit: 'x, median' },
      { name: 'cost after to the least', value: over(({ after }) => after), unit: 'x, median' },
      { name: 'worst', value: Math.max(...all.map(({ after, least }) => (1 + after) / (1 + least))), unit: 'x' },
      {
        name: 'shrunk to the least cost and its steps',
        value: all.filter((one) => one.after === one.least && one.stepsAfter === one.leastSteps).length,
        unit: `of ${all.length}`,
      },
      { name: 'steps before', value: of(({ stepsBefore }) => stepsBefore), unit: 'steps, median' },
      { name: 'steps after', value: of(({ stepsAfter }) => stepsAfter), unit: 'steps, median' },
      { name: 'one shrinking', value: of(({ ms }) => ms), unit: 'ms, median' },
    ],
  };
}

export const exploreLock: Figure = {
  name: 'explore-lock',
  summary: 'rmp-lock: states a second and bytes a state of the explorer, SPIN, a hand-packed search and plain XState',
  run: () => withCompiled((compiled) => SIZES.flatMap((size) => lockTables(size, compiled))),
};

export const exploreHost: Figure = {
  name: 'explore-host',
  summary: "the host's model: states a second, what the memory of steps saves, and plain XState beside it",
  run: () => withCompiled((compiled) => [...HOST.map((each) => hostTable(each, compiled)), largestTable(compiled)]),
};

export const exploreBugs: Figure = {
  name: 'explore-bugs',
  summary: 'how soon each way of searching meets a violation, and what shrinking leaves',
  run: () => withCompiled((compiled) => [...BUGGY.map((each) => bugTable(each, compiled)), shrinkTable(compiled)]),
};
