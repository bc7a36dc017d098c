/**
 * One process of the figure `schedules`: three tasks of four steps that update one counter, under
 * fast-check's scheduler or under a sample. Prints seconds of the process for each lap, and how
 * often an update was lost.
 */
import fc from 'fast-check';
import { assign, emit, setup } from 'xstate';
import { type EventOf, type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import { Sampler } from '../../sim/explore/sampling/sampler.ts';
import { finish } from '../../sim/explore/turns.ts';
import { register } from '../../sim/host/registry.ts';
import { alwaysEach } from '../../sim/property.ts';
import type { Topology } from '../../sim/store.ts';
import { shipped } from '../churn.ts';

const TASKS = 3;

/** Reads the counter, adds one, writes it back, ends: four steps. */
const taskMachine = setup({
  types: {
    context: {} as { readonly seen: number },
    events: {} as Stamped<EventOf<{ exec: object; 'counter.value': { value: number } }>>,
    emitted: {} as Outgoing,
  },
  actions: {
    read: emit(() => outgoing('counter:0', { type: 'counter.read' })),
    keep: assign({ seen: ({ event }) => (event.type === 'counter.value' ? event.value : 0) }),
    add: assign({ seen: ({ context }) => context.seen + 1 }),
    write: emit(({ context }) => outgoing('counter:0', { type: 'counter.write', value: context.seen })),
  },
}).createMachine({
  id: 'task',
  context: { seen: 0 },
  initial: 'read',
  states: {
    read: { meta: { offers: () => [{ type: 'exec' }] }, on: { exec: { target: 'asking', actions: 'read' } } },
    asking: { on: { 'counter.value': { target: 'add', actions: 'keep' } } },
    add: { meta: { offers: () => [{ type: 'exec' }] }, on: { exec: { target: 'write', actions: 'add' } } },
    write: { meta: { offers: () => [{ type: 'exec' }] }, on: { exec: { target: 'end', actions: 'write' } } },
    end: { meta: { offers: () => [{ type: 'exec' }] }, on: { exec: 'ended' } },
    ended: { tags: ['rest'] },
  },
});

interface Counter {
  readonly value: number;
  readonly writes: number;
}

const counterMachine = setup({
  types: {
    context: {} as Counter,
    events: {} as Stamped<EventOf<{ 'counter.read': object; 'counter.write': { value: number } }>>,
    emitted: {} as Outgoing,
  },
  actions: {
    tell: emit(({ context, event }) => outgoing(sender(event), { type: 'counter.value', value: context.value })),
    keep: assign(({ context, event }) => ({
      value: event.type === 'counter.write' ? event.value : context.value,
      writes: context.writes + 1,
    })),
  },
}).createMachine({
  id: 'counter',
  context: { value: 0, writes: 0 },
  initial: 'held',
  states: { held: { tags: ['rest'], on: { 'counter.read': { actions: 'tell' }, 'counter.write': { actions: 'keep' } } } },
});

const topology: Topology = {
  actors: [
    ...Array.from({ length: TASKS }, (_, i) => ({ id: `task:${i}`, kind: 'task', input: null })),
    { id: 'counter:0', kind: 'counter', input: null },
  ],
  machines: { task: taskMachine, counter: counterMachine },
  catalogue: { exec: 'offer', 'counter.read': 'bus', 'counter.value': 'bus', 'counter.write': 'bus' },
};
const noLostUpdate = alwaysEach<Counter>('bench.no-lost-update', {
  kind: 'counter',
  source: 'a benchmark',
  grade: 'decision',
  each: ({ context: { value, writes } }) => (writes === TASKS && value < TASKS ? `the counter is ${value}` : null),
});

interface Lap {
  readonly seconds: number;
  readonly lost: number;
}

const secondsOf = ({ user, system }: NodeJS.CpuUsage): number => (user + system) / 1e6;

function sampleLap(schedules: number, seed: number): Lap {
  const from = process.cpuUsage();
  const scenario = {
    ...shipped('rmp-lock'),
    model: 'three-tasks',
    properties: { always: [noLostUpdate.id], sometimes: [], eventually: [] },
  };
  const report = finish(new Sampler({ scenario, strategy: 'random', seed, schedules, stepsMax: 100, depth: 1 }).run());
  return { seconds: secondsOf(process.cpuUsage(from)), lost: report.findings[0]?.broke ?? 0 };
}

async function fastCheckLap(schedules: number, seed: number): Promise<Lap> {
  const from = process.cpuUsage();
  let lost = 0;
  const property = fc.asyncProperty(fc.scheduler(), async (scheduler) => {
    let counter = 0;
    const turn = () => scheduler.schedule(Promise.resolve());
    const task = async () => {
      await turn();
      const seen = counter;
      await turn();
      const next = seen + 1;
      await turn();
      counter = next;
      await turn();
    };
    for (let i = 0; i < TASKS; i++) void task();
    await scheduler.waitIdle();
    if (counter < TASKS) lost++;
  });
  await fc.assert(property, { numRuns: schedules, seed });
  return { seconds: secondsOf(process.cpuUsage(from)), lost };
}

async function main([who, schedules, laps]: readonly string[]): Promise<void> {
  const model = { name: 'three-tasks', topology: () => topology, properties: [noLostUpdate] };
  register({ name: 'three-tasks', arches: [], models: [model] });
  const measured: Lap[] = [];
  for (let lap = 1; lap <= Number(laps); lap++) {
    measured.push(who === 'sample' ? sampleLap(Number(schedules), lap) : await fastCheckLap(Number(schedules), lap));
  }
  console.log(JSON.stringify(measured));
}

await main(process.argv.slice(2));
