/**
 * The host's breakpoints on one CPU: what perf has armed there, the software copy of DR0 to DR3 and
 * DR7, and the cache of AMD's address masks, which keeps a WRMSR of the same mask from the CPU.
 *
 * Each message is handled with interrupts off on that CPU, so that each is one micro-step. The
 * order of the writes within it counts for NMIs, which are left out, and is kept for them: no NMI
 * finds DR7 armed and cpu_dr7 empty. Left out: breakpoints of a task, which come and go with it,
 * those for instructions, and the choice of the register, which the scenario makes.
 *
 * @see kernel arch/x86/kernel/hw_breakpoint.c, arch_install_hw_breakpoint(),
 * arch_uninstall_hw_breakpoint(), hw_breakpoint_restore(), hw_breakpoint_handler();
 * arch/x86/kernel/cpu/amd.c, amd_set_dr_addr_mask(); arch/x86/kernel/traps.c,
 * debug_read_clear_dr6()
 */
import { emit, enqueueActions, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { BreakpointSlot, HostBreakpoint, HostBreakpointsEvent } from '../../events/guest-debug/host-breakpoints.ts';
import {
  type AddressMasks,
  type BreakpointAddresses,
  type CpuDebugRegistersEvent,
  type DataAccess,
  NO_MASKS,
} from '../../events/guest-debug/x86-debug.ts';
import { hasBits, type U64 } from '../../events/u64.ts';
import { drOf } from './cpu-debug-registers.ts';
import { DR_GLOBAL_ENABLE_MASK, DR6_ACTIVE_LOW, dataBreakpointsOf, dr7BitsOf, dr7With, dr7Without } from './debug-bits.ts';

/** `pcpu:0` has `hbp:0`. */
export const hbpOf = (cpu: ActorId): ActorId => cpu.replace(/^pcpu:/, 'hbp:');

type Four<V> = readonly [V, V, V, V];

export interface HostBreakpointsState {
  readonly cpu: ActorId;
  /** bp_per_reg. */
  readonly armed: Four<HostBreakpoint | null>;
  /** cpu_debugreg and cpu_dr7. */
  readonly db: BreakpointAddresses;
  readonly dr7: U64;
  /** amd_dr_addr_mask; always zero on kernels that have none. */
  readonly cache: AddressMasks;
  /** What a thread is doing to memory in this micro-step. */
  readonly touch: { readonly thread: ActorId; readonly access: DataAccess; readonly heard?: boolean | undefined } | null;
  /** B0 to B3 of breakpoints that perf was told of, of hits that it was not, and of false ones. */
  readonly reported: number;
  readonly missed: number;
  readonly stray: number;
  /** What perf was told of an access, where the program expects the other; the first stays. */
  readonly unexpected?: 'hit' | 'no hit' | undefined;
}

/** Where kernels differ. */
export interface HostBreakpointsDesign {
  /** @see kernel arch/x86/kernel/cpu/amd.c, set_dr_addr_mask() (6.1), amd_set_dr_addr_mask() */
  readonly cachesMasks: boolean;
  /** What a message writes; `breakpointWrites()` unless given. */
  readonly writes?: typeof breakpointWrites;
}

export const hostBreakpointsDesign = (kernel: '6.1' | '6.6' | '6.12' | '6.14'): HostBreakpointsDesign => ({
  cachesMasks: kernel !== '6.1',
});

type RegisterWrite = Omit<Extract<CpuDebugRegistersEvent, { type: 'dr.set' }>, 'type'>;
/** One write of an installation: to the CPU, or to the software copy. */
export type BreakpointWrite = { readonly cpu: RegisterWrite } | { readonly copy: Partial<HostBreakpointsState> };

const EVERY: readonly BreakpointSlot[] = [0, 1, 2, 3];
const at = <V>(slot: BreakpointSlot, value: V, others: readonly V[]): Four<V> => {
  const [a, b, c, d] = others.map((other, index) => (index === slot ? value : other));
  return [a!, b!, c!, d!];
};
const NONE: Four<null> = [null, null, null, null];

const dr7Bits = (slot: BreakpointSlot, { type, length }: HostBreakpoint): number =>
  dr7BitsOf(slot, type === 'w' ? 'write' : 'access', length);

/** hw_breakpoint_active(). */
export const isActive = ({ dr7 }: Pick<HostBreakpointsState, 'dr7'>): boolean => hasAny(dr7, DR_GLOBAL_ENABLE_MASK);
const hasAny = (value: U64, bits: number): boolean => (BigInt(value) & BigInt(bits)) !== 0n;

/** amd_set_dr_addr_mask(): a mask that the cache has is not written. */
function maskWrites({ cache }: HostBreakpointsState, { cachesMasks }: HostBreakpointsDesign, slot: BreakpointSlot, mask: number) {
  if (cachesMasks && cache[slot] === mask) return [];
  const write = { cpu: { masks: at<number | null>(slot, mask, NONE) } };
  return cachesMasks ? [write, { copy: { cache: at(slot, mask, cache) } }] : [write];
}

/** arch_install_hw_breakpoint(): cpu_dr7 before DR7, and a mask, if there is one, last. */
export function installed(
  s: HostBreakpointsState,
  design: HostBreakpointsDesign,
  slot: BreakpointSlot,
  breakpoint: HostBreakpoint,
): readonly BreakpointWrite[] {
  if (s.armed[slot] !== null) return [];
  const { address, mask } = breakpoint;
  const dr7 = dr7With(s.dr7, dr7Bits(slot, breakpoint));
  return [
    { copy: { armed: at<HostBreakpoint | null>(slot, breakpoint, s.armed) } },
    { cpu: { db: at<U64 | null>(slot, address, NONE) } },
    { copy: { db: at(slot, address, s.db) } },
    { copy: { dr7 } },
    { cpu: { dr7 } },
    ...(mask === 0 ? [] : maskWrites(s, design, slot, mask)),
  ];
}

/** arch_uninstall_hw_breakpoint(): cpu_dr7 last. The address stays, in the copy and on the CPU. */
export function uninstalled(s: HostBreakpointsState, design: HostBreakpointsDesign, slot: BreakpointSlot): readonly BreakpointWrite[] {
  const breakpoint = s.armed[slot];
  if (breakpoint === null) return [];
  const dr7 = dr7Without(s.dr7, dr7Bits(slot, breakpoint));
  return [
    { copy: { armed: at<HostBreakpoint | null>(slot, null, s.armed) } },
    { cpu: { dr7 } },
    ...(breakpoint.mask === 0 ? [] : maskWrites(s, design, slot, 0)),
    { copy: { dr7 } },
  ];
}

/** hw_breakpoint_restore(): the masks are not written. */
export const restored = (s: HostBreakpointsState): readonly BreakpointWrite[] =>
  isActive(s) ? [{ cpu: { db: s.db } }, { cpu: { dr6: DR6_ACTIVE_LOW } }, { cpu: { dr7: s.dr7 } }] : [];

/** B0 to B3 of the breakpoints of perf that an access has to hit. */
const due = ({ armed }: HostBreakpointsState, access: DataAccess): number =>
  EVERY.reduce<number>((bits, slot) => {
    const breakpoint = armed[slot];
    if (breakpoint === null) return bits;
    const dr7 = dr7Bits(slot, breakpoint);
    const [db, masks] = [at(slot, breakpoint.address, NO_MASKS), at(slot, breakpoint.mask, NO_MASKS)];
    return bits | dataBreakpointsOf({ db, dr7 }, access, masks);
  }, 0);

/** Whether perf hears of an access, against what the program says of it. */
const asTold = ({ touch, unexpected }: HostBreakpointsState, told: number): Partial<HostBreakpointsState> =>
  unexpected !== undefined || touch!.heard === undefined || touch!.heard === (told !== 0)
    ? {}
    : { unexpected: told === 0 ? 'no hit' : 'hit' };

/** hw_breakpoint_handler(): what no event of perf stands behind is passed over. */
export function handled(s: HostBreakpointsState, bits: number): Partial<HostBreakpointsState> {
  const expected = due(s, s.touch!.access);
  const told = EVERY.reduce<number>((found, slot) => (hasBits(bits, 1 << slot) && s.armed[slot] !== null ? found | (1 << slot) : found), 0);
  return {
    touch: null,
    reported: s.reported | told,
    missed: s.missed | (expected & ~told),
    stray: s.stray | (bits & ~expected),
    ...asTold(s, told),
  };
}

/** The writes of a message, in their order. */
export function breakpointWrites(
  s: HostBreakpointsState,
  design: HostBreakpointsDesign,
  event: HostBreakpointsEvent,
): readonly BreakpointWrite[] {
  switch (event.type) {
    case 'hbp.install':
      return installed(s, design, event.slot, event.breakpoint);
    case 'hbp.uninstall':
      return uninstalled(s, design, event.slot);
    case 'hbp.restore':
      return restored(s);
    default:
      throw new Error(`${event.type} writes no debug register`);
  }
}

/** The machine of the CPUs of a host with this kernel. */
export const hostBreakpointsMachine = (design: HostBreakpointsDesign) =>
  setup({
    types: {
      context: {} as HostBreakpointsState,
      events: {} as Stamped<HostBreakpointsEvent>,
      emitted: {} as Outgoing,
      input: {} as { readonly cpu: ActorId },
    },
    actions: {
      write: enqueueActions(({ context, event, enqueue }) => {
        const { writes = breakpointWrites } = design;
        for (const write of writes(context, design, event)) {
          if ('cpu' in write) enqueue.emit(outgoing(drOf(context.cpu), { type: 'dr.set', ...write.cpu }));
          else enqueue.assign(write.copy);
        }
      }),
      tellMasks: emit(({ context, event }) => outgoing(sender(event), { type: 'hbp.masks', masks: context.cache })),
      answer: emit(({ context, event }) => outgoing(sender(event), { type: 'hbp.active', active: isActive(context) })),
      touch: enqueueActions(({ context, event, enqueue }) => {
        if (event.type !== 'hbp.touch?') return;
        const { gva, length, write, heard } = event;
        const told = heard === undefined ? {} : { heard };
        enqueue.assign({ touch: { thread: sender(event), access: { gva, length, write }, ...told } });
        enqueue.emit(outgoing(drOf(context.cpu), { type: 'dr.touch?', gva, length, write }));
      }),
      handle: enqueueActions(({ context, event, enqueue }) => {
        if (event.type !== 'dr.touched') return;
        if (event.bits !== 0) enqueue.emit(outgoing(drOf(context.cpu), { type: 'dr.set', dr6: DR6_ACTIVE_LOW }));
        enqueue.emit(outgoing(context.touch!.thread, { type: 'hbp.touched', bits: event.bits }));
        enqueue.assign(handled(context, event.bits));
      }),
    },
  }).createMachine({
    id: 'hostBreakpoints',
    context: ({ input }) => ({
      ...input,
      armed: NONE,
      db: [0, 0, 0, 0],
      dr7: 0,
      cache: NO_MASKS,
      touch: null,
      reported: 0,
      missed: 0,
      stray: 0,
    }),
    initial: 'kept',
    states: {
      kept: {
        tags: 'rest',
        on: {
          'hbp.install': { actions: 'write' },
          'hbp.uninstall': { actions: 'write' },
          'hbp.restore': { actions: 'write' },
          'hbp.active?': { actions: 'answer' },
          'hbp.masks?': { actions: 'tellMasks' },
          'hbp.touch?': { actions: 'touch' },
          'dr.touched': { actions: 'handle' },
        },
      },
    },
  });
