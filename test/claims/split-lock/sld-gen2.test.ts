/**
 * Generation 2 of the split-lock warning: what its sections are for, and that a task in it ends.
 */
import { describe, expect, it } from 'vitest';
import { engineOf, microSteps, play, resolved, seeds } from '../../sim/play.ts';
import { finish, steer, to } from '../../sim/steer.ts';
import { shippedAs, sld } from './intel.ts';

describe('generation 2 of the warning', () => {
  it.each(['gen2', 'gen2-global-mitigate'])('has detection on again on every core when a run under %s ends', (variant) => {
    const scenario = shippedAs('sld-one-work-item', variant);
    const engine = engineOf(scenario, 'memo');
    for (const spec of seeds(20)) {
      const played = play(scenario, spec, engine);
      expect(played.end).toMatchObject({ verdict: 'clean', ended: 'done' });
      expect([sld(played, 0), sld(played, 1)]).toEqual([true, true]);
    }
  });

  it('loses it under one item for all CPUs', () => {
    const scenario = shippedAs('sld-one-work-item', 'gen2-global');
    const unchecked = { ...scenario, properties: { always: [], sometimes: [], eventually: [] } };
    const engine = engineOf(unchecked, 'memo');
    const ends = seeds(60)
      .map((spec) => play(unchecked, spec, engine))
      .map((played) => sld(played, 0) && sld(played, 1));
    expect(new Set(ends)).toEqual(new Set([true, false]));
  });

  it('lets a task that is killed leave the queue of the semaphore, and die', () => {
    const [HOLDER, WAITER, VICTIM] = ['thread:holder/0', 'thread:app/0', 'thread:app/1'];
    const scenario = resolved({
      name: 'killed-waiter',
      summary: 'A task dies while it waits for the semaphore',
      host: { arch: 'intel', cpus: 4, preemption: 'none', features: ['split-lock-detect'], options: { 'host.sldWarn': 'gen2' } },
      processes: {
        holder: { threads: [[{ 'split-lock': {} }]] },
        app: { threads: [[{ 'split-lock': {} }], [{ 'split-lock': { ac: true } }]] },
      },
    });
    const lines = [
      to(HOLDER!, 'split_lock_warn.get_cpu'),
      to(WAITER!, 'split_lock_warn.schedule'),
      finish(VICTIM!),
      finish(WAITER!),
      finish(HOLDER!),
    ];
    const played = play(scenario, steer(...lines));
    expect(microSteps(played, WAITER!).at(-1)).toContain('do_exit');
    expect(played.delivered('sem.leave')).toHaveLength(1);
    expect(played.end).toMatchObject({ verdict: 'clean', ended: 'done' });
  });
});
