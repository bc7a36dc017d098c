/** What runs later cites its author where there is one, and the primitive where there is none. */
import { describe, expect, it } from 'vitest';
import { cell } from '../../../actors/kit/cell.ts';
import { interrupt } from '../../../actors/kit/interrupt.ts';
import { type Body, kthread } from '../../../actors/kit/kthread.ts';
import { local } from '../../../actors/kit/local.ts';
import { mutex } from '../../../actors/kit/mutex.ts';
import { notifierChain } from '../../../actors/kit/notifier.ts';
import { object } from '../../../actors/kit/object.ts';
import { refcount } from '../../../actors/kit/refcount.ts';
import { smpCall } from '../../../actors/kit/smp-call.ts';
import { hrtimer, timer } from '../../../actors/kit/timer.ts';
import { workqueue } from '../../../actors/kit/workqueue.ts';
import { resolved } from '../../../api/scenario.ts';
import { race } from '../../../sim/host/race.ts';
import { register } from '../../../sim/host/registry.ts';
import { topologyOf } from '../../../sim/host/topology.ts';
import type { Scenario } from '../../../sim/scenario/types.ts';
import { stepSources } from '../../../sim/step-sources.ts';

const shared = cell('shared', { x: 0 });
const mark = (as: string): Body => ({ source: `mine, ${as}`, does: () => [shared.store('x', 1, { as })] });
const chain = notifierChain('chain', { block: { source: 'mine, block', does: () => [shared.store('x', 1, { as: 'block' })] } });
const MARKS = ['thread', 'job', 'tick', 'hrtick', 'irq', 'irqthread', 'called', 'block', 'user'];

/** The source of each step of that name. */
function sources(): Readonly<Record<string, string>> {
  const undo = register(
    race({
      name: 'sourced',
      arches: ['amd'],
      uses: [
        shared,
        chain,
        kthread('kt', mark('thread')),
        kthread('plain', () => [shared.store('x', 1, { as: 'plainly' })]),
        workqueue('wq', { work: mark('job') }),
        timer('tm', mark('tick')),
        hrtimer('hr', mark('hrtick')),
        interrupt('dev', { handler: mark('irq'), thread: mark('irqthread') }),
        smpCall('smp', mark('called')),
      ],
      operations: { 'call-chain': { summary: 's', source: 'a test', does: (env) => [chain.call(env)] } },
      exits: { boop: { summary: 's', source: 'mine, user', user: () => [shared.store('x', 1, { as: 'user' })] } },
    }),
  );
  try {
    const scenario = {
      name: 'sourced',
      summary: 's',
      host: { arch: 'amd', cpus: 1 },
      vms: { vm0: { type: 'svm', vcpus: [[{ boop: {} }]] } },
      processes: { p: { threads: [[{ 'call-chain': {} }], [{ KVM_RUN: { vcpu: 'vm0/0' } }]] } },
    } as unknown as Scenario;
    const steps = [...stepSources(topologyOf(resolved(scenario, {})).machines)];
    return Object.fromEntries(steps.map(([name, { source }]) => [name.split('.').at(-1)!, source]));
  } finally {
    undo();
  }
}

describe('the source of a step', () => {
  it('is that of its body, of its block or of its exit; of a body without one that of the primitive', () => {
    const found = sources();
    expect(MARKS.map((name) => [name, found[name]])).toEqual(MARKS.map((name) => [name, `mine, ${name}`]));
    expect(found.plainly).toContain('kernel/kthread.c');
  });

  it('is its own where its last argument says so, and that of its function for a use of an object', () => {
    const memory = object('memory');
    const count = refcount('count');
    const held = mutex('held');
    const cited = { source: 'mine, alone', grade: 'read' } as const;
    const sourceOf = (item: object) => {
      const { source, grade } = item as { readonly source?: string; readonly grade?: string };
      return [source, grade];
    };
    const into = local<boolean>('into');
    const own = [
      memory.use('touch', { step: cited }),
      memory.free({ step: cited }),
      count.get({ step: cited }),
      count.getUnlessZero(into, { step: cited }),
      held.unlock({ step: cited }),
      held.trylock(into, { as: 'try', step: cited }),
      shared.store('x', 1, { step: cited }),
    ];
    for (const item of own) expect(sourceOf(item)).toEqual([cited.source, cited.grade]);
    expect(sourceOf(memory.use('touch'))).toEqual([undefined, undefined]);
    expect(sourceOf(memory.free())[0]).toContain('mm/slub.c');
    expect(sourceOf(count.get({ step: { grade: 'read' } }))).toEqual([expect.stringContaining('refcount.h'), 'read']);
  });

  it('is that of the kernel for a function of several steps', () => {
    const cited = { step: { source: 'mine' } };
    expect(() => mutex('held').lock(cited)).toThrow('held.lock() is several steps, which cite the kernel');
    expect(() => refcount('count').put([], cited)).toThrow('count.put() is several steps');
    expect(() => object('memory').use('touch', { step: { sauce: 'mine' } as never })).toThrow('expected a map with source and grade');
  });
});
