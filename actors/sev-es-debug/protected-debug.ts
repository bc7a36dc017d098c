/**
 * KVM's debug half of a vCPU with encrypted registers, `kdb:VM/N`, and the debug registers of its
 * VMSA. It takes the messages of a plain vCPU's half.
 *
 * The VMSA is read and written by VMRUN and #VMEXIT alone. KVM's own copies stay as after reset, so
 * that R11 and R13 have nothing of the guest's to write, and what is left is the queue of
 * exceptions. Kernel 6.1 gives the guest the debug registers nevertheless, and R11 writes the copy.
 *
 * @see kernel arch/x86/kvm/svm/svm.c, dr_interception(), db_interception(), svm_set_dr6(); domain
 * debug-and-split-lock A.2, A.6
 */
import { type ActorId, type Outgoing, outgoing, sender } from '../../events/event.ts';
import type { DebugVmsa, DeliveredException, VcpuDebugEvent } from '../../events/guest-debug/kvm-debug.ts';
import { type DebugVector, type GuestDebugControls, NO_MASKS } from '../../events/guest-debug/x86-debug.ts';
import type { U64 } from '../../events/u64.ts';
import { DR6_ACTIVE_LOW, DR7_FIXED_1 } from '../guest-debug/debug-bits.ts';
import { type DebugHalf, debugHalfMachine, LOADED_HALF, onCpu } from '../guest-debug/debug-half.ts';

/** What VMSA and VMCB ask for, and what KVM does. */
export interface ProtectedDebugInput {
  /** SEV_FEATURES of the VMSA, bit 5. */
  readonly debugSwap: boolean;
  /** CR4.DE. */
  readonly de?: true;
  readonly interceptsDr7: boolean;
  readonly interceptsDb: boolean | 'by-vc';
  /** R11 leaves the host's DR7 to the hardware. */
  readonly trustsHardware: boolean;
  /** What R11 writes to the CPU's DR7. */
  readonly entryDr7: U64;
}

/** What is done otherwise than by hardware and KVM; nothing unless a mutant says so. */
export interface ProtectedDebugChange extends Partial<ProtectedDebugInput> {
  /** A #DB that KVM is told of is not injected again. */
  readonly dropsDb?: true;
  /** #VMEXIT brings back no DR7. */
  readonly losesDr7?: true;
  /** KVM writes DR7 of the VMSA as if it could. */
  readonly writesDr7?: true;
  /** R11 writes KVM's own copy of DR0 to DR3, as that of a plain guest. */
  readonly writesDb?: true;
}

export interface ProtectedDebugState extends ProtectedDebugInput {
  readonly loadedOn: ActorId | null;
  /** KVM_DEBUGREG_WONT_EXIT, which nothing clears; only on kernel 6.1. */
  readonly wontExit?: true;
  readonly vmsa: DebugVmsa;
  /** vcpu->arch.exception, and EVENTINJ. */
  readonly exception: { readonly vector: DebugVector; readonly injected: boolean } | null;
  readonly inject: DebugVector | null;
  /** What entries have delivered, and the guest has not been told of. */
  readonly delivered: readonly DeliveredException[];
}

/** LAUNCH_UPDATE_VMSA has taken DR6 and DR7 as after reset. */
const VMSA_AT_LAUNCH: DebugVmsa = {
  db: [0, 0, 0, 0],
  masks: NO_MASKS,
  dr6: DR6_ACTIVE_LOW,
  dr7: DR7_FIXED_1,
  flags: { tf: false, rf: false },
  shadow: null,
};

/** Before the first VMRUN. */
export const protectedDebugStart = (input: ProtectedDebugInput): ProtectedDebugState => ({
  ...input,
  loadedOn: null,
  vmsa: VMSA_AT_LAUNCH,
  exception: null,
  inject: null,
  delivered: [],
});

type Change = Partial<ProtectedDebugState>;

/** R6: what is queued is injected at the next entry. */
const injected = ({ exception }: ProtectedDebugState): Change =>
  exception === null ? {} : { inject: exception.vector, exception: { ...exception, injected: true } };

const cancelled = ({ inject }: ProtectedDebugState): Change => ({
  exception: inject === null ? null : { vector: inject, injected: true },
  inject: null,
});

/** DR0 to DR3 go to the VMSA only if they are swapped. */
function left(
  { vmsa, debugSwap }: ProtectedDebugState,
  { registers, flags, shadow }: Extract<VcpuDebugEvent, { type: 'dr.left' }>,
): Change {
  const { db, dr6, dr7 } = registers;
  return { vmsa: { ...vmsa, ...(debugSwap && { db }), dr6, dr7, flags, shadow }, exception: null, inject: null };
}

/** db_interception() with no debugger: the #DB goes back. The write of DR6 is dropped. */
const requeued: Change = { exception: { vector: 'DB', injected: false } };

const controlsOf = ({ vmsa: { flags, shadow }, de, interceptsDr7, interceptsDb, inject }: ProtectedDebugState): GuestDebugControls => ({
  intercepts: { dr: interceptsDr7 ? 'dr7-by-vc' : false, db: interceptsDb, bp: false },
  de: de === true,
  flags,
  shadow,
  pending: 0,
  inject,
});

/** R11. What it writes to DR0 to DR3 is KVM's own copy, as after reset. */
function preparing(v: ProtectedDebugState, { writesDb }: ProtectedDebugChange, hostActive: boolean): readonly Outgoing[] {
  const writesDr7 = v.wontExit === true || (hostActive && !v.trustsHardware);
  return [
    ...(writesDr7 ? [outgoing(onCpu(v), { type: 'dr.set', dr7: v.entryDr7 })] : []),
    ...(v.wontExit || writesDb ? [outgoing(onCpu(v), { type: 'dr.set', db: VMSA_AT_LAUNCH.db })] : []),
  ];
}

/** What R11 and VMRUN send to the CPU, in this order. */
function entering(v: ProtectedDebugState, { losesDr7 }: ProtectedDebugChange): readonly Outgoing[] {
  const { db, masks, dr6, dr7 } = v.vmsa;
  return [
    ...(v.debugSwap ? [outgoing(onCpu(v), { type: 'dr.set', db, masks })] : []),
    outgoing(onCpu(v), { type: 'dr.enter', controls: controlsOf(v), dr6, dr7, ...(losesDr7 ? {} : { keepsDr7: true }) }),
  ];
}

/** What a mutant says of VMSA and VMCB. */
export const overridden = ({
  dropsDb: _drops,
  losesDr7: _loses,
  writesDr7: _writes,
  writesDb: _db,
  ...input
}: ProtectedDebugChange): Partial<ProtectedDebugInput> => input;

/** Of a vCPU with encrypted registers. */
export const protectedDebugHalf = (change: ProtectedDebugChange): DebugHalf<ProtectedDebugState> => ({
  ...LOADED_HALF,
  'kdb.inject': (v) => ({ change: injected(v) }),
  'kdb.cancel': (v) => ({ change: cancelled(v) }),
  'kdb.prepare': (v, { hostActive }) => ({ sends: preparing(v, change, hostActive) }),
  'kdb.enter': (v) => ({
    sends: entering(v, change),
    change: { delivered: v.inject === null ? v.delivered : [...v.delivered, { vector: v.inject, tf: v.vmsa.flags.tf }] },
  }),
  'dr.left': (v, event) => ({ change: left(v, event) }),
  // svm_sync_dirty_debug_regs() returns at once: nothing is read, and KVM_DEBUGREG_WONT_EXIT stays.
  'kdb.sync': () => ({}),
  'kdb.db': () => ({ change: change.dropsDb ? {} : requeued }),
  'kdb.dr': (v, { value }) => ({ change: change.writesDr7 ? { vmsa: { ...v.vmsa, dr7: value } } : { wontExit: true } }),
  'kdb.exit?': ({ exception }, event) => ({
    sends: [outgoing(sender(event), { type: 'kdb.exit', exit: null, queued: exception?.injected === false })],
  }),
  'kdb.resume?': ({ delivered }, event) => ({
    sends: [outgoing(sender(event), { type: 'kdb.resumed', skipped: false, value: 0, exception: delivered[0] ?? null })],
    change: { delivered: delivered.slice(1) },
  }),
});

export const protectedDebugMachine = (change: ProtectedDebugChange = {}) =>
  debugHalfMachine(
    'protectedDebug',
    (input: ProtectedDebugInput) => protectedDebugStart({ ...input, ...overridden(change) }),
    protectedDebugHalf(change),
  );
