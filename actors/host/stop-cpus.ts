/**
 * The other CPUs of a host are stopped for good: by NMI, as a panic does it, and also where the
 * kernel is replaced. The caller waits until they have stopped, with preemption off from here on.
 *
 * @see kernel arch/x86/kernel/smp.c, native_stop_other_cpus(); arch/x86/kernel/reboot.c,
 * nmi_shootdown_cpus(): both give up after a second, for which there is no clock here
 */
import { type ActorId, outgoing, sender } from '../../events/event.ts';
import { type HostItem, type HostLocals, type HostThread, host, kernelSource } from './host-env.ts';

const { path, step, call, loop, when, leaveLoop } = host;

const running = ({ kickMask = {} }: HostLocals): readonly ActorId[] => Object.keys(kickMask);
const without = ({ kickMask = {} }: HostLocals, cpu: ActorId) =>
  Object.fromEntries(Object.entries(kickMask).filter(([one]) => one !== cpu));
/** All CPUs but the caller's. */
export const peersOf = (cpus: readonly ActorId[], { cpu }: HostThread): readonly ActorId[] => cpus.filter((one) => one !== cpu);

export const stopOtherCpus = (cpus: readonly ActorId[]): HostItem =>
  call(
    path(
      'stop_other_cpus',
      kernelSource('arch/x86/kernel/smp.c, native_stop_other_cpus(); arch/x86/kernel/reboot.c, nmi_shootdown_cpus()'),
      [
        step('apic_send_IPI_allbutself', {
          preempt: 1,
          local: (t) => ({ kickMask: Object.fromEntries(peersOf(cpus, t).map((cpu) => [cpu, true as const])) }),
          send: (t) => peersOf(cpus, t).map((cpu) => outgoing(cpu, { type: 'nmi.stop' })),
        }),
        ...(cpus.length > 1
          ? [
              loop(
                step('wait_for_stop', {
                  idles: true,
                  yields: true,
                  send: (_t, l) => outgoing(running(l)[0]!, { type: 'cpu.stopped?' }),
                  answers: { 'cpu.stopped': (e, _t, l) => (e.stopped ? { kickMask: without(l, sender(e)) } : {}) },
                }),
                when([(_t: HostThread, l: HostLocals) => running(l).length === 0, [leaveLoop]]),
              ),
            ]
          : []),
      ],
      { locals: ['kickMask'] },
    ),
  );
