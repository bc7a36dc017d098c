/**
 * What KVM does about translations that CPUs keep of a guest: flushes them with nested mappings
 * that go, and at an entry on another CPU than the last. On hosts with `rmp.tlb: coherent` nothing
 * shows it, and none of these has steps.
 */
import { type ActorId, type Outgoing, outgoing } from '../../events/event.ts';
import type { HostOptions } from '../../events/options.ts';
import { type HostEnv, type HostItem, type HostLocals, type HostThread, host, hostPatch, kernelSource } from '../host/host-env.ts';
import { allCpusRequestPath } from '../kvm/kick.ts';
import { exitInfo, vcpuOf } from '../kvm/kvm-env.ts';
import type { KvmParts } from '../kvm/slots.ts';
import { hasStep, type PathPatches, replaceStep } from '../path/patch.ts';

const { path, step, call, when } = host;

export const hasStaleTlb = (options: HostOptions): boolean => options['rmp.tlb'] === 'stale';
const GMEM = kernelSource('virt/kvm/guest_memfd.c, kvm_gmem_invalidate_begin(), kvm_gmem_invalidate_end()');

interface Around {
  readonly first: readonly HostItem[];
  readonly last: readonly HostItem[];
}
/** Around the change of a page whose mappings are removed first. Expects `vm` and `gfn`. */
export function zapAround(env: HostEnv): Around {
  if (!hasStaleTlb(env.options) || env.options['kvm.gmemZap'] === 'none') return { first: [], last: [] };
  const to = (type: 'npt.zap' | 'npt.zapEnd') => (_t: HostThread, l: HostLocals) => outgoing(env.vms[l.vm!]!.npt!, { type, gfn: l.gfn! });
  const begin = path(
    'kvm_gmem_invalidate_begin',
    GMEM,
    [
      step('kvm_mmu_unmap_gfn_range', { send: to('npt.zap') }),
      call(allCpusRequestPath(env, 'KVM_REQ_TLB_FLUSH'), (_t, l) => ({ owner: l.vm })),
    ],
    { locals: ['owner'] },
  );
  return { first: [call(begin)], last: [step('kvm_gmem_invalidate_end', { ...GMEM, send: to('npt.zapEnd') })] };
}

/** A fault on a mapping that was removed: while its range is invalidated, the guest tries again. */
const mapAgain = (env: HostEnv): HostItem =>
  call(
    path(
      'kvm_tdp_page_fault',
      kernelSource('arch/x86/kvm/mmu/mmu.c, kvm_tdp_page_fault(), is_page_fault_stale()'),
      [
        step('kvm_tdp_mmu_map', {
          send: (t, l) => outgoing(env.vms[vcpuOf(env, t).vm]!.npt!, { type: 'npt.map', gfn: exitInfo(l, 'NPF_UNMAPPED').gfn }),
          answers: { 'npt.mapped': (e) => ({ granted: e.granted }) },
        }),
        when([(_t, l) => l.granted === false, [step('RET_PF_RETRY', { yields: true })]]),
      ],
      { locals: ['granted'] },
    ),
  );

/** R12: an ASID has one TLB on each CPU, and that of another CPU than the last may be old. */
const preSevRun = (env: HostEnv): readonly HostItem[] => [
  step('pre_sev_run', {
    ...kernelSource('arch/x86/kvm/svm/sev.c, pre_sev_run(); arch/x86/kvm/svm/svm.c, pre_svm_run()'),
    send: (t) => {
      const { vm, id } = vcpuOf(env, t);
      const { npt } = env.vms[vm]!;
      return npt === undefined ? [] : [outgoing(npt, { type: 'npt.preRun', cpu: t.cpu!, vcpu: id })];
    },
  }),
];

/** What a host whose translations go stale fills of KVM. */
export const staleTlbParts = (options: HostOptions): KvmParts => ({
  exits: { NPF_UNMAPPED: (env) => [mapAgain(env)] },
  ...(options['kvm.preSevRun'] === 'flush-if-moved' && { beforeGuest: { order: 5, items: preSevRun } }),
});

/**
 * KVM_REQ_TLB_FLUSH empties the TLB of the CPU that the thread runs on. `npts`: by vCPU, the nested
 * page table of its VM, if it is an SNP VM.
 */
export const staleTlbPaths = (npts: Readonly<Record<ActorId, ActorId>>): PathPatches => ({
  kvm_check_requests: [
    hostPatch((found) =>
      hasStep(found, 'kvm_vcpu_flush_tlb_all')
        ? replaceStep(found, 'kvm_vcpu_flush_tlb_all', (item) => {
            const { send } = item as { readonly send: (t: HostThread, l: HostLocals) => Outgoing };
            const flush = (t: HostThread) => {
              const npt = npts[t.notifier!];
              return npt === undefined ? [] : [outgoing(npt, { type: 'npt.flush', cpu: t.cpu! })];
            };
            return [{ ...item, send: (t: HostThread, l: HostLocals) => [send(t, l), ...flush(t)] } as typeof item];
          })
        : found,
    ),
  ],
});
