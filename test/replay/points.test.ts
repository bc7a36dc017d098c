/** Points by name, and choices injected at them. */
import { describe, expect, it } from 'vitest';
import { changedBy, type InjectAction, InjectError, inject } from '../../replay/inject.ts';
import { openJournal } from '../../replay/open.ts';
import { findPoint, HitCounter, PointError, pointsOf } from '../../replay/points.ts';
import { memorySource } from '../../replay/source.ts';
import { JournalWriter } from '../../replay/writer.ts';
import { engineOf, journalOf, shipped } from '../sim/play.ts';

const scenario = shipped('rmp-host-write-race');
const race = openJournal(memorySource(journalOf(scenario, { name: 'fifo' }, engineOf(scenario, 'memo')).bytes));
const STORE = 'thread:netd/0@emulate_dma_write.store';

describe('a point', () => {
  it('is a step, or a micro-step by name, hit and side', () => {
    expect(findPoint(race, '17')).toBe(17);
    const first = findPoint(race, STORE);
    expect(findPoint(race, `${STORE}#2`)).toBe(first + 1);
    expect(findPoint(race, `${STORE}+`)).toBe(first + 1);
    expect([...pointsOf(race)].map(({ step }) => step)).toEqual(Array.from({ length: race.steps }, (_, i) => i + 1));
  });

  it('is found by the name that it is given, also where other names end in the same words', () => {
    const counter = new HitCounter();
    const named = [...pointsOf(race)].flatMap(({ step, microSteps }) =>
      microSteps.map(({ actor, name }) => ({ step, name, text: counter.point(actor, name, name.split('.').at(-1)) })),
    );
    expect(named.map(({ text }) => findPoint(race, text))).toEqual(named.map(({ step }) => step));
    const locks = named.filter(({ text }) => text.startsWith('thread:qemu0/vcpu0@preempt_disable'));
    expect(new Set(locks.map(({ name }) => name)).size).toBeGreaterThan(1);
  });

  it.each([
    ['0', /steps 1 to/],
    ['9999', /steps 1 to/],
    ['nonsense', /is no point/],
    [`${STORE}#9`, /happens 2 times, not 9/],
    ['thread:netd/0@no_such_step', /never executes no_such_step/],
    ['thread:netd/0@tore', /never executes tore/],
    ['thread:absent/0@store', /executes nothing in this journal/],
  ])('%s is refused with what there is', (text, message) => {
    expect(() => findPoint(race, text)).toThrow(PointError);
    expect(() => findPoint(race, text)).toThrow(message);
  });
});

/** The journal of a fork. */
function forked(action: InjectAction, at: string) {
  let writer: JournalWriter | null = null;
  const injection = inject(race, { at, action, after: { name: 'follow' } }, (start) => {
    writer = JournalWriter.open(null, start, { mode: 'memory' });
    return (block, names) => writer!.block(block, names);
  });
  const end = injection.run.toEnd()!;
  return { injection, journal: openJournal(memorySource(writer!.seal(end).content!)) };
}

describe('an injection', () => {
  it('keeps every record before it and changes what follows', () => {
    const { injection, journal } = forked({ preempt: 'pcpu:0' }, `${STORE}#2`);
    const { at } = injection.fork;
    const prefix = (records: Iterable<{ step: number }>) => [...records].filter(({ step }) => step < at);
    expect(prefix(journal.recordsFrom(1))).toEqual(prefix(race.recordsFrom(1)));
    expect(changedBy(race, journal)).toMatchObject({
      firstDifferentStep: at,
      verdictBefore: 'clean',
      verdictAfter: 'violation: rmp.innocent-process-killed',
    });
  });

  it('changes nothing where it makes the recorded choice', () => {
    const label = race.choices(5).next().value!.label;
    expect(changedBy(race, forked({ choose: label }, '5').journal).firstDifferentStep).toBeNull();
  });

  it('is refused where there is no such alternative, naming those there are', () => {
    const refused = () => forked({ migrate: { thread: 'thread:netd/0', cpu: 'pcpu:7' } }, '5');
    expect(refused).toThrow(InjectError);
    expect(refused).toThrow(/step 5 has no alternative for migrate thread:netd\/0 to pcpu:7; it has exec\(pcpu:0\)/);
  });
});
