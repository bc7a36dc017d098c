/** The way to what a search over classes has found: choices that a run takes, and that show it. */
import { describe, expect, it } from 'vitest';
import { DEADLOCK } from '../../../../sim/end.ts';
import { classified } from '../../../../sim/explore/classes/classified.ts';
import { labelsThrough } from '../../../../sim/explore/classes/ways.ts';
import { finish } from '../../../../sim/explore/turns.ts';
import { propertyOf } from '../../../../sim/properties/index.ts';
import { PropertyWatch } from '../../../../sim/property.ts';
import { openSession } from '../../../../sim/session.ts';
import { shipped } from '../../play.ts';

const BROKEN = [
  ['rmpadjust-vs-rmpupdate', 'inuse'],
  ['sld-wrmsr-preempted', 'v8-no-guard'],
  ['oslock-oslar-reload', 'preemptible'],
  ['sld-resume-vmxon', 'blind-write'],
] as const;

describe('the way through classes', () => {
  it.each(BROKEN)('to each finding of %s %s is a run that shows it', (name, variant) => {
    const scenario = shipped(name, variant);
    const { search } = finish(classified({ scenario, budget: { states: 100_000 }, renames: 'cpus' }));
    const { findings } = search.verdicts;
    expect(findings.length).toBeGreaterThan(0);
    for (const { property, state } of findings) {
      const isThere = (row: readonly number[]): boolean =>
        property === DEADLOCK
          ? search.dead.deadEnds.isDead(row)
          : new PropertyWatch(propertyOf(property), search.world.store).look(row.slice(0, search.world.actors), null) !== null;
      const choices = labelsThrough(search, state, isThere).map((label) => ({ index: 0, label }));
      const chooser = { name: 'replay', choices, match: 'label', after: { name: 'fifo' } } as const;
      const { run } = openSession({ scenario, engine: 'memo', chooser });
      run.start();
      const broken = run.toEnd()!.violation!;
      expect([broken, ...(broken.also ?? [])].map((each) => each.property)).toContain(property);
    }
  });
});
