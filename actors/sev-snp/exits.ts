/**
 * What KVM does about the exits of SNP guests: a page-state change, a nested RMP fault. And how the
 * host takes a page back.
 */
import { outgoing } from '../../events/event.ts';
import { hasErrorBit } from '../../events/sev-snp/error-code.ts';
import type { RmpUpdate } from '../../events/sev-snp/rmp.ts';
import { type HostEnv, type HostItem, type HostLocals, type HostThread, host, kernelSource, opOf } from '../host/host-env.ts';
import { allCpusRequestPath } from '../kvm/kick.ts';
import { exitInfo, vcpuOf } from '../kvm/kvm-env.ts';
import { writeLockMmuPath, writeUnlockMmu } from '../kvm/mmu-lock.ts';
import { updateRmpPath } from './direct-map.ts';
import { aroundChange } from './map-lock.ts';
import { SHARED } from './page-fault.ts';
import { bindSizeMismatch, sizeMismatchPath } from './psmash.ts';
import { frameOf, hasHuge, toRmp } from './snp-env.ts';

const { path, step, call, when, note, leavePath } = host;

/** RMPUPDATE's operand for a page of this VM: assigned to the guest, not validated. */
export const privateTo = (env: HostEnv, vm: string, gfn: number): RmpUpdate => ({
  assigned: true,
  pageSize: '4K',
  immutable: false,
  asid: env.vms[vm]!.asid,
  gfn,
});
const vcpuTo = (env: HostEnv, t: HostThread, event: { readonly type: string; readonly ok: boolean }) => outgoing(vcpuOf(env, t).id, event);

/**
 * Changes one page: waits until no thread has it mapped, takes mmu_lock, and executes RMPUPDATE.
 * Expects `vm`, `gfn`, `pfn` and `update`; leaves `result`.
 */
export function changePagePath(env: HostEnv) {
  const { enter, leave } = aroundChange(env);
  return path(
    '__snp_handle_page_state_change',
    { source: 'series v5, patches 37 and 39, __snp_handle_page_state_change()', grade: 'read' },
    [...enter, call(writeLockMmuPath(env)), call(updateRmpPath(env)), writeUnlockMmu(env), ...leave],
  );
}

/**
 * VMGEXIT with the PSC event, as series v5 does it: RMPUPDATE in the kernel, the answer through the
 * GHCB.
 * @see domain snp e.3
 */
export function pscPath(env: HostEnv) {
  const asked = (l: HostLocals) => {
    const request = exitInfo(l, 'VMGEXIT');
    if (request.nae !== 'PSC') throw new Error('a page-state change without its request');
    return request;
  };
  const target = (_t: HostThread, l: HostLocals) => ({ update: asked(l).to === 'private' ? privateTo(env, l.vm!, l.gfn!) : SHARED });
  return path(
    'snp_handle_page_state_change',
    { source: 'series v5, patch 38, snp_handle_page_state_change()', grade: 'read' },
    [
      step('snp_make_page_state', {
        local: (t, l) => {
          const { vm } = vcpuOf(env, t);
          const { gfn } = asked(l);
          return { vm, gfn, pfn: frameOf(env, vm, gfn) };
        },
      }),
      call(changePagePath(env), target),
      step('ghcb_set_sw_exit_info_2', {
        send: (t, l) => vcpuTo(env, t, { type: 'ghcb.result', ok: l.result === 'SUCCESS' }),
        answers: { 'guest.ran': () => ({}) },
      }),
    ],
    { locals: ['vm', 'gfn', 'pfn', 'update', 'result'] },
  );
}

/**
 * handle_rmp_page_fault(), from where it holds mmu_lock: what the RMP says of the page that the
 * exit names.
 */
const lookAtFault = (env: HostEnv) =>
  step('snp_lookup_rmpentry', {
    local: (t, l) => ({ vm: vcpuOf(env, t).vm, gfn: exitInfo(l, 'NPF').gfn, pfn: frameOf(env, vcpuOf(env, t).vm, exitInfo(l, 'NPF').gfn) }),
    send: (t, l) => toRmp({ type: 'rmp.read', pfn: frameOf(env, vcpuOf(env, t).vm, exitInfo(l, 'NPF').gfn) }),
    answers: { 'rmp.entry': (e) => ({ assigned: e.entry.assigned }) },
  });

/**
 * The hard way to the same result: the guest touched a page with the other C-bit. Series v5 drops
 * mmu_lock between the look at the RMP and the change, and the page may have been changed and
 * validated meanwhile.
 * @see domain snp c, "v5 behaviour"; h, R8
 */
export function npfPath(env: HostEnv) {
  const { enter, leave } = aroundChange(env);
  const isPrivate = (l: HostLocals) => hasErrorBit(exitInfo(l, 'NPF').errorCode, 'ENC');
  const differs = (_t: HostThread, l: HostLocals) => l.assigned !== isPrivate(l);
  const target = (_t: HostThread, l: HostLocals) => ({ update: isPrivate(l) ? privateTo(env, l.vm!, l.gfn!) : SHARED });
  const zap = step('kvm_zap_gfn_range');
  const look = [call(writeLockMmuPath(env)), lookAtFault(env)];
  const exports = env.options['kvm.rmpFault'] === 'export';
  /** P6: what has gone out comes back as it was, or not at all, and the guest faults again. */
  const unlessImported = (then: readonly HostItem[]): readonly HostItem[] =>
    exports
      ? [
          when([
            (_t, l) => isPrivate(l),
            [
              step('uv_convert_to_secure', {
                source: 'arch/s390/kernel/uv.c, gmap_make_secure(); domain snp SNP-71',
                send: (_t, l) => toRmp({ type: 'rmp.import', pfn: l.pfn! }),
                answers: { 'rmp.imported': (e) => ({ uvAnswer: e.outcome }) },
              }),
            ],
          ]),
          when([(_t, l) => l.uvAnswer === undefined || l.uvAnswer === 'absent', then]),
        ]
      : then;
  const dropped = [...look, writeUnlockMmu(env), when([differs, unlessImported([call(changePagePath(env), target), zap])])];
  const held = [
    note((t: HostThread, l: HostLocals) => ({ vm: vcpuOf(env, t).vm, gfn: exitInfo(l, 'NPF').gfn })),
    ...enter,
    ...look,
    when([differs, unlessImported([call(updateRmpPath(env), target)])]),
    writeUnlockMmu(env),
    ...leave,
    when([differs, [zap]]),
  ];
  return path(
    'handle_rmp_page_fault',
    { source: 'series v5, patch 41, handle_rmp_page_fault(); domain snp c; SNP-48', grade: 'read' },
    [
      ...(hasHuge(env)
        ? [
            when([
              (_t: HostThread, l: HostLocals) => hasErrorBit(exitInfo(l, 'NPF').errorCode, 'SIZEM'),
              [call(sizeMismatchPath, bindSizeMismatch(env)), leavePath],
            ]),
          ]
        : []),
      ...(env.options['kvm.npfLock'] === 'held' ? held : dropped),
    ],
    { locals: ['vm', 'gfn', 'pfn', 'assigned', 'update', 'result', ...(exports ? (['uvAnswer'] as const) : [])] },
  );
}

/**
 * kvm_rmp_make_shared(): the host takes a page back. A failure marks the VM as bugged and leaks the
 * page.
 * @see domain snp b.4
 */
export function makeSharedPath(env: HostEnv) {
  const vmId = (l: HostLocals) => env.vms[l.vm!]!.id;
  return path(
    'kvm_rmp_make_shared',
    kernelSource('arch/x86/kvm/svm/sev.c, kvm_rmp_make_shared()'),
    [
      step('ioctl', { mode: 'kernel' }),
      call(updateRmpPath(env), () => ({ update: SHARED })),
      when([
        (_t, l) => l.result !== 'SUCCESS',
        [
          step('kvm_vm_bugged', { send: (_t, l) => outgoing(vmId(l), { type: 'vm.kill', cause: 'bugged' }) }),
          call(allCpusRequestPath(env, 'KVM_REQ_VM_DEAD'), (_t, l) => ({ owner: l.vm })),
          step('snp_leak_pages', { send: (_t, l) => outgoing(env.vms[l.vm!]!.pages, { type: 'pages.leak', pfn: l.pfn! }) }),
        ],
      ]),
      step('sysret', { mode: 'user' }),
    ],
    { locals: ['vm', 'gfn', 'pfn', 'update', 'result', 'owner'] },
  );
}
export const bindMakeShared = (env: HostEnv) => (t: HostThread) => {
  const op = opOf(env, t);
  if (op.op !== 'make-shared') throw new Error(`${op.op} takes no page back`);
  return { vm: op.vm, gfn: op.gfn, pfn: frameOf(env, op.vm, op.gfn) };
};
