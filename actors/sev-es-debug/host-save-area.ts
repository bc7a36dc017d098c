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
import { assign, emit, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { HostSaveAreaEvent, SwitchedGuest } from '../../events/sev-es-debug/host-save-area.ts';
import { isSwapped, type RegisterName } from './swap-types.ts';
import { type GuestKind, HOST_NEEDS, type Registers, registersOf, saved, vmexit, vmrun } from './world-switch.ts';

/** `pcpu:0` has `hsave:0`. */
export const hsaveOf = (cpu: ActorId): ActorId => cpu.replace(/^pcpu:/, 'hsave:');

export interface HostSaveAreaState {
  readonly cpu: Registers<string>;
  readonly hsave: Registers<string>;
  /** The vCPU whose guest runs here. */
  readonly running: { readonly vcpu: ActorId; readonly guest: SwitchedGuest } | null;
  /** svm->guest_state_loaded of the vCPU that is loaded here. */
  readonly loaded: boolean;
}

/** Where CPUs differ. */
export interface SwitchDesign {
  /** KVM has filled TSC_AUX when it enabled virtualization, and guests have their own. */
  readonly virtTscAux: boolean;
  /** Registers whose stores KVM leaves out; none on any kernel. */
  readonly forgets: readonly RegisterName[];
}

const OWN = 'host';

const initial = ({ virtTscAux, forgets }: SwitchDesign): HostSaveAreaState => ({
  cpu: registersOf(() => OWN),
  hsave: registersOf((name) => (virtTscAux && name === 'TSC_AUX' && !forgets.includes(name) ? OWN : 'zero')),
  running: null,
  loaded: false,
});

const kindOf = (guest: SwitchedGuest, { virtTscAux }: SwitchDesign): GuestKind => (guest === 'plain' ? guest : { ...guest, virtTscAux });

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
  switch (event.type) {
    case 'hsave.save':
      return {
        hsave: saved(
          context,
          (event.registers as readonly RegisterName[]).filter((name) => !design.forgets.includes(name)),
        ),
      };
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
      const { cpu } = vmexit({ ...context, guest: registersOf(() => vcpu) }, kind, 'reset');
      return { cpu: guestWrote(cpu, kind, vcpu), running: null };
    }
    default:
      throw new Error(`${event.type} changes nothing`);
  }
}

/** The machine of all CPUs of one scenario. */
export const hostSaveAreaMachine = (design: SwitchDesign) =>
  setup({
    types: { context: {} as HostSaveAreaState, events: {} as Stamped<HostSaveAreaEvent>, emitted: {} as Outgoing },
    actions: {
      change: assign((args) => changed(args, design)),
      answer: emit(({ context: { loaded }, event }) => outgoing(sender(event), { type: 'hsave.loaded', loaded })),
    },
  }).createMachine({
    id: 'hostSaveArea',
    context: initial(design),
    initial: 'host',
    states: {
      host: {
        tags: 'rest',
        on: {
          'hsave.loaded?': { actions: 'answer' },
          'hsave.save': { actions: 'change' },
          'hsave.setLoaded': { actions: 'change' },
          'hsave.pop': { actions: 'change' },
          'hsave.put': { actions: 'change' },
          'hsave.vmrun': { target: 'guest', actions: 'change' },
        },
      },
      guest: { tags: 'rest', on: { 'hsave.vmexit': { target: 'host', actions: 'change' } } },
    },
  });
