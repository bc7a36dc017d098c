/** What must hold of an x86 guest's debug state, whatever KVM and the scheduler do. */

import type { CpuDebugRegisters } from '../../../actors/guest-debug/cpu-debug-registers.ts';
import type { VcpuDebugState } from '../../../actors/guest-debug/vcpu-debug-state.ts';
import type { Vcpu } from '../../../actors/kvm/guest-program.ts';
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
  entryAccepted,
  neverBothOwners,
  debuggerSeesEachStep,
  noneHangs,
  guestHasRegisters,
  userSpaceSees,
];
