/**
 * sev_do_cmd(): one firmware command at a time, through the mailbox, asleep until the completion
 * interrupt.
 */

import { outgoing } from '../../events/event.ts';
import type { FirmwareTold, GuestMessage, PspCommand, PspGuest, PspStatus } from '../../events/sev-snp/psp.ts';
import type { SnpArguments, SnpOutput } from '../../events/sev-snp/snp-command.ts';
import { type HostEnv, type HostItem, type HostLocals, type HostThread, host, kernelSource, opOf } from '../host/host-env.ts';
import { sleepUntil } from '../host/sleeping.ts';
import { lockMutexItems, unlockMutexStep } from '../kit/mutex.ts';
import { BUFFER_LOCALS, claimBuffer, giveBufferBack, type HasData, hasCommandBuffers, hasData } from './command-buffers.ts';
import { updateRmpPath } from './direct-map.ts';
import { SHARED } from './page-fault.ts';
import { DEAD_LOCALS, dieIfExpired, ifAnswered, pspMayDie, refuseIfDead } from './sev-dead.ts';
import { SEV_DEVICE } from './sev-device.ts';

const { path, step, call, when, leaveLoop, leavePath } = host;

declare module '../host/host-env.ts' {
  interface HostParts {
    /** The PSP keeps guest contexts: what commands take and tell is there. */
    readonly snpFirmware?: true;
  }
  interface HostLocals {
    readonly firmwareStatus?: PspStatus | undefined;
    readonly firmwareOutput?: SnpOutput | null | undefined;
  }
  interface HostThread {
    /** What its last command to such firmware has ended with. */
    readonly firmwareTold?: FirmwareTold | undefined;
  }
}

const SEV_DEV = kernelSource('drivers/crypto/ccp/sev-dev.c, __sev_do_cmd_locked()');
const WAIT = kernelSource('drivers/crypto/ccp/sev-dev.c, sev_wait_cmd_ioc(); include/linux/wait.h, wait_event_timeout()');

export const SEV_CMD_MUTEX = 'mutex:sev_cmd';
const PSP = 'psp';
/** What stands for the page of a command that takes none. */
const PFN_NONE = 0;

/**
 * Commands whose page firmware writes: it must be in the Firmware state before, and is reclaimed
 * after.
 * @see domain snp f.1
 */
const WRITES_PAGE: readonly PspCommand[] = ['SNP_PLATFORM_STATUS'];

const sevOp = (env: HostEnv, t: HostThread) => {
  const op = opOf(env, t);
  if (op.op !== 'sev-command') throw new Error(`${op.op} is no firmware command`);
  return op;
};
const writesPage = (env: HostEnv) => (t: HostThread) => WRITES_PAGE.includes(sevOp(env, t).command);

/**
 * Waits for the interrupt handler to set the flag, or for the timer. Whatever wakes the thread, it
 * looks at the flag: a wake-up for another reason, as by the death of its process, ends nothing.
 * The command register is read when the flag is set, and not before. Leaves `expired` if the timer
 * was first.
 */
const waitForCommand = (env: HostEnv) =>
  path(
    'sev_wait_cmd_ioc',
    WAIT,
    [
      ...sleepUntil(
        { first: 'wait_event_timeout', again: 'prepare_to_wait_event' },
        {
          send: () => outgoing(SEV_DEVICE, { type: 'sev.rcvd?' }),
          answers: { 'sev.rcvd': (e) => (e.expired ? { done: true, expired: true } : { done: e.rcvd }) },
        },
        when([(_t, l) => l.done === true, [leaveLoop]]),
      ),
      ...(pspMayDie(env) ? [when([(_t: HostThread, l: HostLocals) => l.expired === true, [leavePath]])] : []),
      step('ioread_cmdresp', {
        send: () => outgoing(PSP, { type: 'psp.status?' }),
        answers: { 'psp.status': (e) => ({ failed: e.status !== 'SUCCESS' }) },
      }),
    ],
    { locals: ['done'] },
  );

/** What goes into the mailbox. */
export interface SevRequest {
  readonly command: PspCommand;
  readonly pfn: number;
  readonly guest?: PspGuest;
  readonly message?: GuestMessage;
  readonly args?: SnpArguments;
  /** Of the older ABI: what the firmware is to write. */
  readonly pages?: readonly number[];
}

/** What else happens around a command, under the mutex. */
interface AroundCommand {
  /** Whether it has data, for which a buffer is needed. Default: it has. */
  readonly data?: HasData;
  /** The data is in the command's buffer. */
  readonly prepare?: readonly HostItem[];
  /** The command is done, and its buffer is still taken; then it is free. */
  readonly restore?: readonly HostItem[];
  readonly unmap?: readonly HostItem[];
}

/**
 * Clears the flag, writes the command register, and sleeps until the command is done. Leaves
 * `failed`. A command that the driver gives up keeps its buffer.
 */
export function issueCommand(
  env: HostEnv,
  name: string,
  request: (t: HostThread, l: HostLocals) => SevRequest,
  { data = true, prepare = [], restore = [], unmap = [] }: AroundCommand = {},
) {
  const command = (t: HostThread, l: HostLocals) => request(t, l).command;
  const told = pspMayDie(env) || hasCommandBuffers(env);
  return path(
    name,
    SEV_DEV,
    [
      ...refuseIfDead(env),
      ...claimBuffer(env, data),
      ...prepare,
      step('clear_int_rcvd', { send: () => outgoing(SEV_DEVICE, { type: 'sev.expect' }) }),
      step('iowrite_cmdresp', {
        send: (t, l) => outgoing(PSP, { type: 'psp.command', ...request(t, l) }),
        ...(told && { set: () => ({ sevErrno: undefined }) }),
      }),
      call(waitForCommand(env)),
      ...dieIfExpired(env, command),
      ...restore,
      ...giveBufferBack(env, data),
      ...unmap,
    ],
    { locals: [...(pspMayDie(env) ? DEAD_LOCALS : []), ...(hasCommandBuffers(env) ? BUFFER_LOCALS : [])] },
  );
}

const POLICY_DEFAULT = 0x3_0000;
/** The command buffer that a program asks for. */
function bufferOf({ command, pfn, context, asid, policy, type = 'zero', reportedTcb, maskChipId, maskChipKey }: ReturnType<typeof sevOp>) {
  const config = reportedTcb !== undefined && { reportedTcb, maskChipId: maskChipId === true, maskChipKey: maskChipKey === true };
  return {
    ...(context !== undefined && { context }),
    ...(pfn !== PFN_NONE && { page: pfn }),
    ...(asid !== undefined && { asid }),
    ...(command === 'SNP_LAUNCH_START' && { policy: policy ?? POLICY_DEFAULT }),
    ...(command === 'SNP_LAUNCH_UPDATE' && { launch: { type } }),
    ...(config && { config }),
  };
}

/** The frames of the 2 MiB that SNP_PAGE_UNSMASH is about, where a page of a guest is all of it. */
function framesOf2M(env: HostEnv, { command, pfn }: ReturnType<typeof sevOp>): Pick<SnpArguments, 'frames'> {
  if (command !== 'SNP_PAGE_UNSMASH') return {};
  const folio = Object.values(env.vms)
    .flatMap(({ folios }) => Object.values(folios))
    .find((each) => each.pfn === pfn);
  return folio === undefined ? {} : { frames: folio.frames };
}

/** Whether the PSP keeps guest contexts. */
const hasSnpFirmware = (env: HostEnv): boolean => env.parts.some(({ snpFirmware }) => snpFirmware === true);

const issue = (env: HostEnv) =>
  issueCommand(
    env,
    '__sev_do_cmd_locked',
    (t) => {
      const op = sevOp(env, t);
      return { command: op.command, pfn: op.pfn, ...(hasSnpFirmware(env) && { args: { ...bufferOf(op), ...framesOf2M(env, op) } }) };
    },
    { data: (t) => hasData(sevOp(env, t).command) },
  );

/** The status and the command buffer go back to the caller. Before the mailbox is given up. */
export const readResult: HostItem = step('copy_cmd_buf', {
  send: () => outgoing(PSP, { type: 'psp.output?' }),
  answers: { 'psp.output': (e) => ({ firmwareStatus: e.status, firmwareOutput: e.output }) },
});
/** What a thread keeps of it. */
export const toldOf = (command: PspCommand, { firmwareStatus, firmwareOutput = null }: HostLocals): Partial<HostThread> =>
  firmwareStatus === undefined ? {} : { firmwareTold: { command, status: firmwareStatus, output: firmwareOutput } };

/** One command at a time. Leaves `granted`. */
export const lockSevCmd = (): readonly HostItem[] =>
  lockMutexItems(SEV_CMD_MUTEX, { names: { first: 'mutex_lock', again: 'mutex_trylock_or_handoff', sleep: 'mutex_lock_schedule' } });
export const unlockSevCmd = (): HostItem => unlockMutexStep(SEV_CMD_MUTEX);

export const sevCommandPath = (env: HostEnv) =>
  path(
    'sev_do_cmd',
    SEV_DEV,
    [
      step('ioctl', { mode: 'kernel' }),
      ...lockSevCmd(),
      when([
        writesPage(env),
        [
          step('snp_map_cmd_buf_desc', {
            send: () => outgoing(PSP, { type: 'psp.status?' }),
            answers: { 'psp.status': (e) => ({ initialized: e.platform === 'INIT' }) },
          }),
          when([
            (_t, l) => l.initialized === true,
            [call(updateRmpPath(env), () => ({ update: { ...SHARED, assigned: true, immutable: true } }))],
          ]),
        ],
      ]),
      when([
        // -EFAULT: a buffer that the firmware cannot write is not given to it.
        (_t, l) => l.result === undefined || l.result === 'SUCCESS',
        [
          call(issue(env)),
          ...(hasSnpFirmware(env) ? ifAnswered(env, [readResult]) : []),
          when([(_t, l) => l.initialized === true, [call(reclaimPath(env, (t) => sevOp(env, t).pfn))]]),
        ],
      ]),
      unlockSevCmd(),
      step('sysret', {
        mode: 'user',
        ...(hasSnpFirmware(env) && { set: (t: HostThread, l: HostLocals) => toldOf(sevOp(env, t).command, l) }),
      }),
    ],
    { locals: ['pfn', 'update', 'result', 'granted', 'failed', 'initialized', 'firmwareStatus', 'firmwareOutput'] },
  );

/**
 * Firmware -> Reclaim by the firmware, Reclaim -> Hypervisor by RMPUPDATE. If either fails, the
 * page is leaked: the kernel does not try again. Leaves `failed`, or a `result` that is no SUCCESS.
 */
export const reclaimPath = (env: HostEnv, pfnOf: (t: HostThread, l: HostLocals) => number) =>
  path('snp_reclaim_pages', kernelSource('drivers/crypto/ccp/sev-dev.c, snp_reclaim_pages()'), [
    call(
      issueCommand(env, '__sev_do_cmd_locked', (t, l) => {
        const pfn = pfnOf(t, l);
        return { command: 'SNP_PAGE_RECLAIM', pfn, ...(hasSnpFirmware(env) && { args: { page: pfn } }) };
      }),
    ),
    when([(_t, l) => l.failed !== true, [call(updateRmpPath(env), (t, l) => ({ pfn: pfnOf(t, l), update: SHARED }))]]),
    when([
      (_t, l) => l.failed === true || l.result !== 'SUCCESS',
      [step('snp_leak_pages', { send: (t, l) => outgoing(SEV_DEVICE, { type: 'sev.leak', pfn: pfnOf(t, l) }) })],
    ]),
  ]);

export const bindSevCommand = (env: HostEnv) => (t: HostThread) => ({ pfn: sevOp(env, t).pfn });
