/**
 * VMGEXIT with a guest request: KVM hands the guest's message to the firmware, and its response
 * back, and reads neither. An extended one is asked for with certificates beside its report.
 *
 * Left out: the address of the guest's buffer for certificates, which a driver has shared and
 * aligned, and what is written there.
 */
import { type ActorId, outgoing } from '../../events/event.ts';
import type { GuestVmmError } from '../../events/sev-snp/guest-request.ts';
import type { GuestMessage } from '../../events/sev-snp/psp.ts';
import { fatalSignalPending, type HostEnv, type HostItem, type HostLocals, type HostThread, host, kernelSource } from '../host/host-env.ts';
import { exitInfo, vcpuOf } from '../kvm/kvm-env.ts';
import type { KvmParts } from '../kvm/slots.ts';
import { otherwise } from '../path/path.ts';
import { lock, unlock } from './asid-cycle.ts';
import { issueCommand, lockSevCmd, unlockSevCmd } from './sev-command.ts';
import { ifAnswered } from './sev-dead.ts';

const { path, step, call, when, note, leavePath } = host;

/** What KVM_RUN has ended for, until user space has answered and KVM has gone on. */
interface CertsAsked {
  readonly message: GuestMessage;
  /** The pages that the guest has for them. */
  readonly npages: number;
  readonly ret?: 0 | 'ENOSPC';
}
declare module '../host/host-env.ts' {
  interface HostLocals {
    /** What stands in the page of the request. */
    readonly guestMessage?: GuestMessage | undefined;
    /** What stands in the page of the response; null before the first. */
    readonly reportResponse?: GuestMessage | null | undefined;
    /** The limit lets the request through. */
    readonly letThrough?: boolean | undefined;
    readonly certsAsked?: CertsAsked | undefined;
  }
}
declare module '../kvm/kvm-env.ts' {
  interface VmFacts {
    /** How many pages the certificates of its reports need. */
    readonly certPages: number;
  }
}

const PSP = 'psp';
/** SNP_GUEST_REQUEST takes pages that KVM has set aside, and none of the scenario. */
const PFN_NONE = 0;
const SEV = (functions: string) => kernelSource(`arch/x86/kvm/svm/sev.c, ${functions}`);

export const guestReqMutex = (vm: string): ActorId => `mutex:guest_req/${vm}`;
export const rateLimitId = (vm: string): ActorId => `ratelimit:${vm}`;

const requestOf = (l: HostLocals) => {
  const request = exitInfo(l, 'VMGEXIT');
  if (request.nae !== 'GUEST_REQUEST' && request.nae !== 'EXT_GUEST_REQUEST') throw new Error('a guest request without its message');
  return request;
};
/** RBX, as the guest has set it. */
const npagesOf = (l: HostLocals): number => {
  const request = requestOf(l);
  return request.nae === 'EXT_GUEST_REQUEST' ? request.rbx : 0;
};
const certPagesOf = (env: HostEnv, t: HostThread): number => env.vms[vcpuOf(env, t).vm]!.certPages;

/** SW_EXITINFO2 with an error of the host, and RBX where one goes with it. */
const tellError = (env: HostEnv, name: string, vmmError: GuestVmmError, rbx?: (t: HostThread) => number): HostItem =>
  step(name, {
    send: (t) => outgoing(vcpuOf(env, t).id, { type: 'ghcb.result', ok: false, vmmError, ...(rbx && { rbx: rbx(t) }) }),
    answers: { 'guest.ran': () => ({}) },
  });
const tellShort = (env: HostEnv, name: string): HostItem => tellError(env, name, 'INVALID_LEN', (t) => certPagesOf(env, t));

const RATELIMIT = kernelSource('"kvm: sev: Add SEV-SNP guest request throttling", v5; lib/ratelimit.c, ___ratelimit()');
/** Whether the interval is over in which the last request came, the run chooses. */
const limited = (env: HostEnv, served: readonly HostItem[]): readonly HostItem[] =>
  env.options['kvm.guestRequestLimit'] === 'none'
    ? served
    : [
        step('___ratelimit', {
          ...RATELIMIT,
          chooses: () => 2,
          send: (t, l) => outgoing(rateLimitId(vcpuOf(env, t).vm), { type: 'ratelimit.pass?', over: l.option !== 1 }),
          answers: { 'ratelimit.pass': (e) => ({ letThrough: e.letThrough, option: undefined }) },
        }),
        when([(_t, l) => l.letThrough === true, served], [otherwise, [tellError(env, 'svm_vmgexit_no_action', 'BUSY')]]),
      ];

const answerGuest = (env: HostEnv): readonly HostItem[] => [
  step('kvm_write_guest', {
    send: (_t, l) => outgoing(PSP, { type: 'psp.response?', vm: l.guestMessage!.vm }),
    answers: { 'psp.response': (e) => ({ reportResponse: e.response }) },
  }),
  step('ghcb_set_sw_exit_info_2', {
    send: (t, { failed, reportResponse }) =>
      outgoing(vcpuOf(env, t).id, { type: 'ghcb.result', ok: failed !== true, ...(reportResponse && { response: reportResponse }) }),
    answers: { 'guest.ran': () => ({}) },
  }),
];

/**
 * The message is copied before the command and the response after it, so that the guest's other
 * vCPUs change neither under the firmware. An error of the firmware is for the guest, and does not
 * end KVM_RUN; one of the driver, whose PSP is dead, does. Expects `guestMessage`.
 */
const guestRequestPath = (env: HostEnv) => {
  const mutex = (t: HostThread) => guestReqMutex(vcpuOf(env, t).vm);
  return path(
    'snp_handle_guest_req',
    SEV('snp_handle_guest_req()'),
    [
      ...lock('guest_req_lock', mutex),
      ...limited(env, [
        step('kvm_read_guest'),
        ...lockSevCmd(),
        call(
          issueCommand(env, '__sev_do_cmd_locked', (_t, l) => ({ command: 'SNP_GUEST_REQUEST', pfn: PFN_NONE, message: l.guestMessage! })),
        ),
        unlockSevCmd(),
        ...ifAnswered(env, answerGuest(env), [note(() => ({ returns: true }))]),
      ]),
      unlock('guest_req_unlock', mutex),
    ],
    { locals: ['granted', 'failed', 'reportResponse', 'guestMessage', 'letThrough', 'option'] },
  );
};

const serve = (env: HostEnv, message: (l: HostLocals) => GuestMessage): HostItem =>
  call(guestRequestPath(env), (_t, l) => ({ guestMessage: message(l) }));
const served = (env: HostEnv): HostItem => serve(env, (l) => requestOf(l).guestMessage);

/** What comes before the request itself: certificates, and whether the guest has room for them. */
const certificates = (env: HostEnv): readonly HostItem[] => {
  switch (env.options['kvm.guestCerts']) {
    case 'empty-table':
      return [when([(_t, l) => npagesOf(l) > 0, [step('kvm_clear_guest')]]), served(env)];
    case 'in-kernel':
      return [when([(t, l) => npagesOf(l) < certPagesOf(env, t), [tellShort(env, 'snp_guest_ext_guest_request'), leavePath]]), served(env)];
    case 'user-space':
      return [
        step('kvm_exit_snp_req_certs', {
          local: (_t, l) => ({ returns: true, certsAsked: { message: requestOf(l).guestMessage, npages: npagesOf(l) } }),
        }),
      ];
  }
};
const CERTS_SOURCES = {
  'empty-table': SEV('snp_handle_ext_guest_req()'),
  'in-kernel': kernelSource('series v5, snp_handle_ext_guest_request(), snp_guest_ext_guest_request()'),
  'user-space': kernelSource('"KVM: Introduce KVM_EXIT_SNP_REQ_CERTS for SNP certificate-fetching", snp_handle_ext_guest_req()'),
};

/** Handlers by NAE event. */
export const guestRequestEvents = (extended: boolean): NonNullable<KvmParts['nae']> => ({
  GUEST_REQUEST: (env: HostEnv) => [served(env)],
  ...(extended && {
    EXT_GUEST_REQUEST: (env: HostEnv) => [
      call(path('snp_handle_ext_guest_req', CERTS_SOURCES[env.options['kvm.guestCerts']], certificates(env))),
    ],
  }),
});

/** The next KVM_RUN goes on where that one left, by what user space has said. */
const completeCerts = (env: HostEnv): readonly HostItem[] => [
  when([
    (_t, l) => l.certsAsked !== undefined,
    [
      call(
        path('snp_complete_req_certs', CERTS_SOURCES['user-space'], [
          when(
            [(_t, l) => l.certsAsked!.ret === 'ENOSPC', [tellShort(env, 'snp_req_certs_err')]],
            [otherwise, [serve(env, (l) => l.certsAsked!.message)]],
          ),
        ]),
      ),
      note(() => ({ certsAsked: undefined })),
    ],
  ]),
];
/** The parts of a host whose user space has the certificates. */
export const withGuestCerts = (parts: KvmParts): KvmParts => {
  const { beforeRun, userLoop } = parts;
  return {
    ...parts,
    beforeRun: {
      order: beforeRun?.order ?? 5,
      items: (env) => [...(beforeRun?.items(env) ?? []), ...completeCerts(env)],
      ...(beforeRun?.locals && { locals: beforeRun.locals }),
    },
    userLoop: {
      ...userLoop,
      reactions: (env) => [
        ...(userLoop?.reactions(env) ?? []),
        [
          (t, l) => l.certsAsked !== undefined && !fatalSignalPending(t),
          [
            step('write_snp_req_certs', {
              source: 'Documentation/virt/kvm/api.rst, KVM_EXIT_SNP_REQ_CERTS',
              grade: 'read',
              local: (t, l) => ({
                certsAsked: { ...l.certsAsked!, ret: l.certsAsked!.npages < certPagesOf(env, t) ? ('ENOSPC' as const) : (0 as const) },
              }),
            }),
          ],
        ],
      ],
      locals: [...(userLoop?.locals ?? []), 'certsAsked'],
    },
  };
};
