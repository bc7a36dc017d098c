/**
 * Changes of one line in the arm64 debug code, each of which a claim of the OS Lock discussion must
 * notice.
 */

import { toCpu } from '../../../actors/host/host-env.ts';
import { ENABLE, MDSCR, OSLSR } from '../../../actors/os-lock/arm-debug-rule.ts';
import { armVcpuMachine } from '../../../actors/os-lock/arm-vcpu.ts';
import type { ArmDebugDesign, ArmVcpuState } from '../../../actors/os-lock/arm-vcpu-state.ts';
import { hasStep, type PathPatch, replaceStep, withoutSteps } from '../../../actors/path/patch.ts';
import type { Item } from '../../../actors/path/path.ts';
import type { Sysreg } from '../../../events/os-lock/sysregs.ts';
import { hasBits } from '../../../events/u64.ts';
import type { Mutant } from '../../host/mechanism.ts';
import { designOf } from './design.ts';

/** Another design of KVM's copy of the vCPU, all else as the scenario has it. */
const design = (summary: string, change: Partial<ArmDebugDesign>): Mutant => ({
  summary,
  machines: { armVcpu: (_machine, scenario) => armVcpuMachine({ ...designOf(scenario), ...change }) },
});
/** The lock takes nothing of MDSCR_EL1 from such a vCPU. */
const spares = (summary: string, isSpared: (vcpu: ArmVcpuState) => boolean): Mutant =>
  design(summary, { lockLeaves: (vcpu) => (isSpared(vcpu) ? MDSCR.SS | MDSCR.MDE | MDSCR.KDE : 0) });
/** Values that an unlocked guest may read, and that say nothing of what it has written. */
const CONSTANTS = {
  oslsr_el1: OSLSR.OSLM,
  osdlr_el1: 1,
  mdscr_el1: 0,
  dbgbcr0_el1: 0,
  dbgwcr0_el1: 0,
  dbgvcr: 0,
} as const satisfies Partial<Record<Sysreg, number>>;
const constantReads = (): Record<string, Mutant> =>
  Object.fromEntries(
    Object.entries(CONSTANTS).map(([reg, value]) => [
      `oslock-constant-${reg.replace('_', '-')}`,
      design(`a read of ${reg} that traps gives ${value}, whatever was written`, { constants: { [reg]: value } }),
    ]),
  );
/** A path without these steps; where a variant has them not, it stays as it is. */
const without = (summary: string, path: string, ...steps: readonly string[]): Mutant => {
  const patch: PathPatch = (before) => (hasStep(before, steps[0]!) ? withoutSteps(...steps)(before) : before);
  return { summary, paths: { [path]: [patch] } };
};

const sleepInReload: PathPatch = <T, L, E extends { readonly type: string }>(path: Parameters<typeof replaceStep<T, L, E>>[0]) =>
  replaceStep(path, 'kvm_arch_vcpu_load', (item) => [
    { kind: 'step', name: 'mutex_lock', send: (t: unknown) => toCpu(t as { readonly cpu: string }, { type: 'cpu.sleep' }) } as Item<
      T,
      L,
      E
    >,
    item,
  ]);

export const osLockMutants: Readonly<Record<string, Mutant>> = {
  'oslock-wrong-bit': design('KVM looks for the lock in OSLSR bit 0, as QEMU did', { lockBit: 1 }),
  'oslock-lock-routes': design('the lock sets MDCR_EL2.TDE', { lockRoutes: true }),
  'oslock-debugger-unrouted': design('a debugger does not set MDCR_EL2.TDE', { debuggerRoutes: false }),
  'oslock-physical': design("the guest's lock is switched into the CPU's own", { physical: true }),
  'oslock-no-restore': design('clear_debug() leaves the forced MDSCR in place', { restores: false }),
  'oslock-lock-first': design('the lock is looked at before the debugger', { precedence: 'lock' }),
  'oslock-step-stays': design("the lock leaves the guest's own MDSCR.SS on", { lockLeaves: () => MDSCR.SS }),
  'oslock-breakpoint-stays': spares('the lock blocks nothing while a breakpoint is armed', ({ bcr }) => hasBits(bcr, ENABLE)),
  'oslock-watchpoint-stays': spares('the lock blocks nothing while a watchpoint is armed', ({ wcr }) => hasBits(wcr, ENABLE)),
  'oslock-vector-stays': spares('the lock blocks nothing while a vector catch is armed', ({ vcr }) => hasBits(vcr ?? 0, ENABLE)),
  'oslock-open-at-el0': spares('the lock blocks nothing of a guest that was last at EL0', ({ pstate }) => pstate.el === 0),
  'oslock-open-at-el1': spares('the lock blocks nothing of a guest that was last at EL1', ({ pstate }) => pstate.el === 1),
  ...constantReads(),
  'oslock-any-debugger': design('a debugger without USE_HW keeps the lock from clearing MDE', { precedence: 'debugger-even-without-hw' }),
  'oslock-no-step': design("user space's single step does not set SS", { forcesStep: false }),
  'oslock-reset-locked': design('OSLK is 1 out of reset', { resetLocked: true }),
  'oslock-old-lists': design('kernels before the emulation list OSLSR_EL1', { lists: 'always' }),
  'oslock-never-lists': design('no kernel lists OSLSR_EL1', { lists: 'never' }),
  'oslock-old-locks': design('kernels before the emulation do not ignore OSLAR', { oldIgnores: false }),
  'oslock-kvm-injects': design('KVM injects the exception that user space let pass', { helpsInject: true }),
  'oslock-shared-tde': design('TDE follows the last change of one of its users, as in FreeBSD', { lastWriterTde: true }),
  'oslock-any-key': design('DBGOSLAR takes any odd value for the key', { dbgoslarKey: false }),
  'oslock-pkvm-stale': design("the hypervisor's copy does not follow the host's", { pkvm: 'stale' }),
  'oslock-vmm-blind': without('the VMM injects without a look at OSLSR', 'kvm_arm_handle_debug', 'KVM_GET_ONE_REG_oslsr'),
  'oslock-no-reload': without(
    'OSLAR does not decide the owner again',
    'kvm_debug_handle_oslar',
    'kvm_vcpu_put_debug',
    'kvm_arch_vcpu_put',
    'kvm_arch_vcpu_load',
    'kvm_vcpu_load_debug',
  ),
  'oslock-preemptible-reload': without(
    'put and load run with preemption on',
    'kvm_debug_handle_oslar',
    'preempt_disable',
    'preempt_enable',
  ),
  'oslock-sleep-in-reload': {
    summary: 'a mutex is taken between put and load, with preemption off',
    paths: { kvm_debug_handle_oslar: [sleepInReload] },
  },
};
