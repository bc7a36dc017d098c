/** What a search over classes tells of itself: how much it met, and what it did not get to. */
import { describe, expect, it } from 'vitest';
import { explore } from '../../../../sim/explore/explore.ts';
import type { Exploration } from '../../../../sim/explore/request.ts';
import { finish } from '../../../../sim/explore/turns.ts';
import { shipped } from '../../play.ts';
import { toy } from '../toy.ts';
import { cpuBeside, STATES } from './toys.ts';

const line = ({ guarantee }: Exploration, start: string): string => guarantee.find((each) => each.startsWith(start))!;

describe('a search over classes', () => {
  it('tells its states, steps, depth and classes', () => {
    // The CPU goes on by itself; `nudge` changes nothing, wherever it stands.
    const turns = { one: { on: { pick: { to: 'two' } } }, two: { on: { pick: { to: 'three' } } }, three: { on: {}, tags: ['rest'] } };
    const nudged = {
      a: { on: { exec: { to: 'b' }, nudge: { to: 'a' } } },
      b: { on: { exec: { to: 'c' } } },
      c: { on: {}, tags: ['rest'] },
    };
    const scenario = toy(cpuBeside(turns, nudged));
    const told = finish(explore({ scenario, maxStates: STATES, scheduler: true }));
    expect(told).toMatchObject({ exhausted: true, limit: null, states: 3, unchanged: 1, coverage: { depth: 2 } });
    expect(line(told, 'Scheduler classes:')).toMatch(/; 3 configurations in [1-3] classes; /);
    expect(told.transitions).toBeGreaterThanOrEqual(2);
  });

  it('says how many reactions were not executed again, and shows nothing', () => {
    const search = explore({ scenario: shipped('sld-timer-livelock', 'period-1ms'), maxStates: 1_000_000, scheduler: true });
    let turn = search.next();
    while (!turn.done) turn = search.next(turn.value.reactions !== undefined);
    expect(turn.value).toMatchObject({ exhausted: false, limit: 'stopped' });
    expect(turn.value.guarantee.join('\n')).toMatch(/[\d,]+ reactions not re-executed, as time was over/);
  });

  it('shows nothing where it was stopped while its conditions were looked at', () => {
    const search = explore({ scenario: shipped('sld-timer-livelock', 'period-1ms'), maxStates: 1_000_000, scheduler: true });
    let turn = search.next();
    while (!turn.done) turn = search.next(turn.value.closing === true);
    expect(turn.value).toMatchObject({ exhausted: false, limit: 'stopped' });
  });
});
