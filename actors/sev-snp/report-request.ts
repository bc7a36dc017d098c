/**
 * A guest that asks the firmware for an attestation report, through a message that the host
 * carries. The rules are those of firmware/guest-driver.ts, without bytes: the request has the
 * number after the last, its response the next one. What is done about a request that the host has
 * not served differs by kernel (`guest.requestError`).
 */
import { outgoing } from '../../events/event.ts';
import type { HostOptions } from '../../events/options.ts';
import type { GuestVmmError, SevGuestEvent } from '../../events/sev-snp/guest-request.ts';
import type { GuestMessage } from '../../events/sev-snp/psp.ts';
import { type GuestEnv, type GuestItem, type GuestLocals, guest, opOf, type Vcpu, vmexit } from '../kvm/guest-program.ts';
import { otherwise, type Source } from '../path/path.ts';

const { path, step, call, loop, when, note, leaveLoop, leavePath } = guest;

/** What a guest gave for certificates, and what it was told that they need, in pages. */
export interface CertPages {
  readonly given: number;
  readonly needed: number;
}
declare module '../kvm/guest-program.ts' {
  interface GuestLocals {
    readonly driverTaken?: boolean | undefined;
    /** The message as the host has it. */
    readonly sealedMessage?: GuestMessage | undefined;
    readonly reportResponse?: GuestMessage | undefined;
    readonly vmmError?: GuestVmmError | undefined;
    /** RBX as the host has left it. */
    readonly rbx?: number | undefined;
    /** The message goes out once more, as a plain request: certificates had no room. */
    readonly reissued?: boolean | undefined;
    readonly givenUp?: boolean | undefined;
  }
  interface Vcpu {
    /** Of its last request that had too little room for certificates. */
    readonly certPages?: CertPages | undefined;
  }
}

const DRIVER: Source = {
  source:
    'drivers/virt/coco/sev-guest/sev-guest.c, snp_guest_ioctl(), handle_guest_request(), verify_and_dec_payload(); arch/x86/coco/sev/core.c, snp_issue_guest_request()',
  grade: 'read',
};

export const sevGuestId = (vm: string): string => `sev_guest:${vm}`;
const toDriver = (env: GuestEnv, v: Vcpu, event: SevGuestEvent) =>
  outgoing(sevGuestId(env.images[v.image]!.vm.id.slice('vm:'.length)), event);

function askedOf(env: GuestEnv, v: Vcpu) {
  const op = opOf(env, v);
  if (op.op !== 'request-report') throw new Error(`${op.op} asks for no report`);
  return op;
}
const messageOf = (env: GuestEnv, v: Vcpu, counter: number): GuestMessage => {
  const { data, vmpl } = askedOf(env, v);
  return { vm: env.images[v.image]!.vm.id, sequence: counter + 1, data, vmpl };
};

/** snp_cmd_mutex. A vCPU that waits does nothing else here; a real one runs other tasks. */
const lockDriver = (env: GuestEnv) =>
  path(
    'snp_cmd_mutex',
    { source: 'drivers/virt/coco/sev-guest/sev-guest.c, snp_guest_ioctl(): snp_cmd_mutex', grade: 'read' },
    [
      loop(
        step('try', {
          idles: true,
          send: (v) => toDriver(env, v, { type: 'sevGuest.lock' }),
          answers: { 'sevGuest.locked': (e) => ({ driverTaken: e.granted }) },
        }),
        when([(_v, l) => l.driverTaken === true, [leaveLoop]]),
        step('schedule', { yields: true }),
      ),
    ],
    { locals: ['driverTaken'] },
  );
const unlockDriver = (env: GuestEnv, name: string): GuestItem => step(name, { send: (v) => toDriver(env, v, { type: 'sevGuest.unlock' }) });

const isAnswered = (_v: Vcpu, { fault, reportResponse, sealedMessage }: GuestLocals) =>
  fault !== true && reportResponse?.sequence === sealedMessage!.sequence + 1;
const isShort = (_v: Vcpu, l: GuestLocals) => l.vmmError === 'INVALID_LEN' && l.reissued !== true;
const isReissued = (_v: Vcpu, l: GuestLocals) => l.reissued === true && l.fault !== true;
const isBusy = (_v: Vcpu, l: GuestLocals) => l.vmmError === 'BUSY';

/** VMGEXIT until the request is served, or is not to be asked again. */
function issue(env: GuestEnv, does: HostOptions['guest.requestError']): GuestItem {
  const request = (v: Vcpu, { sealedMessage, reissued }: GuestLocals) => {
    const { certs } = askedOf(env, v);
    const guestMessage = sealedMessage!;
    return certs === undefined || reissued === true
      ? ({ nae: 'GUEST_REQUEST', guestMessage } as const)
      : ({ nae: 'EXT_GUEST_REQUEST', guestMessage, rbx: certs } as const);
  };
  // The driver waits for 2 s, and for 60 s in all: how often that is, the run chooses.
  const waits = [
    step('schedule_timeout_killable', {
      yields: true,
      chooses: () => 2,
      local: (_v: Vcpu, l: GuestLocals) => ({ givenUp: l.option === 1, option: undefined }),
    }),
    when([(_v: Vcpu, l: GuestLocals) => l.givenUp === true, [leaveLoop]]),
  ];
  return loop(
    step('VMGEXIT', { send: (v, l) => vmexit(v, 'VMGEXIT', request(v, l)) }),
    step('VMGEXIT_complete', {
      awaits: true,
      wakes: {
        'ghcb.result': (e) => ({
          fault: !e.ok,
          reportResponse: e.response,
          vmmError: e.vmmError,
          ...(e.rbx !== undefined && { rbx: e.rbx }),
        }),
      },
    }),
    when(
      ...(does === 'returned' ? [] : [[isShort, [note(() => ({ reissued: true }))]] as const]),
      ...(does === 'retried' ? [[isBusy, waits] as const] : []),
      [otherwise, [leaveLoop]],
    ),
  );
}

export const requestReportPath = (env: GuestEnv, { 'guest.requestError': does }: HostOptions) => {
  const told = (v: Vcpu, { rbx }: GuestLocals) => (rbx === undefined ? {} : { certPages: { given: askedOf(env, v).certs!, needed: rbx } });
  const counted = { set: told, send: (v: Vcpu) => toDriver(env, v, { type: 'sevGuest.count' }) };
  return path(
    'handle_guest_request',
    DRIVER,
    [
      call(lockDriver(env)),
      step('is_vmpck_empty', {
        send: (v) => toDriver(env, v, { type: 'sevGuest.key?' }),
        answers: { 'sevGuest.key': (e, v) => ({ sealedMessage: e.wiped ? undefined : messageOf(env, v, e.counter) }) },
      }),
      when([(_v, l) => l.sealedMessage === undefined, [unlockDriver(env, 'mutex_unlock_disabled'), leavePath]]),
      step('memcpy_request', { send: (v, l) => toDriver(env, v, { type: 'sevGuest.request', message: l.sealedMessage! }) }),
      issue(env, does),
      when(
        ...(does === 'returned' ? [[(_v: Vcpu, l: GuestLocals) => l.fault === true, [step('return_error', { set: told })]] as const] : []),
        // The response is not opened: the caller hears of the room that certificates need.
        ...(does === 'retried' ? [[isReissued, [step('snp_inc_msg_seqno', counted)]] as const] : []),
        [isAnswered, [step('verify_and_dec_payload', counted)]],
        [otherwise, [step('snp_disable_vmpck', { send: (v) => toDriver(env, v, { type: 'sevGuest.wipe' }) })]],
      ),
      unlockDriver(env, 'mutex_unlock'),
    ],
    { locals: ['sealedMessage', 'fault', 'reportResponse', 'vmmError', 'rbx', 'reissued', 'givenUp', 'option'] },
  );
};
