/**
 * What an SVSM does at VMPL 0 for the guest's OS at VMPL 1: PVALIDATE of a page, and CREATE_VCPU
 * with a page that is no VMSA.
 *
 * @see coconut-svsm, kernel/src/protocols/core.rs (012480f37eb7)
 */
import { outgoing } from '../../events/event.ts';
import type { HostOptions } from '../../events/options.ts';
import { type GuestEnv, type GuestItem, guest, type Vcpu } from '../kvm/guest-program.ts';
import { otherwise, type Source } from '../path/path.ts';
import { guestInsn } from './guest-insns.ts';
import { accessed, asidOf, gfnOf, nestedFault, toPages, toRmp } from './guest-page.ts';
import { clearPage } from './snp-guest.ts';

const { path, step, call, loop, when, leaveLoop, leavePath } = guest;

declare module '../kvm/guest-program.ts' {
  interface GuestLocals {
    readonly lockTaken?: boolean | undefined;
  }
}

const core = (name: string): Source => ({ source: `coconut-svsm, kernel/src/protocols/core.rs, ${name}()`, grade: 'read' });
const utils = (name: string): Source => ({ source: `coconut-svsm, kernel/src/sev/utils.rs, ${name}()`, grade: 'read' });

/** The VMPL of the OS, and all permissions. */
const GUEST_VMPL = 1;
const RWX = 0xf;

const svsmLockOf = (env: GuestEnv, v: Vcpu) => `svsm:${env.images[v.image]!.vm.id.slice('vm:'.length)}`;

const lock = (env: GuestEnv, name: 'lock_read' | 'lock_write') =>
  path(
    name,
    { source: 'coconut-svsm, kernel/src/locking/rwlock.rs', grade: 'read' },
    [
      loop(
        step('try', {
          idles: true,
          send: (v) => outgoing(svsmLockOf(env, v), { type: 'svsm.lock', write: name === 'lock_write' }),
          answers: { 'svsm.locked': (e) => ({ lockTaken: e.granted }) },
        }),
        when([(_v, l) => l.lockTaken === true, [leaveLoop]]),
        step('spin_loop', { yields: true }),
      ),
    ],
    { locals: ['lockTaken'] },
  );
const unlock = (env: GuestEnv, name = 'unlock') => step(name, { send: (v) => outgoing(svsmLockOf(env, v), { type: 'svsm.unlock' }) });

/** RMPADJUST of what the OS may do with the page. */
const adjust = (env: GuestEnv, name: string, perms: number) =>
  path(name, utils(name), [
    call(
      guestInsn(env, {
        name: 'RMPADJUST',
        operand: () => ({ adjust: { vmpl: GUEST_VMPL, perms } }),
        write: (v) => toRmp(env, v, { type: 'rmp.writeVmsa', vmsa: false, adjust: { vmpl: GUEST_VMPL, perms } }),
        fails: false,
      }),
    ),
  ]);

/**
 * PVALIDATE, then the page is cleared, then the OS gets it: a frame that the host has moved there
 * may hold what the SVSM has stored elsewhere. `svsm.pvalidateLock` says how much of it the lock is
 * held for.
 */
function pvalidateOne(env: GuestEnv, held: HostOptions['svsm.pvalidateLock']) {
  const insn = guestInsn(env, {
    name: 'PVALIDATE',
    operand: () => ({ validated: true }),
    write: (v) => [
      toRmp(env, v, { type: 'rmp.writeValidated', validated: true }),
      toPages(env, v, { type: 'guest.validated', gfn: gfnOf(env, v), validated: true }),
    ],
    fails: false,
  });
  const around = (items: readonly GuestItem[], isHeld: boolean) => (isHeld ? [call(lock(env, 'lock_read')), ...items, unlock(env)] : items);
  const rest = [call(clearPage(env)), call(adjust(env, 'rmp_grant_guest_access', RWX))];
  const items = held === 'to-the-grant' ? around([call(insn), ...rest], true) : [...around([call(insn)], held === 'instruction'), ...rest];
  return path('core_pvalidate_one', core('core_pvalidate_one'), items);
}

/**
 * The page is no VMSA, so that the error path gives it back to the OS. One that cannot be read is
 * refused, and stays as it is.
 */
function createVcpu(env: GuestEnv, held: HostOptions['svsm.pvalidateLock']) {
  const locked = held !== 'none';
  return path(
    'core_create_vcpu',
    core('core_create_vcpu'),
    [
      ...(locked ? [call(lock(env, 'lock_write'))] : []),
      call(adjust(env, 'rmp_revoke_guest_access', 0)),
      loop(
        step('check_vmsa', {
          send: (v) => toRmp(env, v, { type: 'rmp.guestAccess', asid: asidOf(env, v), gfn: gfnOf(env, v), private: true, write: false }),
          answers: accessed,
        }),
        when(
          [(_v, l) => l.outcome === 'ok', [leaveLoop]],
          [(_v, l) => l.outcome === 'vc', [...(locked ? [unlock(env, 'unlock_unreadable')] : [step('return_unreadable')]), leavePath]],
          [otherwise, [nestedFault(env, () => ({ private: true, write: false }))]],
        ),
      ),
      call(adjust(env, 'rmp_clear_guest_vmsa', RWX)),
      ...(locked ? [unlock(env)] : []),
      leavePath,
    ],
    { locals: ['outcome'] },
  );
}

export const svsmOperations = (env: GuestEnv, options: HostOptions): readonly (readonly [string, readonly GuestItem[]])[] => [
  ['svsm-pvalidate', [call(pvalidateOne(env, options['svsm.pvalidateLock']))]],
  ['svsm-create-vcpu', [call(createVcpu(env, options['svsm.pvalidateLock']))]],
];
