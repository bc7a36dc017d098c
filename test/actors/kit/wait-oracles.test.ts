/** Machines of waits against naive oracles: lists, counters and sets. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createActor } from 'xstate';
import { completionMachine } from '../../../actors/kit/completion.ts';
import { irqDescMachine } from '../../../actors/kit/irq-desc.ts';
import { chainMachine } from '../../../actors/kit/notifier-machine.ts';
import { timeoutMachine } from '../../../actors/kit/timeout.ts';
import { timerMachine } from '../../../actors/kit/timer.ts';
import { waitQueueMachine } from '../../../actors/kit/wait-queue.ts';
import { workqueueMachine } from '../../../actors/kit/workqueue-machine.ts';

interface Said {
  readonly to: string;
  readonly event: { readonly type: string; readonly [field: string]: unknown };
}
/** An actor of the machine, and all that it has said since it was asked last. */
function started(machine: unknown, input?: unknown) {
  const actor = createActor(machine as never, { input } as never);
  let said: Said[] = [];
  actor.on('*' as never, ((message: Said) => said.push(message)) as never);
  actor.start();
  return (event: object): readonly Said[] => {
    said = [];
    actor.send(event as never);
    return said;
  };
}
const thread = fc.constantFrom('thread:a/0', 'thread:b/0', 'thread:c/0');
const to = (said: readonly Said[], type: string) => said.filter(({ event }) => event.type === type).map((one) => one.to);

describe('a wait queue', () => {
  it('wakes whom a list of waiters says, one of those that are exclusive', () => {
    const waiters = fc.array(fc.record({ thread, exclusive: fc.boolean(), sleeps: fc.boolean() }), { maxLength: 6 });
    fc.assert(
      fc.property(waiters, fc.constantFrom(1, null), (all, nr) => {
        const send = started(waitQueueMachine);
        const first = all.filter((one, at) => all.findIndex((other) => other.thread === one.thread) === at);
        for (const { thread: from, exclusive } of all) send({ type: 'wq.prepare', exclusive, from });
        const order = [...first.filter(({ exclusive }) => !exclusive).reverse(), ...first.filter(({ exclusive }) => exclusive)];
        const stop = order.findIndex(({ exclusive, sleeps }) => exclusive && sleeps);
        const asked = nr === null || stop < 0 ? order : order.slice(0, stop + 1);
        const woken: string[] = [];
        let said = send({ type: 'wq.wake', mode: 'normal', nr, from: 'thread:w/0' });
        for (let [next] = to(said, 'task.wake'); next !== undefined; [next] = to(said, 'task.wake')) {
          woken.push(next);
          said = send({ type: 'task.woken', woken: order.find((one) => one.thread === next)!.sleeps, from: next });
        }
        expect(woken).toEqual(asked.map((one) => one.thread));
        const left = order.length > asked.length || asked.some(({ sleeps }) => !sleeps);
        expect(send({ type: 'wq.active?', from: 'thread:w/0' })[0]!.event.active).toBe(left);
      }),
    );
  });
});

describe('a completion', () => {
  it('lets as many pass as a counter says, and wakes who came first of those that wait still', () => {
    const does = fc.constantFrom('wait', 'give up', 'try', 'complete', 'all', 'reinit', 'done?');
    fc.assert(
      fc.property(fc.array(fc.tuple(does, thread), { maxLength: 20, size: 'max' }), (all) => {
        const send = started(completionMachine);
        let count = 0;
        let waits: string[] = [];
        for (const [what, from] of all) {
          const type = what === 'give up' ? 'wait' : what;
          const said = send({ type: `completion.${type}`, state: 'uninterruptible', last: what === 'give up', from });
          expect(to(said, 'task.wake')).toEqual(what === 'all' ? waits : what === 'complete' ? waits.slice(0, 1) : []);
          if (what === 'complete') [count, waits] = [count + 1, waits.slice(1)];
          if (what === 'all') [count, waits] = [Number.POSITIVE_INFINITY, []];
          if (what === 'reinit') count = 0;
          const [answer] = said.filter(({ event }) => event.type === 'completion.done');
          if (answer) expect(answer.event.done).toBe(count > 0);
          if (what === 'wait' && count === 0 && !waits.includes(from)) waits = [...waits, from];
          if (what === 'give up' || (what === 'wait' && count > 0)) waits = waits.filter((one) => one !== from);
          if ((type === 'wait' || what === 'try') && count > 0) count--;
        }
      }),
    );
  });
});

describe('timers', () => {
  it('of threads wake those whose timers are armed', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom('start', 'delete', 'expire'), thread), { maxLength: 20, size: 'max' }), (all) => {
        const send = started(timeoutMachine);
        const armed = new Set<string>();
        for (const [what, from] of all) {
          const said = send({ type: `timeout.${what}`, from, thread: from });
          if (what === 'expire') expect(to(said, 'task.wake')).toEqual(armed.has(from) ? [from] : []);
          if (what === 'delete') expect(said[0]!.event.pending).toBe(armed.has(from));
          if (what === 'start') armed.add(from);
          else armed.delete(from);
        }
      }),
    );
  });
  it('run where they are pending, are deleted where they do not run, and stay shut down', () => {
    const cpu = fc.constantFrom('pcpu:0', 'pcpu:1');
    const does = fc.constantFrom('mod', 'del', 'tryDel', 'shut down', 'run?', 'ran', 'pending?');
    fc.assert(
      fc.property(fc.array(fc.tuple(does, cpu), { maxLength: 20, size: 'max' }), (all) => {
        const send = started(timerMachine, { irq: 'tm' });
        let pending: string | null = null;
        let running: string | null = null;
        let isShut = false;
        for (const [what, where] of all) {
          const tries = what === 'tryDel' || what === 'shut down';
          const [answer] = send({
            type: `timer.${tries ? 'tryDel' : what}`,
            cpu: where,
            shutdown: what === 'shut down',
            from: 'thread:a/0',
          });
          if (tries) expect(answer!.event.value).toBe(running !== null ? -1 : pending === null ? 0 : 1);
          if (what === 'mod' || what === 'del' || what === 'pending?') expect(answer!.event.value).toBe(pending === null ? 0 : 1);
          if (what === 'run?') expect(answer!.event.run).toBe(pending === where);
          if (what === 'mod' && !isShut) pending = running ?? where;
          if (what === 'del' || (tries && running === null)) pending = null;
          if (what === 'shut down' && running === null) isShut = true;
          if (what === 'ran') running = null;
          if (what === 'run?' && pending === where) [pending, running] = [null, where];
        }
      }),
    );
  });
});

describe('a work queue', () => {
  it('has what sets of pending and delayed items have', () => {
    const input = { queue: 'wq:0', workerOf: { a: 'a', b: 'b' }, threads: { a: 'wq_a:0', b: 'wq_b:0' } };
    const work = fc.constantFrom('a', 'b');
    const does = fc.constantFrom('queue', 'delay', 'modify', 'timer', 'next', 'end', 'cancel', 'cancel_sync', 'enable');
    fc.assert(
      fc.property(fc.array(fc.tuple(does, work), { maxLength: 30, size: 'max' }), (all) => {
        const send = started(workqueueMachine, input);
        const pending = new Set<string>();
        const delayed = new Set<string>();
        const disabled = { a: 0, b: 0 };
        for (const [what, one] of all) {
          const isPending = pending.has(one) || delayed.has(one);
          const isOff = disabled[one] > 0;
          const cancels = what === 'cancel' || what === 'cancel_sync';
          const type = what === 'modify' ? 'kwork.delay' : cancels ? 'kwork.cancel' : `kwork.${what}`;
          const from = what === 'next' ? `wq_${one}:0` : 'thread:a/0';
          const said = send({ type, work: one, worker: one, modifies: what === 'modify', waits: what === 'cancel_sync', from });
          const was = said.find(({ event }) => event.type === 'kwork.was')?.event.value;
          if (what === 'queue' || what === 'delay') expect(was).toBe(!isPending && !isOff);
          if (what === 'modify' || cancels) expect(was).toBe(isPending);
          if (what === 'next')
            expect(said.find(({ event }) => event.type === 'kwork.item')!.event.work).toBe(pending.has(one) ? one : null);
          if (what === 'queue' && !isPending && !isOff) pending.add(one);
          if (what === 'delay' && !isPending && !isOff) delayed.add(one);
          if (what === 'timer' && delayed.delete(one)) pending.add(one);
          if (what === 'next' || cancels || (what === 'modify' && !isOff)) pending.delete(one);
          if (cancels) delayed.delete(one);
          if (what === 'modify' && !isOff) delayed.add(one);
          if (what === 'cancel_sync') disabled[one]++;
          if (what === 'enable') disabled[one] = Math.max(0, disabled[one] - 1);
        }
      }),
    );
  });
});

describe('who flushes a work item', () => {
  it('is woken when another takes it off the queue', () => {
    const send = started(workqueueMachine, { queue: 'wq:0', workerOf: { a: 'a' }, threads: { a: 'wq_a:0' } });
    const [flushes, cancels] = ['thread:a/0', 'thread:b/0'];
    send({ type: 'kwork.queue', work: 'a', from: flushes });
    send({ type: 'kwork.flush', works: ['a'], timers: false, from: flushes });
    expect(send({ type: 'kwork.flushed?', from: flushes }).at(-1)!.event.done).toBe(false);
    expect(to(send({ type: 'kwork.cancel', work: 'a', waits: false, from: cancels }), 'task.wake')).toEqual([flushes]);
    expect(send({ type: 'kwork.flushed?', from: flushes }).at(-1)!.event.done).toBe(true);
  });
});

describe('the descriptor of an interrupt', () => {
  it('runs a handler for each interrupt that comes, when it is enabled as often as disabled', () => {
    const does = fc.constantFrom('comes', 'ends', 'disable', 'enable');
    fc.assert(
      fc.property(fc.array(does, { maxLength: 20, size: 'max' }), (all) => {
        const send = started(irqDescMachine);
        const asks = (type: string) => send({ type: `desc.${type}`, threads: false, from: 'dev:0' })[0]?.event.value;
        let [depth, runs, owed] = [0, false, false];
        for (const what of all) {
          const mayRun = depth === 0 && !runs;
          if (what === 'comes') {
            expect(asks('begin')).toBe(mayRun);
            [runs, owed] = mayRun ? [true, false] : [runs, true];
          } else if (what === 'ends' && runs) {
            const again = depth === 0 && owed;
            expect(asks('end')).toBe(again);
            [runs, owed] = [again, again ? false : owed];
          } else if (what === 'disable') {
            asks('disable');
            depth++;
          } else if (what === 'enable' && depth > 0) {
            expect(asks('enable')).toBe(depth === 1 && owed);
            [depth, owed] = [depth - 1, depth === 1 ? false : owed];
          }
          expect(asks('runs?')).toBe(runs);
        }
      }),
    );
  });
});

describe('a notifier chain', () => {
  it('is a list by priority, and then by registration', () => {
    const priorities = { a: 2, b: 1, c: 1, d: 0 };
    const block = fc.constantFrom('a', 'b', 'c', 'd');
    fc.assert(
      fc.property(fc.array(block, { maxLength: 15, size: 'max' }), (all) => {
        const send = started(chainMachine, { priorities });
        let list: (keyof typeof priorities)[] = [];
        for (const one of all) {
          const isIn = list.includes(one);
          send({ type: isIn ? 'chain.unregister' : 'chain.register', block: one, from: 'thread:a/0' });
          list = isIn ? list.filter((other) => other !== one) : [...list, one].sort((x, y) => priorities[y] - priorities[x]);
          const walked: string[] = [];
          const behind = (at: string | null) =>
            send({ type: 'chain.next?', block: at, from: 'thread:a/0' })[0]!.event.block as string | null;
          for (let next = behind(null); next !== null; next = behind(next)) walked.push(next);
          expect(walked).toEqual(list);
        }
      }),
    );
  });
});
