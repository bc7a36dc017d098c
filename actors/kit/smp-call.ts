/**
 * smp_call_function_single(), _many() and on_each_cpu() with a function of several steps: it runs
 * in the handler of an IPI, with interrupts off, and who waits spins until it has run.
 *
 * Simplified: calls of one function have an IPI of their own.
 *
 * @see kernel kernel/smp.c, generic_exec_single(), smp_call_function_many_cond(),
 * __flush_smp_call_function_queue(), csd_lock_wait()
 */
import { assign, emit, enqueueActions, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { CallEvent } from '../../events/kit-waits.ts';
import { fromMemory, type HostEnv, type HostItem, type HostLocals, type HostThread, host } from '../host/host-env.ts';
import { raiseOn } from '../host/kernel-thread.ts';
import { flag } from '../path/fits.ts';
import { otherwise } from '../path/path.ts';
import { checkBody, checkName, ENV, FUNCTION, howWith, primitive } from './checked.ts';
import { fn } from './fn.ts';
import { handlerPart } from './interrupt.ts';
import { type Body, bodyPath } from './kthread.ts';
import { local } from './local.ts';
import type { Primitive } from './primitive.ts';

const { step, call, loop, when, note, leaveLoop } = host;
const SOURCE = fromMemory('kernel/smp.c, generic_exec_single(), smp_call_function_many_cond(), csd_lock_wait()');

export interface CallContext {
  /** Who has called, the first first; the first of them is served while the function runs. */
  readonly callers: readonly ActorId[];
}
const is = (event: Stamped<CallEvent>, value: boolean) => outgoing(sender(event), { type: 'call.is', value });

const callMachine = setup({
  types: { context: {} as CallContext, events: {} as Stamped<CallEvent>, emitted: {} as Outgoing },
  actions: {
    queue: assign({ callers: ({ context: c, event }) => [...c.callers, sender(event)] }),
    next: emit(({ context: c, event }) => is(event, c.callers.length > 0)),
    unlock: assign({ callers: ({ context: c }) => c.callers.slice(1) }),
    answerLocked: enqueueActions(({ context: c, event, enqueue }) => enqueue.emit(is(event, c.callers.includes(sender(event))))),
  },
}).createMachine({
  id: 'smpCall',
  context: { callers: [] },
  initial: 'up',
  states: {
    up: {
      tags: 'rest',
      on: {
        'call.queue': { actions: 'queue' },
        'call.next': { actions: 'next' },
        'call.end': { actions: 'unlock' },
        'call.locked?': { actions: 'answerLocked' },
      },
    },
  },
});

type Cpus<V> = (t: HostThread, l: HostLocals) => V;
const WAITS = howWith({ wait: flag });
interface Waits {
  /** Whether the caller waits until the function has run; it does unless this is false. */
  readonly wait?: boolean;
}

/** A function that other CPUs run. @public */
export interface SmpCall extends Primitive {
  readonly kind: string;
  /** smp_call_function_single(): on the caller's own CPU it runs at once. */
  single(env: HostEnv, cpu: Cpus<ActorId>, how?: Waits): HostItem;
  /** smp_call_function_many(): on these CPUs but the caller's own. */
  many(env: HostEnv, cpus: Cpus<readonly ActorId[]>, how?: Waits): HostItem;
  /** on_each_cpu(): also on the caller's. */
  onEach(env: HostEnv, how?: Waits): HostItem;
}

const isLocked = local<boolean>('csdLocked');
const runs = local<boolean>('csdRuns');

/** A function of this name for other CPUs to run. @public */
export function smpCall(name: string, body: Body): SmpCall {
  // It lives as long as the function, where the caller runs it: that may call another.
  const mask = local<readonly ActorId[]>(`${name}CsdMask`);
  checkName('smpCall', name);
  checkBody(`smpCall ${name}`, body);
  const queueOf = (cpu: ActorId): ActorId => `${name}_queue:${cpu.slice('pcpu:'.length)}`;
  const tells = (as: string, type: 'call.end') => step(as, { ...SOURCE, send: (t) => outgoing(queueOf(t.cpu!), { type }) });
  const handler = (env: HostEnv) =>
    fn('__flush_smp_call_function_queue', SOURCE, [
      loop(
        step('llist_del_all', {
          ...SOURCE,
          leaves: [runs.name],
          send: (t) => outgoing(queueOf(t.cpu!), { type: 'call.next' }),
          answers: { 'call.is': (e) => ({ [runs.name]: e.value }) },
        }),
        when([runs.is(false), [leaveLoop]]),
        call(bodyPath(name, body, SOURCE, env)),
        tells('csd_unlock', 'call.end'),
      ),
    ]);
  const send = (as: string): HostItem =>
    step(as, {
      ...SOURCE,
      send: (_t, l) => mask.of(l)!.flatMap((cpu) => [outgoing(queueOf(cpu), { type: 'call.queue' }), raiseOn(cpu, name)]),
    });
  const waitItems: readonly HostItem[] = [
    loop(
      when([(_t, l) => mask.of(l)!.length === 0, [leaveLoop]]),
      step('csd_lock_wait', {
        ...SOURCE,
        idles: true,
        yields: true,
        leaves: [isLocked.name],
        send: (_t, l) => outgoing(queueOf(mask.of(l)![0]!), { type: 'call.locked?' }),
        answers: { 'call.is': (e) => ({ [isLocked.name]: e.value }) },
      }),
      when([isLocked.is(false), [mask.set((_t, l) => mask.of(l)!.slice(1)) as HostItem]]),
    ),
  ];
  /** The function itself, where the caller is. */
  const runLocally = (env: HostEnv): readonly HostItem[] => [
    step('local_irq_save', { irqs: false, ns: 5 }),
    call(bodyPath(name, body, SOURCE, env)),
    step('local_irq_restore', { irqs: true, ns: 5 }),
  ];
  const calls = (as: string, targets: Cpus<readonly ActorId[]>, items: readonly HostItem[], { wait = true }: Waits): HostItem =>
    call(
      fn(
        as,
        SOURCE,
        [
          step('get_cpu', { preempt: 1, ns: 5 }),
          note((t, l) => ({ [mask.name]: targets(t, l).filter((cpu) => cpu !== t.cpu) })),
          ...items,
          ...(wait ? waitItems : []),
          step('put_cpu', { preempt: -1, ns: 5 }),
        ],
        { locals: [mask.name] },
      ),
    );
  return primitive<SmpCall>(
    name,
    {
      kind: name,
      parts: [{ kind: `${name}_queue`, per: 'cpu', machine: () => callMachine }, handlerPart(name, name, 'hardirq', handler)],
      single: (env, cpu, how = {}) =>
        calls(
          'smp_call_function_single',
          (t, l) => [cpu(t, l)],
          [when([(t, l) => cpu(t, l) === t.cpu, runLocally(env)], [otherwise, [send('send_call_function_single_ipi')]])],
          how,
        ),
      many: (_env, cpus, how = {}) => calls('smp_call_function_many', cpus, [send('send_call_function_ipi_mask')], how),
      onEach: (env, how = {}) => calls('on_each_cpu', () => env.cpus, [send('send_call_function_ipi_mask'), ...runLocally(env)], how),
    },
    { single: [ENV, FUNCTION, WAITS], many: [ENV, FUNCTION, WAITS], onEach: [ENV, WAITS] },
  );
}
