/**
 * The page allocator of the host, as far as private pages of guests come from it: the frames that
 * the boot has given it, in the order in which it gives them away.
 *
 * Left out: orders above 0, zones, other users, and frames that come back.
 *
 * @see kernel mm/page_alloc.c; mm/memblock.c, memblock_free_all(); domain snp h, R16
 */
import { assign, emit, enqueueActions, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { FramesEvent } from '../../events/sev-snp/frames.ts';

export const PAGE_ALLOCATOR: ActorId = 'frames';

export interface AllocatorInput {
  /** PFNs. */
  readonly free: readonly number[];
}
export interface AllocatorContext extends AllocatorInput {
  readonly refused: { readonly vm: string; readonly pfn: number } | null;
}

export const pageAllocatorMachine = setup({
  types: { context: {} as AllocatorContext, events: {} as Stamped<FramesEvent>, emitted: {} as Outgoing, input: {} as AllocatorInput },
  guards: { isEmpty: ({ context: c }) => c.free.length === 0 },
  actions: {
    give: enqueueActions(({ context: c, event, enqueue }) => {
      const [pfn, ...free] = c.free;
      enqueue.emit(outgoing(sender(event), { type: 'frames.alloc', pfn: pfn! }));
      enqueue.assign({ free });
    }),
    answerNone: emit(({ event }) => outgoing(sender(event), { type: 'frames.alloc', pfn: null })),
    remember: assign(({ event }) => (event.type === 'frames.refused' ? { refused: { vm: event.vm, pfn: event.pfn } } : {})),
  },
}).createMachine({
  id: 'pageAllocator',
  context: ({ input }) => ({ ...input, refused: null }),
  initial: 'serving',
  states: {
    serving: {
      tags: 'rest',
      on: {
        'frames.alloc?': [{ guard: 'isEmpty', actions: 'answerNone' }, { actions: 'give' }],
        'frames.refused': { actions: 'remember' },
      },
    },
  },
});
