/**
 * A guest that asks the firmware for an attestation report, through a message that the host
 * carries. The rules are those of firmware/guest-driver.ts, without bytes: the request has the
 * number after the last, its response the next one, and after anything else the key is wiped.
 */
import type { GuestMessage } from '../../events/sev-snp/psp.ts';
import { type GuestEnv, guest, opOf, type Vcpu, vmexit } from '../kvm/guest-program.ts';
import { otherwise } from '../path/path.ts';

const { path, step, when, leavePath } = guest;

declare module '../kvm/guest-program.ts' {
  interface GuestLocals {
    readonly reportResponse?: GuestMessage | undefined;
  }
  interface Vcpu {
    /** The counter in the secrets page, the number of the last response; absent before one. */
    readonly lastMessage?: number | undefined;
    /** snp_disable_vmpck() was called: the guest sends nothing more. */
    readonly keyWiped?: true | undefined;
  }
}

const sequenceOf = (v: Vcpu): number => (v.lastMessage ?? 0) + 1;

function messageOf(env: GuestEnv, v: Vcpu): GuestMessage {
  const op = opOf(env, v);
  if (op.op !== 'request-report') throw new Error(`${op.op} asks for no report`);
  return { vm: env.images[v.image]!.vm.id, sequence: sequenceOf(v), data: op.data, vmpl: op.vmpl };
}

export const requestReportPath = (env: GuestEnv) =>
  path(
    'handle_guest_request',
    { source: 'drivers/virt/coco/sev-guest/sev-guest.c, handle_guest_request(), verify_and_dec_payload()', grade: 'read' },
    [
      when([(v) => v.keyWiped === true, [step('is_vmpck_empty'), leavePath]]),
      step('VMGEXIT', { send: (v) => vmexit(v, 'VMGEXIT', { nae: 'GUEST_REQUEST', guestMessage: messageOf(env, v) }) }),
      step('VMGEXIT_complete', {
        awaits: true,
        wakes: { 'ghcb.result': (e) => ({ fault: !e.ok, reportResponse: e.response }) },
      }),
      when(
        [
          (v, l) => l.fault !== true && l.reportResponse?.sequence === sequenceOf(v) + 1,
          [step('verify_and_dec_payload', { set: (v) => ({ lastMessage: sequenceOf(v) + 1 }) })],
        ],
        [otherwise, [step('snp_disable_vmpck', { set: (v) => ({ lastMessage: sequenceOf(v) + 1, keyWiped: true as const }) })]],
      ),
    ],
    { locals: ['fault', 'reportResponse'] },
  );
