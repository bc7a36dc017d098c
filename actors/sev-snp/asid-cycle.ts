/**
 * The life of an ASID in KVM: sev_asid_new() with the flush of those that no guest has any more,
 * and sev_vm_destroy(), after which an ASID waits for that flush.
 *
 * Left out: guest request buffers and the cgroup.
 *
 * @see kernel arch/x86/kvm/svm/sev.c, sev_asid_new(), sev_flush_asids(), sev_vm_destroy(),
 * snp_decommission_context()
 */

import { type ActorId, outgoing } from '../../events/event.ts';
import type { SnpArguments, SnpCommand } from '../../events/sev-snp/snp-command.ts';
import { type HostEnv, type HostItem, type HostPath, type HostThread, host, kernelSource, opOf } from '../host/host-env.ts';
import { lockMutexItems, type MutexId, unlockMutexStep } from '../kit/mutex.ts';
import { SEV_ASIDS } from './asid-bitmaps.ts';
import { hasData } from './command-buffers.ts';
import { updateRmpPath } from './direct-map.ts';
import { SHARED } from './page-fault.ts';
import { issueCommand, lockSevCmd, unlockSevCmd } from './sev-command.ts';
import { SEV_DEVICE } from './sev-device.ts';
import { wbinvdOnAllCpus } from './wbinvd.ts';

const { path, step, call, loop, when, note, leaveLoop } = host;
const SEV = (functions: string) => kernelSource(`arch/x86/kvm/svm/sev.c, ${functions}`);

export const SEV_BITMAP_LOCK: ActorId = 'mutex:sev_bitmap';
/** The rw-semaphore, of which SNP takes the write side alone. */
export const SEV_DEACTIVATE_LOCK: ActorId = 'mutex:sev_deactivate';

declare module '../host/host-env.ts' {
  interface HostLocals {
    readonly asidFound?: number | null | undefined;
    readonly asidRetried?: boolean | undefined;
  }
  interface HostThread {
    /** What its last sev_asid_new() returned. */
    readonly asidNew?: number | 'EBUSY' | 'all in use' | undefined;
  }
}

/** A sleeping lock; `granted` is free again behind it. */
export const lock = (name: string, id: MutexId): readonly HostItem[] =>
  lockMutexItems(id, { names: { first: name, again: `${name}_again`, sleep: `${name}_schedule` }, forgets: true });
export const unlock = (name: string, id: MutexId): HostItem => unlockMutexStep(id, name);

/** Leaves `failed`. */
const issue = (env: HostEnv, name: string, command: SnpCommand, args: (t: HostThread) => SnpArguments): HostItem =>
  call(
    path(
      name,
      kernelSource('drivers/crypto/ccp/sev-dev.c, sev_do_cmd()'),
      [
        ...lockSevCmd(),
        note(() => ({ granted: undefined })),
        call(issueCommand(env, '__sev_do_cmd_locked', (t) => ({ command, pfn: 0, args: args(t) }), { data: hasData(command) })),
        unlockSevCmd(),
      ],
      { locals: ['granted'] },
    ),
  );

/** The write side of sev_deactivate_lock around these. */
const guarded = (env: HostEnv, items: readonly HostItem[]): readonly HostItem[] =>
  env.options['kvm.deactivateLock'] === 'none'
    ? items
    : [...lock('down_write', SEV_DEACTIVATE_LOCK), ...items, unlock('up_write', SEV_DEACTIVATE_LOCK)];

/** A deactivation between WBINVD and the flush makes the flush fail. Leaves `failed`. */
const flushAsids = (env: HostEnv): HostPath =>
  path(
    'sev_flush_asids',
    SEV('sev_flush_asids()'),
    guarded(env, [wbinvdOnAllCpus(env), issue(env, 'snp_df_flush', 'SNP_DF_FLUSH', () => ({}))]),
  );

export const asidNewPath = (env: HostEnv): HostPath =>
  path(
    'sev_asid_new',
    SEV('sev_asid_new(), __sev_recycle_asids()'),
    [
      step('ioctl', { mode: 'kernel' }),
      ...lock('mutex_lock', SEV_BITMAP_LOCK),
      loop(
        step('find_next_zero_bit', {
          send: () => outgoing(SEV_ASIDS, { type: 'asid.find' }),
          answers: { 'asid.found': (e) => ({ asidFound: e.asid }) },
        }),
        when([(_t, l) => l.asidFound !== null || l.asidRetried === true, [leaveLoop]]),
        note(() => ({ asidRetried: true })),
        step('find_next_bit', {
          send: () => outgoing(SEV_ASIDS, { type: 'asid.reclaimable?' }),
          answers: { 'asid.reclaimable': (e) => ({ done: e.any }) },
        }),
        when([(_t, l) => l.done !== true, [leaveLoop]]),
        call(flushAsids(env)),
        when([(_t, l) => l.failed === true, [leaveLoop]]),
        step('bitmap_xor', { send: () => outgoing(SEV_ASIDS, { type: 'asid.recycle' }) }),
      ),
      unlock('mutex_unlock', SEV_BITMAP_LOCK),
      // EBUSY too where no guest has given its ASID up, and nothing was to be recycled.
      step('sysret', { mode: 'user', set: (_t, l) => ({ asidNew: l.asidFound ?? (l.failed === true ? 'EBUSY' : 'all in use') }) }),
    ],
    { locals: ['granted', 'asidFound', 'asidRetried', 'done', 'failed'] },
  );

/** Under the lock, so that no ASID is recycled by a flush that began before it was given up. */
const asidFree = (env: HostEnv): HostPath =>
  path(
    'sev_asid_free',
    SEV('sev_asid_free()'),
    [
      ...lock('mutex_lock', SEV_BITMAP_LOCK),
      step('__set_bit', { send: (t) => outgoing(SEV_ASIDS, { type: 'asid.free', asid: guestOf(env, t).asid }) }),
      unlock('mutex_unlock', SEV_BITMAP_LOCK),
    ],
    { locals: ['granted'] },
  );

function guestOf(env: HostEnv, t: HostThread): { readonly context: number; readonly asid: number } {
  const op = opOf(env, t);
  if (op.op !== 'destroy-guest') throw new Error(`${op.op} ends no guest`);
  return op;
}

/**
 * The ASID is leaked if the firmware does not let the guest go, and the page if it is not given
 * back.
 */
export const destroyGuestPath = (env: HostEnv): HostPath =>
  path(
    'sev_vm_destroy',
    SEV('sev_vm_destroy(), snp_decommission_context()'),
    [
      step('close', { mode: 'kernel' }),
      wbinvdOnAllCpus(env),
      ...guarded(env, [issue(env, 'snp_decommission', 'SNP_DECOMMISSION', (t) => ({ context: guestOf(env, t).context }))]),
      when([
        (_t, l) => l.failed !== true,
        [
          issue(env, 'snp_free_firmware_page', 'SNP_PAGE_RECLAIM', (t) => ({ page: guestOf(env, t).context })),
          when([(_t, l) => l.failed !== true, [call(updateRmpPath(env), (t) => ({ pfn: guestOf(env, t).context, update: SHARED }))]]),
          when([
            (_t, l) => l.failed === true || l.result !== 'SUCCESS',
            [step('snp_leak_pages', { send: (t) => outgoing(SEV_DEVICE, { type: 'sev.leak', pfn: guestOf(env, t).context }) })],
          ]),
          call(asidFree(env)),
        ],
      ]),
      step('sysret', { mode: 'user' }),
    ],
    { locals: ['granted', 'failed', 'pfn', 'update', 'result'] },
  );
