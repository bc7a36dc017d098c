/**
 * Two mechanisms of AMD hosts that exist for tests only: together with SEV-SNP they fill every kind
 * of slot that KVM has.
 */
import { z } from 'zod';
import { host, kernelSource } from '../../../actors/host/host-env.ts';
import { guest, vmexit } from '../../../actors/kvm/guest-program.ts';
import { exitInfo, vcpuOf } from '../../../actors/kvm/kvm-env.ts';
import type { KvmParts } from '../../../actors/kvm/slots.ts';
import { outgoing } from '../../../events/event.ts';
import type { Mechanism } from '../../../sim/host/mechanism.ts';
import { vcpuNamed } from '../../../sim/scenario/fields.ts';
import { operation } from '../../../sim/scenario/operation.ts';

declare module '../../../events/kvm.ts' {
  interface ExitInfoOf {
    readonly BELL: { readonly times: number };
  }
  interface VcpuRequests {
    readonly KVM_REQ_CHIME: true;
  }
}
declare module '../../../events/svm.ts' {
  interface NaeInfoOf {
    readonly DING: { readonly tone: number };
  }
}
declare module '../../../events/program.ts' {
  interface GuestOpsOf {
    toys: { readonly op: 'ring'; readonly times: number } | { readonly op: 'ding'; readonly tone: number };
  }
  interface HostOpsOf {
    toys:
      | { readonly op: 'KVM_SET_BELL'; readonly vm: string; readonly vcpu: number }
      | { readonly op: 'KVM_COUNT_BELLS'; readonly vm: string }
      | { readonly op: 'trip' };
  }
}
declare module '../../../sim/scenario/program.ts' {
  interface GuestTablesOf {
    toys: typeof GUEST_OPERATIONS;
  }
  interface HostTablesOf {
    toys: typeof BELL_OPERATIONS & typeof LEDGER_OPERATIONS;
  }
}
declare module '../../../actors/host/host-env.ts' {
  interface HostThread {
    /** What the handlers of the toys were told, in order. */
    readonly heard?: readonly string[] | undefined;
  }
}

const { step } = host;
const TOY = kernelSource('the toys of the test');
const tone = z.int();
const GUEST_OPERATIONS = {
  ring: operation('ring', 'Leaves guest mode by the exit BELL.', { times: tone }),
  ding: operation('ding', 'Asks by VMGEXIT for the NAE event DING.', { tone }),
};
const VM = z.string();
const BELL_OPERATIONS = {
  KVM_SET_BELL: {
    summary: 'An ioctl on a vCPU.',
    args: { vcpu: VM },
    fields: { vm: VM, vcpu: z.int() },
    compiled: z.strictObject({ vcpu: VM }).transform(({ vcpu }) => ({ op: 'KVM_SET_BELL' as const, ...vcpuNamed(vcpu) })),
  },
  trip: operation('trip', 'Raises a fault that a toy handles.', {}),
};
const LEDGER_OPERATIONS = { KVM_COUNT_BELLS: operation('KVM_COUNT_BELLS', 'An ioctl on a VM.', { vm: VM }) };

const heard = (what: string) => ({
  set: (t: { readonly heard?: readonly string[] | undefined }) => ({ heard: [...(t.heard ?? []), what] }),
});
const slot = (name: string, order: number) => ({ order, items: () => [step(name)] });

/**
 * Rings: an exit, a NAE event, a request, an ioctl on a vCPU, a fault, and the first place in the
 * sequences.
 */
export const BELL_PARTS: KvmParts = {
  load: slot('bell_load', 1),
  put: slot('bell_put', 2),
  beforeEntry: slot('bell_before_entry', 1),
  beforeGuest: slot('bell_before_guest', 1),
  afterExit: slot('bell_after_exit', 1),
  leaveToUser: slot('bell_leave', 1),
  exits: {
    BELL: () => [step('handle_bell', { set: (t, l) => ({ heard: [...(t.heard ?? []), `BELL ${exitInfo(l, 'BELL').times}`] }) })],
  },
  nae: { DING: () => [step('handle_ding', heard('DING'))] },
  requests: {
    KVM_REQ_CHIME: (env) => [
      step('handle_chime', {
        ...heard('CHIME'),
        send: (t) => outgoing(vcpuOf(env, t).id, { type: 'vcpu.clearRequest', request: 'KVM_REQ_CHIME' }),
      }),
    ],
  },
  vcpuIoctls: {
    KVM_SET_BELL: {
      ...TOY,
      items: (env) => [
        step('set_bell', {
          send: (t) => outgoing(vcpuOf(env, t).id, { type: 'vcpu.request', request: 'KVM_REQ_CHIME' }),
          answers: { 'vcpu.kick': () => ({}) },
        }),
      ],
    },
  },
};

/** Keeps books: the second place in the sequences, an ioctl on a VM. */
export const LEDGER_PARTS: KvmParts = {
  load: slot('ledger_load', 2),
  put: slot('ledger_put', 1),
  beforeEntry: slot('ledger_before_entry', 2),
  afterGuest: slot('ledger_after_guest', 1),
  restore: slot('ledger_restore', 1),
  vmIoctls: { KVM_COUNT_BELLS: { ...TOY, items: () => [step('count_bells', heard('COUNT'))] } },
};

const guestOp = <K extends string>(op: { readonly op: string }, name: K) => {
  if (op.op !== name) throw new Error(`the guest stands at ${op.op}`);
  return op as unknown as Readonly<Record<string, number>>;
};

export const bell: Mechanism = {
  name: 'bell',
  arches: ['amd'],
  guestOperations: GUEST_OPERATIONS,
  hostOperations: BELL_OPERATIONS,
  guest: () => ({
    operations: (env) => {
      const opOf = (v: { readonly image: number; readonly pc: number }) => env.images[v.image]!.program.ops[v.pc]!;
      return [
        ['ring', [guest.step('RING', { send: (v) => vmexit(v, 'BELL', { times: guestOp(opOf(v), 'ring').times! }) })]],
        ['ding', [guest.step('DING', { send: (v) => vmexit(v, 'VMGEXIT', { nae: 'DING', tone: guestOp(opOf(v), 'ding').tone! }) })]],
      ];
    },
  }),
  host: () => ({
    operations: (env) => [
      [
        'trip',
        host.call(host.path('trip', TOY, [step('access'), ...env.parts.find(({ faults }) => faults?.['#TOY'])!.faults!['#TOY']!(env)])),
      ],
    ],
    faults: { '#TOY': () => [step('exc_toy', heard('FAULT'))] },
  }),
  kvm: () => BELL_PARTS,
};

export const ledger: Mechanism = { name: 'ledger', arches: ['amd'], hostOperations: LEDGER_OPERATIONS, kvm: () => LEDGER_PARTS };
