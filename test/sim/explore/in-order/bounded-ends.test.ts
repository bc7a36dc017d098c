/**
 * Searches in the order of deviations that do not come to their end: each says why, and promises
 * nothing.
 */
import { describe, expect, it } from 'vitest';
import { BoundedSearch } from '../../../../sim/explore/in-order/bounded.ts';
import { finish } from '../../../../sim/explore/turns.ts';
import { shipped } from '../../play.ts';

describe('a bounded search that does not come to its end', () => {
  const race = shipped('rmpadjust-vs-rmpupdate', 'inuse');

  it('says that its budget of states ran out', () => {
    expect(finish(new BoundedSearch({ scenario: race, limits: { deviations: 50 }, states: 300 }).run())).toMatchObject({
      exhausted: false,
      closed: false,
      limit: 'states',
      states: 300,
    });
  });

  it('says that it was stopped', () => {
    const searching = new BoundedSearch({ scenario: race, limits: {}, states: 100_000 }).run();
    expect(searching.next().done).toBe(false);
    const last = searching.next(true);
    expect(last).toMatchObject({ done: true, value: { exhausted: false, closed: false, limit: 'stopped' } });
  });

  it('ends with what it was to find, which is no proof of anything else', () => {
    const report = finish(new BoundedSearch({ scenario: race, limits: {}, states: 100_000, until: ['rmp.vm-bugged'] }).run());
    expect(report).toMatchObject({ exhausted: false, limit: 'stopped', findings: [{ property: 'rmp.vm-bugged', switches: 2 }] });
  });
});
