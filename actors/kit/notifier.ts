/**
 * Notifier chains: blocks that are called one after the other, by priority. The next block is read
 * before one is called, so that a block may be called that has just been taken out; what keeps it
 * from that is the chain's kind.
 *
 * - *raw*: nothing; its callers have a lock of their own.
 * - *atomic*: calls are RCU readers that do not sleep, and to unregister waits for a grace period.
 * - *srcu*: the same, and callbacks may sleep.
 * - *blocking*: calls have an rwsem for reading, changes for writing.
 *
 * @see kernel kernel/notifier.c, notifier_call_chain(), blocking_notifier_chain_unregister(),
 * srcu_notifier_chain_unregister()
 */
import { type ActorId, outgoing } from '../../events/event.ts';
import type { NotifierEvent } from '../../events/kit-waits.ts';
import { fromMemory, type HostEnv, type HostItem, type HostLocals, type HostThread, host } from '../host/host-env.ts';
import { schedule } from '../host/task-state.ts';
import { oneOf } from '../path/fits.ts';
import { A_FUNCTION, BODY, checkRest, checkTable, ENV, NUMBER, nameOf, primitive, restOf } from './checked.ts';
import { fn } from './fn.ts';
import type { Body } from './kthread.ts';
import { local } from './local.ts';
import { chainMachine } from './notifier-machine.ts';
import type { Primitive } from './primitive.ts';
import type { Test } from './wait-queue.ts';

const { step, call, loop, when, note, leaveLoop } = host;
const SOURCE = fromMemory('kernel/notifier.c, notifier_call_chain(), notifier_chain_register(), notifier_chain_unregister()');

/** What keeps a call and a change of the chain apart. @public */
export type ChainKind = 'raw' | 'atomic' | 'srcu' | 'blocking';

const BLOCK = { does: BODY, priority: NUMBER, stops: A_FUNCTION };
/** A block of a chain. @public */
export interface Block {
  readonly does: Body;
  /** Higher ones are called first, equal ones by registration. 0 unless given. */
  readonly priority?: number;
  /** NOTIFY_STOP: no block behind it is called. */
  readonly stops?: Test;
}

/** A notifier chain with its blocks, by name; none is registered at the start. @public */
export interface NotifierChain<B extends string = string> extends Primitive {
  readonly kind: string;
  register(block: B): HostItem;
  /** It is called no more when this returns, but for a raw chain. */
  unregister(block: B): HostItem;
  /** notifier_call_chain(). */
  call(env: HostEnv): HostItem;
}

const nb = local<string | null>('nb');
const nextNb = local<string | null>('nextNb');
const done = local<boolean>('chainDone');

/** The steps of one chain. */
class Steps {
  readonly #chain: ActorId;

  constructor(chain: ActorId) {
    this.#chain = chain;
  }

  says(as: string, event: NotifierEvent, preempt?: 1 | -1): HostItem {
    return step(as, { ...SOURCE, ...(preempt && { preempt }), send: () => outgoing(this.#chain, event) });
  }

  /** The block after another one, or the first. */
  next(as: string, into: typeof nb, behind: (t: HostThread, l: HostLocals) => string | null): HostItem {
    return step(as, {
      ...SOURCE,
      leaves: [into.name],
      send: (t, l) => outgoing(this.#chain, { type: 'chain.next?', block: behind(t, l) }),
      answers: { 'chain.block': (e) => ({ [into.name]: e.block }) },
    });
  }

  /** Asks, and sleeps until the answer is yes. */
  waits(as: string, event: NotifierEvent): HostItem {
    const ask = (name: string, mayResched?: true) =>
      step(name, {
        ...SOURCE,
        ...(mayResched && { mayResched }),
        leaves: [done.name],
        send: () => outgoing(this.#chain, event),
        answers: { 'chain.done': (e) => ({ [done.name]: e.done }) },
      });
    return call(fn(as, SOURCE, [ask('look', true), loop(when([done.is(true), [leaveLoop]]), schedule(), ask('look_again'))]));
  }

  /** A change of the list, as its kind has it. */
  change(kind: ChainKind, as: string, change: NotifierEvent): HostItem {
    const changes = this.says(`notifier_chain_${as}`, change);
    const name = `${kind}_notifier_chain_${as}`;
    if (kind === 'blocking')
      return call(
        fn(name, SOURCE, [
          this.waits('down_write', { type: 'chain.enter', exclusive: true }),
          changes,
          this.says('up_write', { type: 'chain.leave' }),
        ]),
      );
    const isRead = kind !== 'raw' && as === 'unregister';
    const period = kind === 'srcu' ? 'synchronize_srcu' : 'synchronize_rcu';
    const grace = [this.says(`start_${period}`, { type: 'chain.synchronize' }), this.waits(period, { type: 'chain.synced?' })];
    return call(fn(name, SOURCE, [changes, ...(isRead ? grace : [])]));
  }

  /** What stands around a call of the chain. */
  around(kind: ChainKind, items: readonly HostItem[]): readonly HostItem[] {
    const leave = (as: string, preempt?: -1) => this.says(as, { type: 'chain.leave' }, preempt);
    const enter: NotifierEvent = { type: 'chain.enter', exclusive: false };
    switch (kind) {
      case 'raw':
        return items;
      case 'blocking':
        return [this.waits('down_read', enter), ...items, leave('up_read')];
      case 'srcu':
        return [this.waits('srcu_read_lock', enter), ...items, leave('srcu_read_unlock')];
      case 'atomic':
        return [
          step('rcu_read_lock', {
            ...SOURCE,
            preempt: 1,
            leaves: [done.name],
            send: () => outgoing(this.#chain, enter),
            answers: { 'chain.done': (e) => ({ [done.name]: e.done }) },
          }),
          ...items,
          leave('rcu_read_unlock', -1),
        ];
    }
  }
}

/** A notifier chain of this name. @public */
export function notifierChain<const B extends string>(
  name: string,
  blocks: Readonly<Record<B, Block>>,
  rest: { readonly kind?: ChainKind } = {},
): NotifierChain<B> {
  const { kind = 'blocking' } = restOf('notifierChain', name, rest, { kind: oneOf('raw', 'atomic', 'srcu', 'blocking') });
  checkTable(`notifierChain ${name}`, blocks, [
    'a block, as { does: () => [...] }',
    (value) => typeof value === 'object' && value !== null,
  ]);
  for (const [block, one] of Object.entries(blocks)) checkRest(`notifierChain ${name}: ${block}`, one, BLOCK, ['does']);
  const block = nameOf('one of its blocks', Object.keys(blocks));
  const steps = new Steps(`${name}:0`);
  const all = Object.entries<Block>(blocks);
  const input = { priorities: Object.fromEntries(all.map(([block, { priority = 0 }]) => [block, priority])) };
  const stopped = note(() => ({ [nextNb.name]: null }));
  const calls = (env: HostEnv): HostItem =>
    call(
      fn('notifier_call_chain', SOURCE, [
        steps.next('rcu_dereference', nb, () => null),
        loop(
          when([(_t, l) => nb.of(l) == null, [leaveLoop]]),
          steps.next('next_nb', nextNb, (_t, l) => nb.of(l)!),
          when(
            ...all.map(
              ([block, { does, stops }]) =>
                [nb.is(block), [call(fn(block, SOURCE, [...does(env), ...(stops ? [when([stops, [stopped]])] : [])]))]] as const,
            ),
          ),
          nb.set((_t, l) => nextNb.of(l) ?? null) as HostItem,
        ),
      ]),
    );
  return primitive<NotifierChain<B>>(
    name,
    {
      kind: name,
      parts: [{ kind: name, per: 'host', machine: () => chainMachine, input: () => input, sets: ['readers', 'waiters'] }],
      register: (block) => steps.change(kind, 'register', { type: 'chain.register', block }),
      unregister: (block) => steps.change(kind, 'unregister', { type: 'chain.unregister', block }),
      call: (env) => call(fn(`${kind}_notifier_call_chain`, SOURCE, steps.around(kind, [calls(env)]))),
    },
    { register: [block], unregister: [block], call: [ENV] },
  );
}
