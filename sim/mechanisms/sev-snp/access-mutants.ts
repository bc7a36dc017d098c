/** Changes of one line about the host's own mappings: how they are split, removed, and checked. */
import { assign, emit } from 'xstate';
import { replaceStep, withoutSteps } from '../../../actors/path/patch.ts';
import { hostStoreFaults, hostWritten, storerOf } from '../../../actors/sev-snp/rmp-answers.ts';
import type { RmpRegionContext } from '../../../actors/sev-snp/rmp-region.ts';
import { outgoing, type Stamped, sender } from '../../../events/event.ts';
import type { RmpRequest } from '../../../events/sev-snp/rmp.ts';
import type { Mutant } from '../../host/mechanism.ts';
import { provided } from './provided.ts';
import { where } from './rmp-mutants.ts';

interface Store {
  readonly context: RmpRegionContext;
  readonly event: Stamped<Extract<RmpRequest, { readonly type: 'rmp.hostWrite' }>>;
}
const without = (summary: string, path: string, step: string): Mutant => ({
  summary,
  paths: { [path]: [where(step, withoutSteps(step))] },
});

export const ACCESS_MUTANTS: Readonly<Record<string, Mutant>> = {
  'rmp-huge-as-small': provided('rmpRegion', 'A store through a 2M mapping is checked for its own frame alone.', {
    actions: {
      answerHostWrite: emit(({ context, event: { huge: _, ...small } }: Store) =>
        outgoing(storerOf(small), hostWritten(small, hostStoreFaults(context, small))),
      ),
    },
  }),
  'rmp-erratum-any-frame': provided('rmpRegion', 'The erratum is of every frame in use, aligned or not.', {
    actions: {
      answerHostWrite: emit(({ context, event }: Store) => {
        const beside = event.huge === true && context.erratum === true && context.inUse.length > 0;
        return outgoing(storerOf(event), hostWritten(event, beside || hostStoreFaults(context, event)));
      }),
    },
  }),
  'rmp-vmcb-unmarked': provided('rmpRegion', 'VMRUN does not mark the VMCB as in use.', {
    actions: {
      setInUse: assign(({ context, event }: { readonly context: RmpRegionContext; readonly event: Stamped<RmpRequest> }) => ({
        inUse: event.type === 'rmp.use' ? context.inUse : [...context.inUse, event.pfn].sort((a, b) => a - b),
      })),
    },
  }),
  'rmp-host-reads-plain': provided('rmpRegion', 'A load of the host from a private page gives what the guest wrote.', {
    actions: { answerHostRead: emit(({ event }: Store) => outgoing(sender(event), { type: 'rmp.hostLoaded', ciphertext: false })) },
  }),
  'rmp-dma-unchecked': provided('rmpRegion', 'DMA to a private page is not dropped.', {
    actions: { answerDeviceWrite: emit(({ event }: Store) => outgoing(sender(event), { type: 'rmp.deviceWritten', dropped: false })) },
  }),
  'snp-zap-no-flush': without('Nested mappings are removed without a flush.', 'kvm_gmem_invalidate_begin', 'kvm_make_all_cpus_request'),
  'snp-flush-no-zap': without('TLBs are flushed, and nested mappings stay.', 'kvm_gmem_invalidate_begin', 'kvm_mmu_unmap_gfn_range'),
  'snp-flush-nothing': provided('npt', 'A flush leaves the TLB of the CPU as it was.', { actions: { flush: assign({}) } }),
  'snp-map-unsplit': provided('hostMap', 'A 2M mapping is not split.', { guards: { isRigid: () => true } }),
  'snp-map-kept': without('A frame that a guest gets stays in the direct map.', 'rmpupdate', 'invalidate_direct_map'),
  'snp-map-not-restored': without('A frame that is shared again stays out of the direct map.', 'rmpupdate', 'restore_direct_map'),
  'snp-unmapped-kills': {
    summary: 'A process whose mapping is gone when its fault is handled gets SIGBUS.',
    paths: {
      exc_page_fault: [
        where('retry', (path) =>
          replaceStep(path, 'retry', (item) => [
            {
              ...item,
              set: (_t: unknown, { pfn }: { readonly pfn?: number }) => ({ signal: { signal: 'SIGBUS', pfn } }),
              local: () => ({ verdict: 'signal' }),
            } as unknown as typeof item,
          ]),
        ),
      ],
    },
  },
};
