/**
 * VMGEXIT with a guest request: KVM hands the guest's message to the firmware, and its response
 * back, and reads neither.
 */
import { outgoing } from '../../events/event.ts';
import type { GuestMessage } from '../../events/sev-snp/psp.ts';
import { type HostEnv, type HostItem, type HostLocals, host, kernelSource } from '../host/host-env.ts';
import { exitInfo, vcpuOf } from '../kvm/kvm-env.ts';
import { issueCommand, lockSevCmd, unlockSevCmd } from './sev-command.ts';
import { ifAnswered } from './sev-dead.ts';

const { path, step, call } = host;

declare module '../host/host-env.ts' {
  interface HostLocals {
    /** What stands in the page of the response; null before the first. */
    readonly reportResponse?: GuestMessage | null | undefined;
  }
}

const PSP = 'psp';
/** SNP_GUEST_REQUEST takes pages that KVM has set aside, and none of the scenario. */
const PFN_NONE = 0;

function messageOf(l: HostLocals): GuestMessage {
  const request = exitInfo(l, 'VMGEXIT');
  if (request.nae !== 'GUEST_REQUEST') throw new Error('a guest request without its message');
  return request.guestMessage;
}

const answerGuest = (env: HostEnv): readonly HostItem[] => [
  step('kvm_write_guest', {
    send: (_t, l) => outgoing(PSP, { type: 'psp.response?', vm: messageOf(l).vm }),
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
 * end KVM_RUN; one of the driver, whose PSP is dead, does.
 */
export const guestRequestPath = (env: HostEnv) =>
  path(
    'snp_handle_guest_req',
    kernelSource('arch/x86/kvm/svm/sev.c, snp_handle_guest_req()'),
    [
      step('kvm_read_guest'),
      ...lockSevCmd(),
      call(issueCommand(env, '__sev_do_cmd_locked', (_t, l) => ({ command: 'SNP_GUEST_REQUEST', pfn: PFN_NONE, message: messageOf(l) }))),
      unlockSevCmd(),
      ...ifAnswered(env, answerGuest(env), [step('out_unlock', { local: () => ({ returns: true }) })]),
    ],
    { locals: ['granted', 'failed', 'reportResponse'] },
  );
