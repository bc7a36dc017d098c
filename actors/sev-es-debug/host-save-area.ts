/**
 * A CPU of an AMD host and its host save area: whose value each register holds, through VMRUN and
 * #VMEXIT. `host` is the host's own, the id of a vCPU its guest's; `reset` is what a register of
 * type C holds behind an exit, and `zero` what an area holds that was never filled.
 *
 * A guest writes all registers that it has, as the host must not rest on less. Masks of DR0 to DR3
 * are MSRs that KVM intercepts, so that a guest has them only where they are swapped.
 *
 * @see APM vol. 2, "VMRUN", "#VMEXIT"; kernel arch/x86/kvm/svm/svm.c,
 * svm_prepare_switch_to_guest(), svm_prepare_host_switch(); domain debug-and-split-lock A.1, A.10
 */
import { assign, emit, enqueueActions, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import { type AddressMasks, type BreakpointAddresses, NO_MASKS } from '../../events/guest-debug/x86-debug.ts';
import type { HostSaveAreaEvent, SwitchedGuest } from '../../events/sev-es-debug/host-save-area.ts';
import { drOf } from '../guest-debug/cpu-debug-registers.ts';
import { hbpOf } from '../guest-debug/host-breakpoints.ts';
import { isSwapped, type RegisterName } from './swap-types.ts';
import { type GuestKind, HOST_NEEDS, type Registers, registersOf, saved, vmexit, vmrun } from './world-switch.ts';

/** `pcpu:0` has `hsave:0`. */
export const hsaveOf = (cpu: ActorId): ActorId => cpu.replace(/^pcpu:/, 'hsave:');

/** What of guest debugging there is on the host. */
export interface HostSaveAreaInput {
  /** Its CPU, if some program debugs: DR0 to DR3 are those of its `dr:N`. */
  readonly debugs: ActorId | null;
  /** Whether the host arms breakpoints, so that masks are cached. */
  readonly breakpoints: boolean;
}

export interface HostSaveAreaState extends HostSaveAreaInput {
  readonly cpu: Registers<string>;
  readonly hsave: Registers<string>;
  /** The vCPU whose guest runs here. */
  readonly running: { readonly vcpu: ActorId; readonly guest: SwitchedGuest } | null;
  /** svm->guest_state_loaded of the vCPU that is loaded here. */
  readonly loaded: boolean;
  /** DR0 to DR3 and their masks, as the area has them. */
  readonly db: BreakpointAddresses;
  readonly masks: AddressMasks;
}

/** Where CPUs differ. */
export interface SwitchDesign {
  /** KVM has filled TSC_AUX when it enabled virtualization, and guests have their own. */
  readonly virtTscAux: boolean;
  /** Registers whose stores KVM leaves out; none on any kernel. */
  readonly forgets: readonly RegisterName[];
  /** What the hardware does otherwise; nothing unless a mutant says so. */
  readonly hardware?: 'always-swaps-debug-registers' | 'never-swaps-debug-registers' | 'keeps-type-c' | 'leaves-type-c' | undefined;
}

const OWN = 'host';

const fourOf = <V>(of: (index: number) => V): readonly [V, V, V, V] => [of(0), of(1), of(2), of(3)];

const initial = ({ virtTscAux, forgets }: SwitchDesign, input: HostSaveAreaInput): HostSaveAreaState => ({
  ...input,
  cpu: registersOf(() => OWN),
  hsave: registersOf((name) => (virtTscAux && name === 'TSC_AUX' && !forgets.includes(name) ? OWN : 'zero')),
  running: null,
  loaded: false,
  db: [0, 0, 0, 0],
  masks: NO_MASKS,
});

const kindOf = (guest: SwitchedGuest, { virtTscAux, hardware }: SwitchDesign): GuestKind => {
  if (guest === 'plain') return guest;
  if (hardware === 'always-swaps-debug-registers') return { debugSwap: true, virtTscAux };
  return { debugSwap: guest.debugSwap && hardware !== 'never-swaps-debug-registers', virtTscAux };
};

/** The registers of the CPU that hold another's value although the host needs its own. */
export const lostRegisters = ({ cpu, running }: HostSaveAreaState): readonly RegisterName[] =>
  running === null ? HOST_NEEDS.filter((name) => cpu[name] !== OWN) : [];

/** DR0 to DR3 of an encrypted guest that they are not swapped for: it writes the CPU's. */
function guestWrote(cpu: Registers<string>, kind: GuestKind, vcpu: ActorId): Registers<string> {
  if (kind === 'plain') return cpu;
  return registersOf((name) => (/^DR[0-3]$/.test(name) && !isSwapped(name, kind) ? vcpu : cpu[name]));
}

type Args = { readonly context: HostSaveAreaState; readonly event: Stamped<HostSaveAreaEvent> };

function changed({ context, event }: Args, design: SwitchDesign): Partial<HostSaveAreaState> {
  const forgotten = (name: string): boolean => (design.forgets as readonly string[]).includes(name);
  switch (event.type) {
    case 'hsave.save':
      return {
        hsave: saved(
          context,
          (event.registers as readonly RegisterName[]).filter((name) => !design.forgets.includes(name)),
        ),
      };
    case 'dr.values':
      return { db: fourOf((index) => (forgotten(`DR${index}`) ? context.db[index]! : event.db[index]!)) };
    case 'hbp.masks':
      return { masks: fourOf((index) => (forgotten(`DR${index}_ADDR_MASK`) ? context.masks[index]! : event.masks[index]!)) };
    case 'hsave.pop':
      return { cpu: registersOf((name) => (event.registers.includes(name) ? OWN : context.cpu[name])) };
    case 'hsave.setLoaded':
      return { loaded: true };
    case 'hsave.put':
      return { loaded: false };
    case 'hsave.vmrun': {
      const { vcpu, guest } = event;
      const { cpu, hsave } = vmrun({ ...context, guest: registersOf(() => vcpu) }, kindOf(guest, design));
      return { cpu, hsave, running: { vcpu, guest } };
    }
    case 'hsave.vmexit': {
      const { vcpu, guest } = context.running!;
      const kind = kindOf(guest, design);
      const { cpu } = vmexit({ ...context, guest: registersOf(() => vcpu) }, kind, typeC(design, vcpu));
      return { cpu: guestWrote(cpu, kind, vcpu), running: null };
    }
    default:
      throw new Error(`${event.type} changes nothing`);
  }
}

/** Software reads the CPU's registers for the area; the masks it has cached. */
function reads({ context: { debugs, breakpoints }, event }: Args): readonly Outgoing[] {
  if (event.type !== 'hsave.saveDebug' || debugs === null) return [];
  return [
    ...(event.db ? [outgoing(drOf(debugs), { type: 'dr.read?' })] : []),
    ...(event.masks && breakpoints ? [outgoing(hbpOf(debugs), { type: 'hbp.masks?' })] : []),
  ];
}

/** What #VMEXIT leaves in registers of type C. */
const typeC = ({ hardware }: SwitchDesign, vcpu: ActorId): string =>
  hardware === 'keeps-type-c' ? OWN : hardware === 'leaves-type-c' ? vcpu : 'reset';

/** #VMEXIT loads what the area has, if the VMSA says so. */
function loads({ debugs, running, db, masks }: HostSaveAreaState, design: SwitchDesign): readonly Outgoing[] {
  if (debugs === null || running === null) return [];
  const kind = kindOf(running.guest, design);
  return kind !== 'plain' && kind.debugSwap ? [outgoing(drOf(debugs), { type: 'dr.set', db, masks })] : [];
}

/** The machine of all CPUs of one scenario. */
export const hostSaveAreaMachine = (design: SwitchDesign) =>
  setup({
    types: {
      context: {} as HostSaveAreaState,
      events: {} as Stamped<HostSaveAreaEvent>,
      emitted: {} as Outgoing,
      input: {} as HostSaveAreaInput,
    },
    actions: {
      change: assign((args) => changed(args, design)),
      saveDebug: enqueueActions(({ context, event, enqueue }) => {
        for (const message of reads({ context, event })) enqueue.emit(message);
      }),
      exit: enqueueActions(({ context, event, enqueue }) => {
        for (const message of loads(context, design)) enqueue.emit(message);
        enqueue.assign(changed({ context, event }, design));
      }),
      answer: emit(({ context: { loaded }, event }) => outgoing(sender(event), { type: 'hsave.loaded', loaded })),
    },
  }).createMachine({
    id: 'hostSaveArea',
    context: ({ input }) => initial(design, input),
    initial: 'host',
    states: {
      host: {
        tags: 'rest',
        on: {
          'hsave.loaded?': { actions: 'answer' },
          'hsave.save': { actions: 'change' },
          'hsave.saveDebug': { actions: 'saveDebug' },
          'dr.values': { actions: 'change' },
          'hbp.masks': { actions: 'change' },
          'hsave.setLoaded': { actions: 'change' },
          'hsave.pop': { actions: 'change' },
          'hsave.put': { actions: 'change' },
          'hsave.vmrun': { target: 'guest', actions: 'change' },
        },
      },
      guest: { tags: 'rest', on: { 'hsave.vmexit': { target: 'host', actions: 'exit' } } },
    },
  });
