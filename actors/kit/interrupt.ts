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
import { type ActorId, outgoing } from '../../events/event.ts';
import type { IrqDescEvent } from '../../events/kit-waits.ts';
import { fromMemory, type HostEnv, type HostItem, type HostPath, host } from '../host/host-env.ts';
import { type Handles, handlerMachine, raiseOn } from '../host/kernel-thread.ts';
import { schedule, setCurrentRunning, setCurrentState } from '../host/task-state.ts';
import { type Item, otherwise, type Step } from '../path/path.ts';
import { BODY, primitive, restOf, WHERE } from './checked.ts';
import { fn } from './fn.ts';
import { irqDescMachine } from './irq-desc.ts';
import { type Body, bodyPath, mayIdle, threadPart, wakeStep } from './kthread.ts';
import { local } from './local.ts';
import type { Part, Primitive } from './primitive.ts';

const { step, call, loop, when, leaveLoop } = host;
const SOURCE = fromMemory('kernel/irq/handle.c, __handle_irq_event_percpu(), __irq_wake_thread(); kernel/irq/manage.c, irq_thread()');

/** The part that walks the handler of an interrupt: one actor for each CPU. */
export const handlerPart = (kind: string, irq: string, how: Handles, walks: (env: HostEnv) => HostPath): Part => ({
  kind,
  per: 'cpu',
  handles: irq,
  ...(how === 'softirq' && { softirq: true as const }),
  input: (instance) => ({ cpu: `pcpu:${instance}` }),
  machine: (env) => handlerMachine(kind, walks(env), how, env),
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
  /** disable_irq_nosync(): a handler that has begun goes on; one that is raised comes later. */
  disableNosync(): HostItem;
  /** disable_irq(): no handler runs when this returns. */
  disable(): HostItem;
  /** enable_irq(): what was raised meanwhile is handled now. */
  enable(): HostItem;
  /** synchronize_irq(): waits until no handler, and no thread of one, runs. */
  synchronize(): HostItem;
}

const yes = local<boolean>('irqIs');
const routed = local<ActorId>('irqCpu');

/** How a device interrupt is handled. @public */
export interface Handling {
  /** The handler: it does not sleep. */
  readonly handler?: Body;
  /** What a thread of its own does once the handler has returned IRQ_WAKE_THREAD. */
  readonly thread?: Body;
}

/** The steps that ask, or tell, the descriptor of an interrupt. */
class Desc {
  readonly #desc: ActorId;

  constructor(name: string) {
    this.#desc = `${name}_desc:0`;
  }

  asks(as: string, event: IrqDescEvent, rest: { readonly waits?: boolean } = {}): HostItem {
    return step(as, {
      ...SOURCE,
      ...(rest.waits && { idles: true, yields: true, mayResched: true }),
      leaves: [yes.name],
      send: () => outgoing(this.#desc, event),
      answers: { 'desc.is': (e) => ({ [yes.name]: e.value }) },
    });
  }

  /** `irqCpu` gets the CPU on which it is to come again, if it is. */
  enable(): HostItem {
    return step('__enable_irq', {
      ...SOURCE,
      leaves: [routed.name],
      send: () => outgoing(this.#desc, { type: 'desc.enable' }),
      answers: { 'desc.is': (e) => ({ [routed.name]: e.cpu }) },
    });
  }

  says(as: string, event: IrqDescEvent): HostItem {
    return step(as, { ...SOURCE, send: () => outgoing(this.#desc, event) });
  }
}

/** handle_edge_irq(): one that comes while the handler runs has it run again. */
const handled = (name: string, desc: Desc, { handler, thread }: Handling, env: HostEnv): HostPath =>
  fn('handle_edge_irq', SOURCE, [
    desc.asks('irq_may_run', { type: 'desc.begin' }),
    when([
      yes.is(true),
      [
        loop(
          ...(handler ? [call(bodyPath(name, handler, SOURCE, env))] : []),
          ...(thread ? [desc.says('set_bit', { type: 'desc.wakeThread' }), wakeStep(`${name}_thread:0`, '__irq_wake_thread')] : []),
          desc.asks('irqd_clear', { type: 'desc.end' }),
          when([yes.is(false), [leaveLoop]]),
        ),
      ],
    ]),
  ]);

/** irq_thread(): it waits for its handler without end. */
const threaded = (name: string, desc: Desc, body: Body, env: HostEnv): HostPath =>
  fn('irq_thread', SOURCE, [
    loop(
      mayIdle(setCurrentState('interruptible')),
      mayIdle(desc.asks('test_and_clear_bit', { type: 'desc.takeThread' })),
      when(
        [
          yes.is(true),
          [
            setCurrentRunning(),
            call(bodyPath(`${name}_thread_fn`, body, SOURCE, env)),
            desc.says('wake_threads_waitq', { type: 'desc.threadDone' }),
          ],
        ],
        [otherwise, [schedule()]],
      ),
    ),
  ]);

/** A device interrupt of this name, with its handler and its thread. @public */
export function interrupt(name: string, how: Handling): DeviceInterrupt {
  restOf('interrupt', name, how, { handler: BODY, thread: BODY });
  const desc = new Desc(name);
  const { thread } = how;
  const waits = (as: string, threads: boolean) =>
    loop(desc.asks(as, { type: 'desc.runs?', threads }, { waits: true }), when([yes.is(false), [leaveLoop]]));
  const synchronizeItems = [waits('__synchronize_hardirq', false), ...(thread ? [waits('wait_event_threads_active', true)] : [])];
  const disable = desc.says('disable_irq_nosync', { type: 'desc.disable' });
  const raise: DeviceInterrupt['raise'] = ({ at = () => 'pcpu:0', as = `raise_${name}` } = {}) => ({
    kind: 'step',
    name: as,
    send: (walker, locals) => raiseOn(at(walker, locals), name),
  });
  return primitive<DeviceInterrupt>(
    name,
    {
      kind: name,
      parts: [
        { kind: `${name}_desc`, per: 'host', machine: () => irqDescMachine },
        handlerPart(name, name, 'hardirq', (env) => handled(name, desc, how, env)),
        ...(thread ? [threadPart(`${name}_thread`, (env) => threaded(name, desc, thread, env), { cpu: 0, bound: false })] : []),
      ],
      raise,
      disableNosync: () => disable,
      disable: () => call(fn('disable_irq', SOURCE, [disable, ...synchronizeItems])),
      enable: () =>
        call(
          fn('enable_irq', SOURCE, [
            desc.enable(),
            when([
              (_t, l) => routed.of(l) !== undefined,
              [raise({ as: 'check_irq_resend', at: (_t: object, l: object) => routed.of(l)! }) as HostItem],
            ]),
          ]),
        ),
      synchronize: () => call(fn('synchronize_irq', SOURCE, synchronizeItems)),
    },
    { disableNosync: [], disable: [], enable: [], synchronize: [], raise: [WHERE] },
  );
}
