/**
 * AP creation: KVM notes the VMSA that a guest wants for one of its vCPUs, and the thread of that
 * vCPU takes it before its next entry.
 *
 * Simplified: of kvm_vcpu_reset() only what concerns the VMSA; a vCPU that takes another VMSA
 * begins its program again.
 *
 * @see arch/x86/kvm/svm/sev.c, sev_snp_ap_creation(), sev_snp_init_protected_guest_state(),
 * pre_sev_run() (6.12); arch/x86/kvm/x86.c, vcpu_enter_guest(); domain snp e.4
 */

import { type ActorId, outgoing } from '../../events/event.ts';
import type { ApEvent } from '../../events/sev-snp/ap.ts';
import { type HostEnv, type HostItem, type HostLocals, type HostThread, host, kernelSource } from '../host/host-env.ts';
import { lockMutexPath, unlockMutexStep } from '../kit/mutex.ts';
import { kickPath } from '../kvm/kick.ts';
import { vcpuOf } from '../kvm/kvm-env.ts';
import { otherwise, type Source } from '../path/path.ts';
import { type ApVerdict, checkApRequest } from './ap-request.ts';
import { sevEsId, toSevEs } from './ghcb-map.ts';
import { malformed } from './ghcb-protocol.ts';

const { path, step, call, when, note, leaveLoop, leavePath } = host;
const SEV = (functions: string): Source => kernelSource(`arch/x86/kvm/svm/sev.c, ${functions}`);
const PAGE_BYTES = 4096;

declare module '../host/host-env.ts' {
  interface HostLocals {
    /** What the vCPU is to have for a VMSA, as its own thread finds it. */
    readonly apWaiting?: boolean | undefined;
    readonly apGpa?: number | null | undefined;
    /** PFN of the VMSA of the VMCB, or of the one that VMRUN uses; null: there is none. */
    readonly vmsaPa?: number | null | undefined;
    readonly vmsaIsFresh?: boolean | undefined;
  }
}

/** Of the mutex snp_vmsa_mutex of a vCPU. @public */
export const vmsaMutexId = (vcpu: ActorId): ActorId => vcpu.replace('vcpu:', 'mutex:snp_vmsa:');

/** guard(mutex)(&svm->sev_es.snp_vmsa_mutex), for a vCPU that the thread's locals name. */
const lockVmsa = (of: (t: HostThread, l: HostLocals) => ActorId) => lockMutexPath((t, l) => vmsaMutexId(of(t, l)));
const unlockVmsa = (of: (t: HostThread, l: HostLocals) => ActorId): HostItem => unlockMutexStep((t, l) => vmsaMutexId(of(t, l)));

/** The event of a guest. Leaves another `ghcbAnswer` where it is refused. */
export const apCreationPath = (env: HostEnv) => {
  const asked = (t: HostThread, l: HostLocals): ApVerdict => checkApRequest(l.ghcbFields!, env.vms[vcpuOf(env, t).vm]!.vcpus.length);
  const changesFirst = env.options['kvm.apRefusal'] === 'kicked';
  const target = (_t: HostThread, l: HostLocals): ActorId => env.vms[l.owner!]!.vcpus[l.vcpu!]!;
  const toTarget = (t: HostThread, l: HostLocals, event: ApEvent) => outgoing(sevEsId(target(t, l)), event);
  const kicks = (t: HostThread, l: HostLocals): boolean => {
    const verdict = asked(t, l);
    return 'refused' in verdict ? changesFirst && verdict.kicks : verdict.request !== 'create-on-init';
  };
  const refused = note(() => ({ ghcbAnswer: malformed('INVALID_INPUT') }));
  return path(
    'sev_snp_ap_creation',
    SEV('sev_snp_ap_creation()'),
    [
      when([(t, l) => asked(t, l).target === null, [refused, leavePath]]),
      note((t, l) => ({ owner: vcpuOf(env, t).vm, vcpu: asked(t, l).target! })),
      call(lockVmsa(target)),
      ...(changesFirst
        ? [step('snp_vmsa_gpa', { send: (t, l) => toTarget(t, l, { type: 'sevEs.apRequest', gpa: null, request: null }) })]
        : []),
      when(
        [(t, l) => 'refused' in asked(t, l), [refused]],
        [
          otherwise,
          [
            step('snp_ap_waiting_for_reset', {
              send: (t, l) => {
                const verdict = asked(t, l);
                if ('refused' in verdict) throw new Error(`AP creation goes on although it is refused: ${verdict.refused}`);
                return toTarget(t, l, { type: 'sevEs.apRequest', gpa: verdict.gpa, request: verdict.request });
              },
            }),
          ],
        ],
      ),
      when([kicks, [call(kickPath(env, 'KVM_REQ_UPDATE_PROTECTED_GUEST_STATE'))]]),
      unlockVmsa(target),
    ],
    { locals: ['owner', 'vcpu'] },
  );
};

/** The thread's own vCPU gives its VMSA up, and takes the one that waits for it, if any. */
const takeVmsa = (env: HostEnv) => {
  const own = (t: HostThread): ActorId => vcpuOf(env, t).id;
  const pfn = (t: HostThread, l: HostLocals): number | undefined => env.vms[vcpuOf(env, t).vm]!.frames[l.apGpa! / PAGE_BYTES];
  return path(
    'sev_snp_init_protected_guest_state',
    SEV('sev_snp_init_protected_guest_state(), __sev_snp_update_protected_guest_state()'),
    [
      call(lockVmsa(own)),
      step('snp_ap_waiting_for_reset', {
        send: (t) => toSevEs(env, t, { type: 'sevEs.ap?' }),
        answers: { 'sevEs.ap': (e) => ({ apWaiting: e.waiting, apGpa: e.gpa }) },
      }),
      when([
        (_t, l) => l.apWaiting === true,
        [
          step('KVM_MP_STATE_HALTED', {
            send: (t) => [toSevEs(env, t, { type: 'sevEs.dropVmsa' }), outgoing(own(t), { type: 'vcpu.halt' })],
            local: () => ({ halted: true }),
          }),
          when([
            (_t, l) => l.apGpa !== null,
            [
              step('kvm_gmem_get_pfn'),
              when([
                (t, l) => pfn(t, l) !== undefined || env.options['kvm.apNoMemory'] === 'runnable',
                [
                  step('KVM_MP_STATE_RUNNABLE', {
                    send: (t, l) => {
                      const frame = pfn(t, l);
                      const set = frame === undefined ? [] : [toSevEs(env, t, { type: 'sevEs.setVmsa', pfn: frame })];
                      return [...set, outgoing(own(t), { type: 'vcpu.runnable' })];
                    },
                    local: () => ({ halted: undefined }),
                  }),
                ],
              ]),
            ],
          ]),
        ],
      ]),
      unlockVmsa(own),
    ],
    { locals: ['apWaiting', 'apGpa'] },
  );
};

/** kvm_vcpu_reset() at INIT. */
const resetVcpu = (env: HostEnv) =>
  path('kvm_vcpu_reset', kernelSource('arch/x86/kvm/x86.c, kvm_vcpu_reset(); arch/x86/kvm/svm/svm.c, svm_vcpu_reset(), init_vmcb()'), [
    call(takeVmsa(env)),
    step('init_vmcb', { send: (t) => toSevEs(env, t, { type: 'sevEs.initVmcb' }) }),
  ]);

/** KVM_REQ_UPDATE_PROTECTED_GUEST_STATE at R6: a vCPU that has no VMSA then does not enter. */
export const updateProtectedState = (env: HostEnv): readonly HostItem[] => [
  step('kvm_check_request', {
    send: (t) => outgoing(vcpuOf(env, t).id, { type: 'vcpu.clearRequest', request: 'KVM_REQ_UPDATE_PROTECTED_GUEST_STATE' }),
  }),
  call(env.options['kvm.apUpdate'] === 'reset' ? resetVcpu(env) : takeVmsa(env)),
  when([(_t, l) => l.halted === true, [leaveLoop]]),
];
/** `goto out` of vcpu_enter_guest(), and to vcpu_block() in the next turn. */
export const leaveIfHalted: readonly HostItem[] = [when([(_t, l) => l.halted === true, [leavePath]])];

/** INIT, and then SIPI, where INIT can bring another VMSA. */
export const acceptInitAndSipi = (env: HostEnv): HostItem =>
  call(
    path(
      'kvm_apic_accept_events',
      kernelSource('arch/x86/kvm/lapic.c, kvm_apic_accept_events(); arch/x86/kvm/svm/sev.c, sev_vcpu_deliver_sipi_vector()'),
      [
        call(resetVcpu(env)),
        step('sev_vcpu_deliver_sipi_vector', {
          send: (t) => [
            toSevEs(env, t, { type: 'sevEs.sipi' }),
            outgoing(vcpuOf(env, t).id, { type: 'vcpu.clearRequest', request: 'KVM_APIC_SIPI' }),
            outgoing(vcpuOf(env, t).id, { type: 'vcpu.runnable' }),
          ],
          local: () => ({ halted: undefined }),
        }),
      ],
    ),
  );

const vmsaPa = {
  'sevEs.vmsaPa': (e: { readonly pfn: number | null; readonly isFresh: boolean }) => ({ vmsaPa: e.pfn, vmsaIsFresh: e.isFresh }),
};
/**
 * What VMRUN has for a VMSA: KVM looks whether there is an address, and the CPU takes what the VMCB
 * says, or what it has kept of it. Leaves `vmsaPa`.
 */
export const vmsaOfVmcb = (env: HostEnv, invalid: readonly HostItem[]): readonly HostItem[] => [
  ...(env.options['kvm.noVmsa'] === 'refused'
    ? [
        step('pre_sev_run', { ...SEV('pre_sev_run()'), send: (t) => toSevEs(env, t, { type: 'sevEs.vmsaPa?' }), answers: vmsaPa }),
        when([(_t: HostThread, l: HostLocals) => l.vmsaPa === null, invalid]),
      ]
    : []),
  step('VMRUN_load_vmsa_pa', {
    source: 'APM vol. 2, "VMCB Clean Bits"',
    grade: 'decision',
    send: (t) => toSevEs(env, t, { type: 'sevEs.vmrun', cpu: t.cpu! }),
    answers: vmsaPa,
  }),
  when([(_t, l) => l.vmsaPa === null, invalid]),
];
