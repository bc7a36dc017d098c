/** RMP entries and guest pages on lanes of their own: whose they are, and who holds them. */
import type { ActorId } from '../events/event.ts';
import type { Json, JsonObject } from '../events/journal.ts';
import type { Board } from './board.ts';
import type { Group, Lane } from './event.ts';
import { entryText, hex, isObject, nameOf, numbersOf, objectOf, stringOf, stringsOf } from './text.ts';
import { ActorView } from './view.ts';

interface EntryLanes {
  readonly owner: Lane;
  readonly entryLock: Lane;
  text: string | null;
  inUse: boolean;
}

/** An RMP region: two lanes for each entry. */
export class RegionView extends ActorView {
  readonly #group: Group;
  readonly #entries = new Map<number, EntryLanes>();

  constructor(board: Board, lane: Lane, actor: ActorId, group: Group) {
    super(board, lane, actor);
    this.#group = group;
  }

  protected override show(context: JsonObject, _path: readonly string[], at: number): void {
    const entries = objectOf(context.entries);
    const holders = objectOf(context.holders);
    const inUse = numbersOf(context.inUse);
    for (const pfn of [...Object.keys(entries), ...Object.keys(holders)]) this.#lanesOf(Number(pfn));
    for (const [pfn, lanes] of this.#entries) {
      this.#showOwner(lanes, entries[pfn], at);
      this.#showInUse(lanes, inUse.includes(pfn), at);
      const holder = stringOf(holders[pfn]);
      const spans = holder === null ? [] : [`locked by ${nameOf(holder)}`];
      this.board.settle(lanes.entryLock, at, spans, { category: 'memory' });
    }
  }

  #lanesOf(pfn: number): EntryLanes {
    let lanes = this.#entries.get(pfn);
    if (!lanes) {
      const owner = this.board.lane('entry', `PFN ${hex(pfn)}`, this.#group, this.actor);
      const entryLock = this.board.lane('entry-lock', `PFN ${hex(pfn)} lock`, this.#group, this.actor);
      lanes = { owner, entryLock, text: null, inUse: false };
      this.#entries.set(pfn, lanes);
    }
    return lanes;
  }

  #showOwner(lanes: EntryLanes, entry: Json | undefined, at: number): void {
    const text = isObject(entry) ? entryText(entry) : null;
    if (text === lanes.text) return;
    if (text !== null && lanes.text !== null) {
      this.board.instant(lanes.owner, at, `becomes ${text}`, { category: 'memory', args: { from: lanes.text, to: text } });
    }
    lanes.text = text;
    this.board.settle(lanes.owner, at, text === null ? [] : [text], { category: 'memory' });
  }

  #showInUse(lanes: EntryLanes, inUse: boolean, at: number): void {
    if (inUse !== lanes.inUse) this.board.instant(lanes.owner, at, inUse ? 'VMSA in use' : 'VMSA free', { category: 'memory' });
    lanes.inUse = inUse;
  }
}

/** A VM: one lane for each guest page that somebody holds or changes; what ends the VM, and the frames it lost. */
export class VmView extends ActorView {
  readonly #group: Group;
  readonly #pages = new Map<string, Lane>();
  #dead: string | null = null;
  #leaked = 0;

  constructor(board: Board, lane: Lane, actor: ActorId, group: Group) {
    super(board, lane, actor);
    this.#group = group;
  }

  protected override show(context: JsonObject, _path: readonly string[], at: number): void {
    const holders = objectOf(context.holders);
    const changing = objectOf(context.changing);
    for (const gfn of [...Object.keys(holders), ...Object.keys(changing)]) {
      if (!this.#pages.has(gfn)) this.#pages.set(gfn, this.board.lane('actor', `GFN ${hex(Number(gfn))} state`, this.#group, this.actor));
    }
    for (const [gfn, lane] of this.#pages) {
      const changer = stringOf(changing[gfn]);
      const held = stringsOf(holders[gfn]).map(nameOf);
      const spans = changer !== null ? [`changed by ${nameOf(changer)}`] : held.length > 0 ? [`held by ${held.join(', ')}`] : [];
      this.board.settle(lane, at, spans, { category: 'memory' });
    }
    const dead = stringOf(context.dead);
    if (dead !== null && dead !== this.#dead) this.board.instant(this.lane, at, `kvm_vm_${dead}`, { category: 'state' });
    this.#dead = dead;
    const leaked = numbersOf(context.leaked);
    for (const pfn of leaked.slice(this.#leaked))
      this.board.instant(this.lane, at, 'page leaked', { category: 'memory', args: { pfn: hex(pfn) } });
    this.#leaked = leaked.length;
  }
}
