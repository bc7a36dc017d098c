/** The host's #PF with the RMP bit: what each policy makes of a write to a guest-private page. */
import { outgoing } from '../../events/event.ts';
import type { ThreadEvent } from '../../events/index.ts';
import { hasErrorBit } from '../../events/sev-snp/error-code.ts';
import type { RmpUpdate } from '../../events/sev-snp/rmp.ts';
import { type HostEnv, type HostLocals, type HostThread, host, kernelSource, toCpu } from '../host/host-env.ts';
import { allCpusRequestPath, kickPath, waitOutsidePath } from '../kvm/kick.ts';
import type { Item } from '../path/path.ts';
import { mappingFirst, splitMapping, updateRmpPath } from './direct-map.ts';
import { headOf } from './rmp-table.ts';
import { snpRmptablePsmash } from './rmptable-psmash.ts';
import { hasHuge, toRmp, vmOfAsid } from './snp-env.ts';

const { path, step, call, loop, when, note, leaveLoop, leavePath } = host;
type HostItem = Item<HostThread, HostLocals, ThreadEvent>;

export const SHARED: RmpUpdate = { assigned: false, pageSize: '4K', immutable: false, asid: 0, gfn: 0 };

const lookup = (env: HostEnv, name = 'snp_lookup_rmpentry') =>
  step(name, {
    send: (_t, l) => toRmp({ type: 'rmp.read', pfn: l.pfn! }),
    answers: {
      'rmp.entry': (e) => ({
        ...{ assigned: e.entry.assigned, asid: e.entry.asid, vmsa: e.entry.vmsa },
        ...(hasHuge(env) && { huge: e.huge === true }),
        ...(e.entry.immutable && { immutable: true as const }),
      }),
    },
  });
/** In a 2M entry, where there can be one. */
const ifHuge = (env: HostEnv, then: () => readonly HostItem[]): readonly HostItem[] =>
  hasHuge(env) ? [when([(_t, l) => l.huge === true, then()])] : [];
/** The slot behind the head of a 2M entry does not say whose the page is. @see domain snp a.2 */
const ownerByHead = (env: HostEnv): readonly HostItem[] =>
  ifHuge(env, () => [
    step('snp_lookup_rmpentry_head', {
      send: (_t, l) => toRmp({ type: 'rmp.read', pfn: headOf(l.pfn!) }),
      answers: { 'rmp.entry': (e) => ({ asid: e.entry.asid }) },
    }),
  ]);
/**
 * The CPU that made the page private has lost the race: the frame is shared again, so the access is
 * retried.
 */
const retryIfShared = (env: HostEnv) => when([(_t, l) => l.assigned === false, retries(env)]);

/**
 * P0. Kernel: no handler, the oops dumps the entry and panics. User: SIGBUS.
 * @see domain snp d.2, d.4
 */
const panics = (reason: string): readonly HostItem[] => [
  step('panic', { send: (t, l) => toCpu(t, { type: 'cpu.panic', reason, pfn: l.pfn! }) }),
  host.stop('halted'),
];
/** A store of the kernel to a frame that was taken out of its direct map. @see SNP-43 */
const notPresentOops = path(
  'page_fault_oops',
  kernelSource('arch/x86/mm/fault.c, page_fault_oops()'),
  panics('a page that the direct map lacks'),
);
const isOfKernel = (_t: HostThread, l: HostLocals) => !hasErrorBit(l.errorCode!, 'USER');
const retries = (env: HostEnv): readonly HostItem[] => [...splitMapping(env), note(() => ({ verdict: 'retry' })), leavePath];
/** What nothing can mend. `unless` stands before the signal. */
const fatal = (...unless: readonly (readonly [typeof isOfKernel, readonly HostItem[]])[]): readonly HostItem[] => [
  when([isOfKernel, [step('snp_dump_hva_rmpentry'), ...panics('RMP violation by the host kernel')]], ...unless),
  step('force_sig_fault', {
    set: (_t, l) => ({ signal: { signal: 'SIGBUS' as const, pfn: l.pfn! } }),
    local: () => ({ verdict: 'signal' as const }),
  }),
];
const panicSigbus = (env: HostEnv): readonly HostItem[] => [lookup(env), ...fatal([(_t, l) => l.assigned === false, retries(env)])];

/** P1: the handler makes the page shared and the write goes on. @see domain snp d.3 */
function autoShare(env: HostEnv): readonly HostItem[] {
  const kick = env.options['kvm.vmsaKick'];
  const blocks = kick === 'kick-and-block';
  const owner = (l: HostLocals) => ({ owner: vmOfAsid(env, l.asid!), vcpu: ownerOf(env, l) });
  const kickItems: HostItem[] = [
    call(kickPath(env, blocks ? 'KVM_REQ_BLOCK_ENTRY' : null), (_t, l) => owner(l)),
    ...(blocks ? [call(waitOutsidePath(env))] : []),
  ];
  const unblock = step('clear_block_entry', {
    send: (_t, l) => outgoing(env.vms[l.owner!]!.vcpus[l.vcpu!]!, { type: 'vcpu.clearRequest', request: 'KVM_REQ_BLOCK_ENTRY' }),
    local: () => ({ blocked: false }),
  });
  return [
    lookup(env),
    retryIfShared(env),
    ...ifHuge(env, () => [call(snpRmptablePsmash), lookup(env, 'snp_lookup_rmpentry_again'), retryIfShared(env)]),
    // RMPUPDATE of an immutable page fails each time.
    when([(_t, l) => l.immutable === true || isUnowned(env, l), [...fatal(), leavePath]]),
    loop(
      call(updateRmpPath(env), () => ({ update: SHARED })),
      when([(_t, l) => l.result === 'SUCCESS', [leaveLoop]]),
      ...(kick === 'none'
        ? []
        : [
            when([
              (_t, l) => l.result === 'FAIL_INUSE' && l.vmsa === true && l.blocked !== true,
              [...kickItems, ...(blocks ? [note(() => ({ blocked: true }))] : [])],
            ]),
          ]),
      step('cpu_relax', { yields: true, local: () => ({ retrying: true }) }),
    ),
    when([(_t, l) => l.blocked === true, [unblock]]),
    note(() => ({ verdict: 'retry' })),
  ];
}

/** Which vCPU has the frame as its VMSA. */
function ownerOf(env: HostEnv, l: HostLocals): number {
  const vm = vmOfAsid(env, l.asid!);
  return Math.max(0, vm === undefined ? 0 : env.vms[vm]!.vmsas.indexOf(l.pfn!));
}

const isUnowned = (env: HostEnv, l: HostLocals): boolean => vmOfAsid(env, l.asid!) === undefined;
/**
 * A page of no guest, such as one of the firmware's, can be neither shared nor blamed on a guest.
 * @see domain snp d.3
 */
const unownedFirst = (env: HostEnv): HostItem => when([(_t, l) => isUnowned(env, l), [...fatal(), leavePath]]);

/** P2: the host ends the VM that owns the page; the write is dropped. @see domain snp d.1 */
function killGuest(env: HostEnv): readonly HostItem[] {
  const vmId = (l: HostLocals) => env.vms[l.owner!]!.id;
  return [
    lookup(env),
    retryIfShared(env),
    ...ownerByHead(env),
    unownedFirst(env),
    step('kvm_vm_dead', {
      local: (_t, l) => ({ owner: vmOfAsid(env, l.asid!) }),
      send: (_t, l) => outgoing(vmId({ owner: vmOfAsid(env, l.asid!) }), { type: 'vm.kill', cause: 'dead' }),
    }),
    call(allCpusRequestPath(env, 'KVM_REQ_VM_DEAD')),
    note(() => ({ verdict: 'skip' })),
  ];
}

/**
 * Series v1 and v2: the handler knows kernel addresses alone, and shares their pages.
 * @see SNP-19
 */
function autoShareKernel(env: HostEnv): readonly HostItem[] {
  const signal = path('do_user_addr_fault', kernelSource('arch/x86/mm/fault.c, do_user_addr_fault(), do_sigbus()'), [
    step('force_sig_fault', {
      set: (_t, l) => ({ signal: { signal: 'SIGBUS' as const, pfn: l.pfn! } }),
      local: () => ({ verdict: 'signal' as const }),
    }),
  ]);
  const [look, ifShared, ...rest] = autoShare(env);
  return [look!, ifShared!, when([(_t, l) => hasErrorBit(l.errorCode!, 'USER'), [call(signal), leavePath]]), ...rest];
}

/**
 * P6: the firmware encrypts the page, keeps its hash, and gives it to the host; the store goes on.
 * @see SNP-71; kernel arch/s390/mm/fault.c, do_secure_storage_access()
 */
function exportPage(env: HostEnv): readonly HostItem[] {
  const converts = path(
    'uv_convert_from_secure',
    kernelSource('arch/s390/kernel/uv.c, uv_convert_from_secure(); domain snp SNP-71'),
    [
      loop(
        step('uv_call', {
          idles: true,
          yields: true,
          send: (_t, l) => toRmp({ type: 'rmp.export', pfn: l.pfn! }),
          answers: { 'rmp.exported': (e) => ({ granted: e.outcome === 'ok' }) },
        }),
        when([(_t, l) => l.granted === true, [leaveLoop]]),
      ),
    ],
    { locals: ['granted'] },
  );
  return [lookup(env), retryIfShared(env), ...ownerByHead(env), unownedFirst(env), call(converts), note(() => ({ verdict: 'retry' }))];
}

/**
 * From #PF entry to the verdict on the access. Expects `pfn` and `errorCode`; leaves `verdict`.
 * @see kernel arch/x86/mm/fault.c, exc_page_fault(), do_user_addr_fault(), page_fault_oops()
 * @public
 */
export function pageFaultPath(env: HostEnv) {
  const policies = {
    'panic-sigbus': panicSigbus(env),
    'auto-share': autoShare(env),
    'kill-guest': killGuest(env),
    'auto-share-kernel': autoShareKernel(env),
    export: exportPage(env),
  };
  return path(
    'exc_page_fault',
    kernelSource('arch/x86/mm/fault.c, exc_page_fault(); domain snp d'),
    [
      step('entry', { mode: 'kernel', irqs: false, ns: 300 }),
      step('local_irq_enable', { irqs: true, ns: 5 }),
      ...mappingFirst(env, call(notPresentOops)),
      ...policies[env.options['kvm.rmpFault']],
    ],
    {
      locals: [
        ...([
          'mapPresent',
          'mapHuge',
          'assigned',
          'asid',
          'vmsa',
          'update',
          'result',
          'retrying',
          'owner',
          'vcpu',
          'blocked',
          'kickCpu',
          'immutable',
        ] as const),
        ...(hasHuge(env) ? (['huge'] as const) : []),
      ],
    },
  );
}
