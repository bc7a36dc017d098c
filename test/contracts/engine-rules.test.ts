/** What both engines refuse, and in which words; and that an inspector reaches the live one. */
import { describe, expect, it } from 'vitest';
import {
  type AnyStateMachine,
  assign,
  createMachine,
  emit,
  fromPromise,
  type InspectionEvent,
  log,
  raise,
  sendTo,
  spawnChild,
} from 'xstate';
import { outgoing } from '../../events/event.ts';
import { FifoChooser } from '../../sim/choosers/fifo.ts';
import { LiveEngine } from '../../sim/engine/live.ts';
import { MemoEngine } from '../../sim/engine/memo.ts';
import { type ActorEngine, ModelError, UnhandledEventError } from '../../sim/engine/port.ts';
import { Run } from '../../sim/run.ts';
import { Sequencer } from '../../sim/sequencer.ts';
import { openSession } from '../../sim/session.ts';
import type { Topology } from '../../sim/store.ts';
import { shipped } from '../sim/play.ts';

const CATALOGUE = { exec: 'offer', ping: 'bus', pong: 'bus', later: 'queued' } as const;
const ENGINES = [
  ['live', (topology: Topology): ActorEngine => new LiveEngine(topology)],
  ['memo', (topology: Topology): ActorEngine => new MemoEngine(topology)],
] as const;

/** One state that offers `exec`; what happens on it is the test's. */
const onExec = (transition: object, rest: object = {}, meta: object = {}): AnyStateMachine =>
  createMachine({
    id: 'dummy',
    context: { n: 0, asking: null },
    initial: 'a',
    states: { a: { meta: { offers: () => [{ type: 'exec' }], ...meta }, on: { exec: transition, ...rest } }, b: {} },
  } as never) as unknown as AnyStateMachine;

const send = (to: string, type: string) => emit(outgoing(to, { type }) as never);
const bump = assign({ n: ({ context }: { context: { n: number } }) => context.n + 1 } as never);

const topology = (machine: AnyStateMachine): Topology => ({
  actors: [{ id: 'dummy:0', kind: 'dummy', input: undefined }],
  machines: { dummy: machine },
  catalogue: CATALOGUE,
});

const first = (engine: ActorEngine): Sequencer => {
  const sequencer = new Sequencer(engine);
  sequencer.start();
  sequencer.take(0);
  return sequencer;
};

describe.each(ENGINES)('the %s engine', (_name, engineOf) => {
  const taking = (machine: AnyStateMachine) => () => first(engineOf(topology(machine)));

  it('fails on an event that no state handles, with actor, state and event', () => {
    const unhandled = taking(onExec({ actions: send('dummy:0', 'ping') }));
    expect(unhandled).toThrow(UnhandledEventError);
    expect(unhandled).toThrow(
      "dummy:0 in a does not handle ping; add the transition, or say actions: 'ignore' if it is meant to be ignored",
    );
    try {
      unhandled();
    } catch (error) {
      expect(error).toMatchObject({ actor: 'dummy:0', state: 'a', event: 'ping' });
    }
  });

  it('fails on an event whose guards are all false, and not on one that is ignored on purpose', () => {
    expect(taking(onExec({ actions: send('dummy:0', 'ping') }, { ping: { guard: () => false, target: 'b' } }))).toThrow(
      UnhandledEventError,
    );
    const ignoring = taking(onExec({ actions: [bump, send('dummy:0', 'ping')] }, { ping: { actions: assign({}) } }));
    expect(ignoring).not.toThrow();
  });

  it('fails on a guard and on an action that throws', () => {
    const broken = () => {
      throw new Error('the guard broke');
    };
    expect(taking(onExec({ actions: send('dummy:0', 'ping') }, { ping: { guard: broken, target: 'b' } }))).toThrow('the guard broke');
    expect(taking(onExec({ actions: assign(broken as never) }))).toThrow('the guard broke');
  });

  it('fails on an exec that changes nothing, unless the state idles', () => {
    const nothing = { actions: assign({}) };
    expect(taking(onExec(nothing))).toThrow('exec(dummy:0) changes nothing; a step that only waits must say idles');
    expect(taking(onExec(nothing, {}, { idles: true }))).not.toThrow();
  });

  it('fails on an ask that gets no answer within the step', () => {
    const asking = onExec({ actions: [assign({ asking: 'code' } as never), send('dummy:0', 'ping')] }, { ping: { actions: bump } });
    const scenario = { ...shipped('rmp-churn'), properties: { always: [], sometimes: [], eventually: [] } };
    const run = new Run({ scenario, engine: engineOf(topology(asking)), chooser: new FifoChooser() });
    run.start();
    expect(() => run.advance()).toThrow('dummy:0 asked in its code frame and got no answer within step 1');
  });

  it('fails on a machine that ends, on data that is not plain, and on messages to an unknown actor or of an unknown type', () => {
    const ending = createMachine({
      id: 'dummy',
      context: {},
      initial: 'a',
      states: { a: { meta: { offers: () => [{ type: 'exec' }] }, on: { exec: 'b' } }, b: { type: 'final' } },
    } as never) as unknown as AnyStateMachine;
    expect(taking(ending)).toThrow('dummy:0 stopped with status done; a machine of a run never ends');
    expect(taking(onExec({ actions: assign({ n: () => new Map() } as never) }))).toThrow(ModelError);
    expect(taking(onExec({ actions: assign({ n: () => new Map() } as never) }))).toThrow('an instance of Map is not plain data');
    expect(taking(onExec({ actions: send('absent:0', 'ping') }))).toThrow(
      'dummy:0 sends to absent:0, which does not exist in this scenario',
    );
    expect(taking(onExec({ actions: send('dummy:0', 'misspelt') }))).toThrow('misspelt is not in the event catalogue');
  });

  it('fails on a message that says itself who has sent it', () => {
    const named = onExec({ actions: emit(outgoing('dummy:0', { type: 'ping', from: 'vm0' } as never) as never) });
    expect(taking(named)).toThrow('ping is sent with a field named from, which the engine sets to its sender; expected another name');
  });

  it('fails on actors that answer each other forever', () => {
    const echo = onExec({ actions: send('dummy:0', 'ping') }, { ping: { actions: send('dummy:0', 'ping') } });
    expect(taking(echo)).toThrow('the actors still answer each other after 10000 bus messages in step 1');
  });

  it('delivers bus messages in the step, first in first out, and leaves queued ones in flight', () => {
    const machine = onExec(
      { actions: [send('dummy:0', 'ping'), send('dummy:0', 'later'), send('dummy:0', 'pong')] },
      {
        ping: {
          actions: [assign({ n: ({ context }: { context: { n: number } }) => context.n * 10 + 1 } as never), send('dummy:0', 'pong')],
        },
        pong: { actions: assign({ n: ({ context }: { context: { n: number } }) => context.n * 10 + 2 } as never) },
        later: { actions: bump },
      },
    );
    const sequencer = first(engineOf(topology(machine)));
    const { values } = sequencer.store.kindOfSlot[0]!.locals;
    expect((values[sequencer.locals[0]!]!.context as { readonly n: number }).n).toBe(122);
    expect(sequencer.alternatives().map(({ label }) => label)).toEqual(['deliver(later, dummy:0, dummy:0)', 'exec(dummy:0)']);
  });
});

describe('the memo engine', () => {
  const never = fromPromise(async () => 1) as never;
  it.each<[string, AnyStateMachine]>([
    ['xstate.log', onExec({ actions: [bump, log('text')] })],
    ['xstate.raise', onExec({ actions: [bump, raise({ type: 'exec' } as never, { delay: 10 } as never)] })],
    ['xstate.spawnChild', onExec({ actions: [bump, spawnChild(never)] })],
    ['xstate.sendTo', onExec({ actions: [bump, sendTo(({ self }) => self, { type: 'ping' } as never)] }, { ping: 'b' })],
    ['(anonymous)', onExec({ actions: [() => {}, bump] })],
  ])('refuses a machine that is not closed: %s', (what, machine) => {
    expect(() => first(new MemoEngine(topology(machine)))).toThrow(`dummy is not closed: it uses the action ${what}`);
  });

  it('refuses a machine that sends before it was given anything', () => {
    const eager = createMachine({ id: 'dummy', context: {}, initial: 'a', states: { a: { entry: send('dummy:0', 'ping') } } } as never);
    const engine = new MemoEngine(topology(eager as unknown as AnyStateMachine));
    expect(() => engine.start()).toThrow('dummy:0 sends before it was given anything; machines only answer');
  });

  it('finds a machine that does not do the same every time', () => {
    let calls = 0;
    const counting = onExec({ actions: assign({ n: () => ++calls } as never) });
    const engine = new MemoEngine(topology(counting));
    first(engine);
    expect(() => engine.verify()).toThrow(ModelError);
    expect(() => engine.verify()).toThrow(/dummy in a does not do the same with \{"type":"exec"\} every time; its machine is not pure/);
  });

  it('calls XState once for each pair of local state and event', () => {
    const toggle = createMachine({
      id: 'dummy',
      context: {},
      initial: 'a',
      states: {
        a: { meta: { offers: () => [{ type: 'exec' }] }, on: { exec: 'b' } },
        b: { meta: { offers: () => [{ type: 'exec' }] }, on: { exec: 'a' } },
      },
    } as never) as unknown as AnyStateMachine;
    const engine = new MemoEngine(topology(toggle));
    const sequencer = first(engine);
    for (let i = 0; i < 20; i++) sequencer.take(0);
    expect(engine.misses).toBe(2);
  });
});

describe('an inspector', () => {
  it('sees every actor and every event of a live run, and changes nothing', () => {
    const seen: InspectionEvent[] = [];
    const scenario = shipped('rmpadjust-vs-rmpupdate');
    const open = (inspect?: (event: InspectionEvent) => void) =>
      openSession({ scenario, engine: 'live', chooser: { name: 'fifo' }, ...(inspect && { inspect }) });
    const inspected = open((event) => seen.push(event));
    inspected.run.start();
    inspected.run.toEnd();
    const plain = open();
    plain.run.start();
    plain.run.toEnd();
    expect(inspected.run.sequencer.digest).toEqual(plain.run.sequencer.digest);
    const of = (type: string) => seen.filter((event) => event.type === type);
    expect(of('@xstate.actor')).toHaveLength(inspected.start.actors.length);
    expect(of('@xstate.event').length).toBeGreaterThan(inspected.run.sequencer.step);
    expect(of('@xstate.snapshot').length).toBeGreaterThan(inspected.run.sequencer.step);
    inspected.engine.stop();
    plain.engine.stop();
  });
});
