/** Recordings of real kernels, followed to their last event; their runs replay to equal digests. */
import { describe, expect, it } from 'vitest';
import { reexecute } from '../../replay/reexecute.ts';
import { planOf } from '../../trace/import/plan.ts';
import { recordingNamed, runOf } from './traces.ts';

const MACHINES = ['6.1-full', '6.1-voluntary', '6.12-full'] as const;
const EVENTS = ['spin', 'zap', 'zaphalt', 'preempt', 'move', 'kick', 'debug', 'hostbp', 'lostkick'] as const;
const NAMES = MACHINES.flatMap((machine) => EVENTS.map((name) => `${machine}/ev-${name}`));

describe('a recording of events', () => {
  it.each([...NAMES, ...MACHINES.map((machine) => `${machine}/stacks-preempt`), '6.12-tools/trace-cmd-report'])(
    'is followed to its last line: %s',
    (name) => {
      const { drive, needs } = planOf(recordingNamed(name));
      expect(drive.stop).toBeNull();
      expect(needs.gap).toBeNull();
      expect([...drive.met.values()].reduce((a, b) => a + b, 0)).toBe(needs.needs.length);
    },
  );

  it.each(MACHINES)('of function_graph is followed by its events alone: %s', (machine) => {
    for (const name of ['run', 'spin', 'zap', 'preempt', 'kick'])
      expect(planOf(recordingNamed(`${machine}/fg-${name}`)).drive.stop, name).toBeNull();
  });

  it('gives the same choices each time', () => {
    const [one, other] = [1, 2].map(() => planOf(recordingNamed('6.12-full/ev-kick')).drive);
    expect(other).toEqual(one);
  });
});

describe('the run of a recording', () => {
  it.each(['6.12-full/ev-spin', '6.1-full/ev-spin', '6.1-voluntary/ev-kick', '6.12-full/ev-debug', '6.1-full/ev-zap'])(
    'is a journal that replays to equal digests: %s',
    (name) => {
      const { journal, end, digest, steps } = runOf(planOf(recordingNamed(name)));
      expect(end).toMatchObject({ ended: 'stopped', verdict: 'clean' });
      expect(reexecute(journal)).toMatchObject({ identical: true, steps, digest });
    },
  );
});
