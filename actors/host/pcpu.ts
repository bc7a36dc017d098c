/**
 * A physical CPU: who runs here, what may be interposed, interrupt handlers, context switches.
 *
 * It owns the right to move the current task, not the task's program counter. Interrupts wait in
 * `irr`, as in the local APIC, until the context lets them in; a physical interrupt in guest mode
 * ends the guest's run first. Left out: nested interrupts, the timer wheel.
 *
 * @see kernel kernel/sched/core.c, __schedule(), context_switch(), finish_task_switch(); domain
 * debug-and-split-lock 0.1, S1 to S6
 */
import { assign, emit, enqueueActions, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { PcpuEvent } from '../../events/sched.ts';
import { type Completion, interruptsOf } from './completion.ts';
import { acknowledged, EXEC, execOnly, isPending, raised } from './interrupt.ts';
import { CHANCES, flagsIn, handlerIn, isPreemptible, mayPreempt, type PcpuContext, type PcpuInput, TIMER, walked } from './pcpu-context.ts';
import { fenceOf } from './store-buffer.ts';

const SCHEDULER: ActorId = 'sched';

const machine = setup({
  types: { context: {} as PcpuContext, events: {} as Stamped<PcpuEvent>, emitted: {} as Outgoing, input: {} as PcpuInput },
  guards: {
    isGuestInterrupted: ({ context: c }) => c.irr.length > 0 && c.letter === 'G',
    isPending,
    isWalked: ({ context: c }) => isPending({ context: c }, walked(c) ?? ''),
    mustSwitch: ({ context: c }) => c.needResched && c.waiting.length > 0 && mayPreempt(c),
    canPreempt: ({ context: c }) => isPreemptible(c) && mayPreempt(c),
    canPreemptGuest: ({ context: c }) => isPreemptible(c) && c.letter === 'G',
    canTick: ({ context: c }) => c.ticks === 'pending' && c.waiting.length > 0 && !c.needResched && !c.irr.includes('timer'),
    canInterrupt: ({ context: c }) => c.interrupts && !c.irr.includes('device'),
    canExitForNothing: ({ context: c }) => c.spuriousExits && c.letter === 'G',
    hasWaiting: ({ context: c }) => c.waiting.length > 0,
    isIdle: ({ context: c }) => c.current === null,
    isRunnable: ({ context: c }) => c.previous === 'runnable' && c.current !== null,
    canPick: ({ context: c, event }) => event.type === 'pick' && c.waiting.length > 1 && c.waiting.includes(event.thread),
    isForced: ({ context: c }) => c.waiting.length < 2,
    isOnlyChoice: ({ context: c }) => c.waiting.length === 1,
    isEmptied: ({ context: c }) => c.current === null && c.next === null,
    hasNext: ({ context: c }) => c.next !== null,
    isSleeping: ({ context: c }) => c.previous === 'sleeps',
    isDead: ({ context: c }) => c.previous === 'dead',
  },
  actions: {
    stepCurrent: emit(({ context: c }) => outgoing(c.current!, { type: 'step' })),
    enterHandler: enqueueActions(({ context: c, enqueue }) => {
      const irq = walked(c)!;
      enqueue.assign({ serving: irq, irr: acknowledged(c.irr, irq) });
      enqueue.emit(outgoing(c.handlers![irq]!, { type: 'irq.enter' }));
    }),
    stepHandler: emit(({ context: c }) => outgoing(handlerIn(c), { type: 'step' })),
    leaveHandler: assign({ serving: undefined }),
    raiseWalked: assign({ irr: ({ context: c, event }) => (event.type === 'irq.raise' ? raised(c.irr, event.irq) : c.irr) }),
    stepNotifiers: emit(({ context: c }) => outgoing(c.current!, { type: 'notify.step' })),
    interruptGuest: emit(({ context: c }) => outgoing(c.current!, { type: 'cpu.interrupt', spurious: false })),
    exitForNothing: emit(({ context: c }) => outgoing(c.current!, { type: 'cpu.interrupt', spurious: true })),
    setContext: assign({ letter: ({ context: c, event }) => (event.type === 'cpu.context' ? event.letter : c.letter) }),
    /** With no task to switch to, __schedule() keeps the current one and clears need_resched. */
    setWaiting: assign(({ context: c, event }) =>
      event.type === 'rq.waiting' ? { waiting: event.threads, needResched: c.needResched && event.threads.length > 0 } : {},
    ),
    raiseReschedule: assign({ irr: ({ context: c }) => raised(c.irr, 'reschedule') }),
    raiseCall: assign({ irr: ({ context: c }) => raised(c.irr, 'call_function') }),
    raiseTimer: assign({ irr: ({ context: c }) => raised(c.irr, 'timer') }),
    raiseDevice: assign({ irr: ({ context: c }) => raised(c.irr, 'device') }),
    ackReschedule: assign({ irr: ({ context: c }) => acknowledged(c.irr, 'reschedule') }),
    runCalls: enqueueActions(({ context: c, enqueue }) => {
      for (const { to, event } of c.functions ?? []) enqueue.emit(outgoing(to, event));
      for (const caller of c.calls ?? []) enqueue.emit(outgoing(caller, { type: 'csd.unlock' }));
      enqueue.assign({ irr: acknowledged(c.irr, 'call_function'), calls: undefined, functions: undefined });
    }),
    queueCall: assign(({ context: c, event }) => ({
      calls: raised(c.calls ?? [], sender(event)),
      ...(event.type === 'csd.queue' && event.func && { functions: [...(c.functions ?? []), event.func] }),
    })),
    ackDevice: assign({ irr: ({ context: c }) => acknowledged(c.irr, 'device') }),
    raiseCompletion: assign(({ context: c }, one: Completion) => ({ irr: raised(c.irr, one.name) })),
    complete: enqueueActions(({ context: c, enqueue }, { name, driver }: Completion) => {
      enqueue.emit(outgoing(driver, { type: `${name}.interrupt` }));
      enqueue.assign({ irr: acknowledged(c.irr, name) });
    }),
    ackTimer: assign({
      irr: ({ context: c }) => acknowledged(c.irr, 'timer'),
      needResched: ({ context: c }) => c.waiting.length > 0,
    }),
    answerResched: emit(({ context: c }) => outgoing(c.current!, { type: 'cpu.needResched', pending: c.needResched })),
    clearResched: assign({ needResched: false }),
    markSleeping: assign({ previous: 'sleeps' }),
    markDead: assign({ previous: 'dead' }),
    takePicked: enqueueActions(({ context: c, event, enqueue }) => {
      const next = event.type === 'pick' ? event.thread : c.waiting[0]!;
      enqueue.assign({ next });
      enqueue.emit(outgoing(SCHEDULER, { type: 'rq.take', thread: next }));
    }),
    /**
     * An interrupt, IRET, and rq_lock() with smp_mb__after_spinlock() in __schedule() wait until
     * its stores have reached memory.
     */
    drainStores: enqueueActions(({ context: { storeBuffer: buffer }, enqueue }) => buffer && enqueue.emit(fenceOf(buffer))),
    notifyOut: emit(({ context: c }) => outgoing(c.current!, { type: 'sched.out' })),
    swapOut: emit(({ context: c }) => outgoing(c.current!, { type: 'sched.swapOut', letter: c.letter })),
    swapIn: emit(({ context: c, event }) =>
      outgoing(c.next!, { type: 'sched.swapIn', ...(c.core !== undefined && { core: { id: c.core, previous: flagsIn(event, c) } }) }),
    ),
    switchToIdle: enqueueActions(({ context: c, event, enqueue }) => {
      if (c.core !== undefined)
        enqueue.emit(outgoing(c.core, { type: 'core.switchTo', previous: flagsIn(event, c), next: c.idleTif ?? [] }));
    }),
    /** Only now may another CPU run it: the kernel's on_cpu. */
    requeue: emit(({ context: c }) => outgoing(SCHEDULER, { type: 'rq.put', thread: c.current! })),
    sleep: emit(({ context: c }) => outgoing(SCHEDULER, { type: 'rq.sleep', thread: c.current! })),
    setCurrent: assign(({ context: c }) => ({
      current: c.next,
      next: null,
      previous: 'runnable' as const,
      letter: c.next ? c.letter : ('P' as const),
    })),
    panic: enqueueActions(({ context: c, event, enqueue }) => {
      if (event.type !== 'cpu.panic') return;
      enqueue.assign({ panicReason: `${event.reason} (PFN 0x${event.pfn.toString(16)})` });
      for (const peer of c.peers) enqueue.emit(outgoing(peer, { type: 'nmi.stop' }));
      enqueue.emit(outgoing(SCHEDULER, { type: 'rq.stopped' }));
    }),
    stop: emit(outgoing(SCHEDULER, { type: 'rq.stopped' })),
    answerOffline: emit(({ event }) => outgoing(sender(event), { type: 'cpu.offlined', done: true })),
    refuseOffline: emit(({ event }) => outgoing(sender(event), { type: 'cpu.offlined', done: false })),
    answerRunning: emit(({ event }) => outgoing(sender(event), { type: 'cpu.stopped', stopped: false })),
    answerStopped: emit(({ event }) => outgoing(sender(event), { type: 'cpu.stopped', stopped: true })),
    ignore: assign({}),
  },
});

/** __schedule(), from the choice of the next task to its first notifier. */
const schedule = machine.createStateConfig({
  initial: 'pick_next',
  states: {
    pick_next: {
      meta: {
        offers: (c: PcpuContext) => (c.waiting.length > 1 ? c.waiting.map((thread) => ({ type: 'pick', thread, owed: true })) : execOnly()),
        ns: 200,
      },
      on: {
        exec: [
          { guard: ({ context: c }) => c.waiting.length === 1 && c.current === null, target: 'switch_to', actions: 'takePicked' },
          { guard: 'isOnlyChoice', target: 'sched_out', actions: ['takePicked', 'notifyOut'] },
          {
            guard: ({ context: c }) => c.waiting.length === 0 && c.current !== null && c.previous === 'runnable',
            target: '#pcpu.task',
          },
          { guard: ({ context: c }) => c.waiting.length === 0 && c.current === null, target: '#pcpu.idle' },
          { guard: 'isForced', target: 'sched_out', actions: 'notifyOut' },
        ],
        pick: [
          {
            guard: ({ context: c, event }) => c.current === null && c.waiting.includes(event.thread),
            target: 'switch_to',
            actions: 'takePicked',
          },
          { guard: 'canPick', target: 'sched_out', actions: ['takePicked', 'notifyOut'] },
        ],
      },
    },
    sched_out: { meta: { offers: execOnly, ns: 100 }, on: { exec: { actions: 'stepNotifiers' }, 'sched.done': 'switch_to' } },
    switch_to: {
      meta: { offers: execOnly, ns: 500 },
      on: {
        // The notifiers' stores too: on_cpu is cleared by smp_store_release(), behind them.
        exec: [{ guard: 'isIdle', target: 'sched_in', actions: ['swapIn', 'setCurrent'] }, { actions: ['drainStores', 'swapOut'] }],
        'sched.swappedOut': [
          {
            guard: ({ context: c }) => c.next === null && c.previous === 'dead',
            target: '#pcpu.idle',
            actions: ['switchToIdle', 'setCurrent'],
          },
          { guard: ({ context: c }) => c.next === null, target: '#pcpu.idle', actions: ['switchToIdle', 'sleep', 'setCurrent'] },
          { guard: 'isDead', target: 'sched_in', actions: ['swapIn', 'setCurrent'] },
          { guard: 'isSleeping', target: 'sched_in', actions: ['swapIn', 'sleep', 'setCurrent'] },
          { target: 'sched_in', actions: ['swapIn', 'requeue', 'setCurrent'] },
        ],
      },
    },
    sched_in: { meta: { offers: execOnly, ns: 100 }, on: { exec: { actions: 'stepNotifiers' }, 'sched.done': '#pcpu.task' } },
  },
});

/** The machine of the pCPUs of a host with these devices. */
export function pcpuMachine(completions: readonly Completion[]) {
  const { arrivals, entries, handlers } = interruptsOf(completions);
  return machine.createMachine({
    id: 'pcpu',
    context: ({ input }) => ({
      ...input,
      current: null,
      previous: 'runnable',
      next: null,
      letter: 'P',
      needResched: false,
      irr: [],
      panicReason: null,
    }),
    initial: 'idle',
    meta: { chances: CHANCES, schedules: true, queues: ({ waiting }: PcpuContext) => waiting },
    on: arrivals,
    states: {
      idle: {
        tags: 'rest',
        meta: { offers: () => [EXEC, { type: 'interrupt' }], ns: 100 },
        on: {
          exec: [...entries, { guard: 'hasWaiting', target: '__schedule.pick_next', actions: 'drainStores' }],
          'cpu.offline?': {
            guard: ({ context: c }) => c.waiting.length === 0,
            target: 'stopped',
            actions: ['stop', 'runCalls', 'answerOffline'],
          },
        },
      },
      task: {
        meta: { offers: () => [EXEC, ...TIMER, { type: 'interrupt' }, { type: 'spurious-exit' }] },
        on: {
          exec: [
            { guard: 'isGuestInterrupted', actions: 'interruptGuest' },
            ...entries,
            { guard: 'mustSwitch', target: '__schedule.pick_next', actions: ['clearResched', 'drainStores'] },
            { actions: 'stepCurrent' },
          ],
          preempt: [
            { guard: 'canPreempt', target: '__schedule.pick_next', actions: 'drainStores' },
            // The tick ends guest mode; once interrupts are on, its handler sets need_resched.
            { guard: 'canPreemptGuest', actions: ['raiseTimer', 'interruptGuest'] },
          ],
          'spurious-exit': { guard: 'canExitForNothing', actions: 'exitForNothing' },
          tick: { guard: 'canTick', actions: 'raiseTimer' },
          'cpu.sleep': { target: '__schedule.pick_next', actions: ['markSleeping', 'drainStores'] },
          'cpu.exit': { target: '__schedule.pick_next', actions: ['markDead', 'drainStores'] },
          'cpu.panic': { target: 'panic', actions: 'panic' },
          'cpu.replaced': { target: 'replaced', actions: 'stop' },
        },
      },
      irq: {
        initial: 'sysvec_reschedule_ipi',
        states: {
          ...handlers,
          /** Its steps are those of the actor that walks it; interrupts wait until it returns. */
          handler: {
            meta: { offers: execOnly },
            on: {
              exec: { actions: 'stepHandler' },
              'irq.done': [
                { guard: 'isIdle', target: '#pcpu.idle', actions: ['drainStores', 'leaveHandler'] },
                { target: '#pcpu.task', actions: ['drainStores', 'leaveHandler'] },
              ],
            },
          },
        },
      },
      __schedule: schedule,
      /** panic(): this CPU ends here; the others are stopped by NMI. */
      panic: { tags: ['rest', 'halt'], on: { 'nmi.stop': { actions: 'ignore' } } },
      /** It is not in cpu_online_mask: smp_call_function_many() leaves it out. */
      stopped: { tags: 'rest', on: { 'csd.queue': { actions: 'ignore' }, 'cpu.stopped?': { actions: 'answerStopped' } } },
      /** kexec: the kernel of this host has ended, and the run with it. */
      replaced: { tags: ['rest', 'halt'] },
    },
  });
}
