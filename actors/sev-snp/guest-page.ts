/** The page that an operation of an SNP guest names, and the ways from a vCPU to its keepers. */
import { outgoing } from '../../events/event.ts';
import type { GuestOp } from '../../events/program.ts';
import { errorCode, type NestedAccess, nestedFaultCode } from '../../events/sev-snp/error-code.ts';
import { type AccessOutcome, regionOf } from '../../events/sev-snp/rmp.ts';
import { type GuestEnv, type GuestItem, type GuestLocals, guest, opOf, type Vcpu, vmexit } from '../kvm/guest-program.ts';
import { otherwise } from '../path/path.ts';

const { step, when } = guest;

declare module '../kvm/guest-program.ts' {
  interface GuestLocals {
    /** The page that an instruction is of, where that is not the one that the operation names. */
    readonly gfn?: number | undefined;
    /** The page has the state that the C-bit of the access asks for. */
    readonly isMapped?: boolean | undefined;
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
  if (l.gfn !== undefined) return l.gfn;
  const op = opOf(env, v);
  if (!('gfn' in op)) throw new Error(`${op.op} names no page`);
  return op.gfn;
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

type OfAccess = (v: Vcpu) => Pick<NestedAccess, 'private' | 'write'>;

/** #VMEXIT(NPF) and, after the host has dealt with it, the instruction again. */
export const nestedFault = (env: GuestEnv, access: OfAccess, name = 'NPF'): GuestItem =>
  step(name, {
    send: (v, l) => {
      const vmpl = l.outcome === 'vmpl';
      return vmexit(v, 'NPF', {
        gfn: gfnOf(env, v, l),
        errorCode: nestedFaultCode({ ...access(v), sizem: l.result === 'FAIL_SIZEMISMATCH', vmpl }),
      });
    },
  });
/** #VMEXIT(NPF) of a mapping that is not there: neither PRESENT nor RMP. */
export const unmappedFault = (env: GuestEnv, access: OfAccess): GuestItem =>
  step('NPF_unmapped', {
    send: (v) => {
      const { write, private: enc } = access(v);
      const code = errorCode('USER', 'FINAL', ...(write ? (['WRITE'] as const) : []), ...(enc ? (['ENC'] as const) : []));
      return vmexit(v, 'NPF_UNMAPPED', { gfn: gfnOf(env, v), errorCode: code });
    },
  });
/** PVALIDATE and RMPADJUST are no stores to the page, as far as is known (grade `decision`). */
export const OF_INSN = { private: true, write: false };

/** Whether private pages lie in a guest_memfd. */
export const isUnmapped = (env: GuestEnv): boolean => env.images.some(({ vm }) => vm.unmapped);
/**
 * Where private pages lie in a guest_memfd, the nested walk of an access comes first: a page that
 * has not the state of the C-bit is not mapped. The instruction begins here, and `then` ends it.
 */
export const walked = (env: GuestEnv, access: OfAccess, then: readonly GuestItem[]): readonly GuestItem[] =>
  isUnmapped(env)
    ? [
        step('nested_walk', {
          insn: true,
          send: (v, l) => toPages(env, v, { type: 'guest.walk', gfn: gfnOf(env, v, l), private: access(v).private }),
          answers: { 'pages.walked': (e) => ({ isMapped: e.maps }) },
        }),
        when(
          [(_v, l) => l.isMapped === false, [step('walk_faulted', { insn: false }), nestedFault(env, access, 'NPF_not_mapped')]],
          [otherwise, then],
        ),
      ]
    : then;
