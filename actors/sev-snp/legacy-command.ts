/**
 * Commands of the older ABI through /dev/sev, once SNP is initialized: their command buffer and the
 * bounce buffers of what they write become pages of the firmware, and are reclaimed after, each by
 * a command that is nested in the one it is for.
 *
 * Left out: what the buffers hold; commands that work on pages of guests.
 *
 * @see kernel drivers/crypto/ccp/sev-dev.c, snp_prep_cmd_buf(), snp_map_cmd_buf_desc_list(),
 * snp_reclaim_cmd_buf(), snp_unmap_cmd_buf_desc_list(); domain snp f.1; h, R26
 */
import type { RmpUpdate } from '../../events/sev-snp/rmp.ts';
import { type HostEnv, type HostItem, type HostLocals, type HostThread, host, kernelSource, opOf } from '../host/host-env.ts';
import { releaseBuffer } from './command-buffers.ts';
import { updateRmpPath } from './direct-map.ts';
import { SHARED } from './page-fault.ts';
import { issueCommand, lockSevCmd, reclaimPath, unlockSevCmd } from './sev-command.ts';

const { path, step, call, loop, when, note, leaveLoop, leavePath } = host;
const SEV_DEV = (functions: string) => kernelSource(`drivers/crypto/ccp/sev-dev.c, ${functions}`);

declare module '../host/host-env.ts' {
  interface HostLocals {
    /** Of a legacy command: its own buffer, while others are nested in it. */
    readonly legacyBuf?: number | undefined;
    /** How many of its bounce buffers are mapped, or have been unmapped. */
    readonly desc?: number | undefined;
  }
}

const FIRMWARE: RmpUpdate = { ...SHARED, assigned: true, immutable: true };

const legacyOp = (env: HostEnv, t: HostThread) => {
  const op = opOf(env, t);
  if (op.op !== 'legacy-command') throw new Error(`${op.op} is no command of the older ABI`);
  return op;
};
const buffersOf = (env: HostEnv, t: HostThread): readonly number[] => {
  const { buffer, chain } = legacyOp(env, t);
  return [buffer, chain].filter((pfn) => pfn !== undefined);
};
/** The bounce buffer that is next, and the last that was mapped. */
const nextOf = (env: HostEnv) => (t: HostThread, l: HostLocals) => buffersOf(env, t)[l.desc!]!;
const lastOf = (env: HostEnv) => (t: HostThread, l: HostLocals) => buffersOf(env, t)[l.desc! - 1]!;
const isWhole = (env: HostEnv) => (t: HostThread, l: HostLocals) => l.desc === buffersOf(env, t).length;

const refused = (_t: HostThread, l: HostLocals) => l.result !== 'SUCCESS';
const isLost = (_t: HostThread, l: HostLocals) => l.failed === true || l.result !== 'SUCCESS';

const lend = (env: HostEnv, name: string, functions: string, pfnOf: (t: HostThread, l: HostLocals) => number): HostItem =>
  call(path(name, SEV_DEV(functions), [call(updateRmpPath(env), (t, l) => ({ pfn: pfnOf(t, l), update: FIRMWARE }))]));
const takeBack = (env: HostEnv, name: string, functions: string, pfnOf: (t: HostThread, l: HostLocals) => number): HostItem =>
  call(path(name, SEV_DEV(functions), [call(reclaimPath(env, pfnOf))]));
const efault = (name: string): HostItem => step(name, { set: () => ({ sevErrno: 'EFAULT' as const }) });

/** Ends the command with -EFAULT. `host.sevCmdBuf`: whether its buffer is free again. */
const unprepared = (env: HostEnv, name: string): readonly HostItem[] => [
  efault(name),
  ...(env.options['host.sevCmdBuf'] === 'released' ? [releaseBuffer(`${name}_release`)] : []),
  leavePath,
];

/** Each bounce buffer, then the command buffer. Those that were lent before a failure come back. */
const prepare = (env: HostEnv): readonly HostItem[] => [
  step('snp_populate_cmd_buf_desc_list', { local: (_t, l) => ({ legacyBuf: l.cmdBuf!, desc: 0 }) }),
  loop(
    when([isWhole(env), [leaveLoop]]),
    lend(env, 'snp_map_cmd_buf_desc', 'snp_map_cmd_buf_desc_list(), snp_map_cmd_buf_desc()', nextOf(env)),
    when([
      refused,
      [
        step('err_unmap'),
        loop(
          when([(_t, l) => l.desc === 0, [leaveLoop]]),
          takeBack(env, 'snp_unmap_cmd_buf_desc', 'snp_map_cmd_buf_desc_list(), snp_unmap_cmd_buf_desc()', lastOf(env)),
          note((_t, l) => ({ desc: l.desc! - 1 })),
        ),
        ...unprepared(env, 'dev_err_prepare'),
      ],
    ]),
    note((_t, l) => ({ desc: l.desc! + 1 })),
  ),
  lend(env, 'rmp_mark_pages_firmware', 'snp_prep_cmd_buf(), rmp_mark_pages_firmware()', (_t, l) => l.legacyBuf!),
  when([refused, unprepared(env, 'dev_err_prepare_own')]),
];

/** Ends the command with -EFAULT if its buffer does not come back: it stays taken for good. */
const restore = (env: HostEnv): readonly HostItem[] => [
  takeBack(env, 'snp_reclaim_cmd_buf', 'snp_reclaim_cmd_buf()', (_t, l) => l.legacyBuf!),
  when([isLost, [efault('dev_err_reclaim'), leavePath]]),
];

const unmap = (env: HostEnv): readonly HostItem[] => [
  note(() => ({ desc: 0 })),
  loop(
    when([isWhole(env), [leaveLoop]]),
    takeBack(env, 'snp_unmap_cmd_buf_desc_list', 'snp_unmap_cmd_buf_desc_list(), snp_unmap_cmd_buf_desc()', nextOf(env)),
    note((_t, l) => ({ desc: l.desc! + 1 })),
  ),
];

export const legacyCommandPath = (env: HostEnv) =>
  path(
    'sev_ioctl',
    SEV_DEV('sev_ioctl(), sev_ioctl_do_platform_status(), sev_ioctl_do_get_id2(), sev_ioctl_do_pdh_export()'),
    [
      step('ioctl', { mode: 'kernel' }),
      ...lockSevCmd(),
      call(
        issueCommand(
          env,
          '__sev_do_cmd_locked',
          (t, l) => ({ command: legacyOp(env, t).command, pfn: 0, pages: [l.legacyBuf!, ...buffersOf(env, t)] }),
          { prepare: prepare(env), restore: restore(env), unmap: unmap(env) },
        ),
      ),
      unlockSevCmd(),
      step('sysret', { mode: 'user' }),
    ],
    { locals: ['granted', 'failed', 'pfn', 'update', 'result', 'legacyBuf', 'desc'] },
  );
