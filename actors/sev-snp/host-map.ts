/**
 * One host mapping of 2 MiB: the kernel's direct map, or the mapping of a process. It is one entry
 * of 2M, or 512 of 4K, or not there.
 *
 * A store goes through it to the RMP, in the store's own micro-step: what the mapping says, the
 * check and the store are one thing.
 *
 * Left out: the host's TLB, 1G mappings, which the RMP checks like those of 2M, and the way back
 * from 4K to 2M.
 *
 * @see kernel arch/x86/mm/pat/set_memory.c, __change_page_attr_set_clr(); mm/huge_memory.c,
 * __split_huge_pmd(); domain snp c, rows 1 to 3; d.2, d.4
 */
import { assign, emit, setup } from 'xstate';
import { type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import { errorCode } from '../../events/sev-snp/error-code.ts';
import type { HostMapEvent } from '../../events/sev-snp/host-map.ts';
import { regionOf } from '../../events/sev-snp/rmp.ts';

export interface HostMapInput {
  readonly size: '2M' | '4K';
  /** It cannot be split: hugetlbfs. */
  readonly rigid: boolean;
}

export interface HostMapContext extends HostMapInput {
  /** PFNs of frames that were taken out of the direct map. */
  readonly holes: readonly number[];
}

type Args = { readonly context: HostMapContext; readonly event: Stamped<HostMapEvent> };
const isUser = ({ event }: Args) => event.type === 'hostmap.write' && event.user === true;
/** The store as the RMP checks it; the answer goes to the thread. */
const checked = (args: Args, isHuge: boolean) =>
  outgoing(regionOf(args.event.pfn), {
    type: 'rmp.hostWrite',
    pfn: args.event.pfn,
    by: sender(args.event),
    ...(isUser(args) && { user: true }),
    ...(isHuge && { huge: true }),
    ...(args.event.type === 'hostmap.write' && args.event.n !== undefined && { n: args.event.n }),
  });
const entry = (args: Args, isPresent: boolean, isHuge: boolean) =>
  outgoing(sender(args.event), { type: 'hostmap.entry', present: isPresent, huge: isHuge });

export const hostMapMachine = setup({
  types: { context: {} as HostMapContext, events: {} as Stamped<HostMapEvent>, emitted: {} as Outgoing, input: {} as HostMapInput },
  guards: {
    isHuge: ({ context }) => context.size === '2M',
    isHole: ({ context, event }) => context.holes.includes(event.pfn),
    isRigid: ({ context }) => context.rigid,
  },
  actions: {
    checkHuge: emit((args) => checked(args, true)),
    checkSmall: emit((args) => checked(args, false)),
    /** #PF of a translation that is not there: the RMP has no part in it. */
    faultNotPresent: emit((args) => {
      const code = isUser(args) ? errorCode('WRITE', 'USER') : errorCode('WRITE');
      return outgoing(sender(args.event), { type: 'rmp.hostWritten', fault: true, errorCode: code });
    }),
    answerHuge: emit((args) => entry(args, true, true)),
    answerSmall: emit((args) => entry(args, true, false)),
    answerNone: emit((args) => entry(args, false, false)),
    remove: assign(({ context, event }) => ({ holes: [...new Set([...context.holes, event.pfn])].sort((a, b) => a - b) })),
    restore: assign(({ context, event }) => ({ holes: context.holes.filter((pfn) => pfn !== event.pfn) })),
    split: assign({ size: '4K' }),
    ignore: assign({}),
  },
}).createMachine({
  id: 'hostMap',
  context: ({ input }) => ({ ...input, holes: [] }),
  initial: 'mapped',
  states: {
    mapped: {
      tags: 'rest',
      on: {
        'hostmap.write': [
          { guard: 'isHuge', actions: 'checkHuge' },
          { guard: 'isHole', actions: 'faultNotPresent' },
          { actions: 'checkSmall' },
        ],
        'hostmap.lookup': [
          { guard: 'isHuge', actions: 'answerHuge' },
          { guard: 'isHole', actions: 'answerNone' },
          { actions: 'answerSmall' },
        ],
        'hostmap.split': [{ guard: 'isRigid', actions: 'ignore' }, { actions: 'split' }],
        'hostmap.remove': { actions: ['split', 'remove'] },
        'hostmap.restore': { actions: 'restore' },
        'hostmap.zap': { target: 'absent' },
        'hostmap.faultIn': { actions: 'ignore' },
      },
    },
    absent: {
      tags: 'rest',
      on: {
        'hostmap.write': { actions: 'faultNotPresent' },
        'hostmap.lookup': { actions: 'answerNone' },
        'hostmap.split': { actions: 'ignore' },
        'hostmap.zap': { actions: 'ignore' },
        'hostmap.faultIn': [
          { guard: 'isRigid', target: 'mapped' },
          { target: 'mapped', actions: 'split' },
        ],
      },
    },
  },
});
