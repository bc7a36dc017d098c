/** The page that an operation of an SNP guest names, and the ways from a vCPU to its keepers. */
import { outgoing } from '../../events/event.ts';
import type { GuestOp } from '../../events/program.ts';
import { type AccessOutcome, regionOf } from '../../events/sev-snp/rmp.ts';
import { type GuestEnv, type GuestItem, type GuestLocals, guest, opOf, type Vcpu, vmexit } from '../kvm/guest-program.ts';

const { step } = guest;

declare module '../kvm/guest-program.ts' {
  interface GuestLocals {
    /** The page that an instruction is of, where that is not the one that the operation names. */
    readonly gfn?: number | undefined;
    readonly outcome?: AccessOutcome | undefined;
  }
  interface Vcpu {
    /** Of its VMSA; absent at VMPL 0. */
    readonly vmpl?: number | undefined;
  }
}

/** An event without its type being known here. */
interface Sent {
  readonly type: string;
  readonly [key: string]: unknown;
}
const NO_LOCALS: GuestLocals = {};

/** The page in question. */
export function gfnOf(env: GuestEnv, v: Vcpu, l: GuestLocals = NO_LOCALS): number {
  const op = opOf(env, v);
  if (!('gfn' in op)) throw new Error(`${op.op} names no page`);
  return l.gfn ?? op.gfn;
}
/** To the actor that knows what all vCPUs of the guest know. */
export const toPages = (env: GuestEnv, v: Vcpu, event: Sent) => outgoing(env.images[v.image]!.vm.pages, event);
export const asidOf = (env: GuestEnv, v: Vcpu) => env.images[v.image]!.vm.asid;
export const argsOf = <K extends GuestOp['op']>(env: GuestEnv, v: Vcpu, kind: K): Extract<GuestOp, { op: K }> => {
  const op = opOf(env, v);
  if (op.op !== kind) throw new Error(`the guest stands at ${op.op}, not at ${kind}`);
  return op as Extract<GuestOp, { op: K }>;
};
export function frameAt(env: GuestEnv, v: Vcpu, l?: GuestLocals): number {
  const pfn = env.images[v.image]!.vm.frames[gfnOf(env, v, l)];
  if (pfn === undefined) throw new Error(`the guest has no page at GFN 0x${gfnOf(env, v, l).toString(16)}`);
  return pfn;
}
export const toRmp = (env: GuestEnv, v: Vcpu, event: Sent, l?: GuestLocals) =>
  outgoing(regionOf(frameAt(env, v, l)), { pfn: frameAt(env, v, l), ...event });

/** What a load or a store hears. */
export const accessed = { 'rmp.accessed': (e: { readonly outcome: AccessOutcome }) => ({ outcome: e.outcome }) };

/** #VMEXIT(NPF) and, after the host has dealt with it, the instruction again. */
export const nestedFault = (env: GuestEnv, isPrivate: (v: Vcpu) => boolean): GuestItem =>
  step('NPF', {
    send: (v, l) =>
      vmexit(v, 'NPF', {
        ...{ gfn: gfnOf(env, v, l), private: isPrivate(v) },
        ...(l.result === 'FAIL_SIZEMISMATCH' && { sizem: true as const }),
        ...(l.outcome === 'vmpl' && { vmpl: true as const }),
      }),
  });
