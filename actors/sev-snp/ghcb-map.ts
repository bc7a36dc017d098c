/**
 * How KVM reaches the GHCB of a vCPU: the map, its stores to the page, and the unmap before the
 * next entry.
 *
 * Simplified: the stores of one answer are one, and so are those of the registers before the entry.
 * The valid bitmap is cleared by the read.
 */
import { outgoing } from '../../events/event.ts';
import type { ApEvent } from '../../events/sev-snp/ap.ts';
import type { GhcbAnswer, GhcbFields, GhcbMsr, GhcbPageEvent, ResetHold, SevEsEvent } from '../../events/sev-snp/ghcb.ts';
import { faultItems, type HostEnv, type HostItem, type HostLocals, type HostThread, host, kernelSource } from '../host/host-env.ts';
import { exitInfo, vcpuOf } from '../kvm/kvm-env.ts';
import { otherwise } from '../path/path.ts';
import { storeTo } from './direct-map.ts';
import { lockPagePath, unlockPagePath } from './map-lock.ts';
import { frameOf, toRmp } from './snp-env.ts';

const { path, step, call, loop, when, note, leaveLoop, leavePath } = host;
const SEV = (functions: string) => kernelSource(`arch/x86/kvm/svm/sev.c, ${functions}`);

declare module '../host/host-env.ts' {
  interface HostLocals {
    /** Of the GHCB that the exit names. */
    readonly ghcbFields?: GhcbFields | undefined;
    readonly ghcbRegistered?: boolean | undefined;
    readonly ghcbAnswer?: GhcbAnswer | undefined;
    /** Of the GHCB that is still mapped before an entry; and why the vCPU has slept. */
    readonly ghcbMapped?: number | null | undefined;
    readonly resetHold?: ResetHold | undefined;
    readonly resetSipi?: true | undefined;
    /** What the GHCB MSR is set to. */
    readonly ghcbMsr?: GhcbMsr | undefined;
    /** A message to the page, which a store is. */
    readonly ghcbStore?: GhcbPageEvent | undefined;
  }
}

export const ghcbId = (vm: string, gfn: number) => `ghcb:${vm}/0x${gfn.toString(16)}`;
export const sevEsId = (vcpu: string) => vcpu.replace('vcpu:', 'sev_es:');
export const toSevEs = (env: HostEnv, t: HostThread, event: SevEsEvent | ApEvent) => outgoing(sevEsId(vcpuOf(env, t).id), event);
/** To the page that the exit names. */
export const toPage = (env: HostEnv, t: HostThread, l: HostLocals, event: GhcbPageEvent) =>
  outgoing(ghcbId(vcpuOf(env, t).vm, exitInfo(l, 'VMGEXIT').nae === 'GHCB' ? gfnOf(l) : l.ghcbMapped!), event);

export function gfnOf(l: HostLocals): number {
  const request = exitInfo(l, 'VMGEXIT');
  if (request.nae !== 'GHCB') throw new Error('an exit by the GHCB without its page');
  return request.gfn;
}

/**
 * A store through the map, checked by the RMP as any store of the kernel. Expects `vm`, `gfn` and
 * `ghcbStore`. What the store holds lands also where it faulted: it is repeated, or nothing that
 * reads the page runs any more.
 */
const ghcbStorePath = (env: HostEnv, name: string) =>
  path(
    name,
    SEV('sev_handle_vmgexit(), sev_es_sync_to_ghcb()'),
    [
      note((_t, l) => ({ pfn: frameOf(env, l.vm!, l.gfn!), kernel: true })),
      loop(
        step('store', {
          send: (t, l) => [storeTo(env, t, l), outgoing(ghcbId(l.vm!, l.gfn!), l.ghcbStore!)],
          answers: { 'rmp.hostWritten': (e) => ({ fault: e.fault, errorCode: e.errorCode }) },
        }),
        when(
          [(_t, l) => l.fault === true, [...faultItems(env, '#PF.RMP'), when([(_t, l) => l.verdict !== 'retry', [leaveLoop]])]],
          [otherwise, [leaveLoop]],
        ),
      ),
    ],
    { locals: ['vm', 'gfn', 'pfn', 'kernel', 'fault', 'errorCode', 'verdict', 'ghcbStore'] },
  );

type Store = (l: HostLocals, t: HostThread) => GhcbPageEvent;
/** The page of the exit, and what is stored there. */
const storing = (env: HostEnv, store: Store) => (t: HostThread, l: HostLocals) => ({
  vm: vcpuOf(env, t).vm,
  gfn: gfnOf(l),
  ghcbStore: store(l, t),
});

const isLocked = (env: HostEnv) => env.options['kvm.mapLock'] !== 'none';
const isLong = (env: HostEnv) => env.options['kvm.ghcbMap'] === 'until-entry';
const bound = (env: HostEnv) => (t: HostThread, l: HostLocals) => ({ vm: vcpuOf(env, t).vm, gfn: gfnOf(l) });
const PAGE = { locals: ['vm', 'gfn'] } as const;

/** The map lock of the page that the exit names. */
const takeLock = (env: HostEnv): readonly HostItem[] =>
  isLocked(env)
    ? [call(path('kvm_vcpu_map_lock', SEV('sev_handle_vmgexit(); series v5, patch 39'), [call(lockPagePath(env))], PAGE), bound(env))]
    : [];
const dropLock = (env: HostEnv, name: string): readonly HostItem[] =>
  isLocked(env) ? [call(path(name, SEV('sev_handle_vmgexit(); series v5, patch 39'), [call(unlockPagePath(env))], PAGE), bound(env))] : [];

const unmap = (env: HostEnv): readonly HostItem[] => [
  step('kvm_vcpu_unmap', { send: (t) => toSevEs(env, t, { type: 'sevEs.unmap' }) }),
  ...dropLock(env, 'kvm_vcpu_unmap_unlock'),
];

/** With the map lock a page that is private cannot be mapped: the exit is over, unanswered. */
const refusePrivate = (env: HostEnv): readonly HostItem[] =>
  isLocked(env)
    ? [
        step('snp_lookup_rmpentry', {
          send: (t, l) => toRmp({ type: 'rmp.read', pfn: frameOf(env, vcpuOf(env, t).vm, gfnOf(l)) }),
          answers: { 'rmp.entry': (e) => ({ assigned: e.entry.assigned }) },
        }),
        when([(_t, l) => l.assigned === true, [...dropLock(env, 'kvm_vcpu_map_failed'), leavePath]]),
      ]
    : [];

/**
 * sev_es_sync_from_ghcb(): maps the GHCB and reads it. Leaves `ghcbFields`, and whether the page is
 * the registered one; without the fields it could not map it.
 */
export const readGhcbPath = (env: HostEnv) =>
  path(
    'sev_es_sync_from_ghcb',
    SEV('sev_handle_vmgexit(), sev_es_sync_from_ghcb()'),
    [
      ...takeLock(env),
      ...refusePrivate(env),
      step('kvm_vcpu_map', {
        send: (t, l) => toSevEs(env, t, { type: 'sevEs.map', gfn: gfnOf(l) }),
        answers: { 'sevEs.isRegistered': (e) => ({ ghcbRegistered: e.registered }) },
      }),
      step('ghcb_get_fields', {
        send: (t, l) => toPage(env, t, l, { type: 'ghcb.sync?' }),
        answers: { 'ghcb.fields': (e) => ({ ghcbFields: e.fields }) },
      }),
      ...(isLong(env) ? [] : unmap(env)),
    ],
    { locals: ['assigned'] },
  );

/**
 * A store to the GHCB of the exit: through the map that is there, or one that is made for it. With
 * the map lock nothing is stored to a page that has turned private meanwhile.
 */
export const storeThroughMap = (env: HostEnv, name: string, store: Store): HostItem => {
  const stored = (of: string) => call(ghcbStorePath(env, of), storing(env, store));
  if (isLong(env)) return stored(name);
  return call(
    path(
      name,
      SEV('series v5, patch 33, svm_map_ghcb(), svm_unmap_ghcb(), sev_es_sync_to_ghcb()'),
      [
        ...takeLock(env),
        ...refusePrivate(env),
        step('kvm_vcpu_map', {
          send: (t, l) => toSevEs(env, t, { type: 'sevEs.map', gfn: gfnOf(l) }),
          answers: { 'sevEs.isRegistered': () => ({}) },
        }),
        stored('mapped'),
        ...unmap(env),
      ],
      { locals: ['assigned'] },
    ),
  );
};

/** ghcb_set_sw_exit_info_1(), ghcb_set_sw_exit_info_2(). Expects `ghcbAnswer`. */
export const answerGhcb = (env: HostEnv): HostItem =>
  storeThroughMap(env, 'ghcb_set_sw_exit_info', (l) => ({ type: 'ghcb.answer', answer: l.ghcbAnswer! }));

/**
 * sev_es_unmap_ghcb(), with preemption off: KVM stores the guest's registers to the GHCB that is
 * still mapped, and unmaps it. An AP reset hold that has ended is answered: in KVM it is whatever
 * wakes the vCPU that stores the answer.
 */
export const unmapGhcbPath = (env: HostEnv) => {
  const mapped = (t: HostThread, l: HostLocals) => ({ vm: vcpuOf(env, t).vm, gfn: l.ghcbMapped! });
  return path(
    'sev_es_unmap_ghcb',
    SEV('sev_es_unmap_ghcb(), sev_es_sync_to_ghcb(), sev_vcpu_deliver_sipi_vector()'),
    [
      step('ghcb', {
        send: (t) => toSevEs(env, t, { type: 'sevEs.mapped?' }),
        answers: { 'sevEs.isMapped': (e) => ({ ghcbMapped: e.gfn, resetHold: e.hold, resetSipi: e.sipi }) },
      }),
      when([
        (_t, l) => l.resetHold === 'msr',
        [
          step('set_ghcb_msr', {
            send: (t, l) => outgoing(vcpuOf(env, t).id, { type: 'ghcb.msr', response: 0x007, payload: l.resetSipi ? 1 : 0 }),
            answers: { 'guest.ran': () => ({}) },
          }),
        ],
      ]),
      when([
        (_t, l) => l.ghcbMapped != null,
        [
          call(ghcbStorePath(env, 'sev_es_sync_to_ghcb'), (t, l) => ({
            ...mapped(t, l),
            ghcbStore: l.resetSipi ? { type: 'ghcb.answer', answer: { info1: 0, info2: 1 } } : { type: 'ghcb.registers' },
          })),
        ],
      ]),
      when([
        (_t, l) => l.ghcbMapped != null || l.resetHold !== undefined,
        [step('kvm_vcpu_unmap', { send: (t) => toSevEs(env, t, { type: 'sevEs.unmap' }) })],
      ]),
      ...(isLocked(env) && isLong(env)
        ? [
            when([
              (_t: HostThread, l: HostLocals) => l.ghcbMapped != null,
              [call(path('kvm_vcpu_unmap_unlock', SEV('sev_es_unmap_ghcb()'), [call(unlockPagePath(env))], PAGE), mapped)],
            ]),
          ]
        : []),
    ],
    { locals: ['ghcbMapped', 'resetHold', 'resetSipi'] },
  );
};
