/**
 * How host code writes guest memory whose private pages lie in a guest_memfd: through a mapping
 * that has the shared pages alone. No RMP entry is looked at, and none can refuse.
 *
 * Simplified: where the page is private, the store fails. In QEMU's memory it lands in a fresh page
 * that no guest sees: it discards the shared page when it converts.
 */
import { outgoing } from '../../events/event.ts';
import type { ThreadEvent } from '../../events/index.ts';
import { fatalSignalPending, type HostEnv, type HostLocals, type HostThread, host, kernelSource } from '../host/host-env.ts';
import { otherwise, type StepSpec } from '../path/path.ts';
import { inFutex, lockPagePath, unlockPagePath } from './map-lock.ts';

const { path, step, call, loop, when, leaveLoop } = host;

declare module '../host/host-env.ts' {
  interface HostLocals {
    /** Some of the stores of an emulation are done. */
    readonly partlyDone?: boolean | undefined;
  }
}

const PAGE = ['vm', 'gfn', 'pfn', 'kernel', 'stores', 'fault', 'partlyDone'] as const;

const storeSpec = (env: HostEnv): StepSpec<HostThread, HostLocals, ThreadEvent> => ({
  send: (_t, l) => outgoing(env.vms[l.vm!]!.pages, { type: 'pages.hostStore', gfn: l.gfn! }),
  answers: {
    'pages.hostStored': (e, _t, l) => ({
      fault: !e.reached,
      ...(l.stores !== undefined && e.reached && { stores: l.stores - 1, partlyDone: true }),
    }),
  },
});

/**
 * Device emulation in user space. Where the VMM converts pages after the stores that have begun,
 * it has to know of them.
 */
export function mappedStoresPath(env: HostEnv) {
  const isOrdered = env.options['vmm.convert'] === 'ordered';
  return path(
    'emulate_dma_write',
    { source: 'domain snp d.1, P5: "no mapping exists"; SNP-6', grade: 'read' },
    [
      ...(isOrdered ? inFutex('begin_io', call(lockPagePath(env))) : []),
      loop(
        step('store', storeSpec(env)),
        when(
          [(_t, l) => l.fault === true, [step('access_error', { local: () => ({ stores: 0 }) }), leaveLoop]],
          [(t, l) => l.stores === 0 || fatalSignalPending(t), [leaveLoop]],
        ),
      ),
      ...(isOrdered ? [when([(t: HostThread) => !fatalSignalPending(t), inFutex('end_io', call(unlockPagePath(env)))])] : []),
    ],
    { locals: [...PAGE] },
  );
}

/** The kernel writes as user space would, and is told -EFAULT. */
export const copyToUserPath = (env: HostEnv) =>
  path(
    '__kvm_write_guest_page',
    kernelSource('virt/kvm/kvm_main.c, __kvm_write_guest_page()'),
    [
      step('syscall', { mode: 'kernel' }),
      step('store', storeSpec(env)),
      when([(_t, l) => l.fault === true, [step('return_efault')]], [otherwise, [step('mark_page_dirty_in_slot')]]),
      step('sysret', { mode: 'user' }),
    ],
    { locals: [...PAGE] },
  );
