/**
 * SEV-SNP on a timeline: guest pages and RMP entries on lanes of their own, and the commands of the
 * PSP.
 */
import type { ActorId } from '../../events/event.ts';
import type { Json, JsonObject } from '../../events/journal.ts';
import { errorBitsOf } from '../../events/sev-snp/error-code.ts';
import type { Board } from '../board.ts';
import type { Group, Lane } from '../event.ts';
import { argsOf, hex, isObject, nameOf, numbersOf, objectOf, stringOf, stringsOf } from '../text.ts';
import { ActorView, type MechanismViews } from '../view.ts';

declare module '../event.ts' {
  interface LaneKindsOf {
    /** One RMP entry, and its lock. */
    'sev-snp': 'entry' | 'entry-lock';
  }
  interface CategoriesOf {
    'sev-snp': 'memory' | 'firmware';
  }
}

/** The number, and the names of its bits. */
const errorText = (code: number): string => `${hex(code)}(${errorBitsOf(code).join('|')})`;

/** An RMP entry in a few words. */
function entryText(entry: JsonObject): string {
  const { assigned, immutable, asid, gfn, pageSize, validated, vmsa } = entry;
  if (assigned !== true) return pageSize === '2M' ? 'hypervisor 2M' : 'hypervisor';
  const owner = asid === 0 ? (immutable === true ? 'firmware' : 'reclaim') : `ASID ${String(asid)} GFN ${hex(Number(gfn))}`;
  const marks = [pageSize === '2M' && '2M', validated === true && 'validated', vmsa === true && 'VMSA', immutable === true && 'immutable'];
  return [owner, ...marks.filter((mark) => mark !== false)].join(' ');
}

interface EntryLanes {
  readonly owner: Lane;
  readonly entryLock: Lane;
  text: string | null;
  inUse: boolean;
}

/** An RMP region: two lanes for each entry. */
class RegionView extends ActorView {
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

/**
 * The pages of a guest: one lane for each page that a thread holds or changes, or whose folio one
 * has locked, and the frames that leaked.
 */
class PagesView extends ActorView {
  readonly #group: Group;
  readonly #pages = new Map<string, Lane>();
  #leaked = 0;

  constructor(board: Board, lane: Lane, actor: ActorId, group: Group) {
    super(board, lane, actor);
    this.#group = group;
  }

  protected override show(context: JsonObject, _path: readonly string[], at: number): void {
    const holders = objectOf(context.holders);
    const changing = objectOf(context.changing);
    const folios = objectOf(context.folios);
    for (const gfn of [...Object.keys(holders), ...Object.keys(changing), ...Object.keys(folios)]) {
      if (!this.#pages.has(gfn)) this.#pages.set(gfn, this.board.lane('actor', `GFN ${hex(Number(gfn))} state`, this.#group, this.actor));
    }
    for (const [gfn, lane] of this.#pages) {
      const changer = stringOf(changing[gfn]);
      const held = stringsOf(holders[gfn]).map(nameOf);
      const spans = changer !== null ? [`changed by ${nameOf(changer)}`] : held.length > 0 ? [`held by ${held.join(', ')}`] : [];
      const locker = stringOf(folios[gfn]);
      const folio = locker === null ? [] : [`folio locked by ${nameOf(locker)}`];
      this.board.settle(lane, at, [...spans, ...folio], { category: 'memory' });
    }
    const leaked = numbersOf(context.leaked);
    for (const pfn of leaked.slice(this.#leaked))
      this.board.instant(this.lane, at, 'page leaked', { category: 'memory', args: { pfn: hex(pfn) } });
    this.#leaked = leaked.length;
  }
}

/** The PSP: one span for each command, with the status it ended with. */
class PspView extends ActorView {
  protected override show(context: JsonObject, _path: readonly string[], at: number): void {
    const command = stringOf(context.command);
    const args = argsOf({ pfn: context.pfn ?? null });
    const left = argsOf({ status: context.status ?? null });
    this.board.settle(this.lane, at, command === null ? [] : [command], { category: 'firmware', args }, left);
  }
}

export const sevSnpViews: MechanismViews = {
  views: {
    vmPages: (stage, actor) => {
      const group = stage.group('vm', nameOf(actor));
      return new PagesView(stage.board, stage.lane('pages', group, actor), actor, group);
    },
    rmpRegion: (stage, actor) => {
      const group = stage.group('hardware', 'RMP');
      return new RegionView(stage.board, stage.lane(`region ${nameOf(actor)}`, group, actor), actor, group);
    },
    psp: (stage, actor) => new PspView(stage.board, stage.lane('PSP', stage.group('hardware', 'firmware'), actor), actor),
  },
  texts: {
    entry: (value) => (isObject(value) ? entryText(value) : null),
    errorCode: (value) => (typeof value === 'number' ? errorText(value) : null),
    gfn: (value) => (typeof value === 'number' ? hex(value) : null),
  },
};
