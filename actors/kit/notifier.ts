/**
 * Notifier chains: blocks that are called one after the other, by priority. The next block is read
 * before one is called, so that a block may be called that has just been taken out; what keeps it
 * from that is the chain's kind.
 *
 * - *raw*: nothing; its callers have a lock of their own.
 * - *atomic*: calls are RCU readers that do not sleep, and to unregister waits for a grace period.
 * - *srcu*: the same with SRCU, and callbacks may sleep.
 * - *blocking*: calls have an rwsem for reading, changes for writing.
 *
 * Simplified: what a change of an atomic or srcu chain does under its lock is one step.
 *
 * @see kernel kernel/notifier.c, notifier_call_chain(), blocking_notifier_chain_unregister(),
 * srcu_notifier_chain_unregister()
 */
import { type ActorId, outgoing } from '../../events/event.ts';
import type { NotifierEvent } from '../../events/kit-waits.ts';
import { type HostEnv, type HostItem, type HostLocals, type HostThread, host, kernelSource } from '../host/host-env.ts';
import { oneOf } from '../path/fits.ts';
import { A_FUNCTION, SOURCE as A_SOURCE, checkRest, checkTable, DOES, ENV, NUMBER, nameOf, primitive, restOf } from './checked.ts';
import { fn } from './fn.ts';
import type { Sourced } from './kthread.ts';
import { local } from './local.ts';
import { chainMachine } from './notifier-machine.ts';
import type { Primitive } from './primitive.ts';
import { rcu, srcu } from './rcu.ts';
import { rwsem } from './rwsem.ts';
import type { Test } from './wait-queue.ts';

const { step, call, loop, when, note, leaveLoop } = host;
const SOURCE = kernelSource('kernel/notifier.c, notifier_call_chain(), notifier_chain_register(), notifier_chain_unregister()');

/** What keeps a call and a change of the chain apart. @public */
export type ChainKind = 'raw' | 'atomic' | 'srcu' | 'blocking';

const BLOCK = { does: DOES, source: A_SOURCE, priority: NUMBER, stops: A_FUNCTION };
/** A block of a chain. @public */
export interface Block extends Pick<Sourced, 'does'>, Partial<Pick<Sourced, 'source'>> {
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

type Around = (...items: readonly HostItem[]) => readonly HostItem[];

/** What a kind of chains has around a call, and around a change of its list. */
interface Keeps extends Primitive {
  readonly calls: Around;
  readonly registers: Around;
  readonly unregisters: Around;
}

function keeps(name: string, kind: ChainKind): Keeps {
  const alone: Around = (...items) => items;
  switch (kind) {
    case 'raw':
      return { parts: [], calls: alone, registers: alone, unregisters: alone };
    case 'atomic':
      return {
        parts: rcu.parts,
        calls: (...items) => [rcu.readLock(), ...items, rcu.readUnlock()],
        registers: alone,
        unregisters: (...items) => [...items, rcu.synchronize()],
      };
    case 'srcu': {
      const domain = srcu(`${name}_srcu`);
      const index = local<0 | 1>(`${name}SrcuIndex`);
      return {
        parts: domain.parts,
        calls: (...items) => [domain.readLock(index), ...items, domain.readUnlock(index)],
        registers: alone,
        unregisters: (...items) => [...items, domain.synchronize()],
      };
    }
    case 'blocking': {
      const sem = rwsem(`${name}_rwsem`);
      const changes: Around = (...items) => [sem.downWrite(), ...items, sem.upWrite()];
      return {
        parts: sem.parts,
        calls: (...items) => [sem.downRead(), ...items, sem.upRead()],
        registers: changes,
        unregisters: changes,
      };
    }
  }
}

/** notifier_call_chain(). Its locals bear its name: a block may call another chain. */
function callItem(name: string, chain: ActorId, blocks: readonly (readonly [string, Block])[], env: HostEnv): HostItem {
  const nb = local<string | null>(`${name}Nb`);
  const nextNb = local<string | null>(`${name}NextNb`);
  const next = (as: string, into: typeof nb, behind: (t: HostThread, l: HostLocals) => string | null) =>
    step(as, {
      ...SOURCE,
      leaves: [into.name],
      send: (t, l) => outgoing(chain, { type: 'chain.next?', block: behind(t, l) }),
      answers: { 'chain.block': (e) => ({ [into.name]: e.block }) },
    });
  const stopped = note(() => ({ [nextNb.name]: null }));
  const bodies = blocks.map(
    ([block, { does, source = SOURCE, stops }]) =>
      [nb.is(block), [call(fn(block, source, [...does(env), ...(stops ? [when([stops, [stopped]])] : [])]))]] as const,
  );
  return call(
    fn('notifier_call_chain', SOURCE, [
      next('rcu_dereference', nb, () => null),
      loop(
        when([(_t, l) => nb.of(l) == null, [leaveLoop]]),
        next('next_nb', nextNb, (_t, l) => nb.of(l)!),
        when(...bodies),
        nb.set((_t, l) => nextNb.of(l) ?? null) as HostItem,
      ),
    ]),
  );
}

/** A notifier chain of this name. @public */
export function notifierChain<const B extends string>(
  name: string,
  blocks: Readonly<Record<B, Block>>,
  rest: { readonly kind?: ChainKind } = {},
): NotifierChain<B> {
  const chain: ActorId = `${name}:0`;
  const { kind = 'blocking' } = restOf('notifierChain', name, rest, { kind: oneOf('raw', 'atomic', 'srcu', 'blocking') });
  checkTable(`notifierChain ${name}`, blocks, [
    'a block, as { does: () => [...] }',
    (value) => typeof value === 'object' && value !== null,
  ]);
  for (const [block, one] of Object.entries(blocks)) checkRest(`notifierChain ${name}: ${block}`, one, BLOCK, ['does']);
  const block = nameOf('one of its blocks', Object.keys(blocks));
  const all = Object.entries<Block>(blocks);
  const input = { priorities: Object.fromEntries(all.map(([block, { priority = 0 }]) => [block, priority])) };
  const { parts, calls, registers, unregisters } = keeps(name, kind);
  const change = (as: string, around: Around, event: NotifierEvent): HostItem =>
    call(
      fn(`${kind}_notifier_chain_${as}`, SOURCE, around(step(`notifier_chain_${as}`, { ...SOURCE, send: () => outgoing(chain, event) }))),
    );
  return primitive<NotifierChain<B>>(
    name,
    {
      kind: name,
      parts: [{ kind: name, per: 'host', machine: () => chainMachine, input: () => input }, ...parts],
      register: (block) => change('register', registers, { type: 'chain.register', block }),
      unregister: (block) => change('unregister', unregisters, { type: 'chain.unregister', block }),
      call: (env) => call(fn(`${kind}_notifier_call_chain`, SOURCE, calls(callItem(name, chain, all, env)))),
    },
    { register: [block], unregister: [block], call: [ENV] },
  );
}
