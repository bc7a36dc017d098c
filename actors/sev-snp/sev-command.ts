/**
 * sev_do_cmd(): one firmware command at a time, through the mailbox, asleep until the completion
 * interrupt.
 */
import { outgoing } from '../../events/event.ts';
import type { FirmwareTold, GuestMessage, PspCommand, PspGuest, PspStatus } from '../../events/sev-snp/psp.ts';
import type { SnpArguments, SnpOutput } from '../../events/sev-snp/snp-command.ts';
import { type HostEnv, type HostItem, type HostLocals, type HostThread, host, kernelSource, opOf } from '../host/host-env.ts';
import { goToSleep, sleepUntil } from '../host/sleeping.ts';
import { updateRmpPath } from './direct-map.ts';
import { SHARED } from './page-fault.ts';
import { SEV_DEVICE } from './sev-device.ts';

const { path, step, call, when, leaveLoop } = host;

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
 * Waits for the interrupt handler to set the flag. Whatever wakes the thread, it looks at the flag:
 * a wake-up for another reason, as by the death of its process, ends nothing. The command register
 * is read when the flag is set, and not before.
 */
const waitForCommand = path(
  'sev_wait_cmd_ioc',
  WAIT,
  [
    ...sleepUntil(
      { first: 'wait_event_timeout', again: 'prepare_to_wait_event' },
      {
        send: () => outgoing(SEV_DEVICE, { type: 'sev.rcvd?' }),
        answers: { 'sev.rcvd': (e) => ({ done: e.rcvd }) },
      },
      when([(_t, l) => l.done === true, [leaveLoop]]),
    ),
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
}

/** Clears the flag, writes the command register, and sleeps until the command is done. */
export const issueCommand = (name: string, request: (t: HostThread, l: HostLocals) => SevRequest) =>
  path(name, SEV_DEV, [
    step('clear_int_rcvd', { send: () => outgoing(SEV_DEVICE, { type: 'sev.expect' }) }),
    step('iowrite_cmdresp', { send: (t, l) => outgoing(PSP, { type: 'psp.command', ...request(t, l) }) }),
    call(waitForCommand),
  ]);

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

const issue = (env: HostEnv, name: string, command: (t: HostThread) => PspCommand) =>
  issueCommand(name, (t) => {
    const op = sevOp(env, t);
    const args = command(t) === op.command ? { ...bufferOf(op), ...framesOf2M(env, op) } : { page: op.pfn };
    return { command: command(t), pfn: op.pfn, ...(hasSnpFirmware(env) && { args }) };
  });

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
  sleepUntil(
    { first: 'mutex_lock', again: 'mutex_trylock_or_handoff' },
    {
      send: () => outgoing(SEV_CMD_MUTEX, { type: 'mutex.lock' }),
      answers: { 'mutex.locked': (e) => ({ granted: e.acquired }) },
    },
    when([(_t, l) => l.granted === true, [leaveLoop]]),
    goToSleep('mutex_lock_schedule'),
  );
export const unlockSevCmd = (): HostItem => step('mutex_unlock', { send: () => outgoing(SEV_CMD_MUTEX, { type: 'mutex.unlock' }) });

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
          call(issue(env, '__sev_do_cmd_locked', (t) => sevOp(env, t).command)),
          ...(hasSnpFirmware(env) ? [readResult] : []),
          when([(_t, l) => l.initialized === true, [call(reclaimPath(env))]]),
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
 * page is leaked: the kernel does not try again.
 */
const reclaimPath = (env: HostEnv) =>
  path('snp_reclaim_pages', kernelSource('drivers/crypto/ccp/sev-dev.c, snp_reclaim_pages()'), [
    call(issue(env, '__sev_do_cmd_locked', () => 'SNP_PAGE_RECLAIM')),
    when([(_t, l) => l.failed !== true, [call(updateRmpPath(env), () => ({ update: SHARED }))]]),
    when([
      (_t, l) => l.failed === true || l.result !== 'SUCCESS',
      [step('snp_leak_pages', { send: (t) => outgoing(SEV_DEVICE, { type: 'sev.leak', pfn: sevOp(env, t).pfn }) })],
    ]),
  ]);

export const bindSevCommand = (env: HostEnv) => (t: HostThread) => ({ pfn: sevOp(env, t).pfn });
