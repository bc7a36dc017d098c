/** The graph of a small space: its states with what comes of them, and the steps between them. */
import { MICRO_STEP_EVENTS } from '../../../events/index.ts';
import { endOf } from '../../end.ts';
import { stateName } from '../../engine/reaction.ts';
import type { ResolvedScenario } from '../../scenario/types.ts';
import { NOTIFIER } from '../../store.ts';
import type { GraphState, GraphStep, Outcome, ReachableGraph } from '../covered/inspection.ts';
import type { Searched } from '../request.ts';
import { RUN_ENDS } from '../space/state-space.ts';
import { Successors } from '../space/successors.ts';
import { Verdicts } from '../space/verdicts.ts';

/** The name of the micro-step that an event runs in a local state. */
function stepIn(meta: Readonly<Record<string, { readonly step?: string } | undefined>>, type: string): string | undefined {
  const isNotifier = type === NOTIFIER;
  return Object.entries(meta).find(([node, { step } = {}]) => step !== undefined && node.includes('.notify.') === isNotifier)?.[1]?.step;
}

/** The last micro-step of a step: what runs on top of what passes it on. */
function microStepOf({ world }: Searched, row: ArrayLike<number>, column: number, event: number): string | null {
  const { store } = world;
  const { given } = world.run(row, column, event);
  for (let i = given.length - 2; i >= 0; i -= 2) {
    const { type } = store.events.values[given[i + 1]!]!;
    if (!MICRO_STEP_EVENTS.includes(type)) continue;
    const slot = given[i]!;
    const step = stepIn(store.kindOfSlot[slot]!.locals.values[row[slot]!]!.getMeta(), type);
    if (step !== undefined) return `${store.ids[slot]}@${step}`;
  }
  return null;
}

/** The graph of a search that was whole. */
export function graphOf(scenario: ResolvedScenario, searched: Searched): ReachableGraph {
  const { world, space, ended } = searched;
  const { store } = world;
  const verdicts = new Verdicts(world, scenario, true, () => 0);
  const isEnded = new Set(ended);
  const row = new Int32Array(space.columns);
  const placeOf = (slot: number): string => stateName(store.kindOfSlot[slot]!.locals.values[row[slot]!]!.value);
  const moves = store.ids.map(() => new Set<string>());
  for (let state = 0; state < space.count; state++) {
    space.read(state, row);
    for (const [slot, places] of moves.entries()) places.add(placeOf(slot));
  }
  const outcomeOf = (state: number, broken: readonly string[]): Outcome => {
    if (broken.length > 0) return 'violation';
    if (!isEnded.has(state)) return 'goes-on';
    const how = endOf(store, row, { alternatives: 0 })!.ended;
    return how === 'owed' ? 'done' : how;
  };
  const states = Array.from({ length: space.count }, (_, id): GraphState => {
    space.read(id, row);
    const broken = verdicts.brokenIn(Array.from(row.subarray(0, world.actors)));
    const at = store.ids.flatMap((actor, slot) => (moves[slot]!.size > 1 ? [[actor, placeOf(slot)] as const] : []));
    return { id, depth: space.depthOf(id), outcome: outcomeOf(id, broken), broken, at: Object.fromEntries(at) };
  });
  return { scenario: scenario.name, variant: scenario.variant, states, steps: world.engine.lookAhead(() => stepsOf(searched)) };
}

function stepsOf(searched: Searched): GraphStep[] {
  const { world, space, expanded } = searched;
  const successors = new Successors(world, space, expanded);
  const steps: GraphStep[] = [];
  for (let from = 0; from < space.count; from++) {
    if (space.ends[from] === RUN_ENDS) continue;
    successors.expand(from, true);
    for (const [i, column] of successors.columns.entries()) {
      const { row } = successors;
      const event = world.alternatives(column, row[column]!)[successors.alternatives[i]!]!;
      const kind = world.kindOfStep(row, column, event);
      const slot = kind === 'deliver' ? world.channels[column - world.actors]!.to : column;
      steps.push({
        from,
        to: successors.targets[i]!,
        label: world.label(column, row[column]!, event),
        kind,
        actor: world.store.ids[slot]!,
        runs: microStepOf(searched, row, column, event),
      });
    }
  }
  return steps;
}
