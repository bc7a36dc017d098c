/**
 * Devices that interrupt a pCPU when a command is done: their interrupts are taken as any other,
 * and the handler wakes who sleeps.
 */
import { describe, expect, it } from 'vitest';
import { type PcpuContext, type PcpuInput, pcpuMachine } from '../../../actors/host/pcpu.ts';
import { Given } from '../given.ts';

const DEVICES = [
  { name: 'psp', handler: 'psp_irq_handler' },
  { name: 'nic', handler: 'nic_irq' },
] as const;
const INPUT: PcpuInput = {
  peers: [],
  preemption: 'full',
  ticks: 'direct',
  interrupts: false,
  spuriousExits: false,
  waiting: [],
  pspWaiter: null,
  nicWaiter: null,
};
const EXEC = { type: 'exec' };
const cpu = () => Given.start<PcpuContext>(pcpuMachine(DEVICES), INPUT);
const busy = (change: Partial<PcpuContext>) =>
  Given.standing<PcpuContext>(pcpuMachine(DEVICES), 'task', { ...cpu().context, current: 'thread:a/0', ...change });

describe('a completion', () => {
  it.each(DEVICES)('of $name wakes the thread that sleeps on it, and no other', ({ name, handler }) => {
    const arrived = cpu().after({ type: `irq.${name}`, waiter: 'thread:w/0' });
    expect(arrived.context).toMatchObject({ irr: [name], [`${name}Waiter`]: 'thread:w/0' });
    const handling = arrived.after(EXEC);
    expect(handling.state).toEqual({ irq: handler });
    const { sent, state, context } = handling.when(EXEC);
    expect(sent).toEqual([{ to: 'sched', event: { type: 'sched.wake', thread: 'thread:w/0' } }]);
    expect(state).toBe('idle');
    expect(context).toMatchObject({ irr: [], pspWaiter: null, nicWaiter: null });
  });

  it('comes after the reschedule IPI and before the tick, in the order of the devices', () => {
    const irr = ['nic', 'psp', 'reschedule', 'timer'];
    const handlers: unknown[] = [];
    for (let at = busy({ irr }); at.context.irr.length > 0; at = at.after(EXEC, EXEC)) handlers.push(at.when(EXEC).state);
    expect(handlers).toEqual(
      ['sysvec_reschedule_ipi', 'psp_irq_handler', 'nic_irq', 'sysvec_apic_timer_interrupt'].map((irq) => ({ irq })),
    );
  });

  it('ends the run of a guest first, and waits while interrupts are off', () => {
    expect(busy({ irr: ['nic'], letter: 'G' }).when(EXEC).sent).toEqual([
      { to: 'thread:a/0', event: { type: 'cpu.interrupt', spurious: false } },
    ]);
    expect(busy({ irr: ['nic'], letter: 'I' }).when(EXEC).state).toBe('task');
  });

  it('is unknown to a CPU whose host has no such device', () => {
    const plain = Given.start<PcpuContext>(pcpuMachine([]), INPUT);
    expect(plain.when({ type: 'irq.psp', waiter: 'thread:w/0' }).handled).toBe(false);
  });
});
