/** A guest gets a private page that the page allocator gives: the first touch of a GFN. */
import { outgoing } from '../../events/event.ts';
import { type HostEnv, type HostThread, host, kernelSource, opOf } from '../host/host-env.ts';
import { otherwise } from '../path/path.ts';
import { updateRmpPath } from './direct-map.ts';
import { PAGE_ALLOCATOR } from './page-allocator.ts';

const { path, step, call, when } = host;

/** The GFN of what the scenario does not name: that of its frame. */
export function preparePagePath(env: HostEnv) {
  return path(
    'sev_gmem_prepare',
    kernelSource('virt/kvm/guest_memfd.c, kvm_gmem_get_pfn(); arch/x86/kvm/svm/sev.c, sev_gmem_prepare()'),
    [
      step('kvm_gmem_get_folio', {
        mode: 'kernel',
        send: () => outgoing(PAGE_ALLOCATOR, { type: 'frames.alloc?' }),
        answers: { 'frames.alloc': (e) => ({ pfn: e.pfn ?? undefined }) },
      }),
      when(
        [(_t, l) => l.pfn === undefined, [step('ENOMEM')]],
        [
          otherwise,
          [
            call(updateRmpPath(env), (_t, l) => ({
              update: { assigned: true, pageSize: '4K', immutable: false, asid: env.vms[l.vm!]!.asid, gfn: l.pfn! },
            })),
            when([
              (_t, l) => l.result !== 'SUCCESS',
              [
                step('pr_warn_gmem_prepare', {
                  send: (_t, l) => outgoing(PAGE_ALLOCATOR, { type: 'frames.refused', vm: l.vm!, pfn: l.pfn! }),
                }),
              ],
            ]),
          ],
        ],
      ),
      step('sysret', { mode: 'user' }),
    ],
    { locals: ['vm', 'pfn', 'update', 'result'] },
  );
}
export const bindPreparePage = (env: HostEnv) => (t: HostThread) => {
  const op = opOf(env, t);
  if (op.op !== 'prepare-page') throw new Error(`${op.op} prepares no page`);
  return { vm: op.vm };
};
