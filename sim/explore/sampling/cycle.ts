/**
 * Whether a schedule that was cut comes back, in a fair way, to where it was while something stays
 * owed.
 */
import type { RunEnd } from '../../../events/journal.ts';
import { FifoChooser } from '../../choosers/fifo.ts';
import { ReplayChooser } from '../../choosers/replay.ts';
import type { ActorEngine } from '../../engine/port.ts';
import { Run } from '../../run.ts';
import type { ResolvedScenario } from '../../scenario/types.ts';

/** The violation that the sequencer finds along these choices; null if it finds none. */
export function cycleIn(scenario: ResolvedScenario, engine: ActorEngine, labels: readonly string[]): RunEnd['violation'] {
  const choices = labels.map((label) => ({ index: 0, label }));
  const run = new Run({ scenario, engine, chooser: new ReplayChooser(choices, { match: 'label', after: new FifoChooser() }) });
  run.start();
  return run.toEnd(labels.length)?.violation ?? null;
}
