/** A deadlock that only the search within a bound finds says who waits for whom, as any other. */
import { expect, it } from 'vitest';
import { explore } from '../../../../sim/explore/explore.ts';
import { finish } from '../../../../sim/explore/turns.ts';
import { shipped } from '../../play.ts';

it('a deadlock beyond the budget of states is told as within a bound', () => {
  const scenario = shipped('sld-cpu-offline', 'callback');
  const [within] = finish(explore({ scenario, maxStates: 100_000, limits: { deviations: 1 } })).violations;
  const { limit, violations } = finish(explore({ scenario, maxStates: 2_000 }));
  expect(limit).toBe('states');
  expect(within).toMatchObject({ property: 'deadlock', message: 'thread:admin/0 stands in main.cpu_down.sched_cpu_deactivate' });
  expect(violations).toMatchObject([{ property: 'deadlock', message: within!.message, waits: within!.waits }]);
});
