/**
 * Schedules a second of a sample against fast-check's scheduler, on one program: three tasks of
 * four steps that update a counter.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type Figure, median, type Rate, type Table } from '../harness.ts';

const CHILD = fileURLToPath(new URL('schedules-child.ts', import.meta.url));
const ROUNDS = 5;
/** The last lap of a process counts: the ones before warm it up. */
const LAPS = 3;
const AIM = 20;
const WHO = [
  { name: 'fast-check scheduler', word: 'fast-check', schedules: 20_000 },
  { name: 'sample, random', word: 'sample', schedules: 400_000 },
] as const;

interface Lap {
  readonly seconds: number;
  readonly lost: number;
}

function lapOf({ word, schedules }: (typeof WHO)[number]): Lap {
  const args = [...process.execArgv, CHILD, word, String(schedules), String(LAPS)];
  const { status, stdout } = spawnSync(process.execPath, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  if (status !== 0) throw new Error(`${word} ended with status ${status}`);
  return (JSON.parse(stdout) as readonly Lap[]).at(-1)!;
}

function measure(): Table[] {
  const rounds = Array.from({ length: ROUNDS }, () => WHO.map(lapOf));
  const rate = (round: readonly Lap[], at: number): number => WHO[at]!.schedules / round[at]!.seconds;
  const ratios = rounds.map((round) => rate(round, 1) / rate(round, 0));
  const rates = WHO.map(
    ({ name }, at): Rate => ({
      name,
      unit: 'schedules',
      clock: 'cpu',
      median: median(rounds.map((round) => rate(round, at))),
      ratios: at === 0 ? [] : [{ base: WHO[0].name, median: median(ratios), min: Math.min(...ratios), max: Math.max(...ratios), aim: AIM }],
    }),
  );
  const lost = WHO.map(({ name, schedules }, at) => ({
    name: `${name}: update lost`,
    value: (100 * rounds[0]![at]!.lost) / schedules,
    unit: '% of schedules',
  }));
  return [{ title: 'three tasks of four steps, one counter, no journal; the last of three laps of a process', rates, values: lost }];
}

export const schedules: Figure = {
  name: 'schedules',
  summary: "schedules a second against fast-check's scheduler",
  run: measure,
};
