/** Local states and events of a run as small integers, and who stands in which slot. */
import type { AnyMachineSnapshot, AnyStateMachine } from 'xstate';
import type { ActorId, Delivery } from '../events/event.ts';
import { MICRO_STEP_EVENTS } from '../events/index.ts';
import { didYouMean } from '../events/nearest.ts';
import { canonical } from './canonical.ts';
import { Fragments } from './fragments.ts';
import type { Following } from './monitors/monitor.ts';
import { LocalTable, Table } from './tables.ts';

export interface AnyEvent {
  readonly type: string;
  readonly from?: ActorId;
}

/** What of a task is the scheduler's: the rest is the task's own. @public */
export interface Switched {
  /** Fields of its context. */
  readonly context: readonly string[];
  /** A region of its machine, and the name of that region's frame among `frames`. */
  readonly region: string;
  readonly frame: string;
}

/**
 * A machine with the local states met so far. All actors of a kind share it: they differ by input
 * only.
 */
export interface Kind {
  readonly name: string;
  readonly index: number;
  readonly machine: AnyStateMachine;
  /** The mechanism of the user's own that brings it; null for what is shipped. */
  readonly origin: string | null;
  /** Its root says `schedules`: what it does decides who runs, and is no program's own step. */
  readonly schedules: boolean;
  /** Its actors are monitors: what they do is no step of the model. */
  readonly monitors: boolean;
  /** Its root says `switched`: what of an actor is the scheduler's; null where nothing is. */
  readonly switched: Switched | null;
  /**
   * Its root says `stuckIn`: where an actor hangs that its state alone takes for one at rest; null
   * if it does not hang.
   */
  readonly stuckIn: ((context: never) => string | null) | null;
  /** Its root says `queues`: which threads wait there to be run; null where none can. */
  readonly queues: ((context: never) => readonly ActorId[]) | null;
  /**
   * Its root says `absent`: whether an actor is not there, as it was not made yet, or is gone. It
   * offers nothing then, and is at rest. Null if its actors are always there.
   */
  readonly absent: ((context: never) => boolean) | null;
  readonly locals: LocalTable;
  /** By local state: 1 where an actor in it has asked and waits for the answer. */
  readonly asking: number[];
}

/** What the root of a machine says of its actors. */
interface RootMeta {
  readonly schedules?: true;
  readonly switched?: Switched;
  readonly stuckIn?: Kind['stuckIn'];
  readonly absent?: Kind['absent'];
  readonly queues?: Kind['queues'];
}

/** Where an actor in this local state hangs, if its state takes it for one at rest. */
export const hangIn = ({ stuckIn, locals }: Kind, local: number): string | null =>
  stuckIn?.(locals.values[local]!.context as never) ?? null;

/** Who waits to be run by an actor in this local state. */
export const queuedIn = ({ queues, locals }: Kind, local: number): readonly ActorId[] =>
  queues?.(locals.values[local]!.context as never) ?? NO_IDS;
const NO_IDS: readonly ActorId[] = [];

/** Whether an actor in this local state is not there. */
export const isAbsent = ({ absent, locals }: Kind, local: number): boolean => absent?.(locals.values[local]!.context as never) === true;

/** Whether an actor in this local state may stay there. */
export const isAtRest = (kind: Kind, local: number): boolean =>
  isAbsent(kind, local) || (kind.locals.values[local]!.hasTag('rest') && hangIn(kind, local) === null);

/**
 * An actor that exists from the start: its id, the kind of its machine, and what that is started
 * with.
 * @public
 */
export interface ActorSpec {
  readonly id: ActorId;
  readonly kind: string;
  readonly input: unknown;
}

/**
 * Actors that change places together: a CPU and what belongs to it. Two bundles of a group have
 * actors of the same kinds in the same order.
 * @public
 */
export type Bundle = readonly ActorId[];

/** The actors of a run in slot order, and the machine of each kind. @public */
export interface Topology {
  readonly actors: readonly ActorSpec[];
  readonly machines: Readonly<Record<string, AnyStateMachine>>;
  /** The mechanism of the user's own that brings the machine of a kind, for messages. */
  readonly origins?: Readonly<Record<string, string>>;
  /** How each event type travels. */
  readonly catalogue: Readonly<Record<string, Delivery>>;
  /**
   * Fields whose lists are sets, kept sorted: `kind.field` of a context, `type.field` of a message.
   * Every other list is a sequence. What is renamed (`--reduce symmetry`) keeps the order of a
   * sequence and sorts a set.
   */
  readonly sets?: readonly string[];
  /**
   * Groups of actors that may change places without any other actor noticing: same kind, and no
   * order among them; one by one, or in bundles.
   */
  readonly interchangeable?: readonly (readonly (ActorId | Bundle)[])[];
  /** Which of the actors are monitors of properties, by id. The simulator adds them. */
  readonly monitors?: Readonly<Record<ActorId, Following>>;
}

/** The micro-step of the context switch's notifiers: not the thread's own. */
export const NOTIFIER = 'notify.step';
const NOT_ITS_OWN = -1;

/** The frame that has asked and waits for its answer, if any. */
export const askingOf = ({ context }: AnyMachineSnapshot): string | null =>
  (context as { readonly asking?: string | null } | undefined)?.asking ?? null;

function uncatalogued({ type, from }: AnyEvent, catalogue: Topology['catalogue']): string {
  const sender = from === undefined ? '' : ` (${from} sends it)`;
  return `${type} is not in the event catalogue${sender}; expected a type that stands there${didYouMean(type, Object.keys(catalogue))}`;
}

/** Everything interned during one run, and who stands in which slot. */
export class Store {
  readonly kinds: readonly Kind[];
  readonly kindOfSlot: readonly Kind[];
  readonly ids: readonly ActorId[];
  readonly slotOf: ReadonlyMap<ActorId, number>;
  readonly sets: ReadonlySet<string>;
  readonly events = new Table<AnyEvent>();
  /** 1 where the event of that id is queued, 0 for the bus. */
  readonly queued: number[] = [];
  /** 1 where a second of the same content in flight is merged with the first. */
  readonly latched: number[] = [];
  /** Slot of who sent the event of that id; -1 for an offer, and where the scheduler sent it. */
  readonly senders: number[] = [];
  /** Local states met so far, of all kinds. */
  localCount = 0;
  readonly #stamped: Map<number, number>[];
  readonly #fragments = new Fragments();
  /**
   * 1 where the event of that id is a micro-step of a program, 0 where it is something else,
   * NOT_ITS_OWN for the notifiers'.
   */
  readonly #microSteps: number[] = [];
  readonly #catalogue: Readonly<Record<string, Delivery>>;

  constructor(topology: Topology) {
    this.#catalogue = topology.catalogue;
    const names = [...new Set(topology.actors.map((actor) => actor.kind))];
    this.kinds = names.map((name, index) => {
      const machine = topology.machines[name];
      if (!machine) throw new Error(`no machine for actors of kind ${name}`);
      const meta = machine.root.meta as RootMeta | undefined;
      const schedules = meta?.schedules === true;
      const switched = meta?.switched ?? null;
      const stuckIn = meta?.stuckIn ?? null;
      const absent = meta?.absent ?? null;
      const origin = topology.origins?.[name] ?? null;
      const monitors = topology.actors.some(({ id, kind }) => kind === name && topology.monitors?.[id] !== undefined);
      const queues = meta?.queues ?? null;
      const locals = new LocalTable(this.#fragments);
      return { name, index, machine, origin, schedules, monitors, switched, stuckIn, queues, absent, locals, asking: [] };
    });
    this.ids = topology.actors.map((actor) => actor.id);
    this.sets = new Set(topology.sets);
    this.slotOf = new Map(this.ids.map((id, slot) => [id, slot]));
    if (this.slotOf.size !== this.ids.length) {
      const twice = this.ids.find((id, at) => this.ids.indexOf(id) < at)!;
      throw new Error(`two actors have the id ${twice}; expected each id once`);
    }
    this.kindOfSlot = topology.actors.map((actor) => this.kinds[names.indexOf(actor.kind)]!);
    this.#stamped = this.ids.map(() => new Map<number, number>());
  }

  /**
   * Interns a snapshot. Its identity is value and context: machines are closed, so nothing else can
   * matter.
   */
  local(kind: Kind, snapshot: AnyMachineSnapshot): number {
    const { size } = kind.locals;
    const id = kind.locals.add(snapshot);
    if (id === size) {
      this.localCount++;
      kind.asking.push(askingOf(snapshot) ? 1 : 0);
    }
    return id;
  }

  /** How an event type travels; undefined if it is not in the catalogue. */
  deliveryOf(type: string): Delivery | undefined {
    return Object.hasOwn(this.#catalogue, type) ? this.#catalogue[type] : undefined;
  }

  event(event: AnyEvent): number {
    const id = this.events.put(canonical(event), event);
    if (id === this.queued.length) {
      const delivery = this.deliveryOf(event.type);
      if (!delivery) throw new Error(uncatalogued(event, this.#catalogue));
      this.queued.push(delivery === 'queued' || delivery === 'latched' ? 1 : 0);
      this.latched.push(delivery === 'latched' ? 1 : 0);
      this.senders.push(this.#senderOf(event));
      this.#microSteps.push(event.type === NOTIFIER ? NOT_ITS_OWN : MICRO_STEP_EVENTS.includes(event.type) ? 1 : 0);
    }
    return id;
  }

  /**
   * Whether an event that an actor takes is program code: what was chosen (`first`), or a
   * micro-step that it leads to.
   */
  runsProgram(slot: number, event: number, first: boolean): boolean {
    if (this.kindOfSlot[slot]!.schedules) return false;
    const isMicroStep = this.#microSteps[event];
    return isMicroStep === 1 || (first && isMicroStep === 0);
  }

  #senderOf({ from }: AnyEvent): number {
    const slot = from === undefined ? undefined : this.slotOf.get(from);
    return slot === undefined || this.kindOfSlot[slot]!.schedules ? -1 : slot;
  }

  /**
   * An event that a machine sends, before the engine says who.
   * @throws Error if it says so itself
   */
  sent(event: AnyEvent): number {
    if (event.from !== undefined)
      throw new Error(`${event.type} is sent with a field named from, which the engine sets to its sender; expected another name`);
    return this.event(event);
  }

  /** The event as sent by the actor in `slot`. */
  stamp(event: number, slot: number): number {
    const known = this.#stamped[slot]!.get(event);
    if (known !== undefined) return known;
    const stamped = this.event({ ...this.events.values[event]!, from: this.ids[slot]! });
    this.#stamped[slot]!.set(event, stamped);
    return stamped;
  }

  slot(id: ActorId, whoAsks: ActorId): number {
    const slot = this.slotOf.get(id);
    if (slot === undefined)
      throw new Error(
        `${whoAsks} sends to ${id}, which does not exist in this scenario; a primitive of worldswitch/kit has to stand in \`uses\``,
      );
    return slot;
  }
}
