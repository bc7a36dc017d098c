/**
 * Properties of a user's own, looked at before anything is searched: a kind of actors or a field of
 * a primitive that is not there reads as nothing, and breaks nothing ever.
 */
import { cellMachine } from '../actors/kit/cell.ts';
import { didYouMean } from '../events/nearest.ts';
import { MechanismError } from './host/mechanism.ts';
import { mechanismsOf, modulesFor, originOf } from './host/registry.ts';
import { partsIn } from './host/used-parts.ts';
import type { Property } from './property.ts';
import { variantNames } from './scenario/checks.ts';
import { unknownName } from './scenario/issues.ts';
import { type ResolveOptions, resolveScenario } from './scenario/resolve.ts';
import type { ResolvedScenario, Scenario } from './scenario/types.ts';
import { openSession, type Session } from './session.ts';
import { type ActorView, ANY_KIND, WorldView } from './view.ts';

/** What programs ask any object for. */
const OF_OBJECTS: readonly string[] = ['toJSON', 'then', 'constructor', 'toString', 'valueOf', 'hasOwnProperty'];
/** Fields that come later: an object has them once it is gone, or was used while it was absent. */
const LATER: readonly string[] = ['absent', 'misused'];
/** States of a run in order that are looked at: many fields are read once another has changed. */
const STATES = 64;

/** A kind of actors that is not there: a mistake, unless another variant of the scenario has it. */
class AbsentKindError extends MechanismError {}

/** A name in a row of names, such as `slot3` where `slot0` and `slot1` are: it is counted on. */
const isCounted = (name: string, fields: readonly string[]): boolean => {
  const bare = name.replaceAll(/\d+/g, '#');
  return bare !== name && fields.some((field) => field.replaceAll(/\d+/g, '#') === bare);
};

/** What is known of the primitives that are no threads or handlers. */
interface Primitives {
  readonly kinds: readonly string[];
  /** Fields that some of them has in some state: one look may be for several, or for later. */
  readonly fields: ReadonlySet<string>;
}

/** A world that is strict about the names of kinds, and of fields that primitives have. */
class StrictView extends WorldView {
  /** Of any kind: what is no field of one is one of another. */
  readonly #all: WorldView;
  readonly #machines: Session['engine']['topology']['machines'];
  readonly #primitives: Primitives;

  constructor({ engine }: Session, locals: readonly number[], primitives: Primitives) {
    super(engine.store, locals);
    this.#all = new WorldView(engine.store, locals);
    this.#machines = engine.topology.machines;
    this.#primitives = primitives;
  }

  override actors<C>(kind: string): ActorView<C>[] {
    if (kind === ANY_KIND) return this.#all.actors<C>(kind);
    const known = Object.keys(this.#machines);
    if (!known.includes(kind) && didYouMean(kind, known) !== '')
      throw new AbsentKindError(`actors(): ${unknownName(kind, 'a kind of actors', known)}`);
    return super.actors<C>(kind);
  }

  override actor<C>(slot: number): ActorView<C> {
    const view = super.actor<C>(slot);
    const kind = view.id.slice(0, view.id.indexOf(':'));
    return this.#primitives.kinds.includes(kind) ? { ...view, context: this.#strictly(kind, view.context as object) as C } : view;
  }

  /** A context that refuses fields which no primitive has: of a cell any, else misspelt ones. */
  #strictly(kind: string, context: object): object {
    const isCell = this.#machines[kind] === cellMachine;
    const known = Object.keys(context);
    return new Proxy(context, {
      get: (fields, name) => {
        const isThere = typeof name === 'symbol' || Object.hasOwn(fields, name) || OF_OBJECTS.includes(name);
        if (!isThere && !this.#primitives.fields.has(name) && !isCounted(name, known) && (isCell || didYouMean(name, known) !== ''))
          throw new MechanismError(`${kind}: ${unknownName(name, 'one of its fields', known)}`);
        return Reflect.get(fields, name) as unknown;
      },
    });
  }
}

/** Properties of a user's own that the scenario asks for. */
function askedFor(scenario: ResolvedScenario): readonly Property[] {
  const asked: readonly string[] = Object.values(scenario.properties as Readonly<Record<string, readonly string[]>>).flat();
  const own = mechanismsOf(scenario.host.arch).filter((mechanism) => originOf(mechanism) !== null);
  return own.flatMap(({ properties = [] }) => properties).filter(({ id }) => asked.includes(id));
}

/** Takes one look, as a search does in each state; a run tells what else the code throws. */
function look({ id, kinds, check, monitor }: Property, view: WorldView, { engine }: Session): void {
  const known = Object.keys(engine.topology.machines);
  const unknown = kinds.find((kind) => kind !== ANY_KIND && !known.includes(kind) && didYouMean(kind, known) !== '');
  try {
    if (unknown !== undefined) throw new AbsentKindError(`kinds: ${unknownName(unknown, 'a kind of actors', known)}`);
    check(view);
    if (monitor === undefined) return;
    for (const { property, who } of Object.values(engine.topology.monitors ?? {})) {
      const followed = who.map((actor) => view.actor<never>(engine.store.slotOf.get(actor)!));
      if (property === id) monitor.next(structuredClone(monitor.start) as never, view, followed, null);
    }
  } catch (error) {
    if (!(error instanceof MechanismError)) return;
    error.message = `property ${id}: ${error.message}`;
    throw error;
  }
}

/** The first states of a run in order; none where it cannot be set up, as its run will tell. */
function statesOf({ run }: Session): readonly (readonly number[])[] {
  const states: (readonly number[])[] = [];
  try {
    run.start();
    do states.push([...run.sequencer.locals]);
    while (states.length < STATES && run.advance());
  } catch {
    // A mistake that comes about on the way is told by the run that meets it.
  }
  return states;
}

function primitivesIn(scenario: ResolvedScenario, { engine }: Session, states: readonly (readonly number[])[]): Primitives {
  const parts = scenario.model === undefined ? partsIn(scenario).map(({ part }) => part) : [];
  const kinds = parts.filter(({ sleeps, handles }) => sleeps === undefined && handles === undefined).map(({ kind }) => kind);
  const worlds = states.map((locals) => new WorldView(engine.store, locals));
  const contexts = worlds.flatMap((world) => kinds.flatMap((kind) => world.actors<object>(kind).map(({ context }) => context)));
  return { kinds, fields: new Set([...LATER, ...contexts.flatMap(Object.keys)]) };
}

/** A run that has not begun; null where it cannot be set up. */
function sessionOf(scenario: ResolvedScenario): Session | null {
  try {
    return openSession({ scenario, engine: 'memo', chooser: { name: 'fifo' } });
  } catch {
    return null;
  }
}

/** @throws MechanismError if a property names what is not there */
function lookAt(scenario: ResolvedScenario): void {
  const asked = askedFor(scenario);
  const session = asked.length === 0 ? null : sessionOf(scenario);
  if (session === null) return;
  const states = statesOf(session);
  const primitives = primitivesIn(scenario, session, states);
  for (const locals of states) {
    const view = new StrictView(session, locals, primitives);
    for (const property of asked) look(property, view, session);
  }
}

function absentIn(scenario: ResolvedScenario): AbsentKindError | null {
  try {
    lookAt(scenario);
    return null;
  } catch (error) {
    if (error instanceof AbsentKindError) return error;
    throw error;
  }
}

/**
 * A scenario as it will run, whose properties name what is there.
 * @throws ScenarioError and others, as resolveScenario does
 * @throws MechanismError if a property of a user's own names what is not there
 */
export function resolveLookedAt(scenario: Scenario, options: ResolveOptions): ResolvedScenario {
  const ready = resolveScenario(scenario, options);
  if (modulesFor(ready).length === 0) return ready;
  const absent = absentIn(ready);
  const others = variantNames(scenario).filter((variant) => variant !== ready.variant);
  if (absent !== null && others.every((variant) => absentIn(resolveScenario(scenario, { ...options, variant })) !== null)) throw absent;
  return ready;
}
