/**
 * The driver of the firmware's mailbox while the kernel panics: whether the mailbox is in use, and
 * a command without an interrupt, which has a loop read the command register.
 *
 * @see kernel drivers/crypto/ccp/sev-dev.c, snp_shutdown_on_panic(), __sev_do_cmd_locked(),
 * sev_wait_cmd_ioc(); domain snp f.1; h, R17
 */
import { outgoing } from '../../events/event.ts';
import type { PlatformCommand } from '../../events/sev-snp/platform.ts';
import type { PspStatus } from '../../events/sev-snp/psp.ts';
import { type HostEnv, type HostItem, type HostLocals, type HostThread, host, kernelSource } from '../host/host-env.ts';
import { SEV_CMD_MUTEX } from './sev-command.ts';
import { dieIfExpired, pspMayDie, refuseIfDead } from './sev-dead.ts';

const { path, step, call, loop, when, note, leaveLoop } = host;
const PSP = 'psp';

declare module '../host/host-env.ts' {
  interface HostParts {
    /** The kernel may panic while the mailbox is in use. */
    readonly mailboxInPanic?: true;
  }
}

export const mailboxInPanic = (env: HostEnv): boolean => env.parts.some((parts) => parts.mailboxInPanic === true);

/** snp_shutdown_on_panic(): nothing, if the mutex of the mailbox is held. */
export const shutdownOnPanic = (shutdown: HostItem): HostItem =>
  call(
    path(
      'snp_shutdown_on_panic',
      kernelSource('drivers/crypto/ccp/sev-dev.c, snp_shutdown_on_panic()'),
      [
        step('mutex_is_locked', {
          send: () => outgoing(SEV_CMD_MUTEX, { type: 'mutex.owned?' }),
          answers: { 'mutex.owned': (e) => ({ granted: !e.owned }) },
        }),
        when([(_t, l) => l.granted === true, [shutdown]]),
      ],
      { locals: ['granted'] },
    ),
  );

/** What the poll has found: the response, or the end of its patience. */
const polled = ({ response, status, outlasts }: { response: boolean; status: string; outlasts: boolean }): Partial<HostLocals> => ({
  done: response || outlasts,
  ...(response ? { platformStatus: status as PspStatus } : outlasts && { expired: true }),
});

/** Without an interrupt: sev_wait_cmd_ioc() polls. Leaves `platformStatus`. */
export const polledCommand = (env: HostEnv, name: string, command: PlatformCommand, x86: boolean): HostItem =>
  call(
    path(
      name,
      kernelSource('drivers/crypto/ccp/sev-dev.c, __sev_do_cmd_locked(), sev_wait_cmd_ioc()'),
      [
        note(() => ({ platformStatus: undefined })),
        ...refuseIfDead(env),
        step('iowrite_cmdresp', {
          send: () => outgoing(PSP, { type: 'psp.command', command, pfn: 0, polled: true, ...(x86 && { x86: true }) }),
        }),
        loop(
          step('ioread32', {
            idles: true,
            yields: true,
            send: () => outgoing(PSP, { type: 'psp.poll?' }),
            answers: { 'psp.polled': polled },
          }),
          when([(_t: HostThread, l: HostLocals) => l.done === true, [leaveLoop]]),
        ),
        ...dieIfExpired(env, () => command),
      ],
      { locals: pspMayDie(env) ? ['done', 'failed', 'pspDead', 'expired'] : ['done'] },
    ),
  );
