/**
 * What every chooser keeps: an index in range, the same answers for the same seed; and the rules of
 * fifo and of replay.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Choice } from '../../events/journal.ts';
import { type ChoiceView, type Chooser, ScheduleError, toldOf } from '../../sim/choosers/chooser.ts';
import { FifoChooser } from '../../sim/choosers/fifo.ts';
import { RandomChooser } from '../../sim/choosers/random.ts';
import { RandomUniformChooser } from '../../sim/choosers/random-uniform.ts';
import { ReplayChooser } from '../../sim/choosers/replay.ts';
import type { Alternative, StepOutcome } from '../../sim/sequencer.ts';
import { bigHost } from '../sim/big-host.ts';
import { inCanonicalOrder, lineupOf } from '../sim/lined-up.ts';
import { play, shipped } from '../sim/play.ts';

/** Of alternatives in canonical order. */
const view = (alternatives: readonly Alternative[]): ChoiceView => ({
  count: alternatives.length,
  alternative: (index) => alternatives[index]!,
  alternatives: () => alternatives,
  lineup: lineupOf(alternatives),
});
const exec = (slot: number): Alternative => ({ kind: 'exec', label: `exec(pcpu:${slot})`, slot, arrival: 0 });
const offer = (slot: number): Alternative => ({ kind: 'offer', label: `preempt(pcpu:${slot})`, slot, arrival: 0 });
const message = (slot: number, arrival: number): Alternative => ({ kind: 'deliver', label: `deliver(m${arrival})`, slot, arrival });
const outcome = (slot: number, change: Partial<StepOutcome> = {}): StepOutcome => ({
  slot,
  kind: 'exec',
  event: 0,
  local: 0,
  changed: true,
  yields: false,
  waits: false,
  isProgress: true,
  ran: true,
  touched: [],
  ...change,
});

const anyView = fc
  .array(fc.record({ kind: fc.constantFrom('deliver', 'exec', 'offer'), slot: fc.nat(5), arrival: fc.nat(99) }), {
    minLength: 1,
    maxLength: 8,
  })
  .map((all) => view(inCanonicalOrder(all.map((a, i) => ({ ...a, label: `${a.kind}(${i})` }) as Alternative))));
const anyOutcome = fc.record({
  slot: fc.nat(5),
  kind: fc.constantFrom('deliver', 'exec', 'offer'),
  event: fc.constant(0),
  local: fc.constant(0),
  changed: fc.boolean(),
  yields: fc.boolean(),
  waits: fc.boolean(),
  isProgress: fc.boolean(),
  ran: fc.boolean(),
  touched: fc.constant([]),
}) as fc.Arbitrary<StepOutcome>;

const MADE: readonly (readonly [string, () => Chooser])[] = [
  ['fifo', () => new FifoChooser()],
  ['random', () => new RandomChooser(7)],
  ['random-uniform', () => new RandomUniformChooser(7)],
  ['replay by label, then random', () => new ReplayChooser([{ index: 3 }], { match: 'label', after: new RandomChooser(7) })],
];

describe.each(MADE)('%s', (_name, make) => {
  const story = fc.array(fc.tuple(anyView, anyOutcome), { minLength: 1, maxLength: 30 });
  const answers = (steps: readonly (readonly [ChoiceView, StepOutcome])[]) => {
    const chooser = make();
    return steps.map(([at, happened]) => {
      const index = chooser.choose(at);
      chooser.observe?.(happened);
      return index;
    });
  };

  it('answers with an index of an alternative', () => {
    fc.assert(
      fc.property(story, (steps) =>
        answers(steps).every((index, i) => Number.isInteger(index) && index >= 0 && index < steps[i]![0].count),
      ),
      { seed: 1, numRuns: 200 },
    );
  });

  it('answers the same when asked the same', () => {
    fc.assert(
      fc.property(story, (steps) => {
        const first = answers(steps);
        expect(answers(steps)).toEqual(first);
      }),
      { seed: 2, numRuns: 100 },
    );
  });
});

describe.each([
  ['random', (seed: number) => new RandomChooser(seed)],
  ['random-uniform', (seed: number) => new RandomUniformChooser(seed)],
])('%s', (_name, make: (seed: number) => Chooser) => {
  it('draws by its seed', () => {
    const draw = (seed: number) => {
      const chooser = make(seed);
      return Array.from({ length: 100 }, () => chooser.choose(view([exec(0), exec(1), offer(0)])));
    };
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
    expect(draw(1)).not.toEqual(draw(2 ** 32 + 1));
    expect(new Set(draw(1))).toEqual(new Set([0, 1, 2]));
  });

  it('can choose every alternative', () => {
    fc.assert(
      fc.property(anyView, (at) => {
        const chooser = make(3);
        const met = new Set(Array.from({ length: 4000 }, () => chooser.choose(at)));
        expect(met.size).toBe(at.count);
      }),
      { seed: 3, numRuns: 20 },
    );
  });
});

describe('random', () => {
  const drawn = (at: ChoiceView, draws = 20_000): number[] => {
    const chooser = new RandomChooser(5);
    const times = Array.from({ length: at.count }, () => 0);
    for (let i = 0; i < draws; i++) times[chooser.choose(at)]!++;
    return times.map((count) => count / draws);
  };
  const near = (shares: readonly number[], expected: readonly number[]) =>
    expect(shares.every((share, i) => Math.abs(share - expected[i]!) < 0.02)).toBe(true);

  it('gives each processor and each queue the same chance, however many moves it has', () => {
    near(drawn(view([message(0, 1), exec(0), exec(1), exec(1)])), [1 / 3, 1 / 3, 1 / 6, 1 / 6]);
  });

  it('gives an actor an eighth of that for all that may be done to it', () => {
    near(drawn(view([exec(0), offer(0), offer(1), offer(1)])), [8 / 10, 1 / 10, 1 / 20, 1 / 20]);
  });

  it('draws among offers alone where nothing else can be done', () => {
    near(drawn(view([offer(0), offer(1), offer(1), offer(1)])), [1 / 2, 1 / 6, 1 / 6, 1 / 6]);
  });

  it('gives a choice of a program the chance of a processor', () => {
    const all = [exec(0), offer(1)];
    near(drawn({ ...view(all), lineup: lineupOf(all, 8) }), [1 / 2, 1 / 2]);
  });

  it('lets the guests of a big host get on, where the even draw mostly migrates', () => {
    const scenario = bigHost({ cpus: 16, vcpus: 32 });
    const shareOf = (name: 'random' | 'random-uniform', kind: string) => {
      const { records } = play(scenario, { name, seed: 1 }, undefined, ({ sequencer }) => sequencer.step >= 2000);
      const choices = records.filter((record) => record.kind === 'choice');
      return choices.filter(({ type }) => type === kind).length / choices.length;
    };
    expect(shareOf('random', 'migrate')).toBeLessThan(0.05);
    expect(shareOf('random', 'exec')).toBeGreaterThan(0.7);
    expect(shareOf('random-uniform', 'migrate')).toBeGreaterThan(0.8);
  });
});

describe('fifo', () => {
  it('starts with the lowest CPU, and delivers what is in flight before another CPU goes on', () => {
    const fifo = new FifoChooser();
    expect(fifo.choose(view([exec(1), exec(2), offer(0)]))).toBe(0);
    expect(fifo.choose(view([exec(0), exec(1)]))).toBe(0);
    expect(new FifoChooser().choose(view([message(0, 9), message(1, 4), exec(0)]))).toBe(1);
  });

  it('lets the CPU that ran go on before anything else', () => {
    const fifo = new FifoChooser();
    fifo.observe(outcome(1));
    expect(fifo.choose(view([message(0, 1), exec(0), exec(1)]))).toBe(2);
  });

  it('takes messages in order of arrival, and the lowest CPU, when the one that ran cannot go on', () => {
    const fifo = new FifoChooser();
    fifo.observe(outcome(1));
    expect(fifo.choose(view([message(0, 7), message(2, 3), exec(0)]))).toBe(1);
    expect(fifo.choose(view([exec(0), exec(2)]))).toBe(0);
  });

  it('takes a CPU that only waits for blocked until another one has moved', () => {
    const fifo = new FifoChooser();
    fifo.observe(outcome(0, { yields: true }));
    expect(fifo.choose(view([exec(0), exec(1)]))).toBe(1);
    fifo.observe(outcome(1));
    expect(fifo.choose(view([exec(0)]))).toBe(0);
  });

  it('polls in turn when all CPUs wait, and disturbs nothing', () => {
    const fifo = new FifoChooser();
    const all = view([exec(0), exec(1), offer(0)]);
    fifo.observe(outcome(0, { yields: true, changed: false }));
    fifo.observe(outcome(1, { yields: true, changed: false }));
    const taken = [fifo.choose(all)];
    fifo.observe(outcome(taken[0]!, { yields: true, changed: false }));
    taken.push(fifo.choose(all));
    expect(taken).toEqual([0, 1]);
  });
});

describe('replay', () => {
  const two = view([exec(0), exec(1)]);
  const choice = (change: Partial<Choice> = {}): Choice => ({ index: 1, count: 2, label: 'exec(pcpu:1)', ...change });

  it('strict takes index, count and label', () => {
    expect(new ReplayChooser([choice()], { match: 'strict' }).choose(two)).toBe(1);
    for (const wrong of [choice({ index: 0 }), choice({ count: 3 }), choice({ label: 'exec(pcpu:9)' }), choice({ index: 7 })]) {
      expect(() => new ReplayChooser([wrong], { match: 'strict' }).choose(two)).toThrow(ScheduleError);
    }
    expect(() => new ReplayChooser([choice({ count: 3 })], { match: 'strict' }).choose(two)).toThrow(
      'step 1 of the schedule is exec(pcpu:1) as 1 of 3; the run has 2 alternatives: 0 exec(pcpu:0); 1 exec(pcpu:1)',
    );
  });

  it('label finds the alternative wherever it stands', () => {
    expect(new ReplayChooser([choice({ index: 0, count: 9 })], { match: 'label' }).choose(two)).toBe(1);
    expect(() => new ReplayChooser([choice({ label: 'gone(x)' })], { match: 'label' }).choose(two)).toThrow(ScheduleError);
  });

  it('label hands over to the next chooser where the schedule no longer fits, and says when', () => {
    const replay = new ReplayChooser([choice(), choice({ label: 'gone(x)' }), choice()], { match: 'label', after: new FifoChooser() });
    expect([replay.choose(two), replay.leftAt]).toEqual([1, null]);
    expect([replay.choose(two), replay.leftAt]).toEqual([0, 2]);
    expect([replay.choose(two), replay.leftAt]).toEqual([0, 2]);
  });

  it('index knows no label, and must be in range', () => {
    expect(new ReplayChooser([{ index: 1 }], { match: 'index' }).choose(two)).toBe(1);
    expect(() => new ReplayChooser([{ index: 2 }], { match: 'index' }).choose(two)).toThrow('step 1 of the schedule is alternative 2');
  });

  it('ends with an error unless another chooser goes on', () => {
    const ended = new ReplayChooser([choice()], { match: 'strict' });
    ended.choose(two);
    expect(() => ended.choose(two)).toThrow('the schedule ends before step 2, which has 2 alternatives');
    const goesOn = new ReplayChooser([choice()], { match: 'strict', after: new FifoChooser() });
    expect([goesOn.choose(two), goesOn.choose(two)]).toEqual([1, 0]);
  });

  it('of a run gives the run', () => {
    const scenario = shipped('rmp-host-write-race', 'map-lock-user');
    const first = play(scenario, { name: 'random-uniform', seed: 11 });
    const choices = first.records.filter(({ kind }) => kind === 'choice').map(({ payload }) => payload as unknown as Choice);
    for (const match of ['strict', 'label', 'index'] as const) {
      const again = play(scenario, { name: 'replay', choices, match, after: { name: 'fifo' } });
      expect(again.run.sequencer.digest).toEqual(first.run.sequencer.digest);
      expect(again.records).toEqual(first.records);
    }
  });
});

describe('alternatives in a message', () => {
  it('are all there, or the first and how many more', () => {
    expect(toldOf(view([exec(0), exec(1)]))).toBe('exec(pcpu:0); exec(pcpu:1)');
    const many = view(Array.from({ length: 130 }, () => exec(3)));
    expect(toldOf(many, (label, index) => `${index} ${label}`)).toMatch(/^0 exec\(pcpu:3\); .*; 99 exec\(pcpu:3\); and 30 more$/);
  });
});
