/**
 * What a pCPU knows, and what follows from it alone: whether a task may be preempted, and whose
 * handler comes next.
 *
 * @see kernel kernel/sched/core.c; Kconfig.preempt
 */
import type { ActorId, Letter } from '../../events/event.ts';
import type { PreemptionModel, Ticks } from '../../events/options.ts';
import type { CalledFunction, PcpuEvent } from '../../events/sched.ts';
import type { Chance } from './chance.ts';
import type { Interrupt } from './interrupt.ts';

export interface PcpuInput {
  readonly peers: readonly ActorId[];
  readonly preemption: PreemptionModel;
  readonly ticks: Ticks;
  /** Whether device interrupts are offered at any time. */
  readonly interrupts: boolean;
  /** Whether guest mode may end for nothing. */
  readonly spuriousExits: boolean;
  /** Threads queued here at the start. */
  readonly waiting: readonly ActorId[];
  /** Under `memory: tso`. */
  readonly storeBuffer?: ActorId;
  /** The actor of its core, where cores have state that the context switch touches. */
  readonly core?: ActorId;
  /** Flags of the idle task's thread_info; absent if none. */
  readonly idleTif?: readonly string[];
  /** Who walks the handlers of interrupts on this CPU, by interrupt; absent if none does. */
  readonly handlers?: Readonly<Record<string, ActorId>>;
  /** Interrupts whose handlers are softirqs; absent if none is. */
  readonly softirqs?: readonly string[];
}

export interface PcpuContext extends PcpuInput {
  readonly current: ActorId | null;
  /** What happens to the previous task at switch_to(). */
  readonly previous: 'runnable' | 'sleeps' | 'dead';
  readonly next: ActorId | null;
  readonly letter: Letter;
  readonly needResched: boolean;
  readonly irr: readonly Interrupt[];
  /** call_single_queue: who waits for a call to be run here, sorted; absent if empty. */
  readonly calls?: readonly ActorId[] | undefined;
  /** What the calls do, first come first; absent if nothing. */
  readonly functions?: readonly CalledFunction[] | undefined;
  /** The interrupt whose handler runs; absent if none does. */
  readonly serving?: string | undefined;
  readonly panicReason: string | null;
}

/** Where the preemption model lets the scheduler take the CPU. @see kernel Kconfig.preempt */
export const mayPreempt = ({ letter, preemption }: Pick<PcpuContext, 'letter' | 'preemption'>): boolean => {
  if (letter === 'U' || letter === 'R') return true;
  if (letter === 'P') return preemption === 'full' || preemption === 'lazy' || preemption === 'rt';
  return letter === 'L' && preemption === 'rt';
};
/** Under `ticks: direct` a preemption is an offer, unless one is under way. */
export const isPreemptible = (c: PcpuContext): boolean =>
  c.ticks === 'direct' && c.waiting.length > 0 && c.irr.length === 0 && !c.needResched;
/** The first interrupt that waits for a handler which an actor walks. */
export const walked = ({ irr, letter, handlers = {}, softirqs = [] }: PcpuContext): string | undefined =>
  irr.find((irq) => handlers[irq] !== undefined && (letter !== 'B' || !softirqs.includes(irq)));
export const handlerIn = ({ handlers = {}, serving }: PcpuContext): ActorId => handlers[serving!]!;
/** The timer is owed: it is possible only where another thread waits. */
export const TIMER = ['preempt', 'tick'].map((type) => ({ type, owed: true }));
/** Flags of the task that ran: of the idle task, if none says that it was swapped out. */
export const flagsIn = (event: PcpuEvent, { idleTif = [] }: PcpuContext): readonly string[] =>
  event.type === 'sched.swappedOut' ? (event.tif ?? []) : idleTif;

/** What it takes to be preempted; a tick preempts where preemption is not offered directly. */
export const CHANCES: readonly Chance<PcpuContext>[] = [
  {
    offers: ['preempt', 'tick'],
    says: (cpu) => `no preemption was possible on ${cpu}`,
    needs: [['nothing else was ever runnable there', (c, state) => state === 'task' && c.waiting.length > 0]],
    otherwise: 'the tasks there were never in a context that may be preempted while another one waited',
  },
];
