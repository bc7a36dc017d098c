/**
 * Liveness along one run: it ends where it has come back to a state it was in before, and what
 * happened in between could go on forever under a fair schedule while something that is owed stays
 * owed.
 *
 * Fair as in a search (`explore/fairness.ts`): what is owed and possible all the time is done, and
 * a processor that is interrupted moves on too. A turn of the cycle consists of what is owed; all
 * else happens finitely often. States are compared by digest.
 */
import type { Deadlocked } from '../events/journal.ts';
import { Debts, ENDED, type Lasso, type Lasts, NEVER_TRUE, QUIET, watchesOf } from './debts.ts';
import { type Broken, isHalted, owedAtEnd } from './end.ts';
import { type Offers, OfferTable } from './offers.ts';
import { type CpuInCycle, type CycleEvidence, judgeCycle, type Property, type PropertyWatch } from './property.ts';
import type { Sequencer, StepOutcome } from './sequencer.ts';
import { queuedIn } from './store.ts';
import { StrongDebts } from './strong-debts.ts';
import { Visited } from './visited.ts';

export interface Stuck extends Broken {
  /** Absent where the run has simply ended. */
  readonly lasso?: Lasso;
  /** Of a deadlock: who waits for what. */
  readonly waits?: readonly Deadlocked[];
}

const NEVER = -1;
/** Places that are kept. */
const PLACES_MAX = 1 << 16;

export class LivenessWatch {
  readonly #sequencer: Sequencer;
  readonly #properties: readonly Property[];
  readonly #debts: readonly Debts[];
  readonly #unmet: Map<string, PropertyWatch>;
  readonly #offers: OfferTable;
  readonly #visited = new Visited();
  /** By property and slot: the step since which the actor owes without a break, or NEVER. */
  readonly #owedSince: number[][];
  /** By slot and offer that is owed now: the step since which it is; when it was last taken. */
  readonly #possibleSince: Map<number, number>[] = [];
  readonly #taken: Map<number, number>[] = [];
  readonly #strong: StrongDebts;
  /**
   * By state and slot: when an owed offer last came in place of a move of the processor there; when
   * it last moved there.
   */
  readonly #interposed = new Map<string, number>();
  readonly #moved = new Map<string, number>();
  /** The state before the step. */
  #place = '';
  /** By slot: when it was last stepped; when that last changed something; when it only waited. */
  readonly #stepped: number[] = [];
  readonly #changed: number[] = [];
  readonly #waited: number[] = [];
  /** After the last step that was not owed. */
  #lastFree = 0;
  /** Slots in which an actor has halted, and the last step after which there was one. */
  readonly #halted = new Set<number>();
  #lastHalted = NEVER;

  constructor(sequencer: Sequencer, properties: readonly Property[]) {
    this.#sequencer = sequencer;
    this.#properties = properties;
    this.#offers = new OfferTable(sequencer.store);
    this.#strong = new StrongDebts(sequencer.store.ids.length);
    this.#debts = properties.map((property) => new Debts(property, sequencer.store));
    this.#unmet = new Map(watchesOf(properties, sequencer.store).map((watch) => [watch.property.id, watch]));
    this.#owedSince = properties.map(() => []);
    for (const _ of sequencer.store.ids) {
      this.#possibleSince.push(new Map());
      this.#taken.push(new Map());
    }
  }

  /** Looks at the state after a step, or at the first one. */
  look(outcome: StepOutcome | null): readonly Stuck[] {
    const { step, locals } = this.#sequencer;
    const slots = outcome ? outcome.touched : locals.keys();
    for (const slot of slots) this.#follow(slot, step);
    for (const [id, watch] of this.#unmet) if (watch.look(locals, outcome?.touched ?? null) !== null) this.#unmet.delete(id);
    if (outcome) this.#note(outcome, step);
    if (this.#halted.size > 0) this.#lastHalted = step;
    const { a, b } = this.#sequencer.digest;
    this.#place = `${a} ${b}`;
    return this.#owes() ? this.#compare() : [];
  }

  /** What the run still owes if it ends here. */
  atEnd(why: Lasts = ENDED): readonly Broken[] {
    return owedAtEnd(this.#debts, (id) => !this.#unmet.has(id), this.#sequencer.locals, why);
  }

  /** What is owed in a state that may last, as nothing that is owed can be done in it. */
  inQuiet(): readonly Broken[] {
    const isQuiet = this.#sequencer.channels.ordered.length === 0 && this.#possibleSince.every(({ size }) => size === 0);
    return isQuiet && this.#halted.size === 0 ? this.atEnd(QUIET) : [];
  }

  #follow(slot: number, step: number): void {
    const { store, locals } = this.#sequencer;
    if (isHalted(store, slot, locals[slot]!)) this.#halted.add(slot);
    else this.#halted.delete(slot);
    const { owed: possible, strong } = this.#offersOf(slot, locals[slot]!);
    this.#strong.follow(slot, strong, step);
    const since = this.#possibleSince[slot]!;
    for (const event of since.keys()) if (!possible.has(event)) since.delete(event);
    for (const event of possible) if (!since.has(event)) since.set(event, step);
    for (const [i, debts] of this.#debts.entries()) {
      if (!debts.slots.includes(slot)) continue;
      const owed = this.#owedSince[i]!;
      const owes = debts.of(slot, locals[slot]!) !== null;
      owed[slot] = owes ? (owed[slot] === undefined || owed[slot] === NEVER ? step : owed[slot]) : NEVER;
    }
  }

  #offersOf(slot: number, local: number): Offers {
    return this.#offers.of(this.#sequencer.store.kindOfSlot[slot]!, local);
  }

  #note({ kind, slot, event, local, changed, waits, ran }: StepOutcome, step: number): void {
    if (kind === 'deliver') return;
    const { exec, owed } = this.#offersOf(slot, local);
    if (!owed.has(event)) this.#lastFree = step;
    this.#taken[slot]!.set(event, step);
    if (exec.some((move) => owed.has(move))) this.#notePlace(kind === 'exec' ? this.#moved : this.#interposed, slot, step);
    // What the scheduler does of its own is no step of the processor.
    if (kind === 'offer' && !ran) return;
    this.#stepped[slot] = step;
    if (changed) this.#changed[slot] = step;
    if (waits) this.#waited[slot] = step;
  }

  #notePlace(places: Map<string, number>, slot: number, step: number): void {
    places.set(`${this.#place} ${slot}`, step);
    if (places.size < PLACES_MAX) return;
    // A cycle that begins before this is not found; its next turn is.
    places.clear();
    this.#lastFree = step;
  }

  #owes(): boolean {
    return this.#properties.some(({ id, cycle }, i) => cycle || this.#unmet.has(id) || this.#owedSince[i]!.some((since) => since >= 0));
  }

  #compare(): readonly Stuck[] {
    const { step, seq, digest } = this.#sequencer;
    const place = this.#visited.at(digest.a, digest.b);
    const from = this.#visited.stepAt(place);
    // A machine that has halted owes nothing.
    for (const visit of this.#strong.visits(this.#place, { step, seq })) {
      if (visit.step < this.#lastFree || visit.step <= this.#lastHalted || !this.#isFair(visit.step, visit.seq)) continue;
      const stuck = this.#judge({ from: visit.step, length: step - visit.step });
      if (stuck.length > 0) return stuck;
    }
    if (from >= this.#lastFree && from > this.#lastHalted) {
      // A longer segment is no less fair: the oldest visit is kept until it is.
      if (!this.#isFair(from, this.#visited.seqAt(place))) return [];
      const stuck = this.#judge({ from, length: step - from });
      if (stuck.length > 0) return stuck;
    }
    this.#visited.set(place, digest.a, digest.b, step, seq);
    return [];
  }

  /**
   * Whether each owed offer was taken, or was not possible at some time since then, each that is
   * owed strongly was taken if it was possible at all, each processor moved where it was
   * interrupted, and each message in flight is younger.
   */
  #isFair(from: number, seq: number): boolean {
    const isSince = <K>(steps: ReadonlyMap<K, number>, key: K): boolean => (steps.get(key) ?? NEVER) > from;
    const isTaken = this.#possibleSince.every((offers, slot) =>
      [...offers].every(([event, since]) => since > from || isSince(this.#taken[slot]!, event)),
    );
    const isDone = () => this.#strong.isPaid(from, this.#sequencer.step, (slot, event) => isSince(this.#taken[slot]!, event));
    const isMoved = () => [...this.#interposed].every(([place, step]) => step <= from || isSince(this.#moved, place));
    return isTaken && isDone() && isMoved() && this.#sequencer.channels.ordered.every(({ seqs }) => seqs[0]! > seq);
  }

  #judge(lasso: Lasso): readonly Stuck[] {
    return this.#properties.flatMap((property, i) => {
      const evidence = property.cycle ? judgeCycle(property, this.#cpusSince(lasso.from)) : this.#owedIn(i, lasso);
      return evidence === null ? [] : [{ property: property.id, ...evidence, lasso }];
    });
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
    const { store, locals } = this.#sequencer;
    const queued = (slot: number) => queuedIn(store.kindOfSlot[slot]!, locals[slot]!);
    return store.ids.flatMap((id, slot) =>
      since(this.#stepped, slot) ? [{ id, moves: since(this.#changed, slot), waits: since(this.#waited, slot), queued: queued(slot) }] : [],
    );
  }
}
