/** Guest pages on lanes of their own: who holds them. */
import type { ActorId } from '../events/event.ts';
import type { JsonObject } from '../events/journal.ts';
import type { Board } from './board.ts';
import type { Group, Lane } from './event.ts';
import { hex, nameOf, numbersOf, objectOf, stringOf, stringsOf } from './text.ts';
import { ActorView } from './view.ts';

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
