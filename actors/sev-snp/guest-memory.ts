/**
 * How host code writes guest memory: a daemon through its mapping, and the kernel after a look at
 * the RMP.
 */

import type { ThreadEvent } from '../../events/index.ts';
import {
  fatalSignalPending,
  faultItems,
  type HostEnv,
  type HostLocals,
  type HostThread,
  host,
  kernelSource,
  opOf,
} from '../host/host-env.ts';
import { type Item, otherwise, type StepSpec } from '../path/path.ts';
import { lockPagePath, unlockPagePath } from './map-lock.ts';
import { frameOf, toRmp } from './snp-env.ts';

const { path, step, call, loop, when, leaveLoop, leavePath } = host;
type HostItem = Item<HostThread, HostLocals, ThreadEvent>;

/**
 * W1 to W3: translate, check the RMP, store. The check and the store are one thing.
 * @see domain snp b.5, the rule after the table
 */
const storeSpec = (env: HostEnv): StepSpec<HostThread, HostLocals, ThreadEvent> => ({
  send: (t, l) => toRmp({ type: 'rmp.hostWrite', pfn: l.pfn!, ...(env.vms[l.vm!]!.lookedAt.includes(l.pfn!) && { n: t.pc }) }),
  answers: { 'rmp.hostWritten': (e, _t, l) => ({ fault: e.fault, ...(l.stores !== undefined && !e.fault && { stores: l.stores - 1 }) }) },
});

/** A look at the RMP entry; what it says can be stale the moment it returns. */
const lookup = step('snp_lookup_rmpentry', {
  send: (_t, l) => toRmp({ type: 'rmp.read', pfn: l.pfn! }),
  answers: { 'rmp.entry': (e) => ({ assigned: e.entry.assigned }) },
});

/** The page that the current operation names. */
const bindPage =
  (env: HostEnv, kernel: boolean) =>
  (thread: HostThread): Partial<HostLocals> => {
    const op = opOf(env, thread);
    if (op.op !== 'write' && op.op !== 'kvm-write-guest' && op.op !== 'kvm-write-unchecked')
      throw new Error(`${op.op} names no guest page`);
    return { vm: op.vm, gfn: op.gfn, pfn: frameOf(env, op.vm, op.gfn), kernel, ...(op.op === 'write' && { stores: op.stores }) };
  };

const PAGE_LOCALS = ['vm', 'gfn', 'pfn', 'kernel', 'stores', 'fault', 'verdict', 'granted'] as const;

/**
 * Device emulation in a process that serves guests: several stores, one after the other.
 * @see domain snp SNP-6
 */
export function userWritePath(env: HostEnv) {
  const locked = env.options['kvm.mapLock'] === 'user';
  const ioctl = (name: string, ...inner: readonly HostItem[]): HostItem[] => [
    step(`${name}_ioctl`, { mode: 'kernel' }),
    ...inner,
    step(`${name}_sysret`, { mode: 'user' }),
  ];
  /** The page is private: the lock ABI says so before anything is written. */
  const busy = path('busy', { source: 'domain snp d, P4', grade: 'read' }, ioctl('unlock', call(unlockPagePath(env))));
  const unlock = ioctl('unlock', call(unlockPagePath(env)));
  return path(
    'emulate_dma_write',
    { source: 'SNP v5 host-write discussion: a daemon in the middle of an emulation', grade: 'read' },
    [
      ...(locked
        ? [...ioctl('lock', call(lockPagePath(env)), lookup), when([(_t, l) => l.assigned === true, [call(busy), leavePath]])]
        : []),
      loop(
        step('store', storeSpec(env)),
        when(
          [
            (_t, l) => l.fault === true,
            [
              ...faultItems(env, '#PF.RMP'),
              when(
                [
                  (_t, l) => l.verdict === 'skip',
                  [
                    step('skip_store', { mode: 'user', local: (_t, l) => ({ stores: l.stores! - 1 }) }),
                    when([(_t, l) => l.stores === 0, [leaveLoop]]),
                  ],
                ],
                [(_t, l) => l.verdict === 'retry', [step('iret', { mode: 'user' })]],
                [otherwise, [step('exit_to_user_mode', { mode: 'user', local: () => ({ stores: 0 }) }), leaveLoop]],
              ),
            ],
          ],
          [(t, l) => l.stores === 0 || fatalSignalPending(t), [leaveLoop]],
        ),
      ),
      ...(locked ? [when([(t: HostThread) => !fatalSignalPending(t), unlock])] : []),
    ],
    { locals: [...PAGE_LOCALS, 'assigned'] },
  );
}
export const bindUserWrite = (env: HostEnv) => bindPage(env, false);

/** The store of the kernel, again after a fault whose handler says so. */
const kernelStore = (env: HostEnv): HostItem =>
  loop(
    step('store', storeSpec(env)),
    when(
      [(_t, l) => l.fault === true, [...faultItems(env, '#PF.RMP'), when([(_t, l) => l.verdict !== 'retry', [leaveLoop]])]],
      [otherwise, [leaveLoop]],
    ),
  );

/**
 * C1, C2, W1 to W3: the kernel looks at the RMP entry, maps the page, writes it.
 * @see domain snp b.5, h R1
 */
export function kernelWritePath(env: HostEnv) {
  const locked = env.options['kvm.mapLock'] !== 'none';
  return path(
    'kvm_vcpu_map',
    kernelSource('virt/kvm/kvm_main.c, kvm_vcpu_map(); series v5, patch 39, sev_post_map_gfn()'),
    [
      step('ioctl', { mode: 'kernel' }),
      ...(locked ? [call(lockPagePath(env))] : []),
      lookup,
      when([(_t, l) => l.assigned === false, [kernelStore(env)]]),
      ...(locked ? [call(unlockPagePath(env))] : []),
      step('sysret', { mode: 'user' }),
    ],
    { locals: [...PAGE_LOCALS, 'assigned'] },
  );
}
export const bindKernelWrite = (env: HostEnv) => bindPage(env, true);

/**
 * W1 to W3 alone: the kernel writes through its direct map and checks nothing, whatever the map
 * lock is.
 * @see domain snp d.1; SNP-2
 */
export const uncheckedWritePath = (env: HostEnv) =>
  path(
    'kvm_vcpu_map_unchecked',
    kernelSource('virt/kvm/kvm_main.c, kvm_vcpu_map()'),
    [step('ioctl', { mode: 'kernel' }), kernelStore(env), step('sysret', { mode: 'user' })],
    { locals: [...PAGE_LOCALS] },
  );
