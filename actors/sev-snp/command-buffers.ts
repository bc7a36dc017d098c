/**
 * The driver's two command buffers: the data of a command is copied to the primary one, or to the
 * backup while the primary is in use, as a command that reclaims pages for another is nested in it.
 *
 * The steps are there only where a program has commands that nest.
 *
 * @see kernel drivers/crypto/ccp/sev-dev.c, __sev_do_cmd_locked(), sev_cmd_buffer_len(); domain snp
 * f.1
 */
import { outgoing } from '../../events/event.ts';
import type { PspCommand } from '../../events/sev-snp/psp.ts';
import { faultItems, type HostEnv, type HostItem, type HostLocals, type HostThread, host } from '../host/host-env.ts';
import { otherwise } from '../path/path.ts';
import { SEV_DEVICE } from './sev-device.ts';
import { toRmp } from './snp-env.ts';

const { step, loop, when, note, leaveLoop, leavePath } = host;

declare module '../host/host-env.ts' {
  interface HostParts {
    /** Commands of the programs nest, and have the two command buffers as state. */
    readonly commandBuffers?: true;
  }
  interface HostLocals {
    /** PFN of the command's buffer; null if there is none to be had. */
    readonly cmdBuf?: number | null | undefined;
  }
}

export const hasCommandBuffers = (env: HostEnv): boolean => env.parts.some((parts) => parts.commandBuffers === true);

/** sev_cmd_buffer_len() is 0. */
const WITHOUT_DATA: readonly PspCommand[] = ['SNP_INIT', 'SNP_SHUTDOWN', 'SNP_DF_FLUSH'];
export const hasData = (command: PspCommand): boolean => !WITHOUT_DATA.includes(command);
/** Of a command that a program names, it is known when it is sent. */
export type HasData = boolean | ((t: HostThread, l: HostLocals) => boolean);
const ifData = (env: HostEnv, data: HasData, items: readonly HostItem[]): readonly HostItem[] => {
  if (!hasCommandBuffers(env) || data === false) return [];
  return data === true ? items : [when([data, items])];
};

/** memcpy() to the buffer: a store of the kernel, which faults on a page of the firmware. */
const copyData = (env: HostEnv): readonly HostItem[] => [
  note((_t, l) => ({ pfn: l.cmdBuf!, kernel: true })),
  loop(
    step('memcpy', {
      send: (_t, l) => toRmp({ type: 'rmp.hostWrite', pfn: l.cmdBuf! }),
      answers: { 'rmp.hostWritten': (e) => ({ fault: e.fault, errorCode: e.errorCode }) },
    }),
    when(
      [(_t, l) => l.fault === true, [...faultItems(env, '#PF.RMP'), when([(_t, l) => l.verdict !== 'retry', [leaveLoop]])]],
      [otherwise, [leaveLoop]],
    ),
  ),
];

/** -EBUSY if both buffers are in use. Leaves `cmdBuf`; or `failed`, and the path. */
export const claimBuffer = (env: HostEnv, data: HasData): readonly HostItem[] =>
  ifData(env, data, [
    step('cmd_buf_active', {
      send: () => outgoing(SEV_DEVICE, { type: 'sev.claim' }),
      answers: { 'sev.claimed': (e) => ({ cmdBuf: e.pfn }) },
    }),
    when([
      (_t, l) => l.cmdBuf === null,
      [step('dev_err_too_many_commands', { set: () => ({ sevErrno: 'EBUSY' as const }), local: () => ({ failed: true }) }), leavePath],
    ]),
    ...copyData(env),
  ]);

export const releaseBuffer = (name: string): HostItem => step(name, { send: () => outgoing(SEV_DEVICE, { type: 'sev.release' }) });

/** The output is copied back, and the buffer is free. */
export const giveBufferBack = (env: HostEnv, data: HasData): readonly HostItem[] => ifData(env, data, [releaseBuffer('cmd_buf_inactive')]);

export const BUFFER_LOCALS = ['cmdBuf', 'pfn', 'kernel', 'fault', 'errorCode', 'verdict'] as const;
