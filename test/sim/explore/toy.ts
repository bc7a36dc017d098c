/**
 * Models for tests of the search: machines of a few states, entered as a user's own model would.
 */
import { type AnyStateMachine, assign, createMachine, emit } from 'xstate';
import { type ActorId, type Delivery, outgoing } from '../../../events/event.ts';
import { register } from '../../../sim/host/registry.ts';
import type { ModelModule } from '../../../sim/models.ts';
import { always, type Property } from '../../../sim/property.ts';
import type { ResolvedScenario } from '../../../sim/scenario/types.ts';
import type { Topology } from '../../../sim/store.ts';
import type { ActorView, WorldView } from '../../../sim/view.ts';
import { shipped } from '../play.ts';

const topologies: Topology[] = [];
const TOY: ModelModule = { name: 'toy', topology: ({ params }) => topologies[Number(params.toy)]!, properties: [] };

/** Each takes away what a toy has registered. */
const undo: (() => void)[] = [];

/** Makes the model of toys known, and properties by their ids. */
export function makeKnown(properties: readonly Property[]): void {
  if (undo.length === 0) undo.push(register({ name: 'toy', arches: [], models: [TOY] }));
  if (properties.length > 0) undo.push(register({ name: `toy-${undo.length}`, arches: [], properties }));
}

/** Takes all toys away at the end of a test file: the next file runs in the same process. */
export function takeToysAway(): void {
  for (const takeAway of undo.splice(0)) takeAway();
  topologies.length = 0;
}

/**
 * What a toy does not say. Read once: after each property that is registered schemas are made
 * again.
 */
let rest: ResolvedScenario | null = null;

let numbered = 0;
/** An `always` property of a toy: breaks where `broken` has something to say. */
export function rule(broken: (world: WorldView) => string | null, name = 'rule'): Property {
  return always(`toy.${name}-${numbered++}`, {
    kinds: ['node', 'other', 'pcpu', 'vm', 'hostProcess'],
    source: 'a test',
    grade: 'decision',
    check: broken,
  });
}

/** A scenario that runs the topology. */
export function toy(topology: Topology, properties: readonly Property[] = [], parts: Partial<ResolvedScenario> = {}): ResolvedScenario {
  makeKnown(properties);
  rest ??= shipped('rmp-lock');
  const ids = (form: Property['form']) => properties.filter((property) => property.form === form).map(({ id }) => id);
  return {
    ...rest,
    name: 'toy',
    model: 'toy',
    params: { toy: topologies.push(topology) - 1 },
    properties: { always: ids('always'), sometimes: ids('sometimes'), eventually: ids('eventually') },
    expect: null,
    ...parts,
  };
}

export const CATALOGUE: Readonly<Record<string, Delivery>> = {
  exec: 'offer',
  pick: 'offer',
  preempt: 'offer',
  interrupt: 'offer',
  nudge: 'offer',
  ask: 'bus',
  mail: 'queued',
  latch: 'latched',
};

/** One thing a state does with an event: where it goes, and what it sends. */
export interface Edge {
  readonly to: string;
  readonly sends?: readonly { readonly to: ActorId; readonly type: string }[];
}

/** What a state offers and does. */
export interface StateTable {
  readonly on: Readonly<Record<string, Edge>>;
  /** Offers that are owed; without it, the moves of the processor. */
  readonly owes?: readonly string[];
  /** Offers that are owed strongly. */
  readonly owesStrongly?: readonly string[];
  /** Waits for others: the in-order run goes to another processor. */
  readonly yields?: true;
  readonly tags?: readonly string[];
  /** Context on entry. */
  readonly sets?: object;
}

const MOVES = ['exec', 'pick'];
const OFFERS = ['exec', 'pick', 'preempt', 'interrupt', 'nudge'];

interface Energy {
  readonly energy: number;
}

/**
 * A machine from a table. Whatever sends queued messages uses up energy, and without any stays
 * where it is: so every toy has finitely many states.
 */
export function machineOf(states: Readonly<Record<string, StateTable>>, energy = 2, context: object = {}): AnyStateMachine {
  const transitionOf = ({ to, sends = [] }: Edge, name: string) => {
    const actions = sends.map(({ to: receiver, type }) => emit(outgoing(receiver, { type }) as never));
    if (!sends.some(({ type }) => CATALOGUE[type] === 'queued')) return { target: to, actions: actions.length ? actions : assign({}) };
    const spend = assign({ energy: ({ context: c }: { context: Energy }) => c.energy - 1 } as never);
    return [
      { guard: ({ context: c }: { context: Energy }) => c.energy > 0, target: to, actions: [...actions, spend] },
      { target: name, actions: assign({}) },
    ];
  };
  const nodes = Object.entries(states).map(([name, { on, owes = MOVES, owesStrongly = [], yields, tags, sets }]) => {
    const offered = Object.keys(on).filter((type) => OFFERS.includes(type));
    const meta = {
      offers: () => offered.map((type) => ({ type, owed: owesStrongly.includes(type) ? 'strong' : owes.includes(type) })),
      idles: true,
      ...(yields && { yields }),
    };
    const edges = Object.fromEntries(Object.entries(on).map(([type, edge]) => [type, transitionOf(edge, name)]));
    return [name, { meta, on: edges, ...(tags && { tags }), ...(sets && { entry: assign(sets) }) }];
  });
  const initial = Object.keys(states)[0]!;
  return createMachine({
    id: 'toy',
    context: { energy, ...context },
    initial,
    states: Object.fromEntries(nodes) as never,
  } as never) as unknown as AnyStateMachine;
}

/** The actor of an id. */
export const actorIn = (world: WorldView, id: ActorId, kinds = ['node', 'other']): ActorView<unknown> =>
  kinds.flatMap((kind) => world.actors<unknown>(kind)).find((actor) => actor.id === id)!;

/** A chain of execs: `s0` to `s1` and so on. */
export const chain = (length: number, last: StateTable = { on: {}, tags: ['rest'] }): Record<string, StateTable> =>
  Object.fromEntries(Array.from({ length: length + 1 }, (_, i) => [`s${i}`, i === length ? last : { on: { exec: { to: `s${i + 1}` } } }]));
