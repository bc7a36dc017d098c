/**
 * KVM's bitmaps of ASIDs: which are in use, and which of these no guest has any more. An ASID of
 * the second kind is free once caches and data fabric have been flushed.
 *
 * @see kernel arch/x86/kvm/svm/sev.c, sev_asid_bitmap, sev_reclaim_asid_bitmap
 */
import { assign, emit, enqueueActions, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { AsidEvent } from '../../events/sev-snp/asids.ts';

export const SEV_ASIDS: ActorId = 'asids';

export interface AsidsInput {
  /** ASIDs are 1 to this. */
  readonly max: number;
  readonly used: readonly number[];
}
export interface AsidsContext extends AsidsInput {
  /** Used and without a guest, sorted. */
  readonly reclaim: readonly number[];
}

const sorted = (asids: readonly number[]): readonly number[] => [...new Set(asids)].sort((a, b) => a - b);
const firstFree = ({ max, used }: AsidsInput): number | null =>
  Array.from({ length: max }, (_, i) => i + 1).find((asid) => !used.includes(asid)) ?? null;

export const asidBitmapsMachine = setup({
  types: { context: {} as AsidsContext, events: {} as Stamped<AsidEvent>, emitted: {} as Outgoing, input: {} as AsidsInput },
  actions: {
    find: enqueueActions(({ context: c, event, enqueue }) => {
      const asid = firstFree(c);
      enqueue.emit(outgoing(sender(event), { type: 'asid.found', asid }));
      if (asid !== null) enqueue.assign({ used: sorted([...c.used, asid]) });
    }),
    answerReclaimable: emit(({ context: c, event }) => outgoing(sender(event), { type: 'asid.reclaimable', any: c.reclaim.length > 0 })),
    recycle: assign(({ context: c }) => ({ used: c.used.filter((asid) => !c.reclaim.includes(asid)), reclaim: [] })),
    free: assign(({ context: c, event }) => (event.type === 'asid.free' ? { reclaim: sorted([...c.reclaim, event.asid]) } : {})),
  },
}).createMachine({
  id: 'asidBitmaps',
  context: ({ input }) => ({ ...input, reclaim: [] }),
  initial: 'kept',
  states: {
    kept: {
      tags: 'rest',
      on: {
        'asid.find': { actions: 'find' },
        'asid.reclaimable?': { actions: 'answerReclaimable' },
        'asid.recycle': { actions: 'recycle' },
        'asid.free': { actions: 'free' },
      },
    },
  },
});
