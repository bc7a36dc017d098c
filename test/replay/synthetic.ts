/**
 * A made-up world that fills record blocks as the sequencer does, digests included: what the
 * journal is tested with.
 */
import { type AnyMachineSnapshot, createMachine } from 'xstate';
import type { RunEnd, RunStart } from '../../events/journal.ts';
import { JournalWriter, type Sealed, type WriterOptions } from '../../replay/writer.ts';
import { channelLaneA, channelLaneB, queueLaneA, queueLaneB, slotLaneA, slotLaneB } from '../../sim/canonical.ts';
import { BLOCK_RECORDS, CHANGE, CHOICE, DELIVER, RecordBlock, type RecordNames, SEND } from '../../sim/records.ts';
import { Store } from '../../sim/store.ts';

export interface SyntheticOptions {
  readonly actors?: number;
  readonly seed?: number;
  /** Distinct local states of each kind of actor. */
  readonly variety?: number;
  /** Distinct events of each type and sender. */
  readonly events?: number;
  /** Fields of a context: sets the size of a local state. */
  readonly fields?: number;
}

interface Sent {
  readonly seq: number;
  readonly event: number;
}

export const END: RunEnd = { verdict: 'clean', violation: null, ended: 'done', outcomes: { owner: 'vm:1' } };

export const startOf = (actors: readonly string[], seed = 1): RunStart => ({
  scenario: { name: 'synthetic', host: { cpus: actors.length, preemption: 'full' } },
  modelId: '5f'.repeat(32),
  modelVersion: 1,
  chooser: 'random',
  seed,
  schedule: '',
  actors: actors.map((id) => ({ id, kind: id.slice(0, id.indexOf(':')) })),
  modules: [],
});

/** Machines are never run here: only value and context of a snapshot reach a journal. */
const machine = createMachine({});

export class SyntheticRun {
  readonly start: RunStart;
  readonly names: RecordNames;
  readonly #labels: string[] = [];
  readonly #labelIds = new Map<string, number>();
  readonly #variety: number;
  readonly #events: number;
  readonly #fields: number;
  readonly #locals: number[];
  readonly #channels = new Map<number, Sent[]>();
  readonly #block = new RecordBlock();
  #random: number;
  #seq = 1;
  #step = 0;
  #records = 0;

  constructor({ actors = 4, seed = 1, variety = 12, events = 5, fields = 3 }: SyntheticOptions = {}) {
    const ids = Array.from({ length: actors }, (_, slot) => (slot % 2 === 0 ? `pcpu:${slot / 2}` : `thread:qemu${(slot - 1) / 2}/vcpu0`));
    this.start = startOf(ids, seed);
    const store = new Store({
      actors: this.start.actors.map((actor) => ({ ...actor, input: null })),
      machines: { pcpu: machine, thread: machine },
      catalogue: { 'rmp.lockEntry': 'bus', 'rmp.entryLocked': 'bus', 'sched.ipi': 'queued' },
    });
    this.names = { store, labels: this.#labels };
    this.#variety = variety;
    this.#events = events;
    this.#fields = fields;
    this.#locals = ids.map(() => -1);
    this.#random = (seed * 2654435761) | 1;
  }

  #next(below: number): number {
    let x = this.#random;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#random = x;
    return (x >>> 0) % below;
  }

  #local(slot: number, n: number): number {
    const kind = this.names.store.kindOfSlot[slot]!;
    const context: Record<string, unknown> = {};
    for (let field = 0; field < this.#fields; field++)
      context[`field${field}OfTheContext`] = field % 3 === 0 ? (n >> (field % 9)) % 3 : field % 3 === 1 ? (n + field) % 7 > 2 : null;
    context.serial = n;
    return this.names.store.local(kind, {
      context,
      value: { code: `rmp_make_private.step_${n % 9}`, notifiers: 'idle' },
    } as unknown as AnyMachineSnapshot);
  }

  #add(kind: number, slot: number, id: number, peer: number, cause: number): number {
    const seq = this.#seq++;
    this.#block.add(kind, slot, id, peer, cause === 0 ? 0 : seq - cause);
    this.#records++;
    return seq;
  }

  #change(slot: number, cause: number): void {
    this.#locals[slot] = this.#local(slot, this.#next(this.#variety));
    this.#add(CHANGE, slot, this.#locals[slot]!, -1, cause);
  }

  #label(text: string): number {
    const known = this.#labelIds.get(text);
    if (known !== undefined) return known;
    this.#labelIds.set(text, this.#labels.length);
    return this.#labels.push(text) - 1;
  }

  #event(type: string, from: number, n: number): number {
    return this.names.store.stamp(this.names.store.event({ type, pfn: 4096 + n, gfn: n % 3 } as { type: string }), from);
  }

  #lanes(): [number, number] {
    const { store } = this.names;
    const { length } = this.#locals;
    let a = 0;
    let b = 0;
    for (const [slot, local] of this.#locals.entries()) {
      const { locals } = store.kindOfSlot[slot]!;
      a = (a + slotLaneA(locals.laneA[local]!, slot)) | 0;
      b = (b + slotLaneB(locals.laneB[local]!, slot)) | 0;
    }
    for (const [channel, queue] of this.#channels) {
      if (queue.length === 0) continue;
      let queueA = 0;
      let queueB = 0;
      for (const { event } of queue) {
        queueA = queueLaneA(queueA, store.events.laneA[event]!);
        queueB = queueLaneB(queueB, store.events.laneB[event]!);
      }
      a = (a + channelLaneA(queueA, Math.floor(channel / length), channel % length)) | 0;
      b = (b + channelLaneB(queueB, Math.floor(channel / length), channel % length)) | 0;
    }
    return [a, b];
  }

  #exec(): [number, number] {
    const count = this.#locals.length;
    const slot = this.#next(count);
    const other = this.#next(count);
    const choice = this.#add(CHOICE, slot, this.#label(`exec(${this.names.store.ids[slot]})`), -1, 0);
    this.#change(slot, choice);
    if (other !== slot && this.#next(4) > 0) {
      const asked = this.#add(DELIVER, other, this.#event('rmp.lockEntry', slot, this.#next(this.#events)), -1, choice);
      this.#change(other, asked);
      const answered = this.#add(DELIVER, slot, this.#event('rmp.entryLocked', other, this.#next(this.#events)), -1, asked);
      this.#change(slot, answered);
      if (this.#next(2) === 0) this.#send(slot, other, answered);
    }
    return [slot, count];
  }

  #send(from: number, to: number, cause: number): void {
    const event = this.#event('sched.ipi', from, this.#next(this.#events));
    const seq = this.#add(SEND, from, event, to, cause);
    const channel = from * this.#locals.length + to;
    const queue = this.#channels.get(channel) ?? [];
    queue.push({ seq, event });
    this.#channels.set(channel, queue);
  }

  #deliver(channel: number, index: number, count: number): [number, number] {
    const queue = this.#channels.get(channel)!;
    const { seq, event } = queue.shift()!;
    const to = channel % this.#locals.length;
    this.#add(
      CHOICE,
      to,
      this.#label(`deliver(sched.ipi ${this.names.store.ids[Math.floor(channel / this.#locals.length)]} → ${this.names.store.ids[to]})`),
      -1,
      0,
    );
    const delivered = this.#add(DELIVER, to, event, -1, seq);
    this.#change(to, delivered);
    return [index, count];
  }

  #takeStep(): void {
    this.#records = 0;
    let taken: [number, number] = [0, 0];
    if (this.#step === 0) for (let slot = 0; slot < this.#locals.length; slot++) this.#change(slot, 0);
    else {
      const heads = [...this.#channels].filter(([, queue]) => queue.length > 0);
      const pick = heads.length > 0 && this.#next(heads.length > 6 ? 2 : 3) === 0 ? this.#next(heads.length) : -1;
      taken = pick >= 0 ? this.#deliver(heads[pick]![0], pick, heads.length) : this.#exec();
    }
    this.#block.endStep(this.#records, this.#step === 0 ? 0 : 50 + this.#next(200), ...this.#lanes(), ...taken);
    this.#step++;
  }

  /** Makes steps and hands them on in blocks: at `blockRecords`, and what is left at the end. */
  steps(count: number, onBlock: (block: RecordBlock) => void, blockRecords = BLOCK_RECORDS): void {
    this.#block.reset(this.#seq, this.#step);
    for (let made = 0; made < count; made++) {
      this.#takeStep();
      if (this.#block.length < blockRecords) continue;
      onBlock(this.#block);
      this.#block.reset(this.#seq, this.#step);
    }
    if (this.#block.steps > 0) onBlock(this.#block);
  }

  get records(): number {
    return this.#seq - 1;
  }
}

/** A sealed journal in memory. */
export function syntheticJournal(
  steps: number,
  options: SyntheticOptions = {},
  writing: Omit<WriterOptions, 'mode'> = {},
): Sealed & { readonly content: Uint8Array } {
  const run = new SyntheticRun(options);
  const writer = JournalWriter.open(null, run.start, { ...writing, mode: 'memory' });
  run.steps(steps, (block) => writer.block(block, run.names));
  const sealed = writer.seal(END);
  return { ...sealed, content: sealed.content! };
}
