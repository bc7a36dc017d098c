/**
 * on_each_cpu(): a function runs on every CPU that is online, in the handler of an IPI on all but
 * the caller's, and the caller waits until the last of them has run it.
 *
 * Simplified: the IPIs go out and the caller runs the function itself in one step.
 *
 * @see kernel kernel/smp.c, on_each_cpu_cond_mask(), smp_call_function_many_cond(), csd_lock_wait()
 */
import { type ActorId, outgoing, sender } from '../../events/event.ts';
import type { CalledFunction } from '../../events/sched.ts';
import { type HostItem, type HostLocals, type HostThread, host, kernelSource } from './host-env.ts';

const { path, step, call, loop, when, leaveLoop } = host;

const others = (cpus: readonly ActorId[], { cpu }: HostThread): readonly ActorId[] => cpus.filter((one) => one !== cpu);
const waitedFor = ({ kickMask = {} }: HostLocals): readonly ActorId[] => Object.keys(kickMask);
const without = ({ kickMask = {} }: HostLocals, cpu: ActorId) =>
  Object.fromEntries(Object.entries(kickMask).filter(([one]) => one !== cpu));

/** A call under the name of what it does; `func` is what one CPU is to run. */
export const onEachCpu = (name: string, cpus: readonly ActorId[], func: (cpu: ActorId) => CalledFunction): HostItem =>
  call(
    path(
      name,
      kernelSource('kernel/smp.c, on_each_cpu_cond_mask(), smp_call_function_many_cond(), csd_lock_wait()'),
      [
        step('smp_call_function_many_cond', {
          preempt: 1,
          local: (t) => ({ kickMask: Object.fromEntries(others(cpus, t).map((cpu) => [cpu, true as const])) }),
          send: (t) => {
            const own = func(t.cpu!);
            const calls = others(cpus, t).flatMap((cpu) => [
              outgoing(cpu, { type: 'csd.queue', func: func(cpu) }),
              outgoing(cpu, { type: 'irq.call_function' }),
            ]);
            return [outgoing(own.to, own.event), ...calls];
          },
        }),
        ...(cpus.length > 1
          ? [
              loop(
                step('csd_lock_wait', {
                  idles: true,
                  yields: true,
                  wakes: { 'csd.unlock': (e, _t, l) => ({ kickMask: without(l, sender(e)) }) },
                }),
                when([(_t: HostThread, l: HostLocals) => waitedFor(l).length === 0, [leaveLoop]]),
              ),
            ]
          : []),
        step('preempt_enable', { preempt: -1, ns: 5 }),
      ],
      { locals: ['kickMask'] },
    ),
  );
