/** A function that one CPU has another one run: in the handler of the IPI, or at once at home. */
import { describe, expect, it } from 'vitest';
import { pcpuMachine } from '../../../actors/host/pcpu.ts';
import type { PcpuContext, PcpuInput } from '../../../actors/host/pcpu-context.ts';
import { loadScenario } from '../../../sim/scenario/load.ts';
import { KNOWN, type Played, play, resolved } from '../../sim/play.ts';
import { Given, told } from '../given.ts';

const INPUT: PcpuInput = { peers: [], preemption: 'full', ticks: 'direct', interrupts: false, spuriousExits: false, waiting: [] };
const EXEC = { type: 'exec' };
const call = (from: string, to: string) => ({ type: 'csd.queue', from, func: { to, event: { type: 'hbp.uninstall', slot: 0 } } });

describe('the handler of the IPI', () => {
  const idle = Given.start<PcpuContext>(pcpuMachine([]), INPUT);

  it('does what each function says, first come first, before it says that they are done', () => {
    const queued = idle.after(call('thread:c/0', 'hbp:1'), call('thread:b/0', 'hbp:0'), { type: 'irq.call_function' });
    const { sent, context } = queued.after(EXEC).when(EXEC);
    expect(told(sent)).toEqual(['hbp:1 hbp.uninstall', 'hbp:0 hbp.uninstall', 'thread:b/0 csd.unlock', 'thread:c/0 csd.unlock']);
    expect(context.functions).toBeUndefined();
  });

  it('is done in the same way as a CPU goes offline', () => {
    const { sent } = idle.after(call('thread:b/0', 'hbp:0')).when({ type: 'cpu.offline?', from: 'thread:z/0' });
    expect(told(sent)).toEqual(['sched rq.stopped', 'hbp:0 hbp.uninstall', 'thread:b/0 csd.unlock', 'thread:z/0 cpu.offlined']);
  });
});

const perf = (cpu: string): Played => {
  const text = [
    'name: perf',
    'summary: perf arms a breakpoint',
    'host: { arch: amd, cpus: 2 }',
    `processes: { perf: { threads: [[{ perf-breakpoint: { address: 0x1000${cpu} } }]] } }`,
  ].join('\n');
  return play(resolved(loadScenario(text, 'perf.yaml', KNOWN)), { name: 'fifo' });
};
const delivered = (run: Played) =>
  ['csd.queue', 'irq.call_function', 'hbp.install', 'csd.unlock'].map((type) => run.delivered(type).length);

describe('smp_call_function_single()', () => {
  it('calls the function at once on the CPU that it is called on', () => {
    expect(delivered(perf(', cpu: 0'))).toEqual([0, 0, 1, 0]);
  });

  it('sends another CPU an IPI and waits', () => {
    expect(delivered(perf(', cpu: 1'))).toEqual([1, 1, 1, 1]);
  });

  it('does both, for an event on every CPU', () => {
    const run = perf('');
    expect(delivered(run)).toEqual([1, 1, 2, 1]);
    expect(run.end.ended).toBe('done');
  });
});
