/** Readers of the exported formats that share nothing with their writers. */
import type { LaneKind } from '../../timeline/event.ts';
import { type Message, messageOf, readMessages } from '../e2e/trace-processor-wire.ts';
import { Drawer, type Drawing } from './slices.ts';

export interface Reader {
  readonly read: (bytes: Uint8Array) => Drawing;
  /** Kinds of lanes that the format leaves out. */
  readonly without: readonly LaneKind[];
}

const text = (bytes: unknown): string => new TextDecoder('utf-8', { fatal: true }).decode(bytes as Uint8Array);
const number = (value: unknown): number => Number(value as bigint);
const signed = (value: unknown): number => Number(BigInt.asIntN(64, value as bigint));
const all = (message: Message | undefined, field: number): Message[] =>
  (message?.get(field) ?? []).map((bytes) => messageOf(bytes as Uint8Array));
const one = (message: Message | undefined, field: number): Message | undefined => all(message, field)[0];
const view = (bytes: unknown): DataView => new DataView((bytes as Uint8Array).buffer, (bytes as Uint8Array).byteOffset, 8);

class PerfettoReader {
  readonly drawer = new Drawer();
  readonly #interned = {
    categories: new Map<number, string>(),
    names: new Map<number, string>(),
    args: new Map<number, string>(),
    texts: new Map<number, string>(),
  };
  readonly #names = new Map<number, string>();
  readonly #processes = new Map<number, string>();

  packet(packet: Message): void {
    const data = one(packet, 12);
    for (const [table, field] of [
      ['categories', 1],
      ['names', 2],
      ['args', 3],
      ['texts', 29],
    ] as const) {
      for (const entry of all(data, field)) this.#interned[table].set(number(entry.get(1)![0]), text(entry.get(2)![0]));
    }
    const descriptor = one(packet, 60);
    if (descriptor) this.#descriptor(descriptor);
    const event = one(packet, 11);
    if (event) this.#event(event, number(packet.get(8)![0]));
  }

  #descriptor(descriptor: Message): void {
    const uuid = number(descriptor.get(1)![0]);
    const owner = one(descriptor, 3);
    const thread = one(descriptor, 4);
    const parent = descriptor.get(5);
    if (owner) {
      this.#names.set(uuid, text(owner.get(6)![0]));
      this.#processes.set(number(owner.get(1)![0]), text(owner.get(6)![0]));
      return;
    }
    const name = text(thread ? thread.get(5)![0] : descriptor.get(2)![0]);
    const group = thread ? this.#processes.get(number(thread.get(1)![0])) : parent && this.#names.get(number(parent[0]));
    const full = group === undefined ? name : `${group}/${name}`;
    this.#names.set(uuid, full);
    if (group !== undefined && !descriptor.has(8)) this.drawer.lanes.push(full);
  }

  #event(event: Message, at: number): void {
    const lane = this.#names.get(number(event.get(11)![0]))!;
    const type = number(event.get(9)![0]);
    if (type === 4) {
      this.drawer.sample(lane, at, signed(event.get(30)![0]));
      return;
    }
    const args = Object.fromEntries(all(event, 4).map((arg) => this.#arg(arg)));
    if (type !== 2) {
      if (!this.#interned.categories.has(number(event.get(3)![0]))) throw new Error('a category that was never named');
      this.drawer.begin(lane, at, this.#interned.names.get(number(event.get(10)![0]))!, args);
    }
    if (type === 2) this.drawer.end(lane, at, args);
    for (const id of event.get(47) ?? []) this.drawer.arrow(Number(view(id).getBigUint64(0, true)), 'out');
    for (const id of event.get(48) ?? []) this.drawer.arrow(Number(view(id).getBigUint64(0, true)), 'in');
  }

  #arg(arg: Message): [string, unknown] {
    const name = this.#interned.args.get(number(arg.get(1)![0]))!;
    const [boolean, integer, double, reference] = [2, 4, 5, 17].map((field) => arg.get(field)?.[0]);
    if (boolean !== undefined) return [name, boolean === 1n];
    if (integer !== undefined) return [name, signed(integer)];
    if (double !== undefined) return [name, view(double).getFloat64(0, true)];
    return [name, this.#interned.texts.get(number(reference))];
  }
}

function readPerfetto(bytes: Uint8Array): Drawing {
  const reader = new PerfettoReader();
  for (const { bytes: packet } of readMessages(bytes)) reader.packet(messageOf(packet));
  return reader.drawer.finish();
}

interface ChromeEvent {
  readonly ph: string;
  readonly pid: number;
  readonly tid: number;
  readonly ts: number;
  readonly name: string;
  readonly id: number;
  readonly args?: Record<string, unknown>;
}

function readChrome(bytes: Uint8Array): Drawing {
  const { traceEvents } = JSON.parse(text(bytes)) as { traceEvents: readonly ChromeEvent[] };
  const groups = new Map<number, string>();
  const lanes = new Map<number, string>();
  const drawer = new Drawer();
  for (const { ph, pid, tid, ts, name, id, args } of traceEvents) {
    const at = Math.round(1000 * ts);
    if (name === 'process_name') groups.set(pid, String(args!.name));
    else if (name === 'thread_name') {
      lanes.set(tid, `${groups.get(pid)}/${String(args!.name)}`);
      drawer.lanes.push(lanes.get(tid)!);
    } else if (ph === 'B') drawer.begin(lanes.get(tid)!, at, name, args);
    else if (ph === 'E') drawer.end(lanes.get(tid)!, at, args);
    else if (ph === 'C') drawer.sample(`${groups.get(pid)}/${name}`, at, Number(args!.value));
    else if (ph === 's' || ph === 'f') drawer.arrow(id, ph === 's' ? 'out' : 'in');
  }
  return drawer.finish();
}

/** By the exporter's name. */
export const READERS: Readonly<Record<string, Reader>> = {
  perfetto: { read: readPerfetto, without: ['task-state'] },
  chrome: { read: readChrome, without: [] },
};
