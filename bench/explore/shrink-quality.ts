/**
 * How far a shrunk schedule is from the least one: random failing schedules of every shipped
 * violation.
 */
import { type Shrinking, shrinks } from '../explore-bugs.ts';
import { type Figure, median, type Table } from '../harness.ts';
import { violating } from './violating.ts';

/** Failing schedules of each violation; two of the seven are too rare at random to give as many. */
const EACH = 20;

/**
 * Deviations first, steps where they are equal: the share of the least one, 1 at best. A least of
 * none counts as one more.
 */
const ratioOf = ({ after, least, stepsAfter, leastSteps }: Shrinking): number =>
  after === least ? stepsAfter / leastSteps : (after + 1) / (least + 1);

function measure(): Table[] {
  const shrunk = violating().flatMap(({ scenario }) => shrinks(scenario, EACH));
  const of = (pick: (one: Shrinking) => number) => median(shrunk.map(pick));
  const most = (pick: (one: Shrinking) => number) => Math.max(...shrunk.map(pick));
  return [
    {
      title: `${shrunk.length} random failing schedules, up to ${EACH} of each shipped violation`,
      values: [
        { name: 'final over least, median', value: of(ratioOf), unit: 'deviations, then steps', aim: 1 },
        { name: 'final over least, most', value: most(ratioOf), unit: 'deviations, then steps', aim: 1 },
        { name: 'deviations before, median', value: of(({ before }) => before), unit: 'deviations' },
        { name: 'deviations after, median', value: of(({ after }) => after), unit: 'deviations' },
        { name: 'deviations of the least, median', value: of(({ least }) => least), unit: 'deviations' },
        { name: 'steps before, median', value: of(({ stepsBefore }) => stepsBefore), unit: 'steps' },
        { name: 'steps after, median', value: of(({ stepsAfter }) => stepsAfter), unit: 'steps' },
        { name: 'time, median', value: of(({ ms }) => ms), unit: 'ms (wall)' },
        { name: 'time, most', value: most(({ ms }) => ms), unit: 'ms (wall)' },
      ],
    },
  ];
}

export const shrinkQuality: Figure = {
  name: 'shrink-quality',
  summary: 'final over least size of shrunk random failing schedules',
  run: measure,
};
