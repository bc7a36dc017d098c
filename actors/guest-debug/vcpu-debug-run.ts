/**
 * A debugged vCPU's way into the guest and out of it: what is injected at R6, what is written to
 * the CPU's debug registers at R11 to R13, and in which order.
 *
 * @see kernel arch/x86/kvm/x86.c, kvm_check_and_inject_events(), vcpu_enter_guest();
 * arch/x86/kvm/svm/svm.c, svm_vcpu_run(); arch/x86/kvm/vmx/vmx.c, vmx_vcpu_run()
 */
import type { BreakpointAddresses, CpuDebugRegistersAnswer, DebugVector, GuestDebugControls } from '../../events/guest-debug/x86-debug.ts';
import { hasBits, type U64 } from '../../events/u64.ts';
import { DR6_ACTIVE_LOW, DR6_BS } from './debug-bits.ts';
import {
  clearGd,
  type DebugArea,
  getRflags,
  hasFlag,
  inOrder,
  setRflags,
  updateDr7,
  updateDr0123,
  type VcpuDebugDesign,
  type VcpuDebugState,
} from './vcpu-debug-state.ts';

type Change = Partial<VcpuDebugState>;

/** One set_debugreg(), or four of them for the addresses. */
export type DebugRegisterWrite = { readonly db: BreakpointAddresses } | { readonly dr6: U64 } | { readonly dr7: U64 };

/** What a step changes, and what it writes to the CPU, in this order. */
export interface RunStep {
  readonly change: Change;
  readonly writes: readonly DebugRegisterWrite[];
}

/** A fault's handler returns to the instruction, and RF spares it the same code breakpoint. */
const isFault = (vector: DebugVector): boolean => vector === 'GP' || vector === 'UD' || vector === 'AC';

/** R6, kvm_check_and_inject_events() with the vendors' inject_exception(). */
export function injectEvents(v: VcpuDebugState): Change {
  if (v.exception === null) return {};
  const { vector, injected } = v.exception;
  return inOrder(
    v,
    (at) => (!injected && isFault(vector) ? setRflags(at, { ...getRflags(at), rf: true }) : {}),
    (at) => (!injected && vector === 'DB' ? clearGd(at) : {}),
    (at) => ({ area: { ...at.area, inject: vector }, exception: { vector, injected: true } }),
  );
}

/** R10 found work: what was to be injected is to be injected again. */
export const cancelInjection = (v: VcpuDebugState): Change => ({
  exception: v.area.inject === null ? null : { vector: v.area.inject, injected: true },
  area: { ...v.area, inject: null },
});

/**
 * R11. DR7 first: no breakpoint is armed while the addresses change.
 * `hostActive`: hw_breakpoint_active() on this CPU.
 */
export function prepareDebugRegisters(v: VcpuDebugState, design: VcpuDebugDesign, hostActive: boolean): RunStep {
  const dr7 = design.entryDr7 === null ? [] : [{ dr7: design.entryDr7 }];
  if (!v.bpEnabled && !v.wontExit) return { change: { loadsGuestDr6: false }, writes: hostActive ? dr7 : [] };
  const byCommon = design.loadDr6 === 'common' && v.wontExit;
  return {
    change: {
      loadsGuestDr6: v.wontExit,
      ...(byCommon && design.vendor === 'svm' && { area: { ...v.area, dr6: v.dr6 } }),
    },
    writes: [...dr7, { db: v.effDb }, ...(byCommon && design.vendor === 'vmx' ? [{ dr6: v.dr6 }] : [])],
  };
}

/** Whether the vendor's run gives the guest its DR6 at this entry. */
const vendorLoadsDr6 = ({ wontExit, loadsGuestDr6 }: VcpuDebugState, { loadDr6 }: VcpuDebugDesign): boolean =>
  loadDr6 === 'each-run' ? wontExit : loadDr6 === 'run-flag' && loadsGuestDr6;

/** svm_vcpu_run(): an empty DR6, unless it is the guest's own, shows the cause of a #DB alone. */
function vmcbDr6(v: VcpuDebugState, design: VcpuDebugDesign): U64 | null {
  if (vendorLoadsDr6(v, design)) return v.dr6;
  return v.wontExit ? v.area.dr6 : DR6_ACTIVE_LOW;
}

/**
 * Checks on guest state: in a shadow, a step is pending if and only if TF is set.
 * @see SDM vol. 3, "Checks on Guest Non-Register State", pending debug exceptions
 */
const isAccepted = ({ shadow, pending, flags }: DebugArea): boolean => shadow === null || hasBits(pending, DR6_BS) === flags.tf;

/** R12, svm_vcpu_run() and vmx_vcpu_run() up to the entry. */
export function enterGuest(v: VcpuDebugState, design: VcpuDebugDesign): RunStep {
  const { inject, flags } = v.area;
  const delivered = inject === null ? v.delivered : [...v.delivered, { vector: inject, tf: flags.tf }];
  const common: Change = { loadsGuestDr6: false, delivered };
  if (design.vendor === 'svm') return { change: { ...common, area: { ...v.area, dr6: vmcbDr6(v, design) } }, writes: [] };
  const area = hasFlag(v, 'SINGLESTEP') ? { ...v.area, shadow: null } : v.area;
  return {
    change: { ...common, area, entryFailed: v.entryFailed || !isAccepted(area) },
    writes: vendorLoadsDr6(v, design) ? [{ dr6: v.dr6 }] : [],
  };
}

/** What the CPU reads of the guest state area. */
export const controlsOf = ({ area, de }: VcpuDebugState, { interceptsVectoring }: VcpuDebugDesign): GuestDebugControls => ({
  intercepts: { dr: area.interceptsDr, db: interceptsVectoring, ac: interceptsVectoring, bp: area.interceptsBp, msr: true },
  de,
  flags: area.flags,
  shadow: area.shadow,
  pending: area.pending,
  inject: area.inject,
});

/** The exit: what the guest state area gets, and the queue is empty, as the event was delivered. */
export function leaveGuest(
  v: VcpuDebugState,
  { vendor }: VcpuDebugDesign,
  { registers, flags, shadow, pending }: Extract<CpuDebugRegistersAnswer, { type: 'dr.left' }>,
): Change {
  return {
    left: registers,
    exception: null,
    area: {
      ...v.area,
      dr6: vendor === 'svm' ? registers.dr6 : null,
      dr7: registers.dr7,
      flags,
      shadow,
      pending,
      inject: null,
    },
  };
}

/** The vendors' sync_dirty_debug_regs(). */
const syncDirtyDebugRegs = (v: VcpuDebugState): Change => ({
  ...v.left,
  wontExit: false,
  area: { ...v.area, interceptsDr: true },
});

/** R13. VMX takes the guest's DR6 off the CPU, so that no handler of the host finds it. */
export function syncDebugRegisters(v: VcpuDebugState, design: VcpuDebugDesign): RunStep {
  if (!v.wontExit) return { change: {}, writes: [] };
  return {
    change: inOrder(v, () => ({ warned: v.warned || hasFlag(v, 'USE_HW_BP') }), syncDirtyDebugRegs, updateDr0123, updateDr7),
    writes: design.vendor === 'vmx' ? [{ dr6: DR6_ACTIVE_LOW }] : [],
  };
}
