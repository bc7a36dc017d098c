/**
 * Devices that interrupt a pCPU when a command is done: their interrupts are taken as any other,
 * and the handler tells the driver.
 */
import { describe, expect, it } from 'vitest';
import { pcpuMachine } from '../../../actors/host/pcpu.ts';
import type { PcpuContext, PcpuInput } from '../../../actors/host/pcpu-context.ts';
import { Given } from '../given.ts';

const DEVICES = [
  { name: 'psp', handler: 'psp_irq_handler', driver: 'sev' },
  { name: 'nic', handler: 'nic_irq', driver: 'nic' },
] as const;
const INPUT: PcpuInput = {
  peers: [],
  preemption: 'full',
  ticks: 'direct',
  interrupts: false,
  spuriousExits: false,
  waiting: [],
};
const EXEC = { type: 'exec' };
const cpu = () => Given.start<PcpuContext>(pcpuMachine(DEVICES), INPUT);
const busy = (change: Partial<PcpuContext>) =>
  Given.standing<PcpuContext>(pcpuMachine(DEVICES), 'task', { ...cpu().context, current: 'thread:a/0', ...change });

describe('a completion', () => {
  it.each(DEVICES)('of $name is for its driver, and wakes no thread by itself', ({ name, handler, driver }) => {
    const arrived = cpu().after({ type: `irq.${name}` });
    expect(arrived.context).toMatchObject({ irr: [name] });
    const handling = arrived.after(EXEC);
    expect(handling.state).toEqual({ irq: handler });
    const { sent, state, context } = handling.when(EXEC);
    expect(sent).toEqual([{ to: driver, event: { type: `${name}.interrupt` } }]);
    expect(state).toBe('idle');
    expect(context).toMatchObject({ irr: [] });
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
    expect(plain.when({ type: 'irq.psp' }).handled).toBe(false);
  });
});
