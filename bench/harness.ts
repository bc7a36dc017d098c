/**
 * Runs contenders by turns and reports medians and ratios: what the machine does meanwhile hits all
 * of them alike.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { dirname, join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Panel } from './svg.ts';

/** One row of a figure: a piece of work that is measured again and again. */
export interface Contender {
  readonly name: string;
  /** Does the work once. What must not be timed goes into `before` and `after`. */
  readonly work: () => unknown;
  readonly before?: () => void;
  readonly after?: () => void;
  /** Turns that are not counted, before the first round; 2 if not given. */
  readonly warmUps?: number;
  /** Rows that this one is compared with. */
  readonly against?: readonly Comparison[];
}

/** A ratio to another row: how many times as many units a second. */
export interface Comparison {
  readonly base: string;
  /** What the house aims at, as `>=`. A miss is printed as one and fails nothing. */
  readonly aim?: number;
}

export interface RaceOptions {
  /** What is counted, and how many of them each contender does in one turn. */
  readonly unit: string;
  readonly units: number;
  readonly rounds: number;
  /**
   * `cpu`: seconds of the process on all its threads, for work that never waits. `wall`: for work
   * that does.
   */
  readonly clock: 'cpu' | 'wall';
}

export interface Ratio {
  readonly base: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly aim: number | null;
}

export interface Rate {
  readonly name: string;
  readonly unit: string;
  readonly clock: 'cpu' | 'wall';
  /** Units a second, median over the rounds. */
  readonly median: number;
  readonly ratios: readonly Ratio[];
}

/** A value that is counted or timed rather than raced. */
export interface Value {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What the house aims at, as `<=`. */
  readonly aim?: number;
}

export interface Table {
  readonly title: string;
  readonly rates?: readonly Rate[];
  readonly values?: readonly Value[];
  /** What `--svg` draws of it, side by side with other tables. */
  readonly panels?: readonly Panel[];
}

/** A headline figure, alone in its file. */
export interface Figure {
  readonly name: string;
  readonly summary: string;
  run(): readonly Table[];
}

export interface Machine {
  readonly cores: number;
  readonly cpu: string;
  readonly loadAverage: number;
  readonly node: string;
  readonly xstate: string;
}

export function machine(): Machine {
  const xstate = join(dirname(createRequire(import.meta.url).resolve('xstate')), '..', 'package.json');
  const { version } = JSON.parse(readFileSync(xstate, 'utf8')) as { version: string };
  return {
    cores: availableParallelism(),
    cpu: cpus()[0]?.model ?? 'unknown',
    loadAverage: loadavg()[0]!,
    node: process.version,
    xstate: version,
  };
}

setFlagsFromString('--expose-gc');
const WARM_UPS = 2;

const gc = runInNewContext('gc') as () => void;

/** Empties the heap, so that no contender pays for the garbage of the one before. */
export function collect(): void {
  gc();
  // Threads sweep behind the first collection; the second one waits for them, and leaves them
  // nothing.
  gc();
}

/**
 * A contender whose material is made for each turn and dropped after it, so that it does not fill
 * the heap of the others.
 */
export function prepared<T>(name: string, open: () => T, run: (opened: T) => unknown, against: Contender['against'] = []): Contender {
  let opened: T | null = null;
  return {
    name,
    against,
    before: () => {
      opened = open();
    },
    work: () => run(opened!),
    after: () => {
      opened = null;
    },
  };
}

export function quantile(values: readonly number[], q: number): number {
  if (values.length === 0) throw new RangeError('no values, so no quantile');
  const sorted = [...values].sort((a, b) => a - b);
  const at = q * (sorted.length - 1);
  const low = sorted[Math.floor(at)]!;
  return low + (sorted[Math.ceil(at)]! - low) * (at - Math.floor(at));
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);

/** Milliseconds of wall time. */
export function timed(work: () => void): number {
  const from = performance.now();
  work();
  return performance.now() - from;
}

function secondsOf({ before, work, after }: Contender, clock: RaceOptions['clock']): number {
  before?.();
  collect();
  const cpu = process.cpuUsage();
  const wall = performance.now();
  work();
  const wallSeconds = (performance.now() - wall) / 1e3;
  const { user, system } = process.cpuUsage(cpu);
  after?.();
  return clock === 'cpu' ? (user + system) / 1e6 : wallSeconds;
}

/** Measures all contenders by turns, each round begun by another one. */
export function race(contenders: readonly Contender[], { unit, units, rounds, clock }: RaceOptions): Rate[] {
  const rates = new Map(contenders.map(({ name }) => [name, [] as number[]]));
  for (const contender of contenders) for (let i = contender.warmUps ?? WARM_UPS; i > 0; i--) secondsOf(contender, clock);
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < contenders.length; turn++) {
      const contender = contenders[(turn + round) % contenders.length]!;
      rates.get(contender.name)!.push(units / secondsOf(contender, clock));
    }
  }
  return contenders.map(({ name, against = [] }) => {
    const mine = rates.get(name)!;
    return { name, unit, clock, median: median(mine), ratios: against.map((comparison) => ratioOf(mine, comparison, rates)) };
  });
}

/** Ratios are taken within a round and their median reported. */
function ratioOf(mine: readonly number[], { base, aim }: Comparison, rates: ReadonlyMap<string, readonly number[]>): Ratio {
  const theirs = rates.get(base);
  if (!theirs) throw new Error(`${base} is no contender; ${[...rates.keys()].join(', ')} are`);
  const ratios = mine.map((rate, round) => rate / theirs[round]!);
  return { base, median: median(ratios), min: Math.min(...ratios), max: Math.max(...ratios), aim: aim ?? null };
}

/** Three significant digits, thousands as k and M. */
function short(value: number): string {
  const [scaled, suffix] = value >= 1e6 ? [value / 1e6, ' M'] : value >= 1e4 ? [value / 1e3, ' k'] : [value, ''];
  return (scaled >= 100 || Number.isInteger(scaled) ? scaled.toFixed(0) : scaled.toPrecision(3)) + suffix;
}

const verdict = (met: boolean, aim: string): string => `  aim ${aim}: ${met ? 'met' : 'MISSED'}`;

/** A table as people read it. */
export function textOf({ title, rates = [], values = [] }: Table): string {
  const width = Math.max(...[...rates, ...values].map(({ name }) => name.length));
  const rateLines = rates.map(({ name, median: rate, unit, clock, ratios }) => {
    const compared = ratios.map(({ base, median: ratio, min, max, aim }) => {
      const against = `\n      ${short(ratio)}x ${base} (${short(min)} to ${short(max)})`;
      return aim === null ? against : against + verdict(ratio >= aim, `>= ${aim}x`);
    });
    return `  ${name.padEnd(width)}  ${short(rate)} ${unit}/s (${clock})${compared.join('')}`;
  });
  const valueLines = values.map(({ name, value, unit, aim }) => {
    const line = `  ${name.padEnd(width)}  ${short(value)} ${unit}`;
    return aim === undefined ? line : line + verdict(value <= aim, `<= ${aim}`);
  });
  return [title, ...rateLines, ...valueLines].join('\n');
}
