/** What must hold of an x86 guest's debug state, whatever KVM and the scheduler do. */

import type { CpuDebugRegisters } from '../../../actors/guest-debug/cpu-debug-registers.ts';
import { DR7_BP_EN_MASK, DR7_GD } from '../../../actors/guest-debug/debug-bits.ts';
import type { VcpuDebugState } from '../../../actors/guest-debug/vcpu-debug-state.ts';
import type { Vcpu } from '../../../actors/kvm/guest-program.ts';
import type { X86GuestDebugFlag } from '../../../events/guest-debug/x86-debug.ts';
import { hasBits, withoutBits } from '../../../events/u64.ts';
import { alwaysEach, type Property, sometimes } from '../../property.ts';
import { hex, type WorldView } from '../../view.ts';

const MANUAL = 'APM vol. 2, "Debug and Performance Resources"; SDM vol. 3, "Debug Exceptions"; domain debug-and-split-lock A.6';
const KVM = 'kernel arch/x86/kvm/x86.c, vcpu_enter_guest()';

const exceptionComes = alwaysEach<Vcpu>('debug.exception-comes', {
  kind: 'vcpu',
  source: `${MANUAL}; DBG-18`,
  grade: 'read',
  each: ({ id, context: { debug } }) => (debug?.lost ? `${id} has done an instruction that raises #${debug.lost}, and took none` : null),
});

const exceptionIsDue = alwaysEach<Vcpu>('debug.exception-is-due', {
  kind: 'vcpu',
  source: MANUAL,
  grade: 'read',
  each: ({ id, context: { debug } }) => (debug?.uncalledFor ? `${id} took #${debug.uncalledFor} at an instruction that raises none` : null),
});

const dr6TellsTheCause = alwaysEach<Vcpu>('debug.dr6-tells-the-cause', {
  kind: 'vcpu',
  source: `${MANUAL}; kernel arch/x86/kvm/x86.c, kvm_deliver_exception_payload()`,
  grade: 'read',
  each: ({ id, context: { debug } }) => {
    const cause = debug?.cause;
    if (!cause || cause.dr6 === cause.expected) return null;
    return `the #DB handler of ${id} read ${hex(cause.dr6)} from DR6; expected ${hex(cause.expected)}`;
  },
});

const registersReadBack = alwaysEach<Vcpu>('debug.registers-read-back', {
  kind: 'vcpu',
  source: `${KVM}, KVM_DEBUGREG_WONT_EXIT; domain debug-and-split-lock G, I2`,
  grade: 'read',
  each: ({ id, context: { debug } }) => {
    const read = debug?.read;
    if (!read || read.value === read.expected) return null;
    return `${id} read ${hex(read.value)} from DR${read.dr}, where it had written ${hex(read.expected)}`;
  },
});

/** The account shares the rules of the CPU: what a program says of itself does not. */
const meetsAsTold = alwaysEach<Vcpu>('debug.meets-as-told', {
  kind: 'vcpu',
  source: MANUAL,
  grade: 'read',
  each: ({ id, context: { debug } }) => {
    const found = debug?.unexpected;
    return found ? `${id}: ${found.op} met ${found.found}; its program expects ${found.expected}` : null;
  },
});

const entryAccepted = alwaysEach<VcpuDebugState>('debug.entry-accepted', {
  kind: 'vcpuDebug',
  source: 'SDM vol. 3, "Checks on Guest Non-Register State"; kernel arch/x86/kvm/vmx/vmx.c, handle_exception_nmi()',
  grade: 'read',
  each: ({ id, context: { entryFailed } }) => (entryFailed ? `${id}: VM entry failed, with TF in a shadow and no step pending` : null),
});

const neverBothOwners = alwaysEach<VcpuDebugState>('debug.one-owner', {
  kind: 'vcpuDebug',
  source: `${KVM}, WARN_ON(vcpu->guest_debug & KVM_GUESTDBG_USE_HW_BP)`,
  grade: 'read',
  each: ({ id, context: { warned } }) => (warned ? `${id}: the guest had the debug registers while they held the debugger's` : null),
});

const debuggerSeesEachStep = alwaysEach<VcpuDebugState>('debug.debugger-sees-each-step', {
  kind: 'vcpuDebug',
  source: 'kernel arch/x86/kvm/x86.c, kvm_vcpu_do_singlestep(), handle_fastpath_set_msr_irqoff()',
  grade: 'read',
  each: ({ id, context: { untoldStep } }) =>
    untoldStep === undefined ? null : `${id}: a step that the debugger asked for ends at ${hex(untoldStep)}, and KVM_RUN goes on`,
});

/** What the VMCB or VMCS has, against who debugs: the guest itself, or user space. */
function strayed({ wontExit, guestDebug, guestDebugDr7, dr7, db, effDb, bpEnabled, area }: VcpuDebugState): string | null {
  const has = (flag: X86GuestDebugFlag) => guestDebug.includes(flag);
  if (area.interceptsBp !== has('USE_SW_BP')) return `#BP is ${area.interceptsBp ? '' : 'not '}intercepted`;
  // The guest writes them itself until its next exit.
  if (wontExit) return null;
  const expected = has('USE_HW_BP') ? guestDebugDr7 : dr7;
  // An exit of #DB has cleared DR7.GD on SVM; KVM's copy has it until the #DB is injected.
  if (withoutBits(area.dr7, DR7_GD) !== withoutBits(expected, DR7_GD)) return `DR7 is ${hex(area.dr7)}; expected ${hex(expected)}`;
  if (bpEnabled !== hasBits(expected, DR7_BP_EN_MASK)) return `KVM_DEBUGREG_BP_ENABLED is ${bpEnabled ? 'set' : 'clear'}`;
  const stray = has('USE_HW_BP') ? -1 : effDb.findIndex((address, index) => address !== db[index]);
  return stray < 0 ? null : `DR${stray} at the next entry is ${hex(effDb[stray]!)}; the guest's is ${hex(db[stray]!)}`;
}

const areaFollows = alwaysEach<VcpuDebugState>('debug.area-follows-debugger', {
  kind: 'vcpuDebug',
  source: 'kernel arch/x86/kvm/x86.c, kvm_update_dr7(), kvm_update_dr0123(); arch/x86/kvm/svm/svm.c, svm_update_exception_bitmap()',
  grade: 'read',
  each: ({ id, context }) => {
    const found = strayed(context);
    const flags = context.guestDebug.length === 0 ? 'no debugger' : context.guestDebug.join(', ');
    return found === null ? null : `${id}, with ${flags}: ${found}`;
  },
});

const noneHangs = alwaysEach<CpuDebugRegisters>('debug.no-cpu-hangs', {
  kind: 'cpuDebugRegisters',
  source: 'CVE-2015-8104; domain debug-and-split-lock A.8, G, I4',
  grade: 'read',
  each: ({ id, context: { hung } }) =>
    hung ? `${id.replace('dr', 'pcpu')} delivers #DB or #AC without end: no interrupt or NMI of the host is taken` : null,
});

const states = (world: WorldView) => world.actors<VcpuDebugState>('vcpuDebug');

const guestHasRegisters = sometimes('debug.guest-has-registers', {
  kinds: ['vcpuDebug'],
  source: `${KVM}, KVM_DEBUGREG_WONT_EXIT`,
  grade: 'read',
  check: (world) => {
    const found = states(world).find(({ context }) => context.wontExit);
    return found ? `${found.id}: the guest has the debug registers to itself until its next exit` : null;
  },
});

const userSpaceSees = sometimes('debug.user-space-sees', {
  kinds: ['vcpuDebug'],
  source: 'kernel arch/x86/kvm/svm/svm.c, db_interception(); arch/x86/kvm/vmx/vmx.c, handle_exception_nmi()',
  grade: 'read',
  check: (world) => {
    const found = states(world).find(({ context }) => context.run !== null);
    return found ? `${found.id}: KVM_EXIT_DEBUG` : null;
  },
});

export const guestDebugProperties: readonly Property[] = [
  exceptionComes,
  exceptionIsDue,
  dr6TellsTheCause,
  registersReadBack,
  meetsAsTold,
  entryAccepted,
  neverBothOwners,
  debuggerSeesEachStep,
  areaFollows,
  noneHangs,
  guestHasRegisters,
  userSpaceSees,
];
