/**
 * Private pages in a guest_memfd, which no process maps: user space converts them, and KVM makes a
 * frame the guest's at its first touch. Policy P5 of the notes.
 *
 * Left out: several pages in one request, a second frame behind a GFN (its shared page is always
 * the hypervisor's, and has no RMP entry here), mmu_invalidate_seq: the attribute and the mappings
 * change in one step.
 *
 * @see kernel arch/x86/kvm/svm/sev.c, snp_begin_psc(), sev_gmem_prepare(); arch/x86/kvm/mmu/mmu.c,
 * kvm_faultin_pfn(); virt/kvm/guest_memfd.c; QEMU accel/kvm/kvm-all.c, kvm_convert_memory()
 */
import { outgoing } from '../../events/event.ts';
import { hasErrorBit } from '../../events/sev-snp/error-code.ts';
import { fatalSignalPending, type HostEnv, type HostItem, type HostLocals, type HostThread, host, kernelSource } from '../host/host-env.ts';
import { allCpusRequestPath } from '../kvm/kick.ts';
import { exitInfo, vcpuOf } from '../kvm/kvm-env.ts';
import { writeLockMmuPath, writeUnlockMmu } from '../kvm/mmu-lock.ts';
import type { KvmParts } from '../kvm/slots.ts';
import type { UserLoop } from '../kvm/vmm.ts';
import { otherwise } from '../path/path.ts';
import { gmemPrepare, lockFolio, unlockFolio } from './gmem-prepare.ts';
import { beginPscPath, endPscPath, inFutex } from './map-lock.ts';
import { bindSizeMismatch, sizeMismatchPath } from './psmash.ts';
import { punchHole } from './punch-hole.ts';
import { frameOf, hasHuge } from './snp-env.ts';

const { path, step, call, when, note, leavePath } = host;

/** What KVM_RUN has ended for, until user space has converted the page and KVM has said so. */
interface Conversion {
  readonly exit: 'KVM_EXIT_HYPERCALL' | 'KVM_EXIT_MEMORY_FAULT';
  readonly gfn: number;
  readonly to: 'private' | 'shared';
}
declare module '../host/host-env.ts' {
  interface HostLocals {
    readonly conversion?: Conversion | undefined;
    /** What KVM_SET_MEMORY_ATTRIBUTES has made of the page. */
    readonly isPrivate?: boolean | undefined;
  }
}

const pagesOf = (env: HostEnv, l: HostLocals) => env.vms[l.vm!]!.pages;
const PAGE = ['vm', 'gfn', 'pfn', 'isPrivate', 'assigned', 'update', 'result'] as const;

/** VMGEXIT with the PSC event: KVM asks user space. The attribute and the RMP are as they were. */
const beginPsc = path('snp_begin_psc', kernelSource('arch/x86/kvm/svm/sev.c, snp_begin_psc()'), [
  step('snp_begin_psc', {
    local: (_t, l) => {
      const request = exitInfo(l, 'VMGEXIT');
      if (request.nae !== 'PSC') throw new Error('a page-state change without its request');
      return { returns: true, conversion: { exit: 'KVM_EXIT_HYPERCALL', gfn: request.gfn, to: request.to } };
    },
  }),
]);

/** The next KVM_RUN goes on where that one left: the guest learns that its page was converted. */
const completePsc = (env: HostEnv): readonly HostItem[] => [
  when([
    (_t, l) => l.conversion?.exit === 'KVM_EXIT_HYPERCALL',
    [
      step('snp_complete_one_psc', {
        source: 'arch/x86/kvm/svm/sev.c, snp_complete_one_psc()',
        grade: 'read',
        send: (t) => outgoing(vcpuOf(env, t).id, { type: 'ghcb.result', ok: true }),
        answers: { 'guest.ran': () => ({}) },
        local: () => ({ conversion: undefined }),
      }),
    ],
  ]),
];

/**
 * The first touch of a private page: the folio, of one page as in 6.12, is locked, and its frame
 * made the guest's unless that was done before.
 */
const prepareFolio = (env: HostEnv) =>
  path('kvm_gmem_get_pfn', kernelSource('virt/kvm/guest_memfd.c, kvm_gmem_get_pfn(); arch/x86/kvm/svm/sev.c, sev_gmem_prepare()'), [
    call(lockFolio(env)),
    ...gmemPrepare(env),
    unlockFolio(env),
  ]);

/**
 * A nested fault: what the guest wants of the page must be what user space has made of it, or it is
 * user space that hears of it.
 */
const faultPath = (env: HostEnv) => {
  const target = (t: HostThread, l: HostLocals) => {
    const { gfn } = exitInfo(l, 'NPF');
    const { vm } = vcpuOf(env, t);
    return { vm, gfn, pfn: frameOf(env, vm, gfn) };
  };
  const differs = (_t: HostThread, l: HostLocals) => l.isPrivate !== hasErrorBit(exitInfo(l, 'NPF').errorCode, 'ENC');
  return path(
    'kvm_mmu_page_fault',
    kernelSource('arch/x86/kvm/mmu/mmu.c, kvm_mmu_page_fault(), kvm_faultin_pfn(), 6.12'),
    [
      ...(hasHuge(env)
        ? [
            when([
              (_t: HostThread, l: HostLocals) => hasErrorBit(exitInfo(l, 'NPF').errorCode, 'SIZEM'),
              [call(sizeMismatchPath, bindSizeMismatch(env)), leavePath],
            ]),
          ]
        : []),
      step('kvm_mem_is_private', {
        mayResched: true,
        local: target,
        send: (t, l) => {
          const { vm, gfn } = target(t, l);
          return outgoing(env.vms[vm]!.pages, { type: 'pages.private?', gfn });
        },
        answers: { 'pages.private': (e) => ({ isPrivate: e.private }) },
      }),
      when(
        [
          differs,
          [
            step('kvm_mmu_prepare_memory_fault_exit', {
              local: (_t, l) => ({
                returns: true,
                conversion: { exit: 'KVM_EXIT_MEMORY_FAULT', gfn: l.gfn!, to: l.isPrivate === true ? 'shared' : 'private' },
              }),
            }),
            leavePath,
          ],
        ],
        [
          (_t, l) => l.isPrivate === true,
          [
            call(prepareFolio(env)),
            // kvm_gmem_get_pfn() has failed: KVM_RUN ends with its error.
            when([(_t, l) => l.result !== 'SUCCESS', [note(() => ({ returns: true })), leavePath]]),
          ],
        ],
      ),
      // Inside its function: the handler of another fault has a step of that name too.
      call(
        path('kvm_tdp_mmu_page_fault', kernelSource('arch/x86/kvm/mmu/mmu.c, kvm_tdp_mmu_page_fault(), 6.12'), [step('kvm_tdp_mmu_map')]),
      ),
    ],
    { locals: [...PAGE] },
  );
};

/** KVM_SET_MEMORY_ATTRIBUTES: nested mappings go, all TLBs are flushed; no RMP entry changes. */
const setAttributesPath = (env: HostEnv) =>
  path(
    'kvm_vm_ioctl_set_mem_attributes',
    kernelSource('virt/kvm/kvm_main.c, kvm_vm_set_mem_attributes(), kvm_flush_remote_tlbs()'),
    [
      step('syscall', { mode: 'kernel' }),
      call(writeLockMmuPath(env)),
      step('kvm_unmap_gfn_range', {
        send: (_t, l) => outgoing(pagesOf(env, l), { type: 'pages.setPrivate', gfn: l.gfn!, private: l.conversion!.to === 'private' }),
      }),
      call(allCpusRequestPath(env, 'KVM_REQ_TLB_FLUSH'), (_t, l) => ({ owner: l.vm })),
      writeUnlockMmu(env),
      step('sysret', { mode: 'user' }),
    ],
    { locals: ['owner'] },
  );

/**
 * The VMM converts: it waits for its devices where it does, and then changes the attribute. The
 * frame of a page that is shared now goes back: to the hypervisor first. It is that of the shared
 * page at once, and does not go to the allocator.
 */
const convertPath = (env: HostEnv) => {
  const isOrdered = env.options['vmm.convert'] === 'ordered';
  return path(
    'kvm_convert_memory',
    { source: 'QEMU accel/kvm/kvm-all.c, kvm_convert_memory(); that it waits for devices: domain snp SNP-6', grade: 'read' },
    [
      ...(isOrdered ? inFutex('wait_for_devices', call(beginPscPath(env))) : []),
      call(setAttributesPath(env)),
      when([(_t, l) => l.conversion!.to === 'shared', [call(punchHole(env, [], []))]], [otherwise, [step('ram_block_discard_range')]]),
      ...(isOrdered ? inFutex('wake_devices', call(endPscPath(env))) : []),
    ],
    { locals: ['vm', 'gfn', 'pfn'] },
  );
};

const vmm: UserLoop = {
  reactions: (env) => {
    const convert = call(convertPath(env), (t, l) => {
      const { vm } = vcpuOf(env, t);
      const { gfn } = l.conversion!;
      return { vm, gfn, pfn: frameOf(env, vm, gfn) };
    });
    // KVM answers a hypercall in its next KVM_RUN; a fault is answered by the access itself.
    const ended = note((_t, l) => (l.conversion?.exit === 'KVM_EXIT_MEMORY_FAULT' ? { conversion: undefined } : {}));
    return [[(t, l) => l.conversion !== undefined && !fatalSignalPending(t), [convert, ended]]];
  },
  locals: ['conversion'],
};

/** The parts of a host whose private pages lie in guest_memfds. */
export const withGuestMemfd = (parts: KvmParts): KvmParts => ({
  ...parts,
  exits: { ...parts.exits, NPF: (env) => [call(faultPath(env))] },
  nae: { ...parts.nae, PSC: () => [call(beginPsc)] },
  beforeRun: { order: 5, items: completePsc },
  userLoop: vmm,
});
