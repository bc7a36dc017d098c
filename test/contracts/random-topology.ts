/**
 * Small random models from a seed: two to four actors of two kinds that move, ask each other,
 * answer, send messages that queue or latch, echo what they get, wait, rest and halt. Half of them
 * have loops that wait, some a scheduler that passes steps on. Some break a rule of models.
 */
import { type AnyStateMachine, assign, createMachine, emit } from 'xstate';
import { type ActorId, type Delivery, outgoing } from '../../events/event.ts';
import { Prng } from '../../sim/prng.ts';
import type { Topology } from '../../sim/store.ts';

export const STATES = ['a', 'b', 'c', 'd'] as const;
const ACTORS: readonly ActorId[] = ['node:0', 'other:0', 'node:1', 'other:1'];

const CATALOGUE: Readonly<Record<string, Delivery>> = {
  exec: 'offer',
  preempt: 'offer',
  nudge: 'offer',
  step: 'bus',
  ask: 'bus',
  answer: 'bus',
  mail: 'queued',
  latch: 'latched',
};

/** In how many of a hundred cases a state can be left by a move. */
const MOVES: Readonly<Record<string, number>> = { a: 90, b: 65, c: 45, d: 15 };
/** How many actors there are: the more, the rarer. */
const SIZES = [2, 2, 2, 3, 3, 4];
const OFFERS = ['exec', 'preempt', 'nudge'] as const;

/** The loops that wait in which a state stands, by their ids, innermost first. */
type Loops = Readonly<Record<string, readonly string[]>>;

const NO_LOOPS: Loops = {};
const LOOPS: readonly Loops[] = [
  { c: ['inner'], d: ['inner'] },
  { b: ['outer'], c: ['outer'], d: ['outer'] },
  { b: ['outer'], c: ['inner', 'outer'], d: ['inner', 'outer'] },
  { b: ['inner', 'outer'], c: ['other', 'outer'], d: ['outer'] },
  { a: ['first'], b: ['first'], c: ['second'], d: ['second'] },
];

interface Memory {
  readonly energy: number;
  readonly asking: string | null;
}
interface Args {
  readonly context: Memory;
  readonly event: { readonly type: string; readonly from?: ActorId };
}

class Draw {
  readonly #prng: Prng;
  readonly #ids: readonly ActorId[];
  readonly #states: readonly string[];

  constructor(prng: Prng, ids: readonly ActorId[], states: readonly string[]) {
    this.#prng = prng;
    this.#ids = ids;
    this.#states = states;
  }

  /** True in so many of a hundred cases. */
  chance(percent: number): boolean {
    return this.#prng.below(100) < percent;
  }

  of<T>(values: readonly T[]): T {
    return values[this.#prng.below(values.length)]!;
  }

  actor(): ActorId {
    return this.of(this.#ids);
  }

  /** Most moves lead on, so that runs come to an end. */
  target(at: string): string {
    return this.chance(85) ? this.of(this.#states.slice(this.#states.indexOf(at))) : this.of(this.#states);
  }

  /**
   * What an actor does with an event: where it goes, and what it sends to whom. Queued messages use
   * up energy, so that spaces end.
   */
  edge(at: string, types: readonly string[], most: number) {
    const sends = Array.from({ length: this.#prng.below(most + 1) }, () => ({ to: this.of(this.#ids), type: this.of(types) }));
    const target = this.target(at);
    const actions: unknown[] = sends.map(({ to, type }) => emit(outgoing(to, { type }) as never));
    if (!sends.some(({ type }) => type === 'mail')) return { target, actions: actions.length > 0 ? actions : assign({}) };
    const spend = assign({ energy: ({ context }: Args) => context.energy - 1 } as never);
    return [
      { guard: ({ context }: Args) => context.energy > 0, target, actions: [...actions, spend] },
      { target: at, actions: assign({}) },
    ];
  }

  /** A move that waits for an answer from an actor, which may never give one. */
  question(target: string) {
    return { target, actions: [assign({ asking: 'code' } as never), emit(outgoing(this.of(this.#ids), { type: 'ask' }) as never)] };
  }
}

function stateOf(draw: Draw, name: string): object {
  const offered = OFFERS.filter((type) => draw.chance(type === 'exec' ? MOVES[name]! : 10));
  const reply = emit(({ event }: Args) => outgoing(event.from!, { type: 'answer' }) as never);
  const on: Record<string, unknown> = {};
  for (const type of offered) {
    if (type === 'exec')
      on.exec = draw.chance(5) ? draw.question(draw.target(name)) : draw.edge(name, ['ask', 'mail', 'latch', 'latch'], 2);
    else on[type] = draw.edge(name, ['latch'], type === 'nudge' ? 1 : 0);
  }
  on.step = draw.edge(name, ['latch'], 0);
  // Few states are deaf, and few actors talk back on the bus: either breaks a rule in some
  // schedule.
  if (!draw.chance(2)) on.ask = draw.chance(50) ? { actions: reply } : draw.edge(name, draw.chance(3) ? ['ask'] : ['latch'], 1);
  if (!draw.chance(2)) on.mail = draw.edge(name, ['ask', 'latch', 'mail'], 1);
  if (!draw.chance(2)) on.latch = draw.edge(name, ['latch', 'latch', 'ask'], 1);
  const says = { idles: draw.chance(92), yields: draw.chance(25), computes: draw.chance(10) };
  const meta = {
    offers: () => offered.map((type) => ({ type })),
    ...Object.fromEntries(Object.entries(says).filter(([, isSaid]) => isSaid)),
  };
  const tags = [...(draw.chance(50) ? ['rest'] : []), ...(draw.chance(8) ? ['halt'] : [])];
  return { meta, on, tags };
}

/**
 * A state in a loop that waits: it polls, asks or sends the same again, and mostly stays whatever
 * it gets. What has halted stays so.
 */
function waitingState(draw: Draw, name: string, loops: Loops): object {
  const halts = draw.chance(8);
  const mates = STATES.filter((mate) => loops[mate]?.some((loop) => loops[name]!.includes(loop)));
  const poll = () => {
    const sends = draw.chance(25) ? [emit(outgoing(draw.actor(), { type: draw.of(['latch', 'latch', 'ask']) }) as never)] : [];
    return { target: halts ? name : draw.chance(85) ? draw.of(mates) : draw.target(name), actions: sends.length > 0 ? sends : assign({}) };
  };
  const stays = { actions: assign({}) };
  const takes = () => (halts || draw.chance(70) ? stays : draw.edge(name, ['latch'], 0));
  const echo = { actions: emit(({ event }: Args) => outgoing(event.from!, { type: 'latch' }) as never) };
  const offered = OFFERS.filter((type) => draw.chance(type === 'exec' ? 80 : 6));
  const on = {
    ...Object.fromEntries(offered.map((type) => [type, halts || type === 'exec' ? poll() : draw.edge(name, ['latch'], 0)])),
    step: poll(),
    ask: takes(),
    mail: takes(),
    latch: draw.chance(25) ? echo : takes(),
  };
  const meta = {
    waits: halts ? ['halted'] : loops[name],
    offers: () => offered.map((type) => ({ type })),
    idles: true,
    ...(draw.chance(25) && { yields: true }),
    ...(draw.chance(3) && { computes: true }),
  };
  return { meta, on, tags: [...(draw.chance(12) ? ['rest'] : []), ...(halts ? ['halt'] : [])] };
}

/** A state of a scheduler: it steps another actor, or does something of its own. */
function schedulingState(draw: Draw, name: string): object {
  const own = () => ({ target: draw.of(STATES), actions: assign({}) });
  const passes = () => ({
    target: draw.chance(50) ? name : draw.of(STATES),
    actions: emit(outgoing(draw.actor(), { type: 'step' }) as never),
  });
  const offered = OFFERS.filter((type) => draw.chance(type === 'exec' ? 80 : 20));
  const on = {
    ...Object.fromEntries(offered.map((type) => [type, type === 'exec' && draw.chance(75) ? passes() : own()])),
    ...Object.fromEntries(['step', 'ask', 'mail', 'latch'].map((type) => [type, draw.chance(70) ? { actions: assign({}) } : own()])),
  };
  return { meta: { offers: () => offered.map((type) => ({ type })), idles: true }, on, tags: draw.chance(80) ? ['rest'] : [] };
}

function machineOf(draw: Draw, states: readonly string[], loops: Loops = NO_LOOPS): AnyStateMachine {
  const moveOf = (name: string) => (loops[name] ? waitingState(draw, name, loops) : stateOf(draw, name));
  return machineFrom(Object.fromEntries(states.map((name) => [name, moveOf(name)])));
}

const schedulerOf = (draw: Draw): AnyStateMachine =>
  machineFrom(Object.fromEntries(STATES.map((name) => [name, schedulingState(draw, name)])), { schedules: true });

function machineFrom(states: Readonly<Record<string, object>>, meta: object = {}): AnyStateMachine {
  return createMachine({
    id: 'random',
    context: { energy: 1, asking: null },
    initial: 'a',
    meta,
    states,
    on: { answer: { actions: assign({ asking: null } as never) } },
  } as never) as unknown as AnyStateMachine;
}

export function randomTopology(seed: number): Topology {
  const prng = new Prng(seed);
  const ids = ACTORS.slice(0, SIZES[prng.below(SIZES.length)]);
  const draw = new Draw(prng, ids, STATES);
  const loops = () => (draw.chance(85) ? draw.of(LOOPS) : NO_LOOPS);
  const waiting = () => ({
    node: machineOf(draw, STATES, loops()),
    other: draw.chance(40) ? schedulerOf(draw) : machineOf(draw, STATES, loops()),
  });
  return {
    actors: ids.map((id) => ({ id, kind: id.slice(0, id.indexOf(':')), input: null })),
    machines: draw.chance(50) ? waiting() : { node: machineOf(draw, STATES), other: machineOf(draw, STATES) },
    catalogue: CATALOGUE,
  };
}
