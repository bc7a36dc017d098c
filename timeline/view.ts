/**
 * How one actor is shown: its lanes, the names of its micro-steps, its state at the end of a step.
 */
import type { ActorId } from '../events/event.ts';
import type { JournalRecord, JsonObject } from '../events/journal.ts';
import type { Board } from './board.ts';
import type { Group, Lane } from './event.ts';
import { argsOf, nameOf, objectOf, pathOf, stringOf, type Texts } from './text.ts';

export interface View {
  readonly actor: ActorId;
  /** Where the actor's messages, offers and micro-steps appear. */
  readonly lane: Lane;
  /**
   * The micro-step that an event of this type runs, outermost function first; null if that shows in
   * another way.
   */
  microStep(type: string): readonly string[] | null;
  /** Shows the actor's state; called at the end of every step that changed it. */
  settle(state: JsonObject, at: number): void;
  /** A bus message that the actor sent or got. */
  message?(record: JournalRecord): void;
}

/** Where a view puts its lanes. */
export interface Stage {
  readonly board: Board;
  group(kind: Group['kind'], name: string): Group;
  lane(name: string, group: Group, actor: ActorId): Lane;
}

/** What a mechanism adds to a timeline. */
export interface MechanismViews {
  /** The view of each actor of a kind. */
  readonly views?: Readonly<Record<string, (stage: Stage, actor: ActorId) => View>>;
  readonly texts?: Texts;
}

/** An actor of a kind that has no view of its own: its state is its span. */
export class ActorView implements View {
  readonly actor: ActorId;
  readonly lane: Lane;
  protected readonly board: Board;
  #path: readonly string[] = [];

  constructor(board: Board, lane: Lane, actor: ActorId) {
    this.board = board;
    this.lane = lane;
    this.actor = actor;
  }

  microStep(_type: string): readonly string[] | null {
    return this.#path;
  }

  settle(state: JsonObject, at: number): void {
    this.#path = pathOf(state.value);
    this.show(objectOf(state.context), this.#path, at);
  }

  protected show(_context: JsonObject, path: readonly string[], at: number): void {
    this.board.settle(this.lane, at, path, { category: 'state' });
  }
}

/** A host process: alive or not, and the signal that killed it. */
export class ProcessView extends ActorView {
  #signal: string | null = null;

  protected override show(context: JsonObject, path: readonly string[], at: number): void {
    const signal = stringOf(context.signal);
    if (signal !== null && signal !== this.#signal) {
      this.board.instant(this.lane, at, signal, { category: 'state', args: argsOf({ pfn: context.pfn ?? null }) });
    }
    this.#signal = signal;
    super.show(context, path[0] === 'exited' ? [] : path, at);
  }
}

/** A VM: what ends it. */
export class VmView extends ActorView {
  #dead: string | null = null;

  protected override show(context: JsonObject, _path: readonly string[], at: number): void {
    const dead = stringOf(context.dead);
    if (dead !== null && dead !== this.#dead) this.board.instant(this.lane, at, `kvm_vm_${dead}`, { category: 'state' });
    this.#dead = dead;
  }
}

/** A mutex: who owns it. */
export class MutexView extends ActorView {
  protected override show(context: JsonObject, _path: readonly string[], at: number): void {
    const owner = stringOf(context.owner);
    super.show(context, owner === null ? [] : [`held by ${nameOf(owner)}`], at);
  }
}
