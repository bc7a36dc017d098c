/**
 * A private page of a guest_memfd is prepared: its frame becomes the guest's, unless it is so
 * already. A nested fault does so, KVM_PRE_FAULT_MEMORY without one, which also maps the page, and
 * the first touch of a page that the allocator gives.
 *
 * A large folio becomes one 2M entry if nothing of it is assigned yet.
 */
import { outgoing } from '../../events/event.ts';
import type { RmpUpdate } from '../../events/sev-snp/rmp.ts';
import { type HostEnv, type HostItem, type HostLocals, type HostThread, host, kernelSource, opOf } from '../host/host-env.ts';
import { untilGranted } from '../host/sleeping.ts';
import { otherwise } from '../path/path.ts';
import { updateRmpPath } from './direct-map.ts';
import { privateTo } from './exits.ts';
import { TESTS } from './map-lock.ts';
import { PAGE_ALLOCATOR } from './page-allocator.ts';
import { frameOf, toRmp } from './snp-env.ts';

const { path, step, call, loop, when, note, leaveLoop } = host;

/** The 2 MiB that a page lies in, where the run has more than one frame of it. */
export interface Folio {
  /** Of the first frame. */
  readonly gfn: number;
  readonly pfn: number;
  /** PFNs of all frames that the run has of the 2 MiB. */
  readonly frames: readonly number[];
  /** All of them are of this guest, at GFNs of the same 2 MiB. */
  readonly whole: boolean;
}
declare module '../kvm/kvm-env.ts' {
  interface VmFacts {
    /** By GFN; of pages that `frames` makes part of 2 MiB. */
    readonly folios: Readonly<Record<number, Folio>>;
  }
}
declare module '../host/host-env.ts' {
  interface HostLocals {
    /** How many entries of the 2 MiB have been looked at; absent for an update of 4K. */
    readonly looked?: number | undefined;
  }
}

const folioOf = (env: HostEnv, l: HostLocals): Folio | undefined => env.vms[l.vm!]!.folios[l.gfn!];
const pagesId = (env: HostEnv, l: HostLocals) => env.vms[l.vm!]!.pages;
/** The order of what backs the page. */
const mayBeLarge = (env: HostEnv, l: HostLocals): boolean =>
  folioOf(env, l) !== undefined && (folioOf(env, l)!.whole || env.options['kvm.gmemOrder'] === 'alignment');
/** A folio is locked by the GFN of its first page. */
const lockOf = (env: HostEnv, l: HostLocals) => folioOf(env, l)?.gfn ?? l.gfn!;

/** folio_lock(): from the look at the RMP to the update. @see domain snp d.4, h R8 */
export const lockFolio = (env: HostEnv) =>
  untilGranted('folio_lock', kernelSource('virt/kvm/guest_memfd.c, kvm_gmem_get_folio(); mm/filemap.c, folio_lock()'), TESTS, {
    send: (_t, l) => outgoing(pagesId(env, l), { type: 'pages.lockFolio', gfn: lockOf(env, l), takes: l.pfn! }),
    answers: { 'pages.granted': (e) => ({ granted: e.granted }) },
  });
export const unlockFolio = (env: HostEnv) =>
  step('folio_unlock', { send: (_t, l) => outgoing(pagesId(env, l), { type: 'pages.unlockFolio', gfn: lockOf(env, l) }) });

/** One of 512 reads: nothing keeps an entry that was read as it is. */
const isShared = (env: HostEnv) =>
  step('is_pfn_range_shared', {
    send: (_t, l) => toRmp({ type: 'rmp.read', pfn: folioOf(env, l)!.frames[l.looked!]! }),
    answers: { 'rmp.entry': (e, _t, l) => ({ assigned: e.entry.assigned, looked: l.looked! + 1 }) },
  });

const updateOf = (env: HostEnv, l: HostLocals): { readonly pfn: number; readonly update: RmpUpdate } => {
  const { gfn, pfn } = folioOf(env, l) ?? { gfn: l.gfn!, pfn: l.pfn! };
  if (l.looked === undefined) return { pfn: l.pfn!, update: privateTo(env, l.vm!, l.gfn!) };
  return { pfn, update: { ...privateTo(env, l.vm!, gfn), pageSize: '2M' } };
};

/** The frames of the folio, one after the other: leaves `looked` where none of them is assigned. */
const lookAtFolio = (env: HostEnv): HostItem =>
  when([
    (_t, l) => mayBeLarge(env, l),
    [
      note(() => ({ looked: 0 })),
      loop(
        isShared(env),
        when(
          [(_t, l) => l.assigned === true, [note(() => ({ looked: undefined })), leaveLoop]],
          [(_t, l) => l.looked === folioOf(env, l)!.frames.length, [leaveLoop]],
        ),
      ),
    ],
  ]);

/**
 * sev_gmem_prepare(). Expects `vm`, `gfn` and `pfn`; leaves `result`, which is SUCCESS also where
 * the page is assigned already. `look`: what comes before an update that may be of 2M.
 */
export const gmemPrepare = (env: HostEnv, look: readonly HostItem[] = []): readonly HostItem[] => [
  step('snp_lookup_rmpentry', {
    send: (_t, l) => toRmp({ type: 'rmp.read', pfn: l.pfn! }),
    answers: { 'rmp.entry': (e) => ({ assigned: e.entry.assigned, result: 'SUCCESS' }) },
  }),
  when([(_t, l) => l.assigned !== true, [...look, call(updateRmpPath(env), (_t, l) => updateOf(env, l))]]),
];
const SOURCE = kernelSource('arch/x86/kvm/svm/sev.c, sev_gmem_prepare(), is_large_rmp_possible(), is_pfn_range_shared()');
const LOCALS = ['assigned', 'looked', 'update'] as const;

const preparePath = (env: HostEnv) =>
  path('sev_gmem_prepare', SOURCE, [...gmemPrepare(env, [lookAtFolio(env)]), note((_t, l) => ({ pfn: frameOf(env, l.vm!, l.gfn!) }))], {
    locals: [...LOCALS],
  });

/** kvm_mmu_faultin_pfn_private() and what follows: prepare, ask the RMP for the size, map. */
const mapPrivate = (env: HostEnv): readonly HostItem[] => [
  call(lockFolio(env)),
  call(preparePath(env)),
  unlockFolio(env),
  when(
    [(_t, l) => l.result !== 'SUCCESS', [step('pr_err_update')]],
    [
      otherwise,
      [
        step('sev_private_max_mapping_level', {
          send: (_t, l) => toRmp({ type: 'rmp.read', pfn: l.pfn! }),
          answers: { 'rmp.entry': (e) => ({ huge: e.huge === true }) },
        }),
        step('kvm_tdp_mmu_map', {
          send: (_t, l) =>
            outgoing(pagesId(env, l), {
              type: 'pages.map',
              entry: l.huge === true ? '2M' : '4K',
              ...(l.huge === true && mayBeLarge(env, l) ? { gfn: lockOf(env, l), size: '2M' } : { gfn: l.gfn!, size: '4K' }),
            }),
        }),
      ],
    ],
  ),
];

/**
 * KVM_PRE_FAULT_MEMORY of one page. Where user space says which pages are private, one that is not
 * gets its shared page, which no RMP entry is changed for.
 * @see SNP-65
 */
export const preFaultPath = (env: HostEnv) =>
  path(
    'kvm_tdp_map_page',
    kernelSource(
      'arch/x86/kvm/mmu/mmu.c, kvm_arch_vcpu_pre_fault_memory(), kvm_tdp_map_page(), kvm_mmu_faultin_pfn_private(); virt/kvm/guest_memfd.c, kvm_gmem_get_pfn(); arch/x86/kvm/svm/sev.c, sev_private_max_mapping_level()',
    ),
    [
      step('KVM_PRE_FAULT_MEMORY', { mode: 'kernel' }),
      ...(env.options['kvm.privateMemory'] === 'guest-memfd'
        ? [
            step('kvm_mem_is_private', {
              send: (_t, l) => outgoing(pagesId(env, l), { type: 'pages.private?', gfn: l.gfn! }),
              answers: { 'pages.private': (e) => ({ isPrivate: e.private }) },
            }),
            when([(_t, l) => l.isPrivate === true, mapPrivate(env)]),
          ]
        : mapPrivate(env)),
      step('sysret', { mode: 'user' }),
    ],
    { locals: ['vm', 'gfn', 'pfn', 'result', 'huge', 'isPrivate'] },
  );
export const bindPreFault = (env: HostEnv) => (t: HostThread) => {
  const op = opOf(env, t);
  if (op.op !== 'pre-fault') throw new Error(`${op.op} maps no private page`);
  return { vm: op.vm, gfn: op.gfn, pfn: frameOf(env, op.vm, op.gfn) };
};

/**
 * A guest gets a private page that the page allocator gives: the first touch of a GFN, which is
 * that of its frame.
 */
export const preparePagePath = (env: HostEnv) =>
  path(
    'kvm_mmu_faultin_pfn_private',
    kernelSource(
      'arch/x86/kvm/mmu/mmu.c, kvm_mmu_faultin_pfn_private(); virt/kvm/guest_memfd.c, kvm_gmem_get_pfn(), __kvm_gmem_prepare_folio()',
    ),
    [
      step('kvm_gmem_get_folio', {
        mode: 'kernel',
        send: () => outgoing(PAGE_ALLOCATOR, { type: 'frames.alloc?' }),
        answers: { 'frames.alloc': ({ pfn }) => (pfn === null ? {} : { pfn, gfn: pfn }) },
      }),
      when(
        [(_t, l) => l.pfn === undefined, [step('ENOMEM')]],
        [
          otherwise,
          [
            call(path('sev_gmem_prepare', SOURCE, gmemPrepare(env), { locals: [...LOCALS] })),
            when([
              (_t, l) => l.result !== 'SUCCESS',
              [
                step('pr_warn_gmem_prepare', {
                  send: (_t, l) => outgoing(PAGE_ALLOCATOR, { type: 'frames.refused', vm: l.vm!, pfn: l.pfn! }),
                }),
              ],
            ]),
          ],
        ],
      ),
      step('sysret', { mode: 'user' }),
    ],
    { locals: ['vm', 'gfn', 'pfn', 'result'] },
  );
export const bindPreparePage = (env: HostEnv) => (t: HostThread) => {
  const op = opOf(env, t);
  if (op.op !== 'prepare-page') throw new Error(`${op.op} prepares no page`);
  return { vm: op.vm };
};
