/** The pCPU: what it lets in, whom it lets run, and in which order a context switch does things. */
import { describe, expect, it } from 'vitest';
import { pcpuMachine as machineFor } from '../../../actors/host/pcpu.ts';
import type { PcpuContext, PcpuInput } from '../../../actors/host/pcpu-context.ts';
import type { Letter } from '../../../events/event.ts';
import { PREEMPTION_MODELS, type PreemptionModel } from '../../../events/options.ts';
import { Given, told } from '../given.ts';

const pcpuMachine = machineFor([{ name: 'psp', handler: 'psp_irq_handler', driver: 'sev' }]);
const INPUT: PcpuInput = { peers: ['pcpu:1'], preemption: 'full', ticks: 'direct', interrupts: false, spuriousExits: false, waiting: [] };
const CONTEXT: PcpuContext = {
  ...INPUT,
  current: 'thread:a/0',
  previous: 'runnable',
  next: null,
  letter: 'P',
  needResched: false,
  irr: [],
  panicReason: null,
};
const task = (change: Partial<PcpuContext> = {}) => Given.standing<PcpuContext>(pcpuMachine, 'task', { ...CONTEXT, ...change });
const scheduling = (state: string, change: Partial<PcpuContext> = {}) =>
  Given.standing<PcpuContext>(pcpuMachine, { __schedule: state }, { ...CONTEXT, ...change });
const offered = (given: Given<PcpuContext>) => given.offers().map(({ type }) => type);
const EXEC = { type: 'exec' };

describe('a pCPU with a task', () => {
  it('passes a step to it', () => {
    const { state, sent } = task().when(EXEC);
    expect(state).toBe('task');
    expect(told(sent)).toEqual(['thread:a/0 step']);
  });

  it('takes note of a new context', () => {
    expect(task().after({ type: 'cpu.context', letter: 'N' }).context.letter).toBe('N');
  });

  const LETTERS: readonly Letter[] = ['U', 'P', 'R', 'L', 'N', 'B', 'I', 'G', 'X'];
  const ALLOWED: Readonly<Record<PreemptionModel, string>> = { none: 'UR', voluntary: 'UR', lazy: 'UPR', full: 'UPR', rt: 'UPRL' };
  const table = PREEMPTION_MODELS.flatMap((preemption) => LETTERS.map((letter) => [preemption, letter] as const));

  it.each(table)('may be preempted under %s in %s only where the table says so', (preemption, letter) => {
    const allowed = ALLOWED[preemption].includes(letter);
    expect(offered(task({ preemption, letter, waiting: ['thread:b/0'] })).includes('preempt')).toBe(allowed || letter === 'G');
    const resched = task({ preemption, letter, waiting: ['thread:b/0'], needResched: true, ticks: 'pending' }).when(EXEC);
    expect(resched.state).toEqual(allowed ? { __schedule: 'pick_next' } : 'task');
  });

  it.each(PREEMPTION_MODELS)('is preempted in guest mode by a tick that ends guest mode, under %s', (preemption) => {
    const { state, sent, context, and } = task({ preemption, letter: 'G', waiting: ['thread:b/0'] }).when({ type: 'preempt' });
    expect([state, told(sent), context.irr]).toEqual(['task', ['thread:a/0 cpu.interrupt'], ['timer']]);
    expect(offered(and)).toEqual(['exec']);
    const outside = and.after({ type: 'cpu.context', letter: 'N' }).after(EXEC);
    expect(outside.state).toEqual({ irq: 'sysvec_apic_timer_interrupt' });
    const left = outside.after(EXEC).after({ type: 'cpu.context', letter: 'R' });
    expect(left.context.needResched).toBe(true);
    expect(left.after(EXEC).state).toEqual({ __schedule: 'pick_next' });
  });

  it('is not preempted where no thread waits, not while an interrupt waits, and not twice', () => {
    for (const letter of ['P', 'G'] as const) {
      expect(offered(task({ letter }))).toEqual(['exec']);
      expect(offered(task({ letter, waiting: ['thread:b/0'], irr: ['reschedule'] }))).toEqual(['exec']);
      expect(offered(task({ letter, waiting: ['thread:b/0'], needResched: true }))).toEqual(['exec']);
    }
  });

  it('need not be rescheduled any more once no thread waits', () => {
    const waited = task({ waiting: ['thread:b/0'], needResched: true });
    expect(waited.after({ type: 'rq.waiting', threads: [] }).context.needResched).toBe(false);
    expect(waited.after({ type: 'rq.waiting', threads: ['thread:c/0'] }).context.needResched).toBe(true);
  });

  it('offers ticks instead of preemptions where ticks are pending, one at a time', () => {
    const ticking = task({ ticks: 'pending', waiting: ['thread:b/0'] });
    expect(offered(ticking)).toEqual(['exec', 'tick']);
    const ticked = ticking.after({ type: 'tick' });
    expect(ticked.context.irr).toEqual(['timer']);
    expect(offered(ticked)).toEqual(['exec']);
    const handled = ticked.after(EXEC, EXEC);
    expect(handled.context).toMatchObject({ irr: [], needResched: true });
    expect(handled.when(EXEC)).toMatchObject({ state: { __schedule: 'pick_next' }, context: { needResched: false } });
  });

  it('offers an exit for nothing in guest mode only, and where the scenario allows it', () => {
    expect(offered(task({ spuriousExits: true, letter: 'G' }))).toEqual(['exec', 'spurious-exit']);
    expect(offered(task({ spuriousExits: true, letter: 'P' }))).toEqual(['exec']);
    const { state, sent, context } = task({ spuriousExits: true, letter: 'G' }).when({ type: 'spurious-exit' });
    expect([state, context.irr]).toEqual(['task', []]);
    expect(sent).toEqual([{ to: 'thread:a/0', event: { type: 'cpu.interrupt', spurious: true } }]);
  });

  it('takes an offer of a device interrupt only where the scenario allows it', () => {
    expect(offered(task({ interrupts: true }))).toEqual(['exec', 'interrupt']);
    expect(offered(task({ interrupts: true }).after({ type: 'interrupt' }))).toEqual(['exec']);
    expect(task().when({ type: 'interrupt' }).handled).toBe(false);
  });
});

describe('an interrupt', () => {
  const HANDLERS = [
    ['reschedule', 'sysvec_reschedule_ipi'],
    ['call_function', 'sysvec_call_function'],
    ['psp', 'psp_irq_handler'],
    ['timer', 'sysvec_apic_timer_interrupt'],
    ['device', 'common_interrupt'],
  ] as const;

  it.each(HANDLERS)('%s runs %s before the task goes on', (interrupt, handler) => {
    for (const letter of ['U', 'P', 'R', 'L', 'N'] as const) {
      const entered = task({ letter, irr: [interrupt] }).when(EXEC);
      expect(entered.state).toEqual({ irq: handler });
      expect(entered.sent).toEqual([]);
      const back = entered.and.when(EXEC);
      expect(back.state).toBe('task');
      expect(back.context.irr).toEqual([]);
    }
  });

  it.each(['I', 'X'] as const)('pends while the letter is %s', (letter) => {
    const { state, sent, context } = task({ letter, irr: ['reschedule'] }).when(EXEC);
    expect([state, told(sent), context.irr]).toEqual(['task', ['thread:a/0 step'], ['reschedule']]);
  });

  it('ends the run of a guest before its handler runs', () => {
    const { state, sent, context } = task({ letter: 'G', irr: ['reschedule'] }).when(EXEC);
    expect([state, told(sent), context.irr]).toEqual(['task', ['thread:a/0 cpu.interrupt'], ['reschedule']]);
  });

  it('is remembered once, whatever the CPU does', () => {
    for (const given of [task(), scheduling('sched_out'), Given.start<PcpuContext>(pcpuMachine, INPUT)]) {
      const arrived = given.after({ type: 'irq.reschedule' }, { type: 'irq.reschedule' }, { type: 'irq.psp' });
      expect(arrived.context).toMatchObject({ irr: ['psp', 'reschedule'] });
      expect(arrived.state).toEqual(given.state);
    }
  });

  it('of the PSP is for its driver', () => {
    const { sent, context } = task({ irr: ['psp'] })
      .after(EXEC)
      .when(EXEC);
    expect(sent).toEqual([{ to: 'sev', event: { type: 'psp.interrupt' } }]);
    expect(context.irr).toEqual([]);
  });

  it('is taken by an idle CPU, which then idles on', () => {
    const idle = Given.start<PcpuContext>(pcpuMachine, INPUT).after({ type: 'irq.reschedule' });
    expect(offered(idle)).toEqual(['exec']);
    expect(idle.after(EXEC).state).toEqual({ irq: 'sysvec_reschedule_ipi' });
    expect(idle.after(EXEC, EXEC).state).toBe('idle');
  });

  it('that is pending does not make the test before VMRUN fail: only need_resched does', () => {
    const ask = { type: 'cpu.needResched?' };
    const answer = (change: Partial<PcpuContext>) => task({ letter: 'I', ...change }).when(ask).sent[0]!.event.pending;
    expect(answer({})).toBe(false);
    expect(answer({ needResched: true, waiting: ['thread:b/0'] })).toBe(true);
    expect(answer({ irr: ['psp', 'reschedule'] })).toBe(false);
  });
});

describe('a call that other CPUs wait for', () => {
  const queue = (from: string) => ({ type: 'csd.queue', from });
  const unlocked = (...callers: readonly string[]) => callers.map((caller) => `${caller} csd.unlock`);

  it('is acknowledged to all who wait by one interrupt, and to none before', () => {
    const queued = task({ letter: 'I' }).after(queue('thread:c/0'), queue('thread:b/0'), { type: 'irq.call_function' });
    expect(queued.context.calls).toEqual(['thread:b/0', 'thread:c/0']);
    expect(told(queued.when(EXEC).sent)).toEqual(['thread:a/0 step']);
    const { sent, context, state } = queued.after({ type: 'cpu.context', letter: 'N' }).after(EXEC).when(EXEC);
    expect([told(sent), context.irr, state]).toEqual([unlocked('thread:b/0', 'thread:c/0'), [], 'task']);
    expect(context.calls).toBeUndefined();
  });

  it('is acknowledged by an idle CPU', () => {
    const idle = Given.start<PcpuContext>(pcpuMachine, INPUT).after(queue('thread:b/0'), { type: 'irq.call_function' });
    expect(told(idle.after(EXEC).when(EXEC).sent)).toEqual(unlocked('thread:b/0'));
  });

  it('is acknowledged by a CPU that goes offline, as its queue is flushed', () => {
    const idle = Given.start<PcpuContext>(pcpuMachine, INPUT).after(queue('thread:b/0'));
    const { sent, state } = idle.when({ type: 'cpu.offline?', from: 'thread:z/0' });
    expect(told(sent)).toEqual(['sched rq.stopped', ...unlocked('thread:b/0'), 'thread:z/0 cpu.offlined']);
    expect(state).toBe('stopped');
  });

  it('is never acknowledged by a CPU that an NMI has stopped, or that panicked', () => {
    const panicked = task().after(queue('thread:b/0'), { type: 'cpu.panic', reason: 'x', pfn: 1 }, { type: 'irq.call_function' });
    for (const given of [task().after(queue('thread:b/0'), { type: 'nmi.stop' }, { type: 'irq.call_function' }), panicked]) {
      expect(offered(given)).toEqual([]);
      expect(given.context.calls).toEqual(['thread:b/0']);
    }
  });
});

describe('the context switch', () => {
  it('offers one pick for each of several runnable tasks, and none where there is no choice', () => {
    expect(scheduling('pick_next', { waiting: ['thread:b/0', 'thread:c/0'] }).offers()).toEqual([
      { type: 'pick', thread: 'thread:b/0', owed: true },
      { type: 'pick', thread: 'thread:c/0', owed: true },
    ]);
    expect(offered(scheduling('pick_next', { waiting: ['thread:b/0'] }))).toEqual(['exec']);
  });

  it('takes the picked task off its queue and runs the notifiers of the previous one', () => {
    const picking = scheduling('pick_next', { waiting: ['thread:b/0', 'thread:c/0'] });
    const { state, sent, context } = picking.when({ type: 'pick', thread: 'thread:c/0' });
    expect(state).toEqual({ __schedule: 'sched_out' });
    expect(context.next).toBe('thread:c/0');
    expect(told(sent)).toEqual(['sched rq.take', 'thread:a/0 sched.out']);
    expect(picking.when({ type: 'pick', thread: 'thread:z/0' }).handled).toBe(false);
  });

  it('of an idle CPU has no task to switch out', () => {
    const idle = Given.start<PcpuContext>(pcpuMachine, { ...INPUT, waiting: ['thread:b/0'] }).after(EXEC);
    expect(idle.state).toEqual({ __schedule: 'pick_next' });
    const { state, sent } = idle.when(EXEC);
    expect(state).toEqual({ __schedule: 'switch_to' });
    expect(told(sent)).toEqual(['sched rq.take']);
    const several = scheduling('pick_next', { current: null, waiting: ['thread:b/0', 'thread:c/0'] });
    expect(several.when({ type: 'pick', thread: 'thread:b/0' }).state).toEqual({ __schedule: 'switch_to' });
  });

  it('goes back to the task if the other one has been migrated meanwhile, and to idle if there is none', () => {
    expect(scheduling('pick_next').when(EXEC).state).toBe('task');
    expect(scheduling('pick_next', { current: null }).when(EXEC).state).toBe('idle');
  });

  it('queues the previous task again only after switch_to', () => {
    const out = scheduling('sched_out', { next: 'thread:b/0' });
    expect(told(out.when(EXEC).sent)).toEqual(['thread:a/0 notify.step']);
    const switching = out.after({ type: 'sched.done' });
    expect(switching.state).toEqual({ __schedule: 'switch_to' });
    const saving = switching.when(EXEC);
    expect(saving.sent).toEqual([{ to: 'thread:a/0', event: { type: 'sched.swapOut', letter: 'P' } }]);
    const { state, sent, context } = saving.and.when({ type: 'sched.swappedOut' });
    expect(told(sent)).toEqual(['thread:b/0 sched.swapIn', 'sched rq.put']);
    expect(sent[1]!.event).toMatchObject({ thread: 'thread:a/0' });
    expect(state).toEqual({ __schedule: 'sched_in' });
    expect(context).toMatchObject({ current: 'thread:b/0', next: null, previous: 'runnable' });
  });

  it.each([
    ['sleeps', 'thread:b/0', { __schedule: 'sched_in' }, ['thread:b/0 sched.swapIn', 'sched rq.sleep']],
    ['dead', 'thread:b/0', { __schedule: 'sched_in' }, ['thread:b/0 sched.swapIn']],
    ['sleeps', null, 'idle', ['sched rq.sleep']],
    ['dead', null, 'idle', []],
  ] as const)('puts a task that %s nowhere else (next %s)', (previous, next, state, sent) => {
    const then = scheduling('switch_to', { previous, next }).after(EXEC).when({ type: 'sched.swappedOut' });
    expect(then.state).toEqual(state);
    expect(told(then.sent)).toEqual(sent);
    expect(then.context).toMatchObject({ current: next, previous: 'runnable' });
  });

  it('starts when the task sleeps or dies', () => {
    const asleep = task().when({ type: 'cpu.sleep' });
    expect([asleep.state, asleep.context.previous]).toEqual([{ __schedule: 'pick_next' }, 'sleeps']);
    const dead = task().when({ type: 'cpu.exit' });
    expect([dead.state, dead.context.previous]).toEqual([{ __schedule: 'pick_next' }, 'dead']);
    expect(told(dead.and.when(EXEC).sent)).toEqual(['thread:a/0 sched.out']);
  });

  it('ends with the notifiers of the next task', () => {
    const entering = scheduling('sched_in');
    expect(told(entering.when(EXEC).sent)).toEqual(['thread:a/0 notify.step']);
    expect(entering.after({ type: 'sched.done' }).state).toBe('task');
  });

  it('knows who waits', () => {
    expect(scheduling('pick_next').after({ type: 'rq.waiting', threads: ['thread:z/0'] }).context.waiting).toEqual(['thread:z/0']);
  });
});

describe('a panic', () => {
  it('stops this CPU and tells the others by NMI', () => {
    const panicked = task({ letter: 'X' }).when({ type: 'cpu.panic', reason: 'RMP violation', pfn: 0x1005 });
    expect(panicked.state).toBe('panic');
    expect(panicked.context.panicReason).toBe('RMP violation (PFN 0x1005)');
    expect(told(panicked.sent)).toEqual(['pcpu:1 nmi.stop', 'sched rq.stopped']);
    expect(panicked.and.offers()).toEqual([]);
    expect(panicked.and.has('halt')).toBe(true);
    expect(panicked.and.after({ type: 'nmi.stop' }).state).toBe('panic');
  });

  it.each(['I', 'X', 'G'] as const)('reaches a CPU whose letter is %s: an NMI cannot be held off', (letter) => {
    const stopped = task({ letter }).after({ type: 'nmi.stop' });
    expect(stopped.state).toBe('stopped');
    expect(stopped.offers()).toEqual([]);
  });
});
