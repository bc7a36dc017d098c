/**
 * The memo engine: local states and events are integers, and what an actor does with an event in a
 * local state is computed by XState once and remembered. Machines are closed and pure, so the
 * memory never changes an answer; `verifyMemo` re-executes all of it.
 */
import { type ActorLogic, type AnyMachineSnapshot, transition } from 'xstate';
import type { Outgoing } from '../../events/event.ts';
import { canonical } from '../canonical.ts';
import { inputOf } from '../monitors/monitors.ts';
import { type AnyEvent, type Kind, Store, type Topology } from '../store.ts';
import { refuseOpenMachines, refuseUntold } from './closed.ts';
import { type ActorEngine, ModelError, type Reaction, UnhandledEventError } from './port.ts';
import { failureIn, type MicroStep, microStepOf, stateName } from './reaction.ts';
import { type Scope, scopeOf } from './scope.ts';

/** A reaction before the sender is stamped, shared by all actors of a kind. */
interface Shared {
  readonly next: number;
  /** `[receiver slot, unstamped event id]` pairs. */
  readonly sent: readonly number[];
  readonly step: MicroStep;
  /** False while it was only looked at. */
  isTaken: boolean;
}

export class MemoEngine implements ActorEngine {
  readonly name = 'memo';
  readonly store: Store;
  /** Calls into XState so far: what the memory saves. */
  misses = 0;
  readonly topology: Topology;
  readonly #scopes: readonly Scope[];
  /** By kind, local state and event, shared by all actors of the kind. */
  readonly #shared: Map<number, Shared>[][];
  /** `kind, local state, event` of reactions still to be executed again; from `#again` on. */
  readonly #fresh: number[] = [];
  #again = 0;
  #reactions = 0;
  /** By kind, once it was needed. */
  readonly #logics: Logic[] = [];
  /** By slot, local state and event, with the sender stamped. */
  readonly #stamped: Map<number, Reaction>[][];
  /** The same of what was only looked at. */
  readonly #ahead: Map<number, Reaction>[][];
  /** The one of the two that is in use. */
  #given: Map<number, Reaction>[][];
  /** By kind, local states that nothing led to but a look ahead. */
  readonly #foreseen: Set<number>[];

  /** `store`: of another engine, whose numbers it shares. */
  constructor(topology: Topology, store: Store | null = null) {
    this.topology = topology;
    this.store = store ?? new Store(topology);
    if (store === null) {
      refuseOpenMachines(this.store);
      refuseUntold(this.store);
    }
    this.#scopes = this.store.kinds.map((kind) => scopeOf(kind));
    this.#shared = this.store.kinds.map(() => []);
    this.#stamped = this.store.ids.map(() => []);
    this.#ahead = this.store.ids.map(() => []);
    this.#given = this.#stamped;
    this.#foreseen = this.store.kinds.map(() => new Set());
  }

  start(): readonly number[] {
    const locals: number[] = [];
    for (const [slot, spec] of this.topology.actors.entries()) {
      const kind = this.store.kindOfSlot[slot]!;
      const { scope, emitted } = this.#scopes[kind.index]!;
      emitted.length = 0;
      const input = inputOf(this.topology, this.store, spec, locals);
      const snapshot = kind.machine.getInitialSnapshot(scope as never, input as never) as AnyMachineSnapshot;
      if (emitted.length > 0) throw new ModelError(`${spec.id} sends before it was given anything; machines only answer`);
      locals.push(this.store.local(kind, snapshot));
    }
    return locals;
  }

  deliver(slot: number, local: number, event: number): Reaction {
    const bySlot = this.#given[slot]!;
    bySlot[local] ??= new Map();
    const byEvent = bySlot[local];
    let reaction = byEvent.get(event);
    if (reaction === undefined) {
      const shared = this.#react(slot, local, event);
      if (this.#given === this.#stamped) this.#take(slot, shared);
      reaction = this.#stamp(slot, shared);
      byEvent.set(event, reaction);
    }
    return reaction;
  }

  stop(): void {}

  /** Reactions met in `look` tell what would follow: they are remembered, and not taken. */
  lookAhead<T>(look: () => T): T {
    const given = this.#given;
    this.#given = this.#ahead;
    try {
      return look();
    } finally {
      this.#given = given;
    }
  }

  /**
   * Executes every remembered reaction again through XState's documented transition().
   * @throws ModelError naming the first that differs: a machine that is not pure, or not closed
   */
  verify(): number {
    let entries = 0;
    for (const kind of this.store.kinds) {
      const logic = startedLogic(kind);
      for (const [local, events] of this.#shared[kind.index]!.entries()) {
        for (const [event, reaction] of events ?? []) {
          entries++;
          this.#verifyOne(kind, logic, local, event, reaction);
        }
      }
    }
    return entries;
  }

  /**
   * Executes up to so many reactions again that were not so far.
   * @returns how many are left
   * @throws ModelError as `verify`
   */
  verifySome(count: number): number {
    const end = Math.min(this.#fresh.length, this.#again + 3 * count);
    for (; this.#again < end; this.#again += 3) {
      const [index, local, event] = [this.#fresh[this.#again]!, this.#fresh[this.#again + 1]!, this.#fresh[this.#again + 2]!];
      const kind = this.store.kinds[index]!;
      this.#logics[index] ??= startedLogic(kind);
      this.#verifyOne(kind, this.#logics[index], local, event, this.#shared[index]![local]!.get(event)!);
    }
    if (this.#again > 0 && this.#again === this.#fresh.length) {
      this.#fresh.length = 0;
      this.#again = 0;
    }
    return (this.#fresh.length - this.#again) / 3;
  }

  /** How many reactions were taken; what was only looked at is remembered, and does not count. */
  get reactions(): number {
    return this.#reactions;
  }

  /** `kind, local state, event` of all that is remembered, also of what was only looked at. */
  remembered(): number[] {
    return this.#shared.flatMap((byLocal, kind) =>
      byLocal.flatMap((events, local) => [...events.keys()].flatMap((event) => [kind, local, event])),
    );
  }

  /** `kind, local state, event` of each reaction that was taken. */
  taken(): number[] {
    return this.#shared.flatMap((byLocal, kind) =>
      byLocal.flatMap((events, local) => [...events].flatMap(([event, { isTaken }]) => (isTaken ? [kind, local, event] : []))),
    );
  }

  /** What actors of a kind did together: local state, event, and the local state that followed. */
  eachReaction(kind: number, visit: (local: number, event: number, next: number) => void): void {
    for (const [local, events] of this.#shared[kind]!.entries())
      for (const [event, { next, isTaken }] of events ?? []) if (isTaken) visit(local, event, next);
  }

  /**
   * Whether an actor of the kind came into the local state, and not only in a look ahead or in
   * another search.
   */
  isReached(kind: number, local: number): boolean {
    return !this.#foreseen[kind]!.has(local);
  }

  /** Local states of a kind that its actors came into. */
  reachedLocals(kind: number): number[] {
    return Array.from({ length: this.store.kinds[kind]!.locals.size }, (_, local) => local).filter((local) => this.isReached(kind, local));
  }

  /** Of a local state that only another search is known to have met. */
  foresee(kind: number, local: number): void {
    this.#foreseen[kind]!.add(local);
  }

  /**
   * Forgets which reactions were taken, but not what they are: only those that are met from here on
   * count. `locals` are reached.
   */
  untake(locals: readonly number[]): void {
    for (const shared of this.#shared.flatMap((byLocal) => byLocal.flatMap((events) => [...events.values()]))) shared.isTaken = false;
    for (const bySlot of this.#stamped) bySlot.length = 0;
    this.#reactions = 0;
    for (const { index, locals: all } of this.store.kinds) for (let local = 0; local < all.size; local++) this.foresee(index, local);
    for (const [slot, { index }] of this.store.kindOfSlot.entries()) this.#foreseen[index]!.delete(locals[slot]!);
  }

  /** What one actor was given, by local state. */
  eachGiven(slot: number, visit: (local: number, event: number) => void): void {
    for (const [local, events] of this.#stamped[slot]!.entries()) for (const event of events?.keys() ?? []) visit(local, event);
  }

  /** Remembers what another engine with the same numbers did; XState is asked for every answer. */
  recall(triples: ArrayLike<number>): void {
    for (let at = 0; at + 2 < triples.length; at += 3) {
      const slot = this.store.kindOfSlot.findIndex(({ index }) => index === triples[at]);
      this.#take(slot, this.#react(slot, triples[at + 1]!, triples[at + 2]!));
    }
  }

  #verifyOne(kind: Kind, logic: Logic, local: number, event: number, reaction: Shared): void {
    const snapshot = kind.locals.values[local]!;
    const [next, actions] = transition(logic, snapshot, this.store.events.values[event]!);
    const sent = (actions as readonly { readonly type: string; readonly params: unknown }[])
      .filter((action) => action.type === 'xstate.emit')
      .map((action) => (action.params as { event: Outgoing }).event)
      .flatMap((message) => [this.store.slotOf.get(message.to)!, this.store.event(message.event)]);
    const same = this.store.local(kind, next) === reaction.next && canonical(sent) === canonical(reaction.sent);
    if (!same)
      throw new ModelError(
        `${kind.name} in ${stateName(snapshot.value)} does not do the same with ${this.store.events.texts[event]!} every time; its machine is not pure`,
      );
  }

  #react(slot: number, local: number, event: number): Shared {
    const kind = this.store.kindOfSlot[slot]!;
    const byLocal = this.#shared[kind.index]!;
    byLocal[local] ??= new Map();
    const known = byLocal[local]!.get(event);
    if (known) return known;
    const computed = this.#compute(slot, kind, local, event);
    byLocal[local]!.set(event, computed);
    this.#fresh.push(kind.index, local, event);
    return computed;
  }

  #take(slot: number, shared: Shared): void {
    if (shared.isTaken) return;
    shared.isTaken = true;
    this.#reactions++;
    this.#foreseen[this.store.kindOfSlot[slot]!.index]!.delete(shared.next);
  }

  /** The only place where XState runs. */
  #compute(slot: number, kind: Kind, local: number, eventId: number): Shared {
    this.misses++;
    const { scope, emitted } = this.#scopes[kind.index]!;
    const before = kind.locals.values[local]!;
    const event = this.store.events.values[eventId]!;
    emitted.length = 0;
    const id = this.store.ids[slot]!;
    const after = transitioned(kind, before, event, scope, id);
    if (after === before && emitted.length === 0 && !before.can(event))
      throw new UnhandledEventError(id, stateName(before.value), event.type);
    if (after.status !== 'active') throw new ModelError(`${id} stopped with status ${after.status}; a machine of a run never ends`);
    try {
      const sent = emitted.flatMap((message) => [this.store.slot(message.to, id), this.store.sent(message.event)]);
      const known = kind.locals.size;
      const next = this.store.local(kind, after);
      if (kind.locals.size > known) this.#foreseen[kind.index]!.add(next);
      return { next, sent, step: microStepOf(before, event.type), isTaken: false };
    } catch (error) {
      throw failureIn(id, before.value, event, error);
    }
  }

  #stamp(slot: number, { next, sent, step }: Shared): Reaction {
    const stamped = sent.map((value, i) => (i % 2 === 0 ? value : this.store.stamp(value, slot)));
    const { costNs, idles, yields, computes } = step;
    // Each field by name: a step reads it at once, and what is spread is slow to read.
    return { next, sent: stamped, costNs, idles, yields, computes };
  }
}

/** @throws ModelError where the machine throws */
function transitioned(kind: Kind, before: AnyMachineSnapshot, event: AnyEvent, scope: Scope['scope'], id: string): AnyMachineSnapshot {
  try {
    return kind.machine.transition(before as never, event as never, scope as never) as AnyMachineSnapshot;
  } catch (error) {
    throw failureIn(id, before.value, event, error);
  }
}

type Logic = ActorLogic<AnyMachineSnapshot, AnyEvent>;

/**
 * The machine as logic that starts in a state which is known: transition() starts an actor at each
 * call, and does not look at where it starts.
 */
function startedLogic({ machine, locals }: Kind): Logic {
  return {
    config: machine.config,
    transition: (snapshot, event, scope) => machine.transition(snapshot as never, event as never, scope as never) as AnyMachineSnapshot,
    getInitialSnapshot: () => locals.values[0]!,
    getPersistedSnapshot: (snapshot, options) => machine.getPersistedSnapshot(snapshot as never, options),
  };
}
