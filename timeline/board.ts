/**
 * The lanes of one timeline and the spans that are open on them. Everything that is shown goes
 * through here.
 */
import type { ActorId } from '../events/event.ts';
import type { Args, Category, FlowEnd, Group, GroupKind, Lane, LaneKind, TimelineEvent } from './event.ts';

interface OpenLane {
  readonly lane: Lane;
  /** Names of the open spans, outermost first, without those of the present step. */
  readonly spans: string[];
}

export interface Shown {
  readonly category: Category;
  readonly args?: Args;
  readonly flow?: FlowEnd;
}

export class Board {
  /** Events that have not been moved away. */
  readonly events: TimelineEvent[] = [];
  readonly #groups = new Map<string, Group>();
  readonly #open: OpenLane[] = [];
  readonly #byLane = new Map<Lane, OpenLane>();
  /** Lanes with a span that lasts as long as the present step, in the order they were opened. */
  readonly #brief: Lane[] = [];
  #ids = 0;

  group(kind: GroupKind, name: string): Group {
    const key = `${kind} ${name}`;
    let group = this.#groups.get(key);
    if (!group) {
      group = { id: ++this.#ids, kind, name };
      this.#groups.set(key, group);
    }
    return group;
  }

  lane(kind: LaneKind, name: string, group: Group, actor: ActorId | null): Lane {
    // The first thread of a process shares its number, as on Linux.
    const isMain = kind === 'thread' && !this.#open.some(({ lane }) => lane.id === group.id);
    const lane: Lane = { id: isMain ? group.id : ++this.#ids, kind, name, group, actor };
    const open = { lane, spans: [] };
    this.#open.push(open);
    this.#byLane.set(lane, open);
    this.events.push({ kind: 'lane', lane });
    return lane;
  }

  instant(lane: Lane, at: number, name: string, { category, args, flow }: Shown): void {
    this.events.push({ kind: 'instant', lane, at, name, category, args: args ?? null, flow: flow ?? null });
  }

  counter(lane: Lane, at: number, value: number): void {
    this.events.push({ kind: 'counter', lane, at, value });
  }

  /** Opens a span that `endStep` closes. */
  beginBrief(lane: Lane, at: number, name: string, { category, args }: Shown): void {
    this.events.push({ kind: 'begin', lane, at, name, category, args: args ?? null });
    this.#brief.push(lane);
  }

  hasBrief(lane: Lane): boolean {
    return this.#brief.includes(lane);
  }

  endStep(at: number): void {
    for (let i = this.#brief.length - 1; i >= 0; i--) this.events.push({ kind: 'end', lane: this.#brief[i]!, at, args: null });
    this.#brief.length = 0;
  }

  /** Makes the open spans of a lane exactly these. `left` says more about those that end. */
  settle(lane: Lane, at: number, names: readonly string[], { category, args }: Shown, left?: Args): void {
    const { spans } = this.#byLane.get(lane)!;
    let same = 0;
    while (same < names.length && spans[same] === names[same]) same++;
    this.#close(lane, spans, same, at, left);
    for (const name of names.slice(same)) {
      spans.push(name);
      this.events.push({ kind: 'begin', lane, at, name, category, args: args ?? null });
    }
  }

  moveTo(finished: TimelineEvent[]): void {
    for (const event of this.events) finished.push(event);
    this.events.length = 0;
  }

  /** Ends all open spans. */
  close(at: number): void {
    this.endStep(at);
    for (const { lane, spans } of this.#open) this.#close(lane, spans, 0, at);
  }

  #close(lane: Lane, spans: string[], keep: number, at: number, args?: Args): void {
    for (; spans.length > keep; spans.pop()) this.events.push({ kind: 'end', lane, at, args: args ?? null });
  }
}
