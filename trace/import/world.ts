/**
 * The simulated host as the driver of a recording sees it: worlds are rows of integers that are
 * never changed, so that what does not lead on is forgotten.
 */
import type { HostThread } from '../../actors/host/host-env.ts';
import type { SchedulerContext } from '../../actors/host/host-scheduler.ts';
import type { PcpuContext } from '../../actors/host/pcpu-context.ts';
import type { ActorId } from '../../events/event.ts';
import { MemoEngine } from '../../sim/engine/memo.ts';
import { ModelError } from '../../sim/engine/port.ts';
import { topologyOf } from '../../sim/host/topology.ts';
import { WorldStep } from '../../sim/rows/world-step.ts';
import type { ResolvedScenario } from '../../sim/scenario/types.ts';
import type { Store } from '../../sim/store.ts';

/** A world. */
export type Row = readonly number[];

/** Something that may happen next. */
export interface Move {
  readonly column: number;
  readonly event: number;
  /** As the sequencer calls it. */
  readonly label: string;
  /** The type of the offer, or of the message that is delivered. */
  readonly type: string;
  readonly isDelivery: boolean;
  /** Whose offer it is, or who receives the message. */
  readonly actor: ActorId;
}

/** A thread as far as the driver looks at it. */
export interface ThreadView {
  /** Its place: the paths around its next step, and the step. */
  readonly at: string;
  readonly thread: HostThread;
}

const dotted = (value: unknown): string => {
  if (typeof value === 'string') return value;
  const [entry] = Object.entries(value as Readonly<Record<string, unknown>>);
  return entry ? `${entry[0]}.${dotted(entry[1])}` : '';
};

/** A state of a machine, with the states in it. */
interface StateNode {
  readonly states: Readonly<Record<string, StateNode>>;
}

/** Names of all states below one. */
function namesIn(node: StateNode): ReadonlySet<string> {
  const names = new Set<string>();
  const collect = (one: StateNode): void => {
    for (const [key, inner] of Object.entries(one.states)) {
      names.add(key);
      collect(inner);
    }
  };
  collect(node);
  return names;
}

export class World {
  readonly store: Store;
  readonly threads: readonly ActorId[];
  readonly cpus: readonly ActorId[];
  readonly initial: Row;
  readonly #step: WorldStep;
  readonly #sched: number;
  readonly #places: Map<number, string> = new Map();
  #names: ReadonlySet<string> | null = null;

  constructor(scenario: ResolvedScenario) {
    this.#step = new WorldStep(new MemoEngine(topologyOf(scenario)));
    this.store = this.#step.store;
    this.initial = this.#step.initial;
    const ofKind = (kind: string) => this.store.ids.filter((_, slot) => this.store.kindOfSlot[slot]!.name === kind);
    this.threads = ofKind('hostThread');
    this.cpus = ofKind('pcpu');
    this.#sched = this.slot('sched');
  }

  slot(id: ActorId): number {
    return this.store.slotOf.get(id)!;
  }

  /** Equal for equal worlds. */
  keyOf(row: Row): string {
    let end = row.length;
    while (end > 0 && row[end - 1] === 0 && end > this.#step.actors) end--;
    return (end === row.length ? row : row.slice(0, end)).join(' ');
  }

  /** What may happen next, as far as `wanted` asks for it, in the order of actors. */
  movesIn(row: Row, wanted: (move: Move) => boolean): Move[] {
    const moves: Move[] = [];
    const { channels, actors, lists } = this.#step;
    for (const [column, value] of row.entries()) {
      for (const event of this.#step.alternatives(column, value)) {
        const isDelivery = column >= actors;
        const actor = this.store.ids[isDelivery ? channels[column - actors]!.to : column]!;
        const { type } = this.store.events.values[isDelivery ? lists.values[value]![0]! : event]!;
        const move = { column, event, type, isDelivery, actor, label: this.#step.label(column, value, event) };
        if (wanted(move)) moves.push(move);
      }
    }
    return moves;
  }

  /** The world after a move; null if the model breaks a rule of its own by it. */
  after(row: Row, { column, event }: Move): Row | null {
    try {
      return this.#step.after(row, this.#step.run(row, column, event));
    } catch (error) {
      if (error instanceof ModelError) return null;
      throw error;
    }
  }

  #snapshot(row: Row, slot: number) {
    return this.store.kindOfSlot[slot]!.locals.values[row[slot]!]!;
  }

  cpu(row: Row, cpu: number): PcpuContext & { readonly state: string } {
    const { context, value } = this.#snapshot(row, this.slot(this.cpus[cpu]!));
    return { ...(context as PcpuContext), state: dotted(value) };
  }

  scheduler(row: Row): SchedulerContext {
    return this.#snapshot(row, this.#sched).context as SchedulerContext;
  }

  thread(row: Row, id: ActorId): ThreadView {
    const slot = this.slot(id);
    const local = row[slot]!;
    const { context, value } = this.#snapshot(row, slot);
    let at = this.#places.get(local);
    if (at === undefined) {
      at = dotted((value as { readonly code: unknown }).code);
      this.#places.set(local, at);
    }
    return { at, thread: context as HostThread };
  }

  /** The CPU in whose run queue a thread waits. */
  queueOf(row: Row, id: ActorId): number | null {
    const { rq } = this.scheduler(row);
    const cpu = this.cpus.findIndex((one) => rq[one]!.includes(id));
    return cpu < 0 ? null : cpu;
  }

  /** The innermost function of a stack that paths of threads have a name for. */
  innermost(stack: readonly string[]): string | null {
    this.#names ??= namesIn(this.store.kinds.find(({ name }) => name === 'hostThread')!.machine.root as unknown as StateNode);
    const names = this.#names;
    return stack.find((fn) => names.has(fn)) ?? null;
  }

  /** Whether a message of a type that starts so is on its way to an actor. */
  isOnItsWay(row: Row, type: string, to: ActorId): boolean {
    return this.movesIn(row, (move) => move.isDelivery && move.actor === to && move.type.startsWith(type)).length > 0;
  }
}
