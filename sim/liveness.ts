/**
 * Liveness along one run: it ends where it has come back to a state it was in before, and what happened in between could go on for ever
 * under a fair schedule while something that is owed stays owed.
 *
 * Fair: every CPU that can be stepped all the time is stepped, and every message is delivered. A turn of the cycle consists of steps of
 * CPUs and deliveries; preemptions, migrations, disturbances and other offers happen finitely often. States are compared by digest.
 */
import type { Deadlocked } from '../events/journal.ts';
import { Debts, type Lasso, NEVER_TRUE, watchesOf } from './debts.ts';
import { type Broken, isHalted, owedAtEnd } from './end.ts';
import { OfferTable } from './offers.ts';
import { type CpuInCycle, type CycleEvidence, judgeCycle, type Property, type PropertyWatch } from './property.ts';
import type { Sequencer, StepOutcome } from './sequencer.ts';
import { Visited } from './visited.ts';

export interface Stuck extends Broken {
  /** Absent where the run has simply ended. */
  readonly lasso?: Lasso;
  /** Of a deadlock: who waits for what. */
  readonly waits?: readonly Deadlocked[];
}

const NEVER = -1;

export class LivenessWatch {
  readonly #sequencer: Sequencer;
  readonly #properties: readonly Property[];
  readonly #debts: readonly Debts[];
  readonly #unmet: Map<string, PropertyWatch>;
  readonly #offers: OfferTable;
  readonly #visited = new Visited();
  /** By property and slot: the step since which the actor owes without a break, or NEVER. */
  readonly #owedSince: number[][];
  /** By slot: the step since which it can be stepped, or NEVER; when it last was; when that last changed something; when it only waited. */
  readonly #canMoveSince: number[] = [];
  readonly #stepped: number[] = [];
  readonly #changed: number[] = [];
  readonly #waited: number[] = [];
  #lastOffer = 0;
  /** Slots in which an actor has halted, and the last step after which there was one. */
  readonly #halted = new Set<number>();
  #lastHalted = NEVER;

  constructor(sequencer: Sequencer, properties: readonly Property[]) {
    this.#sequencer = sequencer;
    this.#properties = properties;
    this.#offers = new OfferTable(sequencer.store);
    this.#debts = properties.map((property) => new Debts(property, sequencer.store));
    this.#unmet = new Map(watchesOf(properties, sequencer.store).map((watch) => [watch.property.id, watch]));
    this.#owedSince = properties.map(() => []);
  }

  /** Looks at the state after a step, or at the first one. */
  look(outcome: StepOutcome | null): Stuck | null {
    const { step, locals } = this.#sequencer;
    const slots = outcome ? outcome.touched : locals.keys();
    for (const slot of slots) this.#follow(slot, step);
    for (const [id, watch] of this.#unmet) if (watch.look(locals, outcome?.touched ?? null) !== null) this.#unmet.delete(id);
    if (outcome) this.#note(outcome, step);
    if (this.#halted.size > 0) this.#lastHalted = step;
    return this.#owes() ? this.#compare() : null;
  }

  /** What the run still owes if it ends here. */
  atEnd(): Broken | null {
    return owedAtEnd(this.#debts, (id) => !this.#unmet.has(id), this.#sequencer.locals);
  }

  #follow(slot: number, step: number): void {
    const { store, locals } = this.#sequencer;
    if (isHalted(store, slot, locals[slot]!)) this.#halted.add(slot);
    else this.#halted.delete(slot);
    const canMove = this.#offers.of(store.kindOfSlot[slot]!, locals[slot]!).exec.length > 0;
    const since = this.#canMoveSince[slot] ?? NEVER;
    this.#canMoveSince[slot] = canMove ? (since === NEVER ? step : since) : NEVER;
    for (const [i, debts] of this.#debts.entries()) {
      if (!debts.slots.includes(slot)) continue;
      const owed = this.#owedSince[i]!;
      const owes = debts.of(slot, locals[slot]!) !== null;
      owed[slot] = owes ? (owed[slot] === undefined || owed[slot] === NEVER ? step : owed[slot]) : NEVER;
    }
  }

  #note({ kind, slot, changed, waits }: StepOutcome, step: number): void {
    if (kind === 'offer') this.#lastOffer = step;
    if (kind !== 'exec') return;
    this.#stepped[slot] = step;
    if (changed) this.#changed[slot] = step;
    if (waits) this.#waited[slot] = step;
  }

  #owes(): boolean {
    return this.#properties.some(({ id, cycle }, i) => cycle || this.#unmet.has(id) || this.#owedSince[i]!.some((since) => since >= 0));
  }

  #compare(): Stuck | null {
    const { step, seq, digest } = this.#sequencer;
    const place = this.#visited.at(digest.a, digest.b);
    const from = this.#visited.stepAt(place);
    // A machine that has halted owes nothing.
    if (from >= this.#lastOffer && from > this.#lastHalted) {
      // A longer segment is no less fair: the oldest visit is kept until it is.
      if (!this.#isFair(from, this.#visited.seqAt(place))) return null;
      const stuck = this.#judge({ from, length: step - from });
      if (stuck) return stuck;
    }
    this.#visited.set(place, digest.a, digest.b, step, seq);
    return null;
  }

  /** Whether each CPU was stepped, or could not be at some time since then, and each message in flight is younger. */
  #isFair(from: number, seq: number): boolean {
    const cpus = this.#canMoveSince.every((since, slot) => since === NEVER || since > from || (this.#stepped[slot] ?? NEVER) > from);
    return cpus && this.#sequencer.channels.ordered.every(({ seqs }) => seqs[0]! > seq);
  }

  #judge(lasso: Lasso): Stuck | null {
    for (const [i, property] of this.#properties.entries()) {
      const evidence = property.cycle ? judgeCycle(property, this.#cpusSince(lasso.from)) : this.#owedIn(i, lasso);
      if (evidence !== null) return { property: property.id, ...evidence, lasso };
    }
    return null;
  }

  #owedIn(i: number, { from }: Lasso): CycleEvidence | null {
    const message = this.#unmet.has(this.#properties[i]!.id) ? NEVER_TRUE : this.#owedThrough(i, from);
    return message === null ? null : { message };
  }

  #owedThrough(i: number, from: number): string | null {
    const slot = this.#owedSince[i]!.findIndex((since) => since !== undefined && since !== NEVER && since <= from);
    return slot < 0 ? null : this.#debts[i]!.of(slot, this.#sequencer.locals[slot]!);
  }

  #cpusSince(from: number): CpuInCycle[] {
    const since = (steps: readonly number[], slot: number) => (steps[slot] ?? NEVER) > from;
    return this.#sequencer.store.ids.flatMap((id, slot) =>
      since(this.#stepped, slot) ? [{ id, moves: since(this.#changed, slot), waits: since(this.#waited, slot) }] : [],
    );
  }
}
