/**
 * The end of a VM: its pages are made the hypervisor's and go back to the allocator.
 *
 * Simplified: pages whose entry cannot be found are not there. Series v5 took an error of the look
 * for an assigned page; the notes have the mistake the other way round, and so has the option.
 *
 * @see review of series v5, patch 39, about __unregister_enc_region_locked(); domain snp h, R4
 */
import { outgoing } from '../../events/event.ts';
import { type HostEnv, type HostLocals, type HostThread, host, opOf } from '../host/host-env.ts';
import { updateRmpPath } from './direct-map.ts';
import { SHARED } from './page-fault.ts';
import { toRmp } from './snp-env.ts';

const { path, step, call, loop, when, note, leaveLoop } = host;

declare module '../host/host-env.ts' {
  interface HostLocals {
    /** How many pages of the VM have been given back. */
    readonly pagesDone?: number | undefined;
  }
}

const pagesId = (env: HostEnv, l: HostLocals) => env.vms[l.vm!]!.pages;
/** By GFN, so that the head of a 2M entry comes before the frames behind it. */
const framesOf = (env: HostEnv, l: HostLocals): readonly (readonly [gfn: string, pfn: number])[] =>
  Object.entries(env.vms[l.vm!]!.frames).sort(([one], [other]) => Number(one) - Number(other));

/** Expects `vm`. */
export function unregisterRegionPath(env: HostEnv) {
  const isInverted = env.options['kvm.teardownLookup'] === 'inverted';
  const isToBeShared = (_t: HostThread, l: HostLocals) => (l.assigned === true) !== isInverted;
  return path(
    '__unregister_enc_region_locked',
    { source: 'review of series v5, patch 39, __unregister_enc_region_locked(); domain snp h, R4', grade: 'read' },
    [
      step('syscall', { mode: 'kernel', local: () => ({ pagesDone: 0 }) }),
      loop(
        when([(_t, l) => l.pagesDone! >= framesOf(env, l).length, [leaveLoop]]),
        note((_t, l) => ({ pfn: framesOf(env, l)[l.pagesDone!]![1], result: undefined })),
        step('snp_lookup_rmpentry', {
          mayResched: true,
          send: (_t, l) => toRmp({ type: 'rmp.read', pfn: l.pfn! }),
          answers: { 'rmp.entry': (e) => ({ assigned: e.entry.assigned, huge: e.huge === true }) },
        }),
        when([
          isToBeShared,
          [
            call(updateRmpPath(env), (_t, l) => ({
              update: l.huge === true ? { ...SHARED, pageSize: '2M' } : SHARED,
            })),
          ],
        ]),
        when(
          [
            (_t, l) => l.result !== undefined && l.result !== 'SUCCESS',
            [step('snp_leak_pages', { send: (_t, l) => outgoing(pagesId(env, l), { type: 'pages.leak', pfn: l.pfn! }) })],
          ],
          [() => true, [step('unpin_user_pages', { send: (_t, l) => outgoing(pagesId(env, l), { type: 'pages.free', pfn: l.pfn! }) })]],
        ),
        note((_t, l) => ({ pagesDone: l.pagesDone! + 1 })),
      ),
      step('sysret', { mode: 'user' }),
    ],
    { locals: ['vm', 'pfn', 'assigned', 'huge', 'update', 'result', 'pagesDone'] },
  );
}
export const bindUnregisterRegion = (env: HostEnv) => (t: HostThread) => {
  const op = opOf(env, t);
  if (op.op !== 'unregister-region') throw new Error(`${op.op} ends no VM`);
  return { vm: op.vm };
};
