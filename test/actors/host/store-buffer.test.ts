/** The store buffer of a CPU: how much it holds, what goes through it, and what empties it. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pcpuMachine } from '../../../actors/host/pcpu.ts';
import type { PcpuContext, PcpuInput } from '../../../actors/host/pcpu-context.ts';
import { ordered, STORES_MAX, type StoreBufferContext, storeBufferMachine } from '../../../actors/host/store-buffer.ts';
import { type ActorId, outgoing } from '../../../events/event.ts';
import { Given, told } from '../given.ts';

const put = (value: number, field = 'x') => ({
  type: 'stores.put',
  to: 'mem:0',
  event: { type: 'cell.store', field, value },
  from: 'thread:p/0',
});
const load = (field = 'x') => ({ type: 'stores.load', to: 'mem:0', event: { type: 'cell.load', field }, from: 'thread:p/0' });
const sent = (to: ActorId, event: object) => [{ to, event }];
const buffer = () => Given.start<StoreBufferContext>(storeBufferMachine);

describe('a store buffer', () => {
  it('lets stores out in the order in which they came in, and the oldest where another finds it full', () =>
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 3 * STORES_MAX }), (drains) => {
        let given = buffer();
        const inside: number[] = [];
        for (const [i, isDrain] of drains.entries()) {
          if (isDrain && inside.length === 0) continue;
          if (!isDrain) inside.push(i);
          const { sent, and } = given.when(isDrain ? { type: 'stores.drain' } : put(i));
          const out = isDrain || inside.length > STORES_MAX ? [inside.shift()] : [];
          expect(sent.map(({ event }) => event.value)).toEqual(out);
          expect(and.context.waiting.map(({ event }) => event.value)).toEqual(inside);
          given = and;
        }
        expect(given.context.waiting.length).toBeLessThanOrEqual(STORES_MAX);
      }),
    ));
  it('gives a load the newest store to the same field, null too, and asks memory for any other', () => {
    const given = buffer().after(put(1), put(2), put(7, 'y'));
    expect(given.when(load()).sent).toEqual(sent('thread:p/0', { type: 'cell.value', value: 2 }));
    expect(given.when(load('z')).sent).toEqual(sent('mem:0', { type: 'cell.load', field: 'z', by: 'thread:p/0' }));
    const ofNull = buffer().after({ ...put(0), event: { type: 'cell.store', field: 'x', value: null } });
    expect(ofNull.when(load()).sent).toEqual(sent('thread:p/0', { type: 'cell.value', value: null }));
  });
  it('is empty behind a locked instruction, which comes last', () => {
    const locked = { ...load(), type: 'stores.rmw', event: { type: 'cell.xchg', field: 'x', value: 3 } };
    const { sent, context } = buffer().after(put(1), put(2)).when(locked);
    expect(told(sent)).toEqual(['mem:0 cell.store', 'mem:0 cell.store', 'mem:0 cell.xchg']);
    expect(context.waiting).toEqual([]);
  });
});

describe('the messages of a step', () => {
  const here = { cpu: 'pcpu:1' };
  const of = (to: string, type: string) => outgoing(to, { type });
  const through = (...sent: Parameters<typeof ordered>[1]) => told(ordered(here, sent, false) as never);
  it.each([
    ['a plain store waits', of('mem:0', 'cell.store'), ['storeBuffer:1 stores.put']],
    ['spin_unlock() is one', of('lock:0', 'spin.unlock'), ['storeBuffer:1 stores.put']],
    ['a load looks there first', of('mem:0', 'cell.load'), ['storeBuffer:1 stores.load']],
    ['a locked instruction waits for it', of('mem:0', 'cell.xchg'), ['storeBuffer:1 stores.rmw']],
    ['spin_lock() is one', of('lock:0', 'spin.lock'), ['storeBuffer:1 stores.rmw']],
    ['so does all else that others see', of('mutex:0', 'mutex.unlock'), ['storeBuffer:1 stores.fence', 'mutex:0 mutex.unlock']],
    ['an IPI too', of('pcpu:0', 'irq.reschedule'), ['storeBuffer:1 stores.fence', 'pcpu:0 irq.reschedule']],
    ['but nothing inside the CPU', of('pcpu:1', 'cpu.needResched?'), ['pcpu:1 cpu.needResched?']],
    ['nor a step of its guest', of('vcpu:vm0/0', 'guest.step'), ['vcpu:vm0/0 guest.step']],
  ])('%s', (_what, message, expected) => expect(through(message)).toEqual(expected));
  it('of a full barrier begin with it', () => expect(told(ordered(here, [], true) as never)).toEqual(['storeBuffer:1 stores.fence']));
  it('of a guest go through the buffer of the CPU that runs it', () => {
    const moved = { cpu: null, runner: { cpu: 'pcpu:3' } };
    expect(told(ordered(moved, [of('mem:0', 'cell.store')], false) as never)).toEqual(['storeBuffer:3 stores.put']);
  });
});

describe('a pCPU with a store buffer', () => {
  const input: PcpuInput = {
    peers: [],
    preemption: 'full',
    ticks: 'direct',
    interrupts: false,
    spuriousExits: false,
    waiting: ['thread:b/0'],
    storeBuffer: 'storeBuffer:0',
  };
  const standing = (state: unknown, change: Partial<PcpuContext> = {}) =>
    Given.standing<PcpuContext>(pcpuMachine([]), state, {
      ...input,
      current: 'thread:a/0',
      previous: 'runnable',
      next: null,
      letter: 'P',
      needResched: false,
      irr: [],
      panicReason: null,
      ...change,
    });
  const FENCE = 'storeBuffer:0 stores.fence';
  const SERVING = { serving: 'dev', handlers: { dev: 'handler:0' } };
  it.each([
    ['a preemption', standing('task'), { type: 'preempt' }],
    ['schedule()', standing('task'), { type: 'cpu.sleep' }],
    ['an interrupt', standing('task', { irr: ['reschedule'] }), { type: 'exec' }],
    ['an interrupt of the idle task', standing('idle', { current: null, irr: ['reschedule'] }), { type: 'exec' }],
    ['the return from an interrupt', standing({ irq: 'handler' }, SERVING), { type: 'irq.done', from: 'handler:0' }],
    ['the return to the idle task', standing({ irq: 'handler' }, { ...SERVING, current: null }), { type: 'irq.done', from: 'handler:0' }],
    ['switch_to(), behind the notifiers', standing({ __schedule: 'switch_to' }, { next: 'thread:b/0' }), { type: 'exec' }],
  ])('empties it at %s', (_what, given, event) => {
    expect(told(given.when(event).sent)[0]).toBe(FENCE);
    const { storeBuffer: _, ...without } = given.context;
    expect(told(Given.standing<PcpuContext>(pcpuMachine([]), given.state, without).when(event).sent)).not.toContain(FENCE);
  });
  it('leaves it as it is at any other step', () => expect(told(standing('task').when({ type: 'exec' }).sent)).toEqual(['thread:a/0 step']));
});
