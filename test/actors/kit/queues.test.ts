/** Sleeping locks with a queue against naive oracles, call by call. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AnyStateMachine, createActor } from 'xstate';
import { rwsemMachine } from '../../../actors/kit/rwsem.ts';
import { semaphoreMachine } from '../../../actors/kit/semaphore.ts';

type Does = { readonly who: number; readonly writes: boolean; readonly does: 'down' | 'up' | 'cancel' | 'downgrade' };
const doings = (whos: number, ...more: readonly Does['does'][]) =>
  fc.array(
    fc.record<Does>({
      who: fc.integer({ min: 0, max: whos - 1 }),
      writes: fc.boolean(),
      does: fc.constantFrom('down', 'down', 'up', 'cancel', ...more),
    }),
    { maxLength: 40, size: 'max' },
  );

/** An actor: what it answers, and whom it has woken. */
function heard(machine: AnyStateMachine, input?: object) {
  const actor = createActor(machine, { input });
  let answer: boolean | undefined;
  const woken = new Set<string>();
  actor.on('*', (emitted) => {
    const { to, event } = emitted as unknown as { to: string; event: { granted?: boolean; thread?: string } };
    if (to === 'sched') woken.add(event.thread!);
    else answer = event.granted;
  });
  actor.start();
  return {
    woken,
    ask: (who: number, event: { readonly type: string; readonly writes?: boolean }): boolean | undefined => {
      answer = undefined;
      actor.send({ ...event, from: `t${who}` });
      return answer;
    },
  };
}

describe('a queue of sleepers', () => {
  it('serves a semaphore in the order of arrival, and never more than there are', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 }), doings(4), (free, all) => {
        const { ask, woken } = heard(semaphoreMachine, { count: free });
        const holders = new Set<number>();
        const queue: number[] = [];
        for (const { who, does } of all) {
          if (does === 'down' && !holders.has(who) && !queue.includes(who)) {
            const expected = holders.size < free;
            expect(ask(who, { type: 'semaphore.down' })).toBe(expected);
            if (expected) holders.add(who);
            else queue.push(who);
          } else if (does === 'cancel' && queue.includes(who)) {
            expect(ask(who, { type: 'semaphore.cancel' })).toBe(false);
            queue.splice(queue.indexOf(who), 1);
          } else if (does === 'up' && holders.delete(who)) {
            woken.clear();
            ask(who, { type: 'semaphore.up' });
            const next = queue.shift();
            if (next !== undefined) holders.add(next);
            expect([...woken]).toEqual(next === undefined ? [] : [`t${next}`]);
            for (const waiter of queue) expect(ask(waiter, { type: 'semaphore.woken' })).toBe(false);
          }
          for (const holder of holders) expect(ask(holder, { type: 'semaphore.woken' })).toBe(true);
        }
      }),
    );
  });

  it('keeps writers of an rw_semaphore alone, and leaves no one asleep who could have it', () => {
    fc.assert(
      fc.property(doings(4, 'downgrade'), (all) => {
        const { ask, woken } = heard(rwsemMachine);
        const holds = new Map<number, boolean>();
        /** Who came first stands first. */
        const waits = new Map<number, boolean>();
        const isWriterIn = () => [...holds.values()].includes(true);
        const settle = () => {
          let readersCame = false;
          // All that were woken look, in any order.
          for (const name of [...woken]) {
            woken.delete(name);
            const who = Number(name.slice(1));
            const writes = waits.get(who);
            if (writes === undefined || !ask(who, { type: 'rwsem.woken', writes })) continue;
            waits.delete(who);
            holds.set(who, writes);
            readersCame ||= !writes;
          }
          expect(!isWriterIn() || holds.size === 1).toBe(true);
          if (holds.size === 0) expect([...waits.keys()]).toEqual([]);
          // A reader that heads the queue does not wait for readers, and no reader is left behind.
          if (!isWriterIn()) expect([...waits.values()][0]).not.toBe(false);
          if (readersCame) expect([...waits.values()]).not.toContain(false);
        };
        for (const { who, writes, does } of all) {
          const isNew = !holds.has(who) && !waits.has(who);
          if (does === 'down' && isNew) {
            if (ask(who, { type: 'rwsem.down', writes })) holds.set(who, writes);
            else waits.set(who, writes);
          } else if (does === 'downgrade' && holds.get(who)) {
            ask(who, { type: 'rwsem.downgrade' });
            holds.set(who, false);
          } else if (does === 'up' && holds.has(who)) {
            ask(who, { type: 'rwsem.up', writes: holds.get(who)! });
            holds.delete(who);
          } else if (does === 'cancel' && waits.has(who)) {
            if (ask(who, { type: 'rwsem.cancel' })) holds.set(who, waits.get(who)!);
            waits.delete(who);
          }
          settle();
        }
      }),
    );
  });

  it('is passed by no trylock', () => {
    const { ask } = heard(rwsemMachine);
    expect(ask(0, { type: 'rwsem.down', writes: true })).toBe(true);
    expect(ask(1, { type: 'rwsem.down', writes: true })).toBe(false);
    ask(0, { type: 'rwsem.up', writes: true });
    for (const writes of [true, false]) expect(ask(2, { type: 'rwsem.trylock', writes })).toBe(false);
    expect(ask(1, { type: 'rwsem.woken', writes: true })).toBe(true);
  });
});
