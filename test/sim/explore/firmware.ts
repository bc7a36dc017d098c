/**
 * A small world with messages in flight: one tool asks the firmware, whose completion comes as an
 * interrupt.
 */
import type { ResolvedScenario } from '../../../sim/scenario/types.ts';
import { shipped } from '../play.ts';

const churn = shipped('rmp-churn', undefined, { rounds: '1' });

export const firmware: ResolvedScenario = {
  ...churn,
  name: 'firmware',
  vms: [],
  processes: churn.processes.filter(({ id }) => id === 'sevctl'),
  allow: ['psp-error'],
};
