/**
 * What KVM does about VMGEXIT where the guest has a request in the GHCB MSR, or the address of a
 * GHCB.
 *
 * @see arch/x86/kvm/svm/sev.c, sev_handle_vmgexit_msr_protocol(), sev_handle_vmgexit() (6.12)
 */
import { outgoing } from '../../events/event.ts';
import type { GhcbAnswer } from '../../events/sev-snp/ghcb.ts';
import { type HostEnv, type HostItem, type HostLocals, type HostThread, host, kernelSource } from '../host/host-env.ts';
import { exitInfo, vcpuOf } from '../kvm/kvm-env.ts';
import { otherwise } from '../path/path.ts';
import { apCreationPath } from './ap-creation.ts';
import { changePagePath, privateTo } from './exits.ts';
import { answerGhcb, gfnOf, readGhcbPath, toSevEs } from './ghcb-map.ts';
import {
  checkFields,
  DONE,
  HV_FEATURES,
  MSR_PSC_ERROR,
  type MsrEffect,
  malformed,
  msrAnswer,
  msrEffect,
  msrPsc,
  type NaeEffect,
  scratchFits,
} from './ghcb-protocol.ts';
import { SHARED } from './page-fault.ts';
import { pscBufferPath } from './psc-buffer.ts';

const { path, step, call, when, note, leavePath } = host;
const SEV = (functions: string) => kernelSource(`arch/x86/kvm/svm/sev.c, ${functions}`);

const isSnp = (env: HostEnv, t: HostThread) => env.vms[vcpuOf(env, t).vm]!.isSnp;
function msrOf(l: HostLocals) {
  const request = exitInfo(l, 'VMGEXIT');
  if (request.nae !== 'GHCB_MSR') throw new Error('an exit by the GHCB MSR without its request');
  return request;
}
/** KVM_RUN ends: with KVM_EXIT_SYSTEM_EVENT, or with an error. */
const ends = (name: string): readonly HostItem[] => [step(name, { local: () => ({ returns: true }) })];

/** AP reset hold: the vCPU is halted, and answered when it runs again. */
const resetHold = (env: HostEnv, by: 'msr' | 'nae'): readonly HostItem[] => [
  step('kvm_emulate_ap_reset_hold', {
    ...kernelSource('arch/x86/kvm/x86.c, kvm_emulate_ap_reset_hold(), __kvm_emulate_halt()'),
    send: (t) => [outgoing(vcpuOf(env, t).id, { type: 'vcpu.halt' }), toSevEs(env, t, { type: 'sevEs.hold', by })],
    local: () => ({ halted: true }),
  }),
];

/** snp_begin_psc_msr(): one page of 4K, which the VM must have. */
const pscMsr = (env: HostEnv): readonly HostItem[] => {
  const page = (t: HostThread, l: HostLocals) => {
    const asked = msrPsc(msrOf(l).payload);
    const { vm } = vcpuOf(env, t);
    const pfn = asked === null ? undefined : env.vms[vm]!.frames[asked.gfn];
    if (asked === null || pfn === undefined) return null;
    return { vm, gfn: asked.gfn, pfn, update: asked.to === 'private' ? privateTo(env, vm, asked.gfn) : SHARED };
  };
  const change = path('snp_begin_psc_msr', SEV('snp_begin_psc_msr()'), [call(changePagePath(env), (t, l) => page(t, l) ?? {})], {
    locals: ['vm', 'gfn', 'pfn', 'update'],
  });
  return [
    note(() => ({ result: 'FAIL_INPUT' as const })),
    when([(t, l) => page(t, l) !== null, [call(change)]]),
    note((_t, l) => ({ ghcbMsr: { response: 0x015, payload: l.result === 'SUCCESS' ? 0 : MSR_PSC_ERROR } })),
  ];
};

/** Cases of those effects alone that guests of the scenario bring about. */
const casesOf = <E extends string>(
  used: ReadonlySet<E>,
  does: (effect: E) => (t: HostThread, l: HostLocals) => boolean,
  table: Readonly<Partial<Record<E, readonly HostItem[]>>>,
): readonly HostItem[] => {
  const effects = (Object.keys(table) as E[]).filter((effect) => used.has(effect));
  return effects.length === 0 ? [] : [when(...effects.map((effect) => [does(effect), table[effect]!] as const))];
};

/** KVM_RUN ends, and the MSR holds the request still: the vCPU finds it there if it runs again. */
const endsUnanswered = (env: HostEnv): HostItem =>
  step('kvm_exit_system_event', {
    send: (t, l) => outgoing(vcpuOf(env, t).id, { type: 'ghcb.msr', response: msrOf(l).request, payload: msrOf(l).payload }),
    answers: { 'guest.ran': () => ({ returns: true }) },
  });

export const ghcbMsrPath = (env: HostEnv, used: ReadonlySet<MsrEffect>) => {
  const asks = (effect: MsrEffect) => (t: HostThread, l: HostLocals) => msrEffect(msrOf(l).request, isSnp(env, t)) === effect;
  return path(
    'sev_handle_vmgexit_msr_protocol',
    SEV('sev_handle_vmgexit_msr_protocol()'),
    [
      note((t, l) => ({ ghcbMsr: msrAnswer(msrOf(l).request, msrOf(l).payload, isSnp(env, t)) })),
      ...casesOf(used, asks, {
        terminate: [endsUnanswered(env), leavePath],
        'reset-hold': [...resetHold(env, 'msr'), leavePath],
        'page-state-change': pscMsr(env),
        register: [step('ghcb_registered_gpa', { send: (t, l) => toSevEs(env, t, { type: 'sevEs.register', gfn: msrOf(l).payload }) })],
      }),
      step('set_ghcb_msr', {
        send: (t, l) => outgoing(vcpuOf(env, t).id, { type: 'ghcb.msr', ...l.ghcbMsr! }),
        answers: { 'guest.ran': () => ({}) },
      }),
    ],
    { locals: ['result', 'ghcbMsr'] },
  );
};

/** What some events are answered with, their fields given. */
const FIXED: Readonly<Partial<Record<NaeEffect, GhcbAnswer>>> = {
  'hv-features': { info1: 0, info2: HV_FEATURES },
  /** SNP_GUEST_REQUEST of a page that holds no message: its authentication fails. */
  'guest-request': { info1: 0, info2: 0x0b },
  'ext-guest-request': { info1: 0, info2: 0x0b },
};

/** Get and set of the AP jump table, by SW_EXITINFO1. */
const jumpTable = (env: HostEnv): readonly HostItem[] => [
  when(
    [(_t, l) => l.ghcbFields!.info1! > 1, [note(() => ({ ghcbAnswer: malformed('INVALID_INPUT') }))]],
    [
      otherwise,
      [
        step('ap_jump_table', {
          send: (t, l) => {
            const { info1, info2 } = l.ghcbFields!;
            return outgoing(env.vms[vcpuOf(env, t).vm]!.pages, { type: 'pages.jumpTable', ...(info1 === 0 && { set: info2! }) });
          },
          answers: { 'pages.jumpTableIs': (e, _t, l) => ({ ghcbAnswer: { info1: 0, info2: l.ghcbFields!.info1 === 0 ? 0 : e.gpa } }) },
        }),
      ],
    ],
  ),
];

export const ghcbPath = (env: HostEnv, used: ReadonlySet<NaeEffect>) => {
  /** The effect of an event with the right fields; else the answer to one with wrong ones. */
  const checked = (t: HostThread, l: HostLocals): NaeEffect | GhcbAnswer => {
    const outcome = checkFields(l.ghcbFields!, isSnp(env, t));
    if ('error' in outcome) return malformed(outcome.error);
    const { effect } = outcome;
    const needsScratch = effect === 'mmio' || effect === 'page-state-change';
    return needsScratch && !scratchFits(gfnOf(l), l.ghcbFields!) ? malformed('INVALID_SCRATCH') : effect;
  };
  const does = (effect: NaeEffect) => (t: HostThread, l: HostLocals) => checked(t, l) === effect;
  return path(
    'sev_handle_vmgexit',
    SEV('sev_handle_vmgexit(), sev_es_validate_vmgexit()'),
    [
      call(readGhcbPath(env)),
      when([(_t, l) => l.ghcbFields === undefined, [leavePath]]),
      when([(t, l) => isSnp(env, t) && l.ghcbRegistered !== true, [...ends('vcpu_unimpl_not_registered'), leavePath]]),
      note((t, l) => {
        const what = checked(t, l);
        return { ghcbAnswer: typeof what === 'string' ? (FIXED[what] ?? DONE) : what };
      }),
      ...casesOf(used, does, {
        terminate: [...ends('kvm_exit_system_event'), leavePath],
        unsupported: [...ends('vcpu_unimpl_unsupported_event'), leavePath],
        'jump-table': jumpTable(env),
        'page-state-change': [call(pscBufferPath(env))],
        'ap-creation': [call(apCreationPath(env))],
      }),
      answerGhcb(env),
      ...(used.has('reset-hold') ? [when([does('reset-hold'), resetHold(env, 'nae')])] : []),
    ],
    { locals: ['ghcbFields', 'ghcbRegistered', 'ghcbAnswer'] },
  );
};
