/**
 * smp_call_function_single(): a function runs on one CPU, with interrupts off, while its caller
 * waits.
 *
 * Simplified: the kernel has an IPI of its own for single calls, and none is sent where the target
 * has a call in its queue.
 *
 * @see kernel kernel/smp.c, smp_call_function_single(), generic_exec_single(), csd_lock_wait()
 */
import { type ActorId, outgoing } from '../../events/event.ts';
import type { CalledFunction } from '../../events/sched.ts';
import { otherwise } from '../path/path.ts';
import { type HostLocals, type HostThread, host, kernelSource } from './host-env.ts';

const { path, step, loop, when, note, leaveLoop } = host;

type Call = (t: HostThread, l: HostLocals) => { readonly cpu: ActorId; readonly func: CalledFunction };

/** The function of `call` runs on its CPU. */
export const callFunctionSinglePath = (call: Call) =>
  path(
    'smp_call_function_single',
    kernelSource('kernel/smp.c, smp_call_function_single(), generic_exec_single(), csd_lock_wait()'),
    [
      step('get_cpu', { preempt: 1, ns: 5 }),
      when(
        [
          (t, l) => call(t, l).cpu === t.cpu,
          [
            step('generic_exec_single', {
              send: (t, l) => {
                const { to, event } = call(t, l).func;
                return outgoing(to, event);
              },
            }),
          ],
        ],
        [
          otherwise,
          [
            step('send_call_function_single_ipi', {
              send: (t, l) => {
                const { cpu, func } = call(t, l);
                return [outgoing(cpu, { type: 'csd.queue', func }), outgoing(cpu, { type: 'irq.call_function' })];
              },
            }),
            note(() => ({ done: false })),
            loop(
              step('csd_lock_wait', { idles: true, yields: true, wakes: { 'csd.unlock': () => ({ done: true }) } }),
              when([(_t, l) => l.done === true, [leaveLoop]]),
            ),
          ],
        ],
      ),
      step('put_cpu', { preempt: -1, ns: 5 }),
    ],
    { locals: ['done'] },
  );
