/**
 * What KVM does with exits of debugging, R17: MOV to and from debug registers, #DB and #BP.
 *
 * @see kernel arch/x86/kvm/svm/svm.c, dr_interception(), db_interception(), bp_interception();
 * arch/x86/kvm/vmx/vmx.c, handle_dr(), handle_exception_nmi()
 */
import type { DbExit, DrExit } from '../../events/guest-debug/kvm-debug.ts';
import { hasBits, type U64, u64, withBits } from '../../events/u64.ts';
import { bitsOfBoth, DR6_ACTIVE_LOW, DR6_BD, DR6_BS, DR7_GD } from './debug-bits.ts';
import {
  exitDebug,
  getDr,
  hasFlag,
  inOrder,
  queueException,
  setDr,
  skipEmulatedInstruction,
  takesDb,
  type VcpuDebugDesign,
  type VcpuDebugState,
} from './vcpu-debug-state.ts';

type Change = Partial<VcpuDebugState>;

/** The guest gets the debug registers until the next exit, and does the instruction again. */
const giveDebugRegisters = (v: VcpuDebugState): Change => ({ wontExit: true, area: { ...v.area, interceptsDr: false } });

/** KVM's copy answers for the CPU. */
function emulateMovDr(v: VcpuDebugState, { dr, write, value, next }: DrExit): Change {
  const done = write ? setDr(v, dr, value) : { value: getDr(v, dr) };
  if (done === null) return queueException(v, 'GP');
  return inOrder(
    v,
    () => done,
    (at) => skipEmulatedInstruction(at, next),
  );
}

/** General detect: the exit comes before the #DB, which is made here. */
function generalDetect(v: VcpuDebugState, rip: U64): Change {
  if (!hasFlag(v, 'USE_HW_BP')) return queueException(v, 'DB', DR6_BD);
  return exitDebug(v, { exception: 'DB', rip, dr6: withBits(DR6_ACTIVE_LOW, DR6_BD), dr7: v.area.dr7 });
}

/** What VMX looks at before it lets the instruction be done; SVM's CPU has looked itself. */
function refusedByVmx(v: VcpuDebugState, { forgets }: VcpuDebugDesign, { dr, rip }: DrExit): Change | null {
  if ((dr === 4 || dr === 5) && v.de && forgets !== 'cr4-de') return queueException(v, 'UD');
  return hasBits(v.area.dr7, DR7_GD) ? generalDetect(v, rip) : null;
}

/** dr_interception(), handle_dr(). */
export function drExit(v: VcpuDebugState, design: VcpuDebugDesign, exit: DrExit): Change {
  return inOrder(
    v,
    () => ({ rip: exit.rip }),
    (at) => {
      const refused = design.vendor === 'vmx' ? refusedByVmx(at, design, exit) : null;
      if (refused !== null) return refused;
      return at.guestDebug.length === 0 ? giveDebugRegisters(at) : emulateMovDr(at, exit);
    },
  );
}

/** A #DB of the guest goes back to it, with a payload in the form of pending debug exceptions. */
function requeueBySvm(v: VcpuDebugState): Change {
  return queueException(v, 'DB', u64((BigInt(v.area.dr6 ?? 0) ^ BigInt(DR6_ACTIVE_LOW)) & 0xffff_ffffn));
}

/**
 * As above. ICEBP exits before it is done, and skipping it makes no step. Any other #DB behind STI
 * or MOV SS leaves a state that the next entry would refuse: TF in a shadow, and no step pending.
 */
function requeueByVmx(v: VcpuDebugState, { forgets }: VcpuDebugDesign, { bits, icebp, next }: DbExit): Change {
  const { area } = v;
  const isTrappedInShadow = area.flags.tf && area.shadow !== null && forgets !== 'step-in-shadow';
  const fixed: Change = icebp
    ? { rip: next, skipped: true, area: { ...area, shadow: null } }
    : isTrappedInShadow
      ? { area: { ...area, pending: withBits(area.pending, DR6_BS) } }
      : {};
  return { ...fixed, ...queueException(v, 'DB', bits) };
}

/** db_interception(), and the #DB of handle_exception_nmi(). */
export function dbExit(v: VcpuDebugState, design: VcpuDebugDesign, exit: DbExit): Change {
  const { vendor } = design;
  const { rip, bits } = exit;
  return inOrder(
    v,
    () => ({ rip }),
    (at) => {
      if (!takesDb(at)) return vendor === 'svm' ? requeueBySvm(at) : requeueByVmx(at, design, exit);
      const dr6 = vendor === 'svm' ? (at.area.dr6 ?? 0) : bitsOfBoth(bits, DR6_ACTIVE_LOW);
      return exitDebug(at, { exception: 'DB', rip, dr6, dr7: at.area.dr7 });
    },
  );
}

/** bp_interception(), and the #BP of handle_exception_nmi(): the guest stands before its INT3. */
export const bpExit = (v: VcpuDebugState, rip: U64): Change => ({ rip, ...exitDebug(v, { exception: 'BP', rip }) });
