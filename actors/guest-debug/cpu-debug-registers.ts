/**
 * The debug registers of one x86 CPU: DR0 to DR3, their address masks, DR6 and DR7, and in guest
 * mode what goes with them: TF and RF, the shadow of MOV SS or STI, a debug exception that waits,
 * and what KVM intercepts.
 *
 * DR0 to DR3 and the masks belong to no guest state area: an exit leaves them as they are, and the
 * masks of the host widen what a plain guest arms. DR7 does: an exit disables every breakpoint. DR6
 * is part of the VMCB, but not of the VMCS: under VMX host and guest write the same one. Left out:
 * entries that fail because of reserved bits, which are masked instead, and a state area that is
 * encrypted.
 *
 * @see APM vol. 2, "VMRUN", "#VMEXIT", "Event Injection"; SDM vol. 3, "Loading Guest State",
 * "Delivery of Pending Debug Exceptions after VM Entry", "Loading Host Control Registers, Debug
 * Registers, MSRs"
 */
import { assign, emit, enqueueActions, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import {
  type AddressMasks,
  type CpuDebugRegistersEvent,
  type DebugRegisters,
  type GuestDebugControls,
  type InsnMet,
  NO_MASKS,
} from '../../events/guest-debug/x86-debug.ts';
import type { U64 } from '../../events/u64.ts';
import { type InsnControls, nestedHits } from './db-delivery.ts';
import { DR6_ACTIVE_LOW, DR7_FIXED_1, dataBreakpointsOf, dr6After, dr6Written, dr7Written } from './debug-bits.ts';
import { DEBUG_CPUS, type DebugVendor, type GuestDebugState, handlerEntered, runInsn, withoutStep } from './x86-debug-rule.ts';

/** `pcpu:0` has `dr:0`. */
export const drOf = (cpu: ActorId): ActorId => cpu.replace(/^pcpu:/, 'dr:');

/** What goes with the registers while a guest runs. */
type GuestMode = Pick<GuestDebugControls, 'intercepts' | 'de' | 'flags' | 'shadow' | 'pending'>;

export interface CpuDebugRegisters {
  readonly registers: DebugRegisters;
  readonly masks: AddressMasks;
  /** SVM: what the host save area has while a guest runs; else as after reset. */
  readonly hostDr6: U64;
  /** What an exit brings back. */
  readonly hostDr7: U64;
  /** It delivers #DB without end: no instruction ends, and no interrupt or NMI is taken. */
  readonly hung: boolean;
  /** As below while the host runs. */
  readonly guest: GuestMode;
}

const NO_GUEST: GuestMode = {
  intercepts: { dr: false, db: false, bp: false },
  de: false,
  flags: { tf: false, rf: false },
  shadow: null,
  pending: 0,
};

/** After reset. */
const RESET: CpuDebugRegisters = {
  registers: { db: [0, 0, 0, 0], dr6: DR6_ACTIVE_LOW, dr7: DR7_FIXED_1 },
  masks: NO_MASKS,
  hostDr6: DR6_ACTIVE_LOW,
  hostDr7: DR7_FIXED_1,
  hung: false,
  guest: NO_GUEST,
};

type OfType<T extends CpuDebugRegistersEvent['type']> = Extract<CpuDebugRegistersEvent, { readonly type: T }>;

/**
 * Guest mode behind VM entry. An injected event is delivered before the first instruction; it
 * drops what waits, unless it is #BP behind MOV SS, which behaves as INT3 there. What the delivery
 * of a #DB itself hits waits behind it.
 */
function guestMode({ intercepts, de, flags, shadow, pending, inject }: GuestDebugControls, nested: U64): GuestMode {
  const entered = { intercepts, de, flags, shadow, pending };
  if (inject === null) return entered;
  if (inject === 'DB') return { ...handlerEntered(entered), pending: nested };
  const kept = inject === 'BP' && shadow === 'mov-ss' ? withoutStep(entered).pending : 0;
  return { ...handlerEntered(entered), pending: kept };
}

/**
 * VM entry. Neither vendor's injection touches DR6 or DR7: KVM has written both before.
 * @see kernel arch/x86/kvm/x86.c, kvm_deliver_exception_payload(), inject_pending_event()
 */
function entered(
  { vendor, noNestedDataBp, heeds = (controls) => controls }: DebugCpuDesign,
  { registers, masks }: CpuDebugRegisters,
  { controls, dr6, dr7, keepsDr7 }: OfType<'dr.enter'>,
): Omit<CpuDebugRegisters, 'masks' | 'hung'> {
  if ((dr6 === null) !== (vendor === 'vmx')) {
    throw new Error(`dr.enter with DR6 ${dr6} on ${vendor}; a VMCB has a DR6, a VMCS has none`);
  }
  if (vendor === 'svm' && controls.pending !== 0) {
    throw new Error(`dr.enter with pending debug exceptions ${controls.pending} on svm; a VMCB has no field for them`);
  }
  const own: DebugRegisters = { db: registers.db, dr6: dr6 === null ? registers.dr6 : dr6Written(dr6), dr7: dr7Written(dr7) };
  return {
    registers: own,
    hostDr6: dr6 === null ? DR6_ACTIVE_LOW : registers.dr6,
    hostDr7: keepsDr7 ? registers.dr7 : DR7_FIXED_1,
    guest: guestMode(heeds(controls), nestedHits('DB', own, { masks, noNestedDataBp })),
  };
}

/**
 * The registers behind VM exit. That SVM brings back the host's DR6 follows from
 * svm_sync_dirty_debug_regs(), which leaves DR6 alone where vmx_sync_dirty_debug_regs() resets it.
 */
const left = (vendor: DebugVendor, { registers, hostDr6, hostDr7 }: CpuDebugRegisters): Omit<CpuDebugRegisters, 'masks' | 'hung'> => ({
  registers: { db: registers.db, dr6: vendor === 'svm' ? hostDr6 : registers.dr6, dr7: hostDr7 },
  hostDr6: DR6_ACTIVE_LOW,
  hostDr7: DR7_FIXED_1,
  guest: NO_GUEST,
});

const fourOf = <V>(now: readonly [V, V, V, V], written: readonly (V | null)[] = []): readonly [V, V, V, V] => {
  const [a, b, c, d] = now.map((value, index) => written[index] ?? value);
  return [a!, b!, c!, d!];
};

/** set_debugreg() and WRMSR of the host: the same rules as for a guest's MOV DR. */
const hostWrote = (
  { registers, masks: before }: CpuDebugRegisters,
  { db, dr6, dr7, masks }: OfType<'dr.set'>,
): Pick<CpuDebugRegisters, 'registers' | 'masks'> => ({
  registers: {
    db: fourOf(registers.db, db),
    dr6: dr6 === undefined ? registers.dr6 : dr6Written(dr6),
    dr7: dr7 === undefined ? registers.dr7 : dr7Written(dr7),
  },
  masks: fourOf(before, masks),
});

/** An instruction of the guest. */
function ran(
  { vendor, noNestedDataBp }: DebugCpuDesign,
  { registers, masks, guest }: CpuDebugRegisters,
  insn: OfType<'dr.insn?'>,
): { readonly met: InsnMet; readonly change: Pick<CpuDebugRegisters, 'registers' | 'guest'> } {
  const before: GuestDebugState = { registers, flags: guest.flags, shadow: guest.shadow, pending: guest.pending };
  const { met, next } = runInsn(DEBUG_CPUS[vendor], { ...guest, masks, noNestedDataBp }, before, insn);
  const { flags, shadow, pending } = next;
  return { met, change: { registers: next.registers, guest: { ...guest, flags, shadow, pending } } };
}

type Args = { readonly context: CpuDebugRegisters; readonly event: Stamped<CpuDebugRegistersEvent> };

/** Where CPUs differ. */
export interface DebugCpuDesign {
  readonly vendor: DebugVendor;
  readonly noNestedDataBp: NonNullable<InsnControls['noNestedDataBp']>;
  /** What is delivered without end ends in an exit. */
  readonly notifies?: boolean;
  /** What the CPU makes of what KVM asks for; as asked unless a mutant says otherwise. */
  readonly heeds?: (controls: GuestDebugControls) => GuestDebugControls;
}

/** The machine of the CPUs of one host. */
export const cpuDebugRegistersMachine = (design: DebugCpuDesign) =>
  setup({
    types: { context: {} as CpuDebugRegisters, events: {} as Stamped<CpuDebugRegistersEvent>, emitted: {} as Outgoing },
    actions: {
      write: assign(({ context, event }: Args) => (event.type === 'dr.set' ? hostWrote(context, event) : context)),
      touch: enqueueActions(({ context: { registers, masks }, event, enqueue }) => {
        if (event.type !== 'dr.touch?') return;
        const bits = dataBreakpointsOf(registers, event, masks);
        enqueue.emit(outgoing(sender(event), { type: 'dr.touched', bits }));
        enqueue.assign({ registers: { ...registers, dr6: bits === 0 ? registers.dr6 : dr6After(registers.dr6, bits) } });
      }),
      read: emit(({ context, event }) => outgoing(sender(event), { type: 'dr.values', db: context.registers.db })),
      enter: assign(({ context, event }: Args) => (event.type === 'dr.enter' ? entered(design, context, event) : context)),
      run: enqueueActions(({ context, event, enqueue }) => {
        if (event.type !== 'dr.insn?') return;
        const { met, change } = ran(design, context, event);
        enqueue.emit(outgoing(sender(event), { type: 'dr.met', ...met }));
        enqueue.assign({ ...change, hung: met.exit === 'HANG' && design.notifies !== true });
      }),
      returnFromHandler: assign(({ context, event }: Args) =>
        event.type === 'dr.iret' ? { guest: { ...context.guest, flags: event.flags, shadow: null } } : context,
      ),
      leave: enqueueActions(({ context, event, enqueue }) => {
        const { flags, shadow, pending } = context.guest;
        // A VMCB has no field for what waits: it is lost.
        const waits = design.vendor === 'vmx' ? pending : 0;
        enqueue.emit(outgoing(sender(event), { type: 'dr.left', registers: context.registers, flags, shadow, pending: waits }));
        enqueue.assign(left(design.vendor, context));
      }),
    },
  }).createMachine({
    id: 'cpuDebugRegisters',
    context: RESET,
    initial: 'host',
    states: {
      host: {
        tags: 'rest',
        on: {
          'dr.set': { actions: 'write' },
          'dr.touch?': { actions: 'touch' },
          'dr.read?': { actions: 'read' },
          'dr.enter': { target: 'guest', actions: 'enter' },
        },
      },
      guest: {
        tags: 'rest',
        on: {
          'dr.insn?': { actions: 'run' },
          'dr.iret': { actions: 'returnFromHandler' },
          'dr.leave?': { target: 'host', actions: 'leave' },
        },
      },
    },
  });
