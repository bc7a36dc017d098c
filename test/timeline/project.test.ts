/** What the records of a run become on a timeline, shape by shape, in runs made by hand. */
import { describe, expect, it } from 'vitest';
import type { Journal } from '../../replay/reader.ts';
import type { TimelineEvent } from '../../timeline/event.ts';
import { project } from '../../timeline/project.ts';
import { recordingOf } from '../../timeline/recording.ts';
import { DONE, Handmade } from './handmade.ts';
import { drawingOf, type Slice } from './slices.ts';

const THREAD = 'thread:qemu0/vcpu0';
const REGION = 'rmp:0x1000';

const eventsOf = (journal: Journal): TimelineEvent[] => [...project(recordingOf(journal))];
const slicesOf = (journal: Journal): readonly Slice[] => drawingOf(eventsOf(journal)).slices;
const brief = ({ name, at, ns, depth }: Slice) => ({ name, at, ns, depth });
const on = (slices: readonly Slice[], lane: string) =>
  slices
    .filter((slice) => slice.lane === lane)
    .sort((a, b) => a.at - b.at || a.depth - b.depth)
    .map(brief);

const cpuState = (value: unknown, current: string | null, letter = 'U', rest: object = {}) =>
  [value, { current, letter, previous: 'runnable', next: null, ...rest }] as const;
const threadState = (code: unknown, notify: unknown = 'none') => [{ code, notify }, { process: 'process:qemu0' }] as const;
const queues = (cpu: readonly string[], asleep: object = {}) => ['up', { rq: { 'pcpu:0': cpu }, asleep }] as const;

/** One CPU, one thread on it. */
function host(extra: readonly { readonly id: string; readonly kind: string }[] = []): Handmade {
  const run = new Handmade([
    { id: 'pcpu:0', kind: 'pcpu' },
    { id: 'sched', kind: 'hostScheduler' },
    { id: THREAD, kind: 'hostThread' },
    ...extra,
  ]);
  run.change('pcpu:0', ...cpuState('task', THREAD));
  run.change('sched', ...queues([]));
  run.change(THREAD, ...threadState({ main: { ioctl: { lock: 'take' } } }));
  return run;
}

/** A step of the thread on its CPU; returns the seq of the thread's own record. */
function stepThread(run: Handmade): number {
  const choice = run.choice('pcpu:0', 'exec(pcpu:0)');
  return run.deliver('pcpu:0', THREAD, 'step', {}, choice);
}

describe('the projection', () => {
  it('shows a micro-step within the functions it is called from, on its thread and on its CPU', () => {
    const run = host([{ id: REGION, kind: 'rmpRegion' }]);
    run.end(0);
    const step = stepThread(run);
    const ask = run.deliver(THREAD, REGION, 'rmp.lock', { pfn: 0x1005 }, step);
    const answer = run.deliver(REGION, THREAD, 'rmp.locked', { result: 'SUCCESS' }, ask);
    run.change(THREAD, ...threadState({ main: { ioctl: 'return' } }), answer);
    run.end(100);
    const slices = slicesOf(run.journal());
    expect(on(slices, 'qemu0/qemu0/vcpu0')).toEqual([
      { name: 'main', at: 0, ns: 100, depth: 0 },
      { name: 'ioctl', at: 0, ns: 100, depth: 1 },
      { name: 'lock', at: 0, ns: 100, depth: 2 },
      { name: 'take', at: 0, ns: 100, depth: 3 },
    ]);
    expect(on(slices, 'pCPUs/pCPU 0')).toEqual([
      { name: 'qemu0/vcpu0', at: 0, ns: 100, depth: 0 },
      { name: 'lock.take', at: 0, ns: 100, depth: 1 },
    ]);
    const point = `${THREAD}@main.ioctl.lock.take`;
    expect(slices.find(({ name }) => name === 'take')!.args).toEqual({ step: 1, seq: 5, point, pfn: '0x1005', result: 'SUCCESS' });
  });

  it('says why a thread leaves its CPU, and where it waits', () => {
    const run = host();
    run.end(0);
    const preempted = run.choice('pcpu:0', 'preempt(pcpu:0)');
    run.change('pcpu:0', ...cpuState({ __schedule: 'switch_to' }, null), preempted);
    run.change('sched', ...queues([THREAD]), preempted);
    run.end(10);
    const back = run.choice('pcpu:0', 'exec(pcpu:0)');
    run.change('pcpu:0', ...cpuState('task', THREAD, 'U', { previous: 'sleeps' }), back);
    run.change('sched', ...queues([]), back);
    run.end(20);
    const asleep = run.choice('pcpu:0', 'exec(pcpu:0)');
    run.change('pcpu:0', ...cpuState('idle', null), asleep);
    run.change('sched', ...queues([], { [THREAD]: 'pcpu:0' }), asleep);
    run.end(30);
    const woken = run.choice('pcpu:0', 'exec(pcpu:0)');
    run.change('sched', ...queues([THREAD]), woken);
    run.end(40);
    const events = eventsOf(run.journal());
    expect(on(drawingOf(events).slices, 'qemu0/qemu0/vcpu0 state').map(({ name, at }) => [at, name])).toEqual([
      [0, 'running on CPU 0'],
      [10, 'runnable on CPU 0'],
      [30, 'running on CPU 0'],
      [60, 'sleeping'],
      [100, 'runnable on CPU 0'],
    ]);
    const scheduling = events.flatMap((e) =>
      e.kind === 'switch' ? [[e.at, e.fromState, e.to?.name ?? null]] : e.kind === 'wake' ? [[e.at, 'wake', e.thread.name]] : [],
    );
    expect(scheduling).toEqual([
      [0, 'R', 'qemu0/vcpu0'],
      [10, 'R+', null],
      [30, 'R', 'qemu0/vcpu0'],
      [60, 'S', null],
      [100, 'wake', 'qemu0/vcpu0'],
    ]);
    const offers = drawingOf(events).slices.filter(({ lane, name }) => lane === 'pCPUs/pCPU 0' && name.startsWith('preempt'));
    expect(offers.map(brief)).toEqual([{ name: 'preempt(pcpu:0)', at: 0, ns: 0, depth: 1 }]);
  });

  it('keeps a function open while its thread does not run', () => {
    const run = host();
    run.end(0);
    const preempted = run.choice('pcpu:0', 'preempt(pcpu:0)');
    run.change('pcpu:0', ...cpuState('idle', null), preempted);
    run.change('sched', ...queues([THREAD]), preempted);
    run.end(1000);
    expect(on(slicesOf(run.journal()), 'qemu0/qemu0/vcpu0').map(({ name, ns }) => [name, ns])).toEqual([
      ['main', 1000],
      ['ioctl', 1000],
      ['lock', 1000],
    ]);
  });

  it('shows a guest only while its thread is in guest mode, through instructions of the guest but not of the host', () => {
    const run = host([{ id: 'vcpu:vm0/0', kind: 'vcpu' }]);
    const vcpu = (mode: string) => [{ guest: { PVALIDATE: 'check' } }, { thread: THREAD, cpu: 'pcpu:0', mode, requests: [] }] as const;
    run.change('vcpu:vm0/0', ...vcpu('IN_GUEST_MODE'));
    run.end(0);
    const letters = ['X', 'G', 'X', 'I'];
    for (const letter of letters) {
      const step = stepThread(run);
      if (letter === 'I') run.deliver('vcpu:vm0/0', THREAD, 'vmexit', { reason: 'NPF', info: { gfn: 5, private: true } }, step);
      run.change('pcpu:0', ...cpuState('task', THREAD, letter), step);
      run.end(100);
    }
    const slices = slicesOf(run.journal());
    expect(on(slices, 'vm0/vCPU vm0/0')).toEqual([
      { name: 'guest mode', at: 200, ns: 200, depth: 0 },
      { name: 'PVALIDATE', at: 200, ns: 200, depth: 1 },
      { name: '#VMEXIT NPF', at: 300, ns: 0, depth: 2 },
    ]);
    expect(slices.find(({ name }) => name === '#VMEXIT NPF')!.args).toEqual({ reason: 'NPF', gfn: '0x5', private: true });
  });

  it('gives each RMP entry its owner, its lock and the changes between', () => {
    const entry = (assigned: boolean) => ({
      assigned,
      pageSize: '4K',
      immutable: false,
      asid: assigned ? 1 : 0,
      gfn: 5,
      validated: false,
      vmsa: false,
    });
    const region = (assigned: boolean, holder: string | null, inUse: number[] = []) =>
      ['ready', { entries: { '4101': entry(assigned) }, holders: holder === null ? {} : { '4101': holder }, inUse }] as const;
    const run = host([{ id: REGION, kind: 'rmpRegion' }]);
    run.change(REGION, ...region(false, null));
    run.end(0);
    for (const state of [region(false, THREAD), region(true, THREAD), region(true, null, [4101])]) {
      run.change(REGION, ...state, stepThread(run));
      run.end(100);
    }
    const slices = slicesOf(run.journal());
    expect(on(slices, 'RMP/PFN 0x1005')).toEqual([
      { name: 'hypervisor', at: 0, ns: 200, depth: 0 },
      { name: 'ASID 1 GFN 0x5', at: 200, ns: 100, depth: 0 },
      { name: 'becomes ASID 1 GFN 0x5', at: 200, ns: 0, depth: 1 },
      { name: 'VMSA in use', at: 300, ns: 0, depth: 1 },
    ]);
    expect(on(slices, 'RMP/PFN 0x1005 lock')).toEqual([{ name: 'locked by qemu0/vcpu0', at: 100, ns: 200, depth: 0 }]);
  });

  it('shows firmware commands, pages that are held, a dead VM, a killed process', () => {
    const run = host([
      { id: 'psp', kind: 'psp' },
      { id: 'vm:vm0', kind: 'vm' },
      { id: 'pages:vm0', kind: 'vmPages' },
      { id: 'process:qemu0', kind: 'hostProcess' },
      { id: 'mutex:sev_cmd', kind: 'mutex' },
    ]);
    run.change('process:qemu0', 'running', { signal: null });
    run.end(0);
    const step = stepThread(run);
    run.change('psp', 'executing', { command: 'SNP_PAGE_RECLAIM', pfn: 0x1800, status: 'SUCCESS' }, step);
    run.change('pages:vm0', 'ready', { holders: { '5': [THREAD, 'thread:netd/0'] }, changing: {}, leaked: [] }, step);
    run.change('mutex:sev_cmd', 'up', { owner: THREAD }, step);
    run.end(100);
    const last = stepThread(run);
    run.change('psp', 'idle', { command: null, status: 'INVALID_PAGE_STATE' }, last);
    run.change('vm:vm0', 'created', { dead: 'bugged', mmuLock: null }, last);
    run.change('pages:vm0', 'ready', { holders: {}, changing: { '5': THREAD }, leaked: [0x1005] }, last);
    run.change('process:qemu0', 'exited', { signal: 'SIGBUS', pfn: 0x1005 }, last);
    run.end(100);
    const slices = slicesOf(run.journal());
    const command = slices.find(({ lane }) => lane === 'firmware/PSP')!;
    expect(command).toMatchObject({ name: 'SNP_PAGE_RECLAIM', at: 100, ns: 100, args: { pfn: '0x1800', status: 'INVALID_PAGE_STATE' } });
    expect(on(slices, 'vm0/GFN 0x5 state').map(({ name }) => name)).toEqual(['held by qemu0/vcpu0, netd/0', 'changed by qemu0/vcpu0']);
    expect(on(slices, 'vm0/VM').map(({ name }) => name)).toEqual(['kvm_vm_bugged']);
    expect(on(slices, 'vm0/pages').map(({ name }) => name)).toEqual(['page leaked']);
    expect(on(slices, 'qemu0/process').map(({ name }) => name)).toEqual(['running', 'SIGBUS']);
    expect(on(slices, 'mutexes/sev_cmd').map(({ name }) => name)).toEqual(['held by qemu0/vcpu0']);
  });

  it('draws an arrow from a send to its delivery, and counts what is in flight', () => {
    const run = host();
    run.end(0);
    const sent = run.send(THREAD, 'pcpu:0', 'irq.reschedule', {}, stepThread(run));
    run.send(THREAD, 'pcpu:0', 'irq.reschedule', {}, sent - 1);
    run.end(100);
    run.choice('pcpu:0', 'deliver(irq.reschedule)');
    run.deliver(THREAD, 'pcpu:0', 'irq.reschedule', {}, sent);
    run.end(0);
    const drawing = drawingOf(eventsOf(run.journal()));
    expect(drawing.arrows).toEqual([sent]);
    expect(drawing.samples.filter(({ lane }) => lane === 'run/messages in flight').map(({ at, value }) => [at, value])).toEqual([
      [0, 1],
      [0, 2],
      [100, 1],
    ]);
  });

  it('marks a violation where the run ended', () => {
    const run = host();
    run.end(0);
    stepThread(run);
    run.end(100);
    const violation = { property: 'rmp.host-panic', step: 1, message: 'PFN 0x1005 took the host down' };
    const last = slicesOf(run.journal({ ...DONE, verdict: 'violation', violation, ended: 'violation' })).at(-1)!;
    expect(slicesOf(run.journal({ ...DONE, verdict: 'violation', violation, ended: 'violation' }))).toContainEqual(
      expect.objectContaining({ name: 'violation: rmp.host-panic', at: 100, args: violation }),
    );
    expect(last.at + last.ns).toBe(100);
  });

  it('shows an actor of a kind it does not know by its states, and takes contexts of any shape', () => {
    const kinds = [
      'pcpu',
      'hostScheduler',
      'hostThread',
      'hostProcess',
      'vcpu',
      'vm',
      'vmPages',
      'rmpRegion',
      'psp',
      'mutex',
      'loop',
      'gic',
    ];
    const run = new Handmade(kinds.map((kind) => ({ id: `${kind}:0`, kind })));
    let step = 0;
    for (const value of [{ on: { deep: 'state' } }, { a: 'x', b: { c: 'y' } }, 'plain', {}]) {
      for (const context of [null, 7, [], { current: 3, rq: 5, entries: [null], holders: { x: {} }, requests: {} }]) {
        if (step > 0) run.choice('pcpu:0', 'exec(pcpu:0)');
        for (const kind of kinds) run.change(`${kind}:0`, value, context);
        run.end(step++);
      }
    }
    const slices = slicesOf(run.journal());
    expect(on(slices, 'other actors/gic:0').map(({ name }) => name)).toEqual(['on', 'deep', 'state', 'a=x b=c.y', 'plain']);
  });
});
