/** Recordings of real kernels, followed to their last event; their runs replay to equal digests. */
import { describe, expect, it } from 'vitest';
import { openJournal } from '../../replay/open.ts';
import { reexecute } from '../../replay/reexecute.ts';
import { memorySource } from '../../replay/source.ts';
import { JournalWriter } from '../../replay/writer.ts';
import { hexOf } from '../../sim/canonical.ts';
import { openSession } from '../../sim/session.ts';
import { planOf } from '../../trace/import/plan.ts';
import { choicesOf } from '../../trace/import/schedule.ts';
import { recordingNamed } from './traces.ts';

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
      const { scenario, drive } = planOf(recordingNamed(name));
      const choices = choicesOf(scenario, drive.labels);
      let writer: JournalWriter | null = null;
      const { run, start } = openSession({
        scenario,
        engine: 'memo',
        chooser: { name: 'replay', choices, match: 'strict' },
        sink: (block, names) => writer!.block(block, names),
      });
      writer = JournalWriter.open(null, start, { mode: 'memory' });
      run.start();
      while (run.sequencer.step < choices.length) expect(run.advance()).toBe(true);
      const end = run.stop();
      expect(end).toMatchObject({ ended: 'stopped', verdict: 'clean' });
      const { content } = writer.seal(end);
      const { a, b } = run.sequencer.digest;
      const replayed = reexecute(openJournal(memorySource(content!)));
      expect(replayed).toMatchObject({ identical: true, steps: choices.length, digest: hexOf(a, b) });
    },
  );
});
