/**
 * The registers of a vCPU before and behind their encryption, `esv:VM/N`: what ioctls set, the VMSA
 * that a launch makes of them, guest_state_protected, and what the VMCB intercepts of debugging.
 *
 * A VMSA is one value for each ioctl that writes registers. What a guest has in its debug registers
 * KVM's debug half keeps, `launched-debug.ts`.
 *
 * @see kernel arch/x86/kvm/svm/sev.c, sev_es_sync_vmsa(), sev_es_init_vmcb(), sev_migrate_from();
 * arch/x86/kvm/svm/svm.c, svm_set_msr(), svm_update_lbrv(); domain debug-and-split-lock B.1, B.6
 */
import { assign, emit, enqueueActions, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type {
  EsVcpuEvent,
  FirmwareEvent,
  LaunchDesign,
  LaunchErrno,
  LaunchRegisters,
  RegisterIoctl,
  VmsaContent,
} from '../../events/sev-es-debug/launch.ts';
import { kdbOf } from '../guest-debug/vcpu-debug.ts';
import { type InterceptDesign, LAUNCH_RULES, type LaunchRules, type Protection, swapsDebug } from './launch-rule.ts';
import { ABSENT_VCPU, type EsVcpuContext, type EsVcpuInput, LAUNCH_RESET } from './launch-vcpu-state.ts';

type Event = Stamped<EsVcpuEvent | Extract<FirmwareEvent, { type: 'esv.encrypt' }>>;
type Args = { readonly context: EsVcpuContext; readonly event: Event };
type Change = Partial<EsVcpuContext>;

/** What decides of a vCPU. */
interface Host {
  readonly design: LaunchDesign & InterceptDesign;
  readonly rules: LaunchRules;
}

const protectionOf = ({ vmType, es, guestProtected, vmsaEncrypted }: EsVcpuContext): Protection => ({
  vmType,
  es,
  guestProtected,
  encrypted: vmsaEncrypted,
});

/** Which registers an ioctl writes. */
const WRITES: Readonly<Partial<Record<RegisterIoctl, keyof LaunchRegisters>>> = {
  KVM_SET_REGS: 'gprs',
  KVM_SET_SREGS: 'sregs',
  KVM_SET_FPU: 'fpu',
  KVM_SET_XSAVE: 'fpu',
};
const DEBUGCTL_LBR = 1;

/** svm_set_msr() of DEBUGCTL: a value that is there already ends it before svm_update_lbrv(). */
const debugctlSet = ({ debugctl }: EsVcpuContext, value: number): Change =>
  value === debugctl ? {} : { debugctl: value, lbrv: (value & DEBUGCTL_LBR) !== 0 };

/** An ioctl on registers; what it only pretends to set, user space believes as well. */
function registersSet(
  { design, rules }: Host,
  c: EsVcpuContext,
  ioctl: RegisterIoctl,
  value: number,
): { readonly errno: LaunchErrno | null; readonly change: Change } {
  const rule = rules.registerIoctl(design, ioctl, protectionOf(c));
  if (rule === 'EINVAL') return { errno: rule, change: {} };
  const field = WRITES[ioctl];
  const done = rule === 'done';
  const change: Change =
    field === undefined
      ? done && ioctl === 'KVM_SET_DEBUGCTL'
        ? debugctlSet(c, value)
        : {}
      : {
          ...(done && { registers: { ...c.registers, [field]: value } }),
          ...(!c.vmsaEncrypted && { told: { ...c.told, [field]: value } }),
        };
  return { errno: null, change };
}

/** A store of the host to the page of the VMSA. */
function stored({ vmsa, encrypted }: EsVcpuContext, content: Partial<VmsaContent>): Change {
  if (vmsa === null) return { storedNull: true };
  return { vmsa: { ...vmsa, ...content }, ...(encrypted && { storedEncrypted: true }) };
}

const isStale = ({ vmsa, registers: { gprs, sregs } }: EsVcpuContext): boolean => vmsa?.gprs !== gprs || vmsa.sregs !== sregs;

/** sev_es_init_vmcb(). */
function initVmcb({ design, rules }: Host, c: EsVcpuContext, features: number): Change {
  const writes = design['sev.featuresWrite'] !== 'sync' && c.life !== 'absent';
  return {
    es: true,
    features,
    intercepts: rules.interceptsOf(features, design),
    ...(design['sev.lbrvOrder'] === 'at-reset' && { lbrv: true }),
    ...(writes && stored(c, { features })),
  };
}

function created(host: Host, c: EsVcpuContext, { vmType, es, features }: Extract<EsVcpuEvent, { type: 'esv.create' }>): Change {
  if (c.life !== 'absent') return {};
  return {
    life: 'creating',
    vmType,
    vmsa: es ? { ...LAUNCH_RESET, features: 0 } : null,
    guest: es ? c.id : null,
    guestProtected: host.rules.protectedFromStart(host.design, es),
    ...(es && initVmcb(host, c, features)),
  };
}

/** What an event changes of the vCPU without an answer. */
function changed(host: Host, { context: c, event }: Args): Change {
  switch (event.type) {
    case 'esv.create':
      return created(host, c, event);
    case 'esv.putOnline':
      return { life: 'online' };
    case 'esv.syncSave':
      return { launching: true, ...stored(c, { sregs: c.registers.sregs }) };
    case 'esv.syncRegisters':
      return stored(c, host.rules.syncedRegisters(c, event.features));
    case 'esv.toFirmware':
      return { firmwarePage: true };
    case 'esv.protect':
      return { guestProtected: true, vmsaEncrypted: true, ...(event.last && { launching: false, firmwarePage: undefined }) };
    case 'esv.enableLbrv':
      return { lbrv: true, ...(event.last && { launching: false, firmwarePage: undefined }) };
    case 'esv.failLaunch':
      return { launching: false, firmwarePage: undefined };
    case 'esv.initVmcb':
      return { launching: !event.last, ...initVmcb(host, c, event.features) };
    case 'esv.take':
      return {
        launching: !event.last,
        vmsa: event.vmsa,
        guest: event.guest,
        encrypted: event.encrypted,
        guestProtected: true,
        vmsaEncrypted: true,
        // What user space has set of the source is the guest's from now on.
        ...(event.vmsa !== null && { told: event.vmsa }),
      };
    default:
      throw new Error(`${event.type} changes nothing of a vCPU alone`);
  }
}

const GIVEN_AWAY: Change = { dead: true, vmsa: null, guest: null, encrypted: false, guestProtected: false, vmsaEncrypted: false };

const fdErrno = ({ life, dead }: EsVcpuContext): LaunchErrno | null => (life === 'online' ? (dead ? 'EIO' : null) : 'EBADF');

/** VMRUN of a VMSA that is not encrypted with the guest's key, or that the firmware owns, fails. */
const runs = ({ vmsa, encrypted, firmwarePage }: EsVcpuContext): boolean => vmsa !== null && encrypted && !firmwarePage;

/** The VMSA goes to another vCPU, and what the guest has in its debug registers with it. */
function given(
  { vmsa, guest, encrypted, debugHalf }: EsVcpuContext,
  { to, last }: Extract<EsVcpuEvent, { type: 'esv.give' }>,
): readonly Outgoing[] {
  const registers = debugHalf === null ? [] : [outgoing(debugHalf, { type: 'kdb.giveVmsa', to: kdbOf(to.replace(/^esv:/, 'vcpu:')) })];
  return [outgoing(to, { type: 'esv.take', vmsa, guest, encrypted, last }), ...registers];
}

/** VMRUN: whether it goes on, and what VMSA and VMCB ask the CPU for then. */
function entered(c: EsVcpuContext, thread: ActorId, cpu: ActorId): readonly Outgoing[] {
  const { id, vmsa, guest, intercepts, debugHalf } = c;
  if (vmsa === null || guest === null || !runs(c))
    return [outgoing(thread, { type: 'esv.entered', runs: false, debugSwap: false, guest: null })];
  const debugSwap = swapsDebug(vmsa.features);
  return [
    outgoing(guest, { type: 'guest.runBy', runner: guest === id ? null : { vcpu: id, thread, cpu } }),
    ...(debugHalf === null
      ? []
      : [outgoing(debugHalf, { type: 'kdb.vmcb', debugSwap, interceptsDr7: intercepts.dr7, interceptsDb: intercepts.db })]),
    outgoing(thread, { type: 'esv.entered', runs: true, debugSwap, guest }),
  ];
}

/** The machine of all vCPUs that are created in the run. */
export function esVcpuMachine(design: LaunchDesign & InterceptDesign, rules: LaunchRules = LAUNCH_RULES) {
  const host: Host = { design, rules };
  return setup({
    types: { context: {} as EsVcpuContext, events: {} as Event, emitted: {} as Outgoing, input: {} as EsVcpuInput },
    actions: {
      change: assign((args) => changed(host, args)),
      setRegisters: enqueueActions(({ context: c, event, enqueue }) => {
        if (event.type !== 'esv.registers') return;
        const { errno, change } = registersSet(host, c, event.ioctl, event.value);
        enqueue.emit(outgoing(sender(event), { type: 'esv.done', errno }));
        enqueue.assign(change);
      }),
      answerFd: emit(({ context: c, event }) => outgoing(sender(event), { type: 'esv.fd', errno: fdErrno(c) })),
      answerDebug: emit(({ context: c, event }) =>
        outgoing(sender(event), { type: 'esv.done', errno: rules.setGuestDebug(design, protectionOf(c)) }),
      ),
      answerCheck: emit(({ context: c, event }) => {
        const debugged = event.type === 'esv.check?' ? event : { guestDebug: false, dr7: false };
        return outgoing(sender(event), { type: 'esv.checked', ...rules.updateVmsa(design, protectionOf(c), debugged) });
      }),
      answerProtected: emit(({ context: { guestProtected }, event }) => outgoing(sender(event), { type: 'esv.protected', guestProtected })),
      give: enqueueActions(({ context: c, event, enqueue }) => {
        if (event.type !== 'esv.give') return;
        for (const message of given(c, event)) enqueue.emit(message);
        enqueue.assign(GIVEN_AWAY);
      }),
      enter: enqueueActions(({ context: c, event, enqueue }) => {
        if (event.type !== 'esv.enter?') return;
        for (const message of entered(c, sender(event), event.cpu)) enqueue.emit(message);
        if (c.launching) enqueue.assign({ enteredInLaunch: true });
      }),
      encrypt: enqueueActions(({ context: c, event, enqueue }) => {
        enqueue.emit(outgoing(sender(event), { type: 'esv.encrypted', vcpu: c.vcpu, content: c.vmsa! }));
        enqueue.assign({ encrypted: true, ...(isStale(c) && { stale: true as const }) });
      }),
    },
  }).createMachine({
    id: 'esVcpu',
    context: ({ input }) => ({ ...ABSENT_VCPU, ...input }),
    initial: 'kept',
    states: {
      kept: {
        tags: 'rest',
        on: {
          'esv.fd?': { actions: 'answerFd' },
          'esv.create': { actions: 'change' },
          'esv.putOnline': { actions: 'change' },
          'esv.registers': { actions: 'setRegisters' },
          'esv.debug?': { actions: 'answerDebug' },
          'esv.check?': { actions: 'answerCheck' },
          'esv.syncSave': { actions: 'change' },
          'esv.syncRegisters': { actions: 'change' },
          'esv.toFirmware': { actions: 'change' },
          'esv.encrypt': { actions: 'encrypt' },
          'esv.protect': { actions: 'change' },
          'esv.enableLbrv': { actions: 'change' },
          'esv.failLaunch': { actions: 'change' },
          'esv.protected?': { actions: 'answerProtected' },
          'esv.initVmcb': { actions: 'change' },
          'esv.give': { actions: 'give' },
          'esv.take': { actions: 'change' },
          'esv.enter?': { actions: 'enter' },
        },
      },
    },
  });
}
