/** Generation 2 of the split-lock warning: what its sections are for, and that a task in it ends. */
import { describe, expect, it } from 'vitest';
import { play, seeds } from '../sim/play.ts';
import { shippedAs, sld } from './intel.ts';

describe('generation 2 of the warning', () => {
  it.each(['gen2', 'gen2-global-mitigate'])('has detection on again on every core when a run under %s ends', (variant) => {
    for (const spec of seeds(20)) {
      const played = play(shippedAs('sld-one-work-item', variant), spec);
      expect(played.end).toMatchObject({ verdict: 'clean', ended: 'done' });
      expect([sld(played, 0), sld(played, 1)]).toEqual([true, true]);
    }
  });

  it('loses it under one item for all CPUs', () => {
    const scenario = shippedAs('sld-one-work-item', 'gen2-global');
    const unchecked = { ...scenario, properties: { always: [], sometimes: [], eventually: [] } };
    const ends = seeds(60)
      .map((spec) => play(unchecked, spec))
      .map((played) => sld(played, 0) && sld(played, 1));
    expect(new Set(ends)).toEqual(new Set([true, false]));
  });
});
