/**
 * A VM before and through its launch, `sev:VM`: whether it exists, its type, struct kvm_sev_info,
 * how many vCPUs have been created, and the guest as the firmware knows it.
 *
 * @see kernel arch/x86/kvm/svm/sev.c, struct kvm_sev_info, __sev_guest_init(), sev_migrate_from();
 * SEV firmware API, "Guest state machine"
 */
import { assign, emit, enqueueActions, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type {
  FirmwareEvent,
  FirmwareGuest,
  KvmVmType,
  LaunchDesign,
  LaunchErrno,
  MovedContext,
  SevVmEvent,
} from '../../events/sev-es-debug/launch.ts';
import type { PspGuestCommand, PspGuestEvent } from '../../events/sev-snp/psp.ts';
import { createVm, executed, isInState, needsInit, sevInit, vmsaFeaturesOf } from './launch-rule.ts';

export interface SevVmContext {
  /** Null: no KVM_CREATE_VM has made it. */
  readonly vmType: KvmVmType | null;
  /** kvm->vm_dead. */
  readonly dead?: true | undefined;
  readonly active: boolean;
  readonly needsInit: boolean;
  /** vmsa_features, and what user space has asked for. */
  readonly features: number;
  readonly asked: number;
  readonly started: boolean;
  readonly firmware: FirmwareGuest | null;
  readonly created: number;
  readonly online: readonly number[];
  readonly moving: boolean;
  /** A launch has encrypted all VMSAs that it saw while a vCPU was being created. */
  readonly missed?: true | undefined;
  /** A launch has failed behind the first VMSA, and before the last. */
  readonly halfEncrypted?: true | undefined;
  /** The firmware command that waits for the VMSA. */
  readonly command: PspGuestCommand | null;
  readonly asking: string | null;
}

type Event = Stamped<SevVmEvent | PspGuestEvent | Extract<FirmwareEvent, { type: 'esv.encrypted' }>>;
type Args = { readonly context: SevVmContext; readonly event: Event };

const PSP: ActorId = 'psp';
const NO_VM: SevVmContext = {
  vmType: null,
  active: false,
  needsInit: false,
  features: 0,
  asked: 0,
  started: false,
  firmware: null,
  created: 0,
  online: [],
  moving: false,
  command: null,
  asking: null,
};

/** What decides of a VM: the host's design and features, and what it offers for VMSAs. */
export interface SevVmHost {
  readonly design: LaunchDesign;
  readonly features: readonly string[];
  readonly offered: number;
}

/** A change and what it answers. */
interface Answer {
  readonly errno: LaunchErrno | null;
  readonly change?: Partial<SevVmContext>;
  readonly tells?: readonly Outgoing[];
}

function putOnline({ online }: SevVmContext, { vcpu, id }: Extract<SevVmEvent, { type: 'sev.putOnline' }>): Answer {
  if (online.includes(vcpu)) return { errno: 'EEXIST' };
  return { errno: null, change: { online: [...online, vcpu] }, tells: [outgoing(id, { type: 'esv.putOnline' })] };
}

/** What a thread asks for and hears the errno of. */
function answered(host: SevVmHost, { context: c, event }: Args): Answer {
  const { design, features, offered } = host;
  switch (event.type) {
    case 'sev.create': {
      const errno = c.vmType === null ? createVm(design, features, event.vmType) : 'EEXIST';
      return { errno, ...(errno === null && { change: { vmType: event.vmType, needsInit: needsInit(event.vmType) } }) };
    }
    case 'sev.init': {
      const vmType = c.vmType!;
      const errno = sevInit(design, { ...c, vmType, offered }, event);
      const change = {
        active: true,
        needsInit: false,
        features: vmsaFeaturesOf(design, { vmType, offered }, event.features),
        asked: event.features,
      };
      return { errno, ...(errno === null && { change }) };
    }
    case 'sev.putOnline':
      return putOnline(c, event);
    case 'sev.beginMove':
      return c.moving ? { errno: 'EBUSY' } : { errno: null, change: { moving: true } };
    default:
      throw new Error(`${event.type} has no errno`);
  }
}

/** What changes without an answer. */
function changed({ context: c, event }: Args): Partial<SevVmContext> {
  switch (event.type) {
    case 'sev.uncountVcpu':
      return { created: c.created - 1 };
    case 'sev.bind':
      return { started: true };
    case 'sev.vmsasDone': {
      const encrypted = (c.firmware?.measured ?? []).filter(({ vcpu }) => vcpu !== null).length;
      if (!event.failed) return c.created === c.online.length ? {} : { missed: true };
      return encrypted > 0 && encrypted < c.online.length ? { halfEncrypted: true } : {};
    }
    case 'sev.endMove':
      return { moving: false };
    case 'sev.take':
      return {
        active: true,
        asked: event.asked,
        firmware: event.firmware,
        ...(event.features !== null && { features: event.features }),
      };
    case 'sev.setFeatures':
      return { features: event.features };
    default:
      throw new Error(`${event.type} changes nothing of a VM alone`);
  }
}

const given = ({ features, asked, firmware }: SevVmContext, withFeatures: boolean): MovedContext => ({
  features: withFeatures ? features : null,
  asked,
  firmware,
});

/** What is left of the source: vmsa_features stay, as nothing clears them. */
const GIVEN_AWAY: Partial<SevVmContext> = { dead: true, active: false, started: false, firmware: null };

/** The machine of all VMs that are created in the run. */
export function sevVmMachine(host: SevVmHost) {
  return setup({
    types: { context: {} as SevVmContext, events: {} as Event, emitted: {} as Outgoing },
    guards: {
      isWrongState: ({ context: c, event }) => event.type === 'psp.guestCommand' && !isInState(c.firmware, event.command),
      isOfVmsa: ({ event }) => event.type === 'psp.guestCommand' && event.page !== null,
    },
    actions: {
      answer: enqueueActions(({ context, event, enqueue }) => {
        const { errno, change = {}, tells = [] } = answered(host, { context, event });
        enqueue.emit(outgoing(sender(event), { type: 'sev.done', errno }));
        for (const message of tells) enqueue.emit(message);
        enqueue.assign(change);
      }),
      change: assign(changed),
      answerFd: emit(({ context: c, event }) =>
        outgoing(sender(event), { type: 'sev.fd', errno: c.vmType === null ? 'EBADF' : c.dead ? 'EIO' : null }),
      ),
      answerFacts: emit(({ context: { vmType, active, needsInit, features, online, created, started }, event }) =>
        outgoing(sender(event), { type: 'sev.facts', vmType: vmType!, active, needsInit, features, online, created, started }),
      ),
      count: assign({ created: ({ context: c }) => c.created + 1 }),
      give: enqueueActions(({ context: c, event, enqueue }) => {
        if (event.type !== 'sev.give') return;
        enqueue.emit(outgoing(event.to, { type: 'sev.take', ...given(c, event.features) }));
        enqueue.assign(GIVEN_AWAY);
      }),
      refuse: emit(() => outgoing(PSP, { type: 'psp.guestDone', status: 'INVALID_GUEST_STATE' })),
      carryOut: enqueueActions(({ context: c, event, enqueue }) => {
        if (event.type !== 'psp.guestCommand') return;
        const isData = event.command === 'LAUNCH_UPDATE_DATA';
        enqueue.assign({ firmware: executed(c.firmware, event.command, isData ? { vcpu: null } : null) });
        enqueue.emit(outgoing(PSP, { type: 'psp.guestDone', status: 'SUCCESS' }));
      }),
      encrypt: enqueueActions(({ event, enqueue }) => {
        if (event.type !== 'psp.guestCommand') return;
        enqueue.assign({ command: event.command, asking: 'firmware' });
        enqueue.emit(outgoing(event.page!, { type: 'esv.encrypt' }));
      }),
      measure: enqueueActions(({ context: c, event, enqueue }) => {
        if (event.type !== 'esv.encrypted') return;
        enqueue.assign({ firmware: executed(c.firmware, c.command!, { vcpu: event.vcpu, ...event.content }), command: null, asking: null });
        enqueue.emit(outgoing(PSP, { type: 'psp.guestDone', status: 'SUCCESS' }));
      }),
    },
  }).createMachine({
    id: 'sevVm',
    context: NO_VM,
    initial: 'kept',
    states: {
      kept: {
        tags: 'rest',
        on: {
          'sev.create': { actions: 'answer' },
          'sev.fd?': { actions: 'answerFd' },
          'sev.facts?': { actions: 'answerFacts' },
          'sev.countVcpu': { actions: ['count', 'answerFacts'] },
          'sev.putOnline': { actions: 'answer' },
          'sev.uncountVcpu': { actions: 'change' },
          'sev.init': { actions: 'answer' },
          'sev.bind': { actions: 'change' },
          'sev.vmsasDone': { actions: 'change' },
          'sev.beginMove': { actions: 'answer' },
          'sev.endMove': { actions: 'change' },
          'sev.give': { actions: 'give' },
          'sev.take': { actions: 'change' },
          'sev.setFeatures': { actions: 'change' },
          'psp.guestCommand': [
            { guard: 'isWrongState', actions: 'refuse' },
            { guard: 'isOfVmsa', actions: 'encrypt' },
            { actions: 'carryOut' },
          ],
          'esv.encrypted': { actions: 'measure' },
        },
      },
    },
  });
}
