/** The operations of a scenario's programs, and what of them a search has reached. */
import type { AnyMachineSnapshot } from 'xstate';
import { AROUND_PROGRAM } from '../../../actors/host/program-counter.ts';
import type { ControlOp } from '../../../events/program.ts';
import { programsIn } from '../../host/topology.ts';
import type { ResolvedScenario } from '../../scenario/types.ts';
import { NOTIFIER, type Topology } from '../../store.ts';
import { type Item, itemOf } from './chart.ts';

/**
 * The locals of an actor that walks a program: its number, the place in it, and the option of a
 * `choose` by frame.
 */
interface Walking {
  readonly program?: number;
  readonly image?: number;
  readonly pc?: number;
  readonly frames?: Readonly<Record<string, { readonly option?: number }>>;
}

/** Equal programs have one number, so what one actor reached counts for all that walk the same. */
const placeOf = (kind: string, { program, image }: Walking, pc: number, option: number): string =>
  `${kind} ${program ?? image} ${pc} ${option}`;

/** The step that the event runs. */
const stepOf = ({ _nodes: nodes }: AnyMachineSnapshot, type: string): string | undefined =>
  (nodes.find(({ meta, transitions }) => meta?.step !== undefined && transitions.has(type))?.meta as { readonly step: string } | undefined)
    ?.step;

export class Operations {
  readonly items: Item[] = [];
  readonly #keys = new Map<string, string[]>();

  constructor(scenario: ResolvedScenario, { actors }: Topology) {
    if (scenario.model !== undefined) return;
    for (const { actor, program } of programsIn(scenario)) {
      const { kind, input } = actors.find(({ id }) => id === actor)!;
      let count = 0;
      for (const [pc, op] of program.ops.entries()) {
        const control = op as ControlOp;
        if (control.op === 'next' || control.op === 'jump' || control.op === 'end') continue;
        count++;
        const names =
          control.op === 'choose'
            ? control.to.map((_, option) => `${actor} operation ${count} choose, option ${option + 1}`)
            : [`${actor} operation ${count} ${op.op}`];
        for (const [option, name] of names.entries()) this.#add(itemOf({ kind, what: 'operation', name }, actor), kind, input, pc, option);
      }
    }
  }

  #add(item: Item, kind: string, input: unknown, pc: number, option: number): void {
    this.items.push(item);
    const place = placeOf(kind, input as Walking, pc, option);
    this.#keys.set(place, [...(this.#keys.get(place) ?? []), item.key]);
  }

  /**
   * Items that are taken where an actor in this state executes a micro-step: those of its
   * operation, if the step belongs to one.
   */
  at(kind: string, snapshot: AnyMachineSnapshot, type: string): readonly string[] {
    const walking = snapshot.context as Walking;
    if (walking.pc === undefined || type === NOTIFIER || AROUND_PROGRAM.includes(stepOf(snapshot, type) ?? '')) return [];
    const option = Object.values(walking.frames ?? {}).find((frame) => frame.option !== undefined)?.option ?? 0;
    return this.#keys.get(placeOf(kind, walking, walking.pc, option)) ?? [];
  }
}
