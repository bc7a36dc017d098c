/** Threads that are alike fold into one under symmetry, whatever lock they wait for. */
import { expect, it } from 'vitest';
import type { HostItem } from '../../../actors/host/host-env.ts';
import type { Primitive } from '../../../actors/kit/primitive.ts';
import { rcu } from '../../../actors/kit/rcu.ts';
import { rwsem } from '../../../actors/kit/rwsem.ts';
import { semaphore } from '../../../actors/kit/semaphore.ts';
import { syscall } from '../../../actors/kit/syscall.ts';
import { type ExploreOptions, explore } from '../../../api/search.ts';
import { race } from '../../../sim/host/race.ts';
import { register } from '../../../sim/host/registry.ts';
import type { Scenario } from '../../../sim/scenario/types.ts';

const sem = rwsem('sem');
const once = semaphore('once');
const WORKS: Readonly<Record<string, { readonly uses: readonly Primitive[]; readonly items: readonly HostItem[] }>> = {
  rwsem: { uses: [sem], items: [sem.downWrite(), sem.downgradeWrite(), sem.upRead()] },
  semaphore: { uses: [once], items: [once.down(), once.up()] },
  rcu: { uses: [rcu], items: [rcu.readLock(), rcu.readUnlock(), rcu.synchronize()] },
};

it.each(Object.entries(WORKS))('%s: two threads alike', (_name, { uses, items }) => {
  const does = () => syscall('ioctl', 'a test', items);
  const undo = register(race({ name: 'alike', arches: ['amd'], uses, operations: { work: { summary: 'works', source: 'a test', does } } }));
  try {
    const of = (options: ExploreOptions) =>
      explore(
        {
          name: 'alike',
          summary: 'A race of a test',
          host: { arch: 'amd', cpus: 2 },
          processes: { p: { threads: [[{ work: {} }], [{ work: {} }]] } },
        } as unknown as Scenario,
        { statesMax: 100_000, ...options },
      );
    const whole = of({ scheduler: false });
    expect(whole).toMatchObject({ verdict: 'clean', exhausted: true });
    const folded = of({ symmetry: true });
    expect(folded).toMatchObject({ verdict: 'clean', exhausted: true });
    expect(folded.unreduced).toBeUndefined();
    expect(folded.states).toBeLessThan(whole.states * 0.6);
  } finally {
    undo();
  }
});
