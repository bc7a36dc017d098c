/** A host with store buffers whose threads say all that cells and spinlocks are asked. */
import { smpMb } from '../../../actors/kit/barriers.ts';
import { cell } from '../../../actors/kit/cell.ts';
import { local } from '../../../actors/kit/local.ts';
import { spinlock } from '../../../actors/kit/spinlock.ts';
import { resolved } from '../../../api/scenario.ts';
import { race } from '../../../sim/host/race.ts';
import { register } from '../../../sim/host/registry.ts';
import type { ResolvedScenario, Scenario } from '../../../sim/scenario/types.ts';

const mem = cell('mem', { x: 0, y: 0 });
const lock = spinlock('lock');
const r = local<number>('r');

/** The scenario, and what takes its mechanism away again: it has no part in any other. */
export function storesWorld(): { readonly scenario: ResolvedScenario; readonly undo: () => void } {
  const undo = register(
    race({
      name: 'stores-world',
      arches: ['amd'],
      options: { 'test.stores': ['off', 'on'] },
      uses: [mem, lock],
      operations: {
        'use-stores': {
          summary: 'Asks cells and a spinlock for all that they do',
          source: 'a test',
          does: () => [
            lock.lock(),
            mem.store('x', 1),
            mem.load('x', r),
            lock.unlock(),
            mem.cmpxchg('x', 1, 2),
            mem.xchg('y', 1),
            mem.store('y', 2),
            smpMb(),
            mem.addReturn('y', 1),
          ],
        },
      },
    }),
  );
  const thread = { threads: [[{ 'use-stores': {} }]] };
  const written = {
    name: 'stores-world',
    summary: 'Two threads that store',
    host: { arch: 'amd', cpus: 2, options: { memory: 'tso', 'test.stores': 'on' } },
    processes: { p: thread, q: thread },
  };
  return { scenario: resolved(written as unknown as Scenario, {}), undo };
}
