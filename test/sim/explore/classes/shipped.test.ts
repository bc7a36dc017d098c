/**
 * Shipped scenarios: a search over classes says of each what a search over all states says, and
 * meets the same program parts. WORLDSWITCH_CLASSES is the size of the largest space that is
 * compared, and takes all variants up to it: 60000 takes minutes, 3000000 an hour and gigabytes.
 */
import { describe, expect, it } from 'vitest';
import type { ResolvedScenario } from '../../../../sim/scenario/types.ts';
import { SHIPPED, shipped } from '../../play.ts';
import { compared } from './against-plain.ts';

const ASKED = process.env.WORLDSWITCH_CLASSES;
const STATES_MAX = Number(ASKED ?? 20_000);
const MINUTE = 60_000;

/** Without being asked for more: each of the ways in which threads, CPUs and devices meet. */
const SOME: readonly string[] = [
  'oslock-reset architecture',
  'sld-bus-lock-ratelimit warn',
  'sld-bus-lock-ratelimit fatal',
  'sld-flag-names off-enabled',
  'sld-timer-livelock period-1ms',
  'sld-timer-livelock progress',
  'sld-traps-again gen1',
  'sld-warn-preempted gen1',
  'sld-warn-preempted fatal',
  'vmsa-in-use-kick no-kick',
];

const TAKEN = SHIPPED.filter(({ name, variant }) => ASKED !== undefined || SOME.includes(`${name} ${variant}`));

/** Models of their own have no scheduler. */
const isHost = ({ model }: ResolvedScenario): boolean => model === undefined;

describe('a shipped scenario', () => {
  it.each(TAKEN)(
    'is searched over classes as over all states: $name $variant',
    { timeout: ASKED ? 60 * MINUTE : MINUTE },
    ({ name, variant }) => {
      const scenario = shipped(name, variant);
      const result = isHost(scenario) ? compared(scenario, STATES_MAX) : null;
      if (ASKED === undefined) expect(result).not.toBeNull();
      expect(result?.differences ?? []).toEqual([]);
    },
  );
});
