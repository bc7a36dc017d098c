/**
 * A host wakes from suspend: on each CPU that comes up KVM turns VMX on, and split_lock_init()
 * runs. On a processor that has MSR_TEST_CTRL and no split-lock detection, a write of 0 can take
 * the sibling out of VMX operation.
 *
 * @see "x86/split_lock: Don't write MSR_TEST_CTRL on CPUs that aren't whitelisted" (2020); kernel
 * kernel/power/suspend.c, kernel/cpu.c, virt/kvm/kvm_main.c
 */
import { outgoing } from '../../events/event.ts';
import { type HostItem, type HostPath, type HostThread, host, kernelSource } from '../host/host-env.ts';
import { sleepUntil } from '../host/sleeping.ts';
import { FREEZER } from './freezer.ts';
import { type SldFacts, toCore } from './sld-facts.ts';

const { path, step, call, loop, when, note, leaveLoop } = host;

declare module '../host/host-env.ts' {
  interface HostLocals {
    readonly frozen?: boolean | undefined;
    /** The CPU that is being brought up. */
    readonly ap?: number | undefined;
    readonly defined?: boolean | undefined;
  }
  interface HostThread {
    /** VMPTRLD raised #UD: its CPU was not in VMX operation. */
    readonly vmptrldFaulted?: true | undefined;
  }
}

const onCpu = (facts: SldFacts, cpu: number, type: string) => {
  const id = `pcpu:${cpu}`;
  return toCore(facts, { cpu: id }, { type, cpu: id });
};

/**
 * What init_intel() does on a CPU that comes up. `off` is written too: 0, so that firmware leaves
 * nothing on. Under `ratelimit` the write comes before the look at the model of the processor.
 * @see kernel arch/x86/kernel/cpu/intel.c, split_lock_init() (6.1)
 */
const splitLockInit = (facts: SldFacts): readonly HostItem[] => {
  const supported = facts.hasFeature;
  const asked = supported || facts.busLock === 'ratelimit' || facts.options['host.sldInit'] === 'blind-write';
  if (!asked) return [];
  const write = (ap: number) =>
    supported
      ? toCore(facts, { cpu: `pcpu:${ap}` }, { type: 'core.wrmsr', sld: facts.bootSld })
      : onCpu(facts, ap, 'core.wrmsrUnsupported');
  return [step('split_lock_init', { send: (_t, l) => write(l.ap!) })];
};

/** From the boot CPU's resume to the thaw. CPUs come up one after the other. */
export const resumePath = (facts: SldFacts, cpus: number): HostPath => {
  const vmxon = (name: string) => step(name, { send: (_t, l) => onCpu(facts, l.ap!, 'core.vmxon') });
  return path(
    'suspend_enter',
    kernelSource(
      'kernel/power/suspend.c, suspend_enter(); kernel/cpu.c, thaw_secondary_cpus(); virt/kvm/kvm_main.c, kvm_resume(), kvm_online_cpu()',
    ),
    [
      step('write_state', { mode: 'kernel' }),
      note(() => ({ ap: 0 })),
      vmxon('kvm_resume'),
      loop(
        step('cpu_up', { local: (_t, l) => ({ ap: l.ap! + 1 }) }),
        when([(_t, l) => l.ap === cpus, [leaveLoop]]),
        ...splitLockInit(facts),
        vmxon('kvm_online_cpu'),
      ),
      step('thaw_processes', { send: () => outgoing(FREEZER, { type: 'freezer.thaw' }) }),
      step('sysret', { mode: 'user' }),
    ],
    { locals: ['ap'] },
  );
};

/** A task of user space that is frozen until tasks are thawed. */
export const refrigeratorPath = path(
  '__refrigerator',
  kernelSource('include/linux/freezer.h, try_to_freeze(); kernel/freezer.c, __refrigerator()'),
  [
    step('get_signal', { mode: 'kernel' }),
    ...sleepUntil(
      { first: 'try_to_freeze', again: 'freezing' },
      {
        send: () => outgoing(FREEZER, { type: 'freezer.frozen?' }),
        answers: { 'freezer.state': (e) => ({ frozen: e.frozen }) },
      },
      when([(_t, l) => l.frozen === false, [leaveLoop]]),
    ),
    step('iret', { mode: 'user' }),
  ],
  { locals: ['frozen'] },
);

/** VMPTRLD at each load of a vCPU: #UD outside VMX operation, which is a BUG() in the kernel. */
export const vmptrld = (facts: SldFacts): HostItem =>
  call(
    path(
      'vmx_vcpu_load_vmcs',
      kernelSource('arch/x86/kvm/vmx/vmx.c, vmx_vcpu_load_vmcs(); arch/x86/kvm/x86.c, kvm_spurious_fault()'),
      [
        step('VMPTRLD', {
          send: (t: HostThread) => toCore(facts, t, { type: 'core.vmptrld?', cpu: t.cpu }),
          answers: { 'core.vmptrlded': (e) => ({ defined: e.defined }) },
        }),
        when([
          (_t, l) => l.defined === false,
          [
            step('kvm_spurious_fault', {
              set: () => ({ vmptrldFaulted: true as const, signal: { signal: 'SIGKILL' as const, pfn: null } }),
            }),
          ],
        ]),
      ],
      { locals: ['defined'], requires: 'N' },
    ),
  );
