/** What must hold of an arm64 guest's debug state whatever KVM, a debugger and a migration do. */

import type { PcpuContext } from '../../../actors/host/pcpu-context.ts';
import type { Vcpu } from '../../../actors/kvm/guest-program.ts';
import type { ArmVcpuState } from '../../../actors/os-lock/arm-vcpu-state.ts';
import type { Sysreg } from '../../../events/os-lock/sysregs.ts';
import { hasBits } from '../../../events/u64.ts';
import { whereAnyOf } from '../../host/concerns.ts';
import type { Outcome } from '../../host/mechanism.ts';
import { always, alwaysEach, type Property } from '../../property.ts';
import { hex, type WorldView } from '../../view.ts';
import { OS_LOCK_GUEST_OPERATIONS, OS_LOCK_HOST_OPERATIONS } from './operations.ts';

const NOTES = 'domain debug-and-split-lock';

/** I10, its first half: under the lock nothing but BRK is taken at EL1. */
const noExceptionUnderLock = alwaysEach<Vcpu>('oslock.no-exception-under-lock', {
  kind: 'vcpu',
  source: `${NOTES} G, I10; OSL-1; KVM: arm64: Emulate the OS Lock, "The OS lock blocks all debug exceptions at every EL"`,
  grade: 'read',
  each: ({ id, context: { arm } }) =>
    arm?.taken?.locked && arm.taken.exception !== 'brk' ? `${id} took a ${arm.taken.exception} exception at EL1 under its OS Lock` : null,
});

/** I10, its second half: BRK reaches EL1. */
const brkReachesGuest = alwaysEach<Vcpu>('oslock.brk-reaches-guest', {
  kind: 'vcpu',
  source: `${NOTES} G, I10; OSL-2; selftest debug-exceptions: "OS Lock does not block software-breakpoint"`,
  grade: 'read',
  each: ({ id, context: { arm } }) => (arm?.skipped ? `${id} executed BRK, and no exception came` : null),
});

/** The other side of I10: what the lock does not block arrives. */
const noExceptionLost = alwaysEach<Vcpu>('oslock.no-exception-lost', {
  kind: 'vcpu',
  source: `${NOTES} D.5, OSL-11: "blocking all debug exceptions intended for the guest until the next reboot"`,
  grade: 'read',
  each: ({ id, context: { arm } }) => (arm?.lost ? `${id} met its own ${arm.lost} with the OS Lock off, and no exception came` : null),
});

/** Registers of status: the guest reads what it has set by another one, or what is fixed. */
const isStatus = (reg: Sysreg): boolean => reg === 'oslsr_el1' || reg === 'osdlr_el1';

const guestMdscrKept = alwaysEach<Vcpu>('oslock.guest-mdscr-kept', {
  kind: 'vcpu',
  source: `${NOTES} G, I11; OSL-4`,
  grade: 'read',
  each: ({ id, context: { arm } }) => {
    const read = arm?.read;
    if (!read || isStatus(read.reg) || read.value === read.expected) return null;
    return `${id} read ${hex(read.value)} from ${read.reg}, where it had written ${hex(read.expected)}`;
  },
});

const lockReadsBack = alwaysEach<Vcpu>('oslock.lock-reads-back', {
  kind: 'vcpu',
  source: `${NOTES} D.1, D.3: OSLSR read -> virtual value, OSDLR_EL1 RAZ/WI; kernel arch/arm64/kvm/sys_regs.c, trap_oslsr_el1()`,
  grade: 'read',
  each: ({ id, context: { arm } }) => {
    const read = arm?.read;
    if (!read || !isStatus(read.reg) || read.value === read.expected) return null;
    return `${id} read ${hex(read.value)} from ${read.reg}, where its OS Lock is ${arm.locked ? 'on' : 'off'}; expected ${hex(read.expected)}`;
  },
});

const debuggerSeesItsEvents = alwaysEach<Vcpu>('oslock.debugger-sees-its-events', {
  kind: 'vcpu',
  source: `${NOTES} D.2, OSL-3: a physical lock blocks the host's debug exceptions too; D.6: TDE shared by breakpoints and stepping`,
  grade: 'read',
  each: ({ id, context: { arm } }) => {
    if (!arm?.stolen) return null;
    const end = arm.stolen === 'hit' ? 'and no exception came' : 'and it went to EL1';
    return `${id} met a ${arm.stolen === 'step' ? 'step' : 'breakpoint or watchpoint'} of the debugger, ${end}`;
  },
});

/** What KVM makes of it. */
const IMBALANCES = {
  'loaded twice': 'KVM_BUG_ON in kvm_vcpu_load_debug(), with VHE alone',
  'put twice': 'which KVM does not notice',
} as const;

const loadsAreBalanced = alwaysEach<ArmVcpuState>('oslock.loads-are-balanced', {
  kind: 'armVcpu',
  source: `${NOTES} E, G5 to G8; kernel arch/arm64/kvm/debug.c, kvm_vcpu_load_debug(): KVM_BUG_ON() where SYSREGS_ON_CPU is set; kvm_vcpu_put_debug() has no such test`,
  grade: 'read',
  each: ({ id, context: { unbalanced } }) =>
    unbalanced === null ? null : `${id} was ${unbalanced}, with nothing between: ${IMBALANCES[unbalanced]}`,
});

/**
 * The lock of the last kernel that has the vCPU, against the guest's own account. Unlocked is KVM's
 * documented default.
 */
const survivesMigration = (world: WorldView): string | null => {
  const guests = world.actors<Vcpu>('vcpu');
  for (const { id, context } of world.actors<ArmVcpuState>('armVcpu')) {
    if (!context.arrived) continue;
    const guest = guests.find((vcpu) => id.startsWith(`${vcpu.id.replace(/^vcpu:/, 'arm:')}/`));
    const locked = hasBits(context.oslsr, 2);
    if (guest?.context.arm && locked && !guest.context.arm.locked && guest.context.arm.kvm !== id) {
      return `${guest.id} had its OS Lock off when it was moved, and arrived with OSLSR_EL1 = ${hex(context.oslsr)}`;
    }
  }
  return null;
};

const lockSurvivesMigration = always('oslock.lock-survives-migration', {
  kinds: ['vcpu', 'armVcpu'],
  source: `${NOTES} G, I12; OSL-11, OSL-12`,
  grade: 'read',
  check: survivesMigration,
});

const isScheduling = (value: unknown): boolean => typeof value === 'object' && value !== null && '__schedule' in value;

/**
 * I13. Expansion refuses a path that says it sleeps in atomic; this sees one that does not say so.
 */
const noSleepInAtomic = alwaysEach<PcpuContext>('oslock.no-sleep-in-atomic', {
  kind: 'pcpu',
  source: `${NOTES} G, I13; E: handle_exit and ioctls are preemptible and may sleep`,
  grade: 'read',
  each: ({ id, value, context: { previous, letter, current } }) =>
    isScheduling(value) && previous === 'sleeps' && (letter === 'N' || letter === 'I')
      ? `${current ?? 'a task'} sleeps on ${id} with ${letter === 'N' ? 'preemption' : 'interrupts'} off`
      : null,
});

export const osLockProperties: readonly Property[] = [
  noExceptionUnderLock,
  brkReachesGuest,
  noExceptionLost,
  guestMdscrKept,
  lockReadsBack,
  debuggerSeesItsEvents,
  loadsAreBalanced,
  lockSurvivesMigration,
  noSleepInAtomic,
];

const guests = (holds: (vcpu: Vcpu) => boolean) => (world: WorldView) =>
  world.actors<Vcpu>('vcpu').filter(({ context }) => context.arm !== undefined && holds(context)).length;

/** Without an operation of the mechanism no program touches a debug register or the lock. */
const concerns = whereAnyOf(OS_LOCK_HOST_OPERATIONS, OS_LOCK_GUEST_OPERATIONS);

/** What befell guests and their debugger, whatever was checked. */
export const osLockOutcomes: readonly Outcome[] = [
  {
    name: 'exceptionsUnderLock',
    title: 'under lock',
    count: guests(({ arm }) => arm?.taken?.locked === true && arm.taken.exception !== 'brk'),
    concerns,
  },
  { name: 'exceptionsLost', title: 'lost', count: guests(({ arm }) => arm?.lost != null), concerns },
  { name: 'brksSkipped', title: 'BRK skipped', count: guests(({ arm }) => arm?.skipped === true), concerns },
  { name: 'debuggerEventsStolen', title: 'debugger blind', count: guests(({ arm }) => arm?.stolen != null), concerns },
];
