/**
 * What host code of a race does to pages of an SNP guest: stores through the direct map, and
 * RMPUPDATE.
 */
import { type HostEnv, type HostItem, type HostLocals, type HostThread, host, kernelSource } from '../host/host-env.ts';
import { fn } from '../kit/fn.ts';
import { type Given, given } from '../kit/local.ts';
import type { At } from '../kit/primitive.ts';
import { vmNameOf } from '../kvm/kit-here.ts';
import { updateRmpPath } from './direct-map.ts';
import { privateTo } from './exits.ts';
import { kernelStore } from './guest-memory.ts';
import { SHARED } from './page-fault.ts';
import { frameOf } from './snp-env.ts';

const { call, note } = host;

/** Which page of which VM, and what the function is called. @public */
export interface OfPage {
  readonly at: At<HostThread, HostLocals>;
  readonly gfn: Given<number, HostThread, HostLocals>;
  readonly as?: string;
}

const bound = (env: HostEnv, { at, gfn }: OfPage, rest: (vm: string, frame: number) => Partial<HostLocals>): HostItem =>
  note((t, l) => {
    const vm = vmNameOf(at(t, l));
    const frame = given(gfn, t, l);
    return { vm, gfn: frame, pfn: frameOf(env, vm, frame), ...rest(vm, frame) };
  });

/** The kernel stores to a guest's page, where the RMP may forbid it: the host's policy handles that. @public */
export const storeToPage = (env: HostEnv, where: OfPage): HostItem =>
  call(
    fn(
      where.as ?? 'store_to_page',
      kernelSource('arch/x86/mm/fault.c, do_kern_addr_fault()'),
      [bound(env, where, () => ({ kernel: true })), kernelStore(env)],
      { locals: ['vm', 'gfn', 'pfn', 'kernel', 'fault', 'errorCode', 'verdict'] },
    ),
  );

const LOCALS = ['vm', 'gfn', 'pfn', 'update', 'result'];
const updated = (env: HostEnv, where: OfPage, name: string, to: 'private' | 'shared'): HostItem =>
  call(
    fn(
      where.as ?? name,
      kernelSource('arch/x86/virt/svm/sev.c, rmp_make_private(), rmp_make_shared()'),
      [bound(env, where, (vm, gfn) => ({ update: to === 'private' ? privateTo(env, vm, gfn) : SHARED })), call(updateRmpPath(env))],
      { locals: LOCALS },
    ),
  );
/** rmp_make_private(): the page is the guest's. @public */
export const makePagePrivate = (env: HostEnv, where: OfPage): HostItem => updated(env, where, 'rmp_make_private', 'private');
/** rmp_make_shared(): the page is the host's. @public */
export const makePageShared = (env: HostEnv, where: OfPage): HostItem => updated(env, where, 'rmp_make_shared', 'shared');
