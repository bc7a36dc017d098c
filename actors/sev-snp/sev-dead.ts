/**
 * psp_dead: the driver has given the PSP up, and refuses each later command before it has touched
 * the mailbox.
 *
 * The steps are there only where the scenario allows a command that outlasts the driver's wait.
 *
 * @see kernel drivers/crypto/ccp/sev-dev.c, __sev_do_cmd_locked(); domain snp f.1; h, R26
 */
import { outgoing } from '../../events/event.ts';
import type { PspCommand } from '../../events/sev-snp/psp.ts';
import { type HostEnv, type HostItem, type HostLocals, type HostThread, host } from '../host/host-env.ts';
import { otherwise } from '../path/path.ts';
import { SEV_DEVICE } from './sev-device.ts';

const { step, when, note, leavePath } = host;

declare module '../host/host-env.ts' {
  interface HostParts {
    /** A command may outlast the wait for it, after which the PSP is dead to the driver. */
    readonly pspMayDie?: true;
  }
  interface HostLocals {
    readonly pspDead?: boolean | undefined;
    /** The wait for a command has ended without it. */
    readonly expired?: boolean | undefined;
  }
  interface HostThread {
    /** What the driver has ended its last command with, where the firmware has not ended it. */
    readonly sevErrno?: SevErrno | undefined;
  }
}

/**
 * Of the driver: -ETIMEDOUT for the command that was given up, -EBUSY for each later one, and where
 * no command buffer is free; -EFAULT if pages cannot be lent, or do not come back.
 */
export type SevErrno = 'EBUSY' | 'ETIMEDOUT' | 'EFAULT';
export const DEAD_LOCALS = ['pspDead', 'expired'] as const;

export const pspMayDie = (env: HostEnv): boolean => env.parts.some((parts) => parts.pspMayDie === true);

/** What the firmware has not answered is not read. */
export const ifAnswered = (env: HostEnv, items: readonly HostItem[], others: readonly HostItem[] = []): readonly HostItem[] =>
  pspMayDie(env) ? [when([(t) => t.sevErrno === undefined, items], [otherwise, others])] : items;

/** What an ioctl of a VM fails with: what the driver said, or -EIO for what the firmware said. */
export const errnoOfCommand = ({ sevErrno }: HostThread): 'EBUSY' | 'ETIMEDOUT' | 'EIO' =>
  sevErrno === undefined || sevErrno === 'EFAULT' ? 'EIO' : sevErrno;

/** if (psp_dead) return -EBUSY. Leaves `failed`, and the path, where it is set. */
export const refuseIfDead = (env: HostEnv): readonly HostItem[] =>
  pspMayDie(env)
    ? [
        step('psp_dead', {
          send: () => outgoing(SEV_DEVICE, { type: 'sev.dead?' }),
          answers: { 'sev.dead': (e) => ({ pspDead: e.dead }) },
        }),
        when([
          (_t, l) => l.pspDead === true,
          [step('EBUSY_psp_dead', { set: () => ({ sevErrno: 'EBUSY' as const }) }), note(() => ({ failed: true })), leavePath],
        ]),
      ]
    : [];

/** The wait ended without the command: psp_dead = true, and -ETIMEDOUT. */
export const dieIfExpired = (env: HostEnv, command: (t: HostThread, l: HostLocals) => PspCommand): readonly HostItem[] =>
  pspMayDie(env)
    ? [
        when([
          (_t, l) => l.expired === true,
          [
            step('dev_err_disabling_PSP', {
              send: (t, l) => outgoing(SEV_DEVICE, { type: 'sev.die', command: command(t, l) }),
              set: () => ({ sevErrno: 'ETIMEDOUT' as const }),
              local: () => ({ failed: true }),
            }),
            leavePath,
          ],
        ]),
      ]
    : [];
