/**
 * The nested page table of one SNP guest, and what each CPU keeps of it in its TLB: the pages that
 * the guest has reached there as private ones. A kept translation is used without a walk, and so
 * without a check of the RMP, until the CPU flushes the ASID.
 *
 * It is there where `rmp.tlb` is stale. Left out: evictions, sizes of mappings, and translations of
 * shared accesses.
 *
 * @see APM vol. 2, "TLB Management"; kernel arch/x86/kvm/svm/sev.c, pre_sev_run(); domain snp h,
 * R25 and R28
 */
import { assign, emit, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { NptEvent } from '../../events/sev-snp/npt.ts';
import { regionOf } from '../../events/sev-snp/rmp.ts';

interface Walk {
  readonly by: ActorId;
  readonly cpu: ActorId;
  readonly gfn: number;
  readonly private: boolean;
}

export interface NptInput {
  /** GFNs by CPU, as the CPUs keep them when the run starts. */
  readonly kept: Readonly<Record<ActorId, readonly number[]>>;
}

export interface NptContext extends NptInput {
  /** GFNs without a mapping, and of those the ones that are being invalidated. */
  readonly zapped: readonly number[];
  readonly invalidated: readonly number[];
  /** Where each vCPU ran last, once pre_sev_run() has asked. */
  readonly ranOn: Readonly<Record<ActorId, ActorId>>;
  /** The access that a region is asked about, within a step. */
  readonly walk: Walk | null;
}

type Event = Stamped<NptEvent>;
type Of<K extends NptEvent['type']> = Stamped<Extract<NptEvent, { readonly type: K }>>;
type Args = { readonly context: NptContext; readonly event: Event };
const accessOf = ({ event }: Args) => event as Of<'npt.access'>;
const gfnOf = (event: Event) => (event as Of<'npt.zap'>).gfn;
const cpuOf = (event: Event) => (event as Of<'npt.flush'>).cpu;
const withGfn = (gfns: readonly number[], gfn: number) => [...new Set([...gfns, gfn])].sort((a, b) => a - b);
const without = (gfns: readonly number[], gfn: number) => gfns.filter((other) => other !== gfn);
const flushed = (kept: NptContext['kept'], cpu: ActorId) => Object.fromEntries(Object.entries(kept).filter(([other]) => other !== cpu));

/** The access as the region checks it. */
const toRegion = ({ event }: Args, rest: object): Outgoing => {
  const { pfn, asid, gfn, private: isPrivate, write, vmpl, content } = event as Of<'npt.access'>;
  const operand = {
    ...{ pfn, asid, gfn, private: isPrivate, write },
    ...(vmpl !== undefined && { vmpl }),
    ...(content !== undefined && { content: { ...content, by: sender(event) } }),
  };
  return outgoing(regionOf(pfn), { type: 'rmp.guestAccess', ...operand, ...rest });
};

export const nptMachine = setup({
  types: { context: {} as NptContext, events: {} as Event, emitted: {} as Outgoing, input: {} as NptInput },
  guards: {
    isKept: (args) => accessOf(args).private && (args.context.kept[accessOf(args).cpu] ?? []).includes(accessOf(args).gfn),
    isZapped: ({ context, event }) => context.zapped.includes(gfnOf(event)),
    isInvalidated: ({ context, event }) => context.invalidated.includes(gfnOf(event)),
    hasMoved: ({ context, event }) => event.type === 'npt.preRun' && context.ranOn[event.vcpu] !== event.cpu,
  },
  actions: {
    reachKept: emit((args) => toRegion(args, { kept: true, by: sender(args.event) })),
    answerUnmapped: emit(({ event }) => outgoing(sender(event), { type: 'rmp.accessed', outcome: 'unmapped' })),
    noteWalk: assign((args) => {
      const { cpu, gfn, private: isPrivate } = accessOf(args);
      return { walk: { by: sender(args.event), cpu, gfn, private: isPrivate } };
    }),
    walk: emit((args) => toRegion(args, {})),
    keep: assign(({ context: { walk, kept }, event }) => {
      if (walk === null || !walk.private || event.type !== 'rmp.accessed' || event.outcome !== 'ok') return {};
      return { kept: { ...kept, [walk.cpu]: withGfn(kept[walk.cpu] ?? [], walk.gfn) } };
    }),
    passOn: emit(({ context: { walk }, event }) =>
      outgoing(walk!.by, { type: 'rmp.accessed', outcome: event.type === 'rmp.accessed' ? event.outcome : 'npf' }),
    ),
    forgetWalk: assign({ walk: null }),
    zap: assign(({ context, event }) => ({
      zapped: withGfn(context.zapped, gfnOf(event)),
      invalidated: withGfn(context.invalidated, gfnOf(event)),
    })),
    endZap: assign(({ context, event }) => ({ invalidated: without(context.invalidated, gfnOf(event)) })),
    map: assign(({ context, event }) => ({ zapped: without(context.zapped, gfnOf(event)) })),
    grant: emit(({ event }) => outgoing(sender(event), { type: 'npt.mapped', granted: true })),
    refuse: emit(({ event }) => outgoing(sender(event), { type: 'npt.mapped', granted: false })),
    flush: assign(({ context, event }) => ({ kept: flushed(context.kept, cpuOf(event)) })),
    noteRun: assign(({ context, event }) => (event.type === 'npt.preRun' ? { ranOn: { ...context.ranOn, [event.vcpu]: event.cpu } } : {})),
    ignore: assign({}),
  },
}).createMachine({
  id: 'npt',
  context: ({ input }) => ({ ...input, zapped: [], invalidated: [], ranOn: {}, walk: null }),
  initial: 'serving',
  states: {
    serving: {
      tags: 'rest',
      on: {
        'npt.access': [
          { guard: 'isKept', actions: 'reachKept' },
          { guard: 'isZapped', actions: 'answerUnmapped' },
          { actions: ['noteWalk', 'walk'] },
        ],
        'rmp.accessed': { actions: ['keep', 'passOn', 'forgetWalk'] },
        'npt.zap': { actions: 'zap' },
        'npt.zapEnd': { actions: 'endZap' },
        'npt.map': [{ guard: 'isInvalidated', actions: 'refuse' }, { actions: ['map', 'grant'] }],
        'npt.flush': { actions: 'flush' },
        'npt.preRun': [{ guard: 'hasMoved', actions: ['flush', 'noteRun'] }, { actions: 'ignore' }],
      },
    },
  },
});
