/**
 * Properties of a user's own, looked at once in the first state of a run: a kind of actors or a
 * field of shared memory that is not there reads as nothing, and breaks nothing ever.
 */
import { cellMachine } from '../actors/kit/cell.ts';
import { didYouMean } from '../events/nearest.ts';
import { MechanismError } from '../sim/host/mechanism.ts';
import { mechanismsOf, originOf } from '../sim/host/registry.ts';
import type { Property } from '../sim/property.ts';
import { unknownName } from '../sim/scenario/issues.ts';
import type { ResolvedScenario } from '../sim/scenario/types.ts';
import type { Session } from '../sim/session.ts';
import { type ActorView, ANY_KIND, WorldView } from '../sim/view.ts';

/** What programs ask any object for. */
const OF_OBJECTS: readonly string[] = ['toJSON', 'then', 'constructor', 'toString', 'valueOf', 'hasOwnProperty'];

/** A kind of actors that is not there: a mistake, unless another variant of the scenario has it. */
export class AbsentKindError extends MechanismError {}

/** The fields of a cell, which refuse any other name. */
const strictly = (kind: string, context: object): object =>
  new Proxy(context, {
    get: (fields, name) => {
      if (typeof name === 'symbol' || Object.hasOwn(fields, name) || OF_OBJECTS.includes(name)) return Reflect.get(fields, name) as unknown;
      throw new MechanismError(`${kind}: ${unknownName(name, 'one of its fields', Object.keys(fields))}`);
    },
  });

/** The same world, strict about names. */
class StrictView extends WorldView {
  readonly #machines: Session['engine']['topology']['machines'];

  constructor({ engine }: Session) {
    super(engine.store, engine.start());
    this.#machines = engine.topology.machines;
  }

  override actors<C>(kind: string): ActorView<C>[] {
    const known = Object.keys(this.#machines);
    if (kind !== ANY_KIND && !known.includes(kind) && didYouMean(kind, known) !== '')
      throw new AbsentKindError(`actors(): ${unknownName(kind, 'a kind of actors', known)}`);
    return super.actors<C>(kind);
  }

  override actor<C>(slot: number): ActorView<C> {
    const view = super.actor<C>(slot);
    const kind = view.id.slice(0, view.id.indexOf(':'));
    if (this.#machines[kind] !== cellMachine) return view;
    return { ...view, context: strictly(kind, view.context as object) as C };
  }
}

/** The properties of a user's own that the scenario asks for. */
function askedFor(scenario: ResolvedScenario): readonly Property[] {
  const asked: readonly string[] = Object.values(scenario.properties as Readonly<Record<string, readonly string[]>>).flat();
  const own = mechanismsOf(scenario.host.arch).filter((mechanism) => originOf(mechanism) !== null);
  return own.flatMap(({ properties = [] }) => properties).filter(({ id }) => asked.includes(id));
}

/** @throws MechanismError if a property names what is not there */
export function lookAt(scenario: ResolvedScenario, session: Session): void {
  const view = new StrictView(session);
  const known = Object.keys(session.engine.topology.machines);
  for (const { id, kinds, check } of askedFor(scenario)) {
    const unknown = kinds.find((kind) => kind !== ANY_KIND && !known.includes(kind) && didYouMean(kind, known) !== '');
    try {
      if (unknown !== undefined) throw new AbsentKindError(`kinds: ${unknownName(unknown, 'a kind of actors', known)}`);
      check(view);
    } catch (error) {
      if (error instanceof MechanismError) error.message = `property ${id}: ${error.message}`;
      throw error;
    }
  }
}
