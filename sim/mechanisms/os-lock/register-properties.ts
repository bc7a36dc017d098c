/**
 * What KVM makes of a vCPU's debug registers, whatever the guest sees of it: what it puts on the
 * CPU under the lock and under a debugger, what it creates a vCPU with, and what a migration hands
 * on.
 */

import type { Vcpu } from '../../../actors/kvm/guest-program.ts';
import { MDSCR, OSLSR } from '../../../actors/os-lock/arm-debug-rule.ts';
import { debugOf, destinationOf } from '../../../actors/os-lock/arm-vcpu.ts';
import type { ArmVcpuState } from '../../../actors/os-lock/arm-vcpu-state.ts';
import type { CpuDebugState, DebugException } from '../../../events/os-lock/arm-debug.ts';
import { hasBits } from '../../../events/u64.ts';
import { always, alwaysEach, type Property } from '../../property.ts';
import { type ActorView, hex, type WorldView } from '../../view.ts';

const NOTES = 'domain debug-and-split-lock';

interface Inside {
  readonly cpu: ActorView<CpuDebugState>;
  readonly vcpu: ActorView<ArmVcpuState>;
}

/**
 * Each CPU that has a guest's debug state on it, with KVM's copy of the vCPU that is loaded there.
 */
function inside(world: WorldView): Inside[] {
  const vcpus = world.actors<ArmVcpuState>('armVcpu');
  return world.actors<CpuDebugState>('armCpuDebug').flatMap((cpu): Inside[] => {
    const vcpu = vcpus.find(({ context: { loadedOn } }) => loadedOn !== null && debugOf(loadedOn) === cpu.id);
    return vcpu && cpu.context.pstate.el !== 2 ? [{ cpu, vcpu }] : [];
  });
}
const isLocked = ({ oslsr }: ArmVcpuState): boolean => hasBits(oslsr, OSLSR.OSLK);
const flagsOf = ({ guestDebug }: ArmVcpuState): string => (guestDebug.length === 0 ? 'no debugger' : `guest_debug ${guestDebug.join('|')}`);

/** A property of what stands on a CPU while a guest runs. */
const onCpu = (id: string, source: string, wrong: (where: Inside) => string | null): Property =>
  always(id, {
    kinds: ['armCpuDebug', 'armVcpu'],
    source,
    grade: 'read',
    check: (world) => {
      for (const where of inside(world)) {
        const what = wrong(where);
        if (what !== null) return `${where.vcpu.id} runs on ${where.cpu.id} with ${what}`;
      }
      return null;
    },
  });

const tdeOnlyForDebugger = onCpu(
  'armdbg.tde-only-for-debugger',
  `${NOTES} D.2, D.3, OSL-2, OSL-5; kernel arch/arm64/kvm/debug.c: TDE only for guest_debug`,
  ({ cpu, vcpu }) =>
    cpu.context.traps.tde && vcpu.context.guestDebug.length === 0 ? 'MDCR_EL2.TDE set, and no debugger: its BRK goes to EL2' : null,
);

const tdeUnderDebugger = onCpu(
  'armdbg.tde-under-debugger',
  `${NOTES} D.3, OSL-5; kernel arch/arm64/kvm/debug.c, kvm_arm_setup_mdcr_el2()`,
  ({ cpu, vcpu }) =>
    !cpu.context.traps.tde && vcpu.context.guestDebug.length > 0
      ? `MDCR_EL2.TDE clear, and ${flagsOf(vcpu.context)}: the guest takes what is the debugger's`
      : null,
);

const mdeOffUnderLock = onCpu(
  'armdbg.mde-off-under-lock',
  `${NOTES} D.3, D.7 O5, OSL-4, OSL-8; kernel arch/arm64/kvm/debug.c, kvm_arm_setup_debug()`,
  ({ cpu, vcpu }) => {
    const { mdscr, osLock } = cpu.context;
    if (osLock || !isLocked(vcpu.context) || vcpu.context.guestDebug.includes('USE_HW') || !hasBits(mdscr, MDSCR.MDE)) return null;
    return `MDSCR_EL1 = ${hex(mdscr)}, MDE on, where its OSLSR_EL1 is ${hex(vcpu.context.oslsr)}, ${flagsOf(vcpu.context)}`;
  },
);

const stepAsAsked = onCpu(
  'armdbg.step-as-asked',
  `${NOTES} D.3, D.7 O5, OSL-4, OSL-9; kernel arch/arm64/kvm/debug.c, kvm_arm_setup_debug()`,
  ({ cpu, vcpu }) => {
    const asked = vcpu.context.guestDebug.includes('SINGLESTEP');
    const steps = hasBits(cpu.context.mdscr, MDSCR.SS);
    if (steps === asked || cpu.context.osLock || !(asked || isLocked(vcpu.context))) return null;
    return `MDSCR_EL1 = ${hex(cpu.context.mdscr)}, SS ${steps ? 'on' : 'off'}, where its OSLSR_EL1 is ${hex(vcpu.context.oslsr)}, ${flagsOf(vcpu.context)}`;
  },
);

/**
 * Whether the VMM knows such an event as its own.
 * @see QEMU target/arm/kvm.c, kvm_arm_handle_debug()
 */
const isVmms = ({ guestDebug, known }: ArmVcpuState, exception: DebugException): boolean => {
  if (exception === 'step') return guestDebug.includes('SINGLESTEP');
  return known && guestDebug.includes(exception === 'brk' ? 'USE_SW_BP' : 'USE_HW');
};
const kvmInjectsNothing = alwaysEach<ArmVcpuState>('armdbg.kvm-injects-nothing', {
  kind: 'armVcpu',
  source: `${NOTES} D.4, OSL-14: KVM gives no help for injecting, so an event that the VMM keeps never reaches the guest`,
  grade: 'read',
  each: ({ id, context }) =>
    context.injected !== null && isVmms(context, context.injected)
      ? `${id} is about to take a ${context.injected} exception that the VMM knows as its own (${flagsOf(context)}) and has not injected`
      : null,
});

const offOutOfReset = always('armdbg.off-out-of-reset', {
  kinds: ['vcpu', 'armVcpu'],
  source: `${NOTES} D.1, D.3, OSL-10; kernel arch/arm64/kvm/sys_regs.c, reset_oslsr_el1(): 0x8, a documented erratum`,
  grade: 'read',
  check: (world) => {
    const kept = new Map(world.actors<ArmVcpuState>('armVcpu').map(({ id, context }) => [id, context]));
    for (const { id, value, context } of world.actors<Vcpu>('vcpu')) {
      const own = kept.get(context.arm?.kvm ?? '');
      const isNew = (value as { readonly guest?: unknown }).guest === 'start';
      if (own && isNew && own.loadedOn !== null && isLocked(own))
        return `${id} is loaded and has executed nothing yet, and its OSLSR_EL1 is ${hex(own.oslsr)}: its OS Lock is on`;
    }
    return null;
  },
});

/** What the two kernels make of the lock, between the arrival and the guest's next instruction. */
const lockSameAfterMigration = always('armdbg.lock-same-after-migration', {
  kinds: ['vcpu', 'armVcpu'],
  source: `${NOTES} D.5, G, I12, OSL-12, OSL-13`,
  grade: 'read',
  check: (world) => {
    const kept = new Map(world.actors<ArmVcpuState>('armVcpu').map(({ id, context }) => [id, context]));
    for (const { id, context } of world.actors<Vcpu>('vcpu')) {
      const source = kept.get(context.arm?.kvm ?? '');
      const destination = kept.get(destinationOf(context.arm?.kvm ?? ''));
      if (!source || !destination?.arrived || isLocked(source) === isLocked(destination)) continue;
      return `${id} left with OSLSR_EL1 = ${hex(source.oslsr)}, and arrives with ${hex(destination.oslsr)}`;
    }
    return null;
  },
});

export const registerProperties: readonly Property[] = [
  tdeOnlyForDebugger,
  tdeUnderDebugger,
  mdeOffUnderLock,
  stepAsAsked,
  kvmInjectsNothing,
  offOutOfReset,
  lockSameAfterMigration,
];
