/**
 * Where a space is larger than the budget, whole runs are searched within 0, 1, 2, … deviations,
 * and the report says how far that came.
 */
import { describe, expect, it } from 'vitest';
import { explore } from '../../../../sim/explore/explore.ts';
import { finish } from '../../../../sim/explore/turns.ts';
import { shipped } from '../../play.ts';

const race = shipped('rmpadjust-vs-rmpupdate', 'inuse');
const within = (maxStates: number, properties = race.properties) => finish(explore({ scenario: { ...race, properties }, maxStates }));

describe('a space that is larger than the budget', () => {
  it('is searched within the in-order run, at least', () => {
    expect(within(300)).toMatchObject({ exhausted: false, limit: 'states', within: { deviations: 0 }, violations: [] });
  });

  it('gives up a violation that short schedules do not show', () => {
    const report = within(3000);
    expect(report).toMatchObject({ exhausted: false, within: { deviations: 2 } });
    expect(report.violations).toMatchObject([{ property: 'rmp.vm-bugged', switches: 2, least: true }]);
    expect(report.guarantee.at(-1)).toBe(
      'Of all schedules with at most 2 deviations, none breaks rmp.host-panic, rmp.validated-implies-assigned, rmp.in-use-is-vmsa: these were searched by themselves.',
    );
  });

  it('is searched once if it fits', () => {
    const report = within(100_000);
    expect(report.exhausted).toBe(true);
    expect(report).not.toHaveProperty('within');
  });

  it('claims no more than that it searched where no property is left to hold', () => {
    const { guarantee } = within(3_000, { ...race.properties, always: [] });
    expect(guarantee.at(-1)).toBe('Searched by themselves, to the end: all schedules with at most 2 deviations.');
  });

  it('says nothing of deviations where not even the in-order run fits', () => {
    expect(within(5)).not.toHaveProperty('within');
  });
});
