/**
 * Simulated events a second: the memo engine against the live engine and against XState alone, on
 * one schedule.
 */
import { type Actor, type AnyStateMachine, createActor } from 'xstate';
import { MemoEngine } from '../sim/engine/memo.ts';
import type { ActorEngine } from '../sim/engine/port.ts';
import { topologyOf } from '../sim/host/topology.ts';
import { Run } from '../sim/run.ts';
import type { ResolvedScenario } from '../sim/scenario/types.ts';
import { chooserOf } from '../sim/session.ts';
import { type AnyEvent, Store, type Topology } from '../sim/store.ts';
import { churn, finish, finishJournaled, openJournaled, RANDOM, sessionOf } from './churn.ts';
import { type Figure, prepared, race, type Table } from './harness.ts';

/**
 * Two lengths, because what the memo engine meets for the first time it computes through XState.
 */
const LENGTHS = [
  { rounds: 100, races: 5 },
  { rounds: 1000, races: 3 },
] as const;

/**
 * Every delivery of a run in order, the chosen offers included: what one event is in this figure.
 */
export interface Deliveries {
  readonly topology: Topology;
  readonly slots: readonly number[];
  readonly events: readonly AnyEvent[];
  /** The canonical text of each actor's last local state. */
  readonly last: readonly string[];
  readonly misses: number;
  readonly steps: number;
  readonly records: number;
}

export function deliveriesOf(scenario: ResolvedScenario): Deliveries {
  const topology = topologyOf(scenario);
  const memo = new MemoEngine(topology);
  const { store } = memo;
  const slots: number[] = [];
  const events: AnyEvent[] = [];
  const engine: ActorEngine = {
    name: 'memo',
    store,
    topology,
    start: () => memo.start(),
    deliver(slot, local, event) {
      slots.push(slot);
      events.push(store.events.values[event]!);
      return memo.deliver(slot, local, event);
    },
    stop: () => memo.stop(),
  };
  const run = new Run({ scenario, engine, chooser: chooserOf(RANDOM) });
  run.start();
  run.toEnd();
  const { locals, step, seq } = run.sequencer;
  const last = locals.map((local, slot) => store.kindOfSlot[slot]!.locals.texts[local]!);
  return { topology, slots, events, last, misses: memo.misses, steps: step, records: seq };
}

export const startActors = ({ actors, machines }: Topology): Actor<AnyStateMachine>[] =>
  actors.map(({ kind, input }) => createActor(machines[kind]!, { input }).start());

export function sendAll(actors: readonly Actor<AnyStateMachine>[], { slots, events }: Deliveries): void {
  for (let i = 0; i < events.length; i++) actors[slots[i]!]!.send(events[i]!);
}

/**
 * @throws unless both engines write the same journal, which holds a digest a step, and plain actors
 * end in the same states
 */
function assertEqual(scenario: ResolvedScenario, deliveries: Deliveries): void {
  const roots = (['live', 'memo'] as const).map((engine) => finishJournaled(openJournaled(scenario, engine)).root);
  if (roots[0] !== roots[1]) throw new Error(`live and memo wrote different journals, with the roots ${roots.join(' and ')}`);
  const actors = startActors(deliveries.topology);
  sendAll(actors, deliveries);
  const store = new Store(deliveries.topology);
  for (const [slot, actor] of actors.entries()) {
    const { locals } = store.kindOfSlot[slot]!;
    const text = locals.texts[store.local(store.kindOfSlot[slot]!, actor.getSnapshot())];
    if (text !== deliveries.last[slot])
      throw new Error(`${store.ids[slot]} of plain XState ends in ${text}, not in ${deliveries.last[slot]}`);
  }
}

function measure({ rounds, races }: (typeof LENGTHS)[number]): Table {
  const scenario = churn(rounds);
  const deliveries = deliveriesOf(scenario);
  assertEqual(scenario, deliveries);
  const { topology, events, misses, steps, records } = deliveries;
  const count = events.length;
  const remembered = new MemoEngine(topology);
  const again = () => new Run({ scenario, engine: remembered, chooser: chooserOf(RANDOM) });
  finish({ run: again() });
  const rates = race(
    [
      // The comparison above has run both of these whole, and they take longest.
      { ...prepared('live engine', () => sessionOf(scenario, 'live'), finish), warmUps: 0 },
      { ...prepared('live engine, journal', () => openJournaled(scenario, 'live'), finishJournaled), warmUps: 0 },
      prepared(
        'XState actor.send',
        () => startActors(topology),
        (actors) => sendAll(actors, deliveries),
      ),
      prepared('memo engine', () => sessionOf(scenario, 'memo'), finish, [{ base: 'live engine', aim: 20 }, { base: 'XState actor.send' }]),
      prepared('memo engine, journal', () => openJournaled(scenario, 'memo'), finishJournaled, [
        { base: 'live engine, journal', aim: 10 },
        { base: 'XState actor.send' },
      ]),
      prepared('memo engine, second run', again, (run) => finish({ run }), [{ base: 'live engine' }, { base: 'XState actor.send' }]),
    ],
    { unit: 'events', units: count, rounds: races, clock: 'cpu' },
  );
  return {
    title: `rmp-churn, random, ${rounds} rounds; journals of both engines are equal byte for byte`,
    rates,
    values: [
      { name: 'events', value: count, unit: 'deliveries to an actor' },
      { name: 'steps', value: steps, unit: 'choices' },
      { name: 'records', value: records, unit: 'records' },
      { name: 'first met', value: misses, unit: 'events computed by XState in the memo engine' },
    ],
  };
}

export const engine: Figure = {
  name: 'engine',
  summary: 'events a second of the two engines and of plain XState actors, one schedule, a digest a step',
  run: () => LENGTHS.map(measure),
};
