/**
 * The search that one would write first over XState: transition() for every delivery, states by
 * their text, breadth first.
 */
import { type AnyMachineSnapshot, initialTransition, transition } from 'xstate';
import type { Outgoing } from '../events/event.ts';
import { topologyOf } from '../sim/host/topology.ts';
import { propertyOf } from '../sim/properties/index.ts';
import type { ResolvedScenario } from '../sim/scenario/types.ts';
import type { AnyEvent, Topology } from '../sim/store.ts';
import type { WorldView } from '../sim/view.ts';

export interface NaiveReport {
  /** false: the time was over. */
  readonly finished: boolean;
  readonly states: number;
  readonly transitions: number;
  readonly unchanged: number;
  /** Deliveries to an actor, each of them a call of transition(). */
  readonly deliveries: number;
}

interface State {
  readonly snapshots: readonly AnyMachineSnapshot[];
  readonly texts: readonly string[];
  /** Messages in flight by `from to`, oldest first. */
  readonly queues: ReadonlyMap<string, readonly AnyEvent[]>;
}

/** States expanded between two looks at the clock. */
const EACH = 64;

const textOf = ({ value, context }: AnyMachineSnapshot): string => JSON.stringify([value, context]);

function keyOf({ texts, queues }: State): string {
  const flight = [...queues].filter(([, events]) => events.length > 0).sort(([a], [b]) => (a < b ? -1 : 1));
  return texts.join('\n') + (flight.length > 0 ? JSON.stringify(flight) : '');
}

function offersOf(snapshot: AnyMachineSnapshot): AnyEvent[] {
  const metas = Object.values(snapshot.getMeta() as Record<string, { readonly offers?: (c: unknown) => readonly AnyEvent[] } | undefined>);
  return metas.flatMap((meta) => meta?.offers?.(snapshot.context) ?? []).filter((event) => snapshot.can(event));
}

class Naive {
  deliveries = 0;
  readonly #topology: Topology;
  readonly #slotOf: ReadonlyMap<string, number>;

  constructor(topology: Topology) {
    this.#topology = topology;
    this.#slotOf = new Map(topology.actors.map(({ id }, slot) => [id, slot]));
  }

  start(): State {
    const { actors, machines } = this.#topology;
    const snapshots = actors.map(({ kind, input }) => initialTransition(machines[kind]!, input as never)[0] as AnyMachineSnapshot);
    return { snapshots, texts: snapshots.map(textOf), queues: new Map() };
  }

  *successors(state: State): Generator<State> {
    for (const [name, [head, ...rest]] of state.queues) {
      if (head) yield this.#carryOut({ ...state, queues: new Map(state.queues).set(name, rest) }, Number(name.split(' ')[1]), head);
    }
    for (const [slot, snapshot] of state.snapshots.entries())
      for (const event of offersOf(snapshot)) yield this.#carryOut(state, slot, event);
  }

  /** What properties look at. */
  viewOf({ snapshots }: State): WorldView {
    const { actors } = this.#topology;
    const actor = (slot: number) => ({ id: actors[slot]!.id, value: snapshots[slot]!.value, context: snapshots[slot]!.context as unknown });
    return { actor, actors: (kind: string) => actors.flatMap((one, slot) => (one.kind === kind ? [actor(slot)] : [])) } as WorldView;
  }

  #carryOut(before: State, slot: number, event: AnyEvent): State {
    const { actors, machines, catalogue } = this.#topology;
    const snapshots = [...before.snapshots];
    const texts = [...before.texts];
    const queues = new Map(before.queues);
    const bus: [number, AnyEvent][] = [[slot, event]];
    for (const [to, message] of bus) {
      this.deliveries++;
      const [next, actions] = transition(machines[actors[to]!.kind]!, snapshots[to]!, message);
      snapshots[to] = next as AnyMachineSnapshot;
      texts[to] = textOf(snapshots[to]);
      for (const { type, params } of actions as readonly { readonly type: string; readonly params: unknown }[]) {
        if (type !== 'xstate.emit') throw new Error(`${actors[to]!.id} does ${type}; the benchmark knows only messages`);
        const sent = (params as { readonly event: Outgoing<AnyEvent> }).event;
        const stamped = { ...sent.event, from: actors[to]!.id };
        const at = this.#slotOf.get(sent.to)!;
        const name = `${to} ${at}`;
        const delivery = catalogue[stamped.type];
        const waiting = queues.get(name) ?? [];
        const text = JSON.stringify(stamped);
        if (delivery === 'bus') bus.push([at, stamped]);
        // A latched message merges with one that is in flight already.
        else if (delivery !== 'latched' || !waiting.some((one) => JSON.stringify(one) === text)) queues.set(name, [...waiting, stamped]);
      }
    }
    return { snapshots, texts, queues };
  }
}

/** All reachable states, or those that `seconds` allow. A run ends where a property breaks. */
export function searchNaively(scenario: ResolvedScenario, seconds: number): NaiveReport {
  const naive = new Naive(topologyOf(scenario));
  const always = scenario.properties.always.map(propertyOf);
  const first = naive.start();
  const met = new Set([keyOf(first)]);
  const queue = [first];
  let transitions = 0;
  let unchanged = 0;
  const until = performance.now() + seconds * 1e3;
  let head = 0;
  for (; head < queue.length && (head % EACH > 0 || performance.now() < until); head++) {
    const state = queue[head]!;
    const view = naive.viewOf(state);
    if (always.some(({ check }) => check(view) !== null)) continue;
    const key = keyOf(state);
    for (const next of naive.successors(state)) {
      const to = keyOf(next);
      if (to === key) unchanged++;
      else transitions++;
      if (met.has(to)) continue;
      met.add(to);
      queue.push(next);
    }
  }
  return { finished: head === queue.length, states: met.size, transitions, unchanged, deliveries: naive.deliveries };
}
