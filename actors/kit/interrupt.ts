/**
 * Interrupts whose handlers are code of a module: on the CPU that they are raised on, on top of
 * whatever runs there, as soon as interrupts are on.
 *
 * An interrupt is in flight from when it is raised until its CPU has it, and one that is in flight
 * takes a second one in.
 *
 * @see kernel kernel/irq/handle.c, __handle_irq_event_percpu(), __irq_wake_thread();
 * kernel/irq/manage.c, irq_thread(), irq_wait_for_interrupt(), __synchronize_hardirq()
 */
import type { ActorId } from '../../events/event.ts';
import { type HostEnv, type HostItem, type HostPath, host, kernelSource } from '../host/host-env.ts';
import { type Handles, handlerMachine, raiseOn } from '../host/kernel-thread.ts';
import { schedule, setCurrentRunning, setCurrentState } from '../host/task-state.ts';
import { type Item, otherwise, type Step } from '../path/path.ts';
import { type Cell, cell } from './cell.ts';
import { fn } from './fn.ts';
import { type Body, mayIdle, threadPart, wakeStep } from './kthread.ts';
import { local } from './local.ts';
import type { Part, Primitive } from './primitive.ts';

const { call, loop, when, leaveLoop } = host;
const SOURCE = kernelSource('kernel/irq/handle.c, __handle_irq_event_percpu(), __irq_wake_thread(); kernel/irq/manage.c, irq_thread()');

/** The part that walks the handler of an interrupt: one actor for each CPU. */
export const handlerPart = (kind: string, irq: string, how: Handles, walks: (env: HostEnv) => HostPath): Part => ({
  kind,
  per: 'cpu',
  handles: irq,
  input: (instance) => ({ cpu: `pcpu:${instance}` }),
  machine: (env) => handlerMachine(kind, walks(env), how, env.patches),
});

/** An interrupt of a device. @public */
export interface DeviceInterrupt extends Primitive {
  readonly kind: string;
  /** The device raises it: a step of a thread, a guest or a handler that makes it do so. */
  raise<T extends object, L extends object>(where?: {
    /** The CPU that it is routed to; `pcpu:0` unless given. */
    readonly at?: (walker: T, locals: L) => ActorId;
    readonly as?: string;
  }): Step<T, L, never> & Item<T, L, never>;
  /** disable_irq_nosync(): a handler that has begun goes on. */
  disableNosync(): HostItem;
  /** disable_irq(): no handler runs when this returns. */
  disable(): HostItem;
  /** enable_irq(): what was raised meanwhile is handled now. */
  enable(): HostItem;
  /** synchronize_irq(): waits until no handler, and no thread of one, runs. */
  synchronize(): HostItem;
}

type Desc = Cell<{ depth: number; pending: boolean; handlers: number; thread: boolean; active: boolean }>;
const depth = local<number>('irqDepth');
const pending = local<boolean>('irqPending');
const wanted = local<boolean>('irqThread');

/** How a device interrupt is handled. @public */
export interface Handling {
  /** The handler: it does not sleep. */
  readonly handler?: Body;
  /** What a thread of its own does once the handler has returned IRQ_WAKE_THREAD. */
  readonly thread?: Body;
}

/** handle_irq_event(), with the marks that disable_irq() and synchronize_irq() look at. */
const handled = (name: string, desc: Desc, { handler, thread }: Handling, env: HostEnv): HostPath =>
  fn('handle_irq_event', SOURCE, [
    desc.load('depth', depth, { as: 'irqd_irq_disabled' }),
    when(
      [(_t, l) => depth.of(l)! > 0, [desc.store('pending', true, { as: 'mask_irq' })]],
      [
        otherwise,
        [
          desc.addReturn('handlers', 1, undefined, { as: 'irqd_set' }),
          ...(handler ? [call(fn(name, SOURCE, handler(env)))] : []),
          ...(thread
            ? [desc.store('thread', true, { as: 'set_bit_IRQTF_RUNTHREAD' }), wakeStep(`${name}_thread:0`, '__irq_wake_thread')]
            : []),
          desc.addReturn('handlers', -1, undefined, { as: 'irqd_clear' }),
        ],
      ],
    ),
  ]);

/** irq_thread(): it waits for its handler without end. */
const threaded = (name: string, desc: Desc, body: Body, env: HostEnv): HostPath =>
  fn('irq_thread', SOURCE, [
    mayIdle(setCurrentState('interruptible')),
    loop(
      mayIdle(desc.xchg('thread', false, wanted, { as: 'test_and_clear_bit' })),
      when(
        [
          wanted.is(true),
          [
            setCurrentRunning(),
            desc.store('active', true, { as: 'threads_active_inc' }),
            call(fn(`${name}_thread_fn`, SOURCE, body(env))),
            desc.store('active', false, { as: 'wake_threads_waitq' }),
          ],
        ],
        [otherwise, [schedule()]],
      ),
      mayIdle(setCurrentState('interruptible', 'set_current_state_again')),
    ),
  ]);

/** A device interrupt of this name, with its handler and its thread. @public */
export function interrupt(name: string, how: Handling): DeviceInterrupt {
  const desc: Desc = cell(`${name}_desc`, { depth: 0, pending: false, handlers: 0, thread: false, active: false });
  const { thread } = how;
  const waitFor = (field: 'handlers' | 'active' | 'thread', as: string) => {
    const still = local<number | boolean>('irqStill');
    return loop(
      desc.load(field, still as never, { as, step: { idles: true, yields: true, mayResched: true } }),
      when([(_t, l) => !still.of(l), [leaveLoop]]),
    );
  };
  const synchronize = (): HostItem =>
    call(
      fn('synchronize_irq', SOURCE, [
        waitFor('handlers', '__synchronize_hardirq'),
        ...(thread ? [waitFor('thread', 'wait_event_runthread'), waitFor('active', 'wait_event_threads_active')] : []),
      ]),
    );
  const mask = (as = 'disable_irq_nosync'): HostItem => desc.addReturn('depth', 1, undefined, { as });
  const raise: DeviceInterrupt['raise'] = ({ at = () => 'pcpu:0', as = `raise_${name}` } = {}) => ({
    kind: 'step',
    name: as,
    send: (walker, locals) => raiseOn(at(walker, locals), name),
  });
  return {
    kind: name,
    parts: [
      ...desc.parts,
      handlerPart(name, name, 'hardirq', (env) => handled(name, desc, how, env)),
      ...(thread ? [threadPart(`${name}_thread`, (env) => threaded(name, desc, thread, env), { cpu: 0, bound: false })] : []),
    ],
    raise,
    disableNosync: () => mask(),
    disable: () => call(fn('disable_irq', SOURCE, [mask(), synchronize()])),
    enable: () =>
      call(
        fn('enable_irq', SOURCE, [
          desc.addReturn('depth', -1, undefined, { as: '__enable_irq' }),
          desc.load('depth', depth, { as: 'irq_depth' }),
          when([
            depth.is(0),
            [desc.xchg('pending', false, pending, { as: 'check_irq_resend' }), when([pending.is(true), [raise() as HostItem]])],
          ]),
        ]),
      ),
    synchronize,
  };
}
