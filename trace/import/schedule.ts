/** A schedule by labels as the choices of a run. */
import type { Choice } from '../../events/journal.ts';
import { MemoEngine } from '../../sim/engine/memo.ts';
import { topologyOf } from '../../sim/host/topology.ts';
import type { ResolvedScenario } from '../../sim/scenario/types.ts';
import { Sequencer } from '../../sim/sequencer.ts';

/** @throws Error if the sequencer does not offer what was planned */
export function choicesOf(scenario: ResolvedScenario, labels: readonly string[]): Choice[] {
  const sequencer = new Sequencer(new MemoEngine(topologyOf(scenario)));
  sequencer.start();
  return labels.map((label, at) => {
    const { count } = sequencer;
    let index = 0;
    while (index < count && sequencer.alternative(index).label !== label) index++;
    if (index === count) throw new Error(`step ${at + 1} of the schedule is ${label}, which is not offered`);
    sequencer.take(index);
    return { index, count, label };
  });
}
