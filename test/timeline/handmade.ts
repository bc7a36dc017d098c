/** Journals written record by record, for timelines of runs that no machine ever made. */
import { type AnyMachineSnapshot, createMachine } from 'xstate';
import type { Delivery } from '../../events/event.ts';
import type { JsonObject, RunEnd } from '../../events/journal.ts';
import { openJournal } from '../../replay/open.ts';
import type { Journal } from '../../replay/reader.ts';
import { memorySource } from '../../replay/source.ts';
import { JournalWriter } from '../../replay/writer.ts';
import { CHANGE, CHOICE, DELIVER, RecordBlock, SEND } from '../../sim/records.ts';
import { type AnyEvent, Store } from '../../sim/store.ts';

export const DONE: RunEnd = { verdict: 'clean', violation: null, ended: 'done', outcomes: {} };

interface Actor {
  readonly id: string;
  readonly kind: string;
}

export const open = (bytes: Uint8Array): Journal => openJournal(memorySource(bytes));

export class Handmade {
  readonly #actors: readonly Actor[];
  readonly #scenario: JsonObject;
  readonly #catalogue: Record<string, Delivery> = {};
  readonly #store: Store;
  readonly #labels: string[] = [];
  readonly #block = new RecordBlock();
  #seq = 0;
  #stepSeq = 1;

  constructor(actors: readonly Actor[], scenario: JsonObject = { name: 'handmade' }) {
    this.#actors = actors;
    this.#scenario = scenario;
    this.#store = new Store({
      actors: actors.map((actor) => ({ ...actor, input: null })),
      machines: Object.fromEntries(actors.map(({ kind }) => [kind, createMachine({})])),
      catalogue: this.#catalogue,
    });
  }

  #slot(actor: string): number {
    return this.#store.slot(actor, 'a test');
  }

  #add(kind: number, actor: string, id: number, peer: number, cause: number): number {
    this.#seq++;
    this.#block.add(kind, this.#slot(actor), id, peer, cause === 0 ? 0 : this.#seq - cause);
    return this.#seq;
  }

  #event(type: string, payload: object, from: string): number {
    this.#catalogue[type] ??= 'bus';
    return this.#store.stamp(this.#store.event({ ...payload, type } as AnyEvent), this.#slot(from));
  }

  choice(actor: string, label: string): number {
    return this.#add(CHOICE, actor, this.#labels.push(label) - 1, -1, 0);
  }

  change(actor: string, value: unknown, context: unknown, cause = 0): number {
    const kind = this.#store.kindOfSlot[this.#slot(actor)]!;
    return this.#add(CHANGE, actor, this.#store.local(kind, { value, context } as AnyMachineSnapshot), -1, cause);
  }

  send(from: string, to: string, type: string, payload: object, cause: number): number {
    return this.#add(SEND, from, this.#event(type, payload, from), this.#slot(to), cause);
  }

  /** A bus message, or a queued one where the cause is its `send`. */
  deliver(from: string, to: string, type: string, payload: object, cause: number): number {
    return this.#add(DELIVER, to, this.#event(type, payload, from), -1, cause);
  }

  /** Ends the present step. */
  end(ns: number, count = 1): void {
    const isFirst = this.#block.steps === 0;
    this.#block.endStep(this.#seq - this.#stepSeq + 1, ns, 0, 0, 0, isFirst ? 0 : count);
    this.#stepSeq = this.#seq + 1;
  }

  bytes(end: RunEnd = DONE): Uint8Array {
    const start = {
      scenario: this.#scenario,
      modelId: '5f'.repeat(32),
      modelVersion: 1,
      chooser: 'fifo',
      seed: 1,
      schedule: '',
      actors: this.#actors,
      modules: [],
    };
    const writer = JournalWriter.open(null, start, { mode: 'memory' });
    if (this.#block.steps > 0) writer.block(this.#block, { store: this.#store, labels: this.#labels });
    // Of a run that has not begun, a writer takes this end alone.
    return writer.seal(this.#block.steps > 0 ? end : { ...end, ended: 'stopped' }).content!;
  }

  journal(end: RunEnd = DONE): Journal {
    return open(this.bytes(end));
  }
}
