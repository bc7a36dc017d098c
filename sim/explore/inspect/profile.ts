/**
 * The profile of a space: which actors, which steps and which of their fields make its states. It
 * tells where a scenario or a path can be made smaller.
 */
import { canonical } from '../../canonical.ts';
import type { Kind } from '../../store.ts';
import type { ActorProfile, Profile, StepProfile, Varying } from '../covered/inspection.ts';
import type { Search, Searched } from '../request.ts';

/** States up to which it is worked out how many there were without an actor. */
const WITHOUT_MAX = 1_000_000;
/** Fields that are named of one step. */
const FIELDS_MAX = 5;
/** States that are gone through between two turns. */
const CHUNK = 1 << 15;

/** Where actors of a kind stand, by local state. */
class Places {
  readonly kind: Kind;
  readonly names: string[] = [];
  readonly lines = new Set<string>();
  readonly #ofLocal: number[][] = [];
  readonly #numbers = new Map<string, number>();

  constructor(kind: Kind) {
    this.kind = kind;
  }

  /** Numbers of the steps; the name of the state where none of its states is a step. */
  of(local: number): readonly number[] {
    this.#ofLocal[local] ??= this.#namesOf(local).map((name) => this.#numberOf(name));
    return this.#ofLocal[local];
  }

  #namesOf(local: number): string[] {
    const { _nodes: nodes } = this.kind.locals.values[local]! as unknown as {
      readonly _nodes: readonly { readonly type: string; readonly path: readonly string[]; readonly meta?: { readonly step?: string } }[];
    };
    const steps = nodes.flatMap(({ meta }) => meta?.step ?? []);
    for (const step of steps) this.lines.add(step);
    if (steps.length > 0) return steps;
    return nodes.flatMap(({ type, path }) => (type === 'atomic' || type === 'final' ? [path.join('.')] : []));
  }

  #numberOf(name: string): number {
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    const number = this.names.push(name) - 1;
    this.#numbers.set(name, number);
    return number;
  }
}

const isMap = (value: unknown): value is object => typeof value === 'object' && value !== null;

/**
 * Fields of a context with their values as text; those of frames one by one. What is `undefined` is
 * none, as in a digest.
 */
function fieldsOf(context: unknown): readonly (readonly [string, string])[] {
  const textsIn = (fields: object, under = ''): (readonly [string, string])[] =>
    Object.entries(fields).flatMap(([name, value]) => (value === undefined ? [] : [[`${under}${name}`, canonical(value)] as const]));
  const { frames, ...own } = (context ?? {}) as { readonly frames?: unknown };
  // A machine that is written by hand may call any field so.
  if (!isMap(frames) || !Object.values(frames).every(isMap)) return textsIn({ ...own, frames });
  return [...textsIn(own), ...Object.entries(frames).flatMap(([frame, locals]) => textsIn(locals as object, `frames.${frame}.`))];
}

function varyingIn({ locals }: Kind, members: readonly number[]): Varying[] {
  const values = new Map<string, Set<string>>();
  const present = new Map<string, number>();
  for (const local of members) {
    for (const [field, text] of fieldsOf(locals.values[local]!.context)) {
      values.set(field, (values.get(field) ?? new Set()).add(text));
      present.set(field, (present.get(field) ?? 0) + 1);
    }
  }
  // A field that some lack has one value more: none.
  return [...values]
    .map(([field, texts]) => ({ field, values: texts.size + (present.get(field)! < members.length ? 1 : 0) }))
    .filter(({ values: count }) => count > 1)
    .sort((a, b) => b.values - a.values || (a.field < b.field ? -1 : 1))
    .slice(0, FIELDS_MAX);
}

/** Different numbers in a list, which is sorted for it. */
function differentIn(numbers: Float64Array): number {
  numbers.sort();
  let count = 0;
  for (let i = 0; i < numbers.length; i++) if (i === 0 || numbers[i] !== numbers[i - 1]) count++;
  return count;
}

/** The two lanes of a state's digest as one number of 53 bits. */
const joined = (a: number, b: number): number => (a >>> 0) * 2 ** 21 + (b & 0x1f_ffff);

/** Columns that are looked at together: an actor, or all messages in flight. */
interface Group {
  readonly actor: string;
  readonly kind: string;
  readonly columns: readonly number[];
}

/** What a space consists of; null where it was stopped. */
export function* profileOf(searched: Searched): Search<Profile | null> {
  const { world, space } = searched;
  const { store } = world;
  const states = space.count;
  const groups: Group[] = store.ids.map((actor, slot) => ({ actor, kind: store.kindOfSlot[slot]!.name, columns: [slot] }));
  if (world.columns > world.actors)
    groups.push({ actor: 'in flight', kind: 'messages', columns: world.channels.map((_, i) => world.actors + i) });
  const places = store.kinds.map((kind) => new Places(kind));
  /** By kind and step: states, and the last state that was counted. */
  const counts = store.kinds.map((): { states: number[]; last: number[] } => ({ states: [], last: [] }));
  const seen = groups.map(() => new Set<number | string>());
  const met = store.kinds.map(() => new Set<number>());
  const lanes = { a: new Int32Array(states), b: new Int32Array(states) };
  const row = new Int32Array(space.columns);
  const progress = (left: number) => ({ states, frontier: left, transitions: 0, bytes: 0, closing: true }) as const;
  const note = (state: number): void => {
    for (let column = 0; column < space.columns; column++) {
      lanes.a[state] = (lanes.a[state]! + world.laneA(column, row[column]!)) | 0;
      lanes.b[state] = (lanes.b[state]! + world.laneB(column, row[column]!)) | 0;
    }
    for (let slot = 0; slot < world.actors; slot++) {
      const local = row[slot]!;
      seen[slot]!.add(local);
      const { index } = store.kindOfSlot[slot]!;
      met[index]!.add(local);
      const { states: found, last } = counts[index]!;
      for (const step of places[index]!.of(local)) {
        if (last[step] === state) continue;
        last[step] = state;
        found[step] = (found[step] ?? 0) + 1;
      }
    }
    if (groups.length > world.actors) seen[world.actors]!.add(row.subarray(world.actors).join());
  };
  for (let state = 0; state < states; state++) {
    space.read(state, row);
    note(state);
    if (state % CHUNK === CHUNK - 1 && (yield progress(states - state))) return null;
  }
  const without = (columns: readonly number[]): number => {
    const digests = new Float64Array(states);
    for (let state = 0; state < states; state++) {
      let a = lanes.a[state]!;
      let b = lanes.b[state]!;
      const at = space.at(state);
      for (const column of columns) {
        a = (a - world.laneA(column, space.rows[at + column]!)) | 0;
        b = (b - world.laneB(column, space.rows[at + column]!)) | 0;
      }
      digests[state] = joined(a, b);
    }
    return differentIn(digests);
  };
  const actors: ActorProfile[] = [];
  for (const [i, { actor, kind, columns }] of groups.entries()) {
    const locals = seen[i]!.size;
    const rest = locals === 1 ? states : states > WITHOUT_MAX ? null : without(columns);
    actors.push({ actor, kind, locals, without: rest });
    if (yield progress(groups.length - i)) return null;
  }
  return { states, actors: actors.sort(byRest), steps: stepsOf(places, counts, met) };
}

const byRest = (one: ActorProfile, other: ActorProfile): number =>
  (one.without ?? 0) - (other.without ?? 0) || other.locals - one.locals || (one.actor < other.actor ? -1 : 1);

function stepsOf(
  places: readonly Places[],
  counts: readonly { readonly states: readonly number[] }[],
  met: readonly ReadonlySet<number>[],
): StepProfile[] {
  const all = places.flatMap((of, index) => {
    const members: number[][] = of.names.map(() => []);
    for (const local of met[index]!) for (const step of of.of(local)) members[step]!.push(local);
    return of.names.map((step, number): StepProfile => {
      const locals = members[number]!;
      return {
        kind: of.kind.name,
        step,
        isLine: of.lines.has(step),
        states: counts[index]!.states[number]!,
        locals: locals.length,
        varying: varyingIn(of.kind, locals),
      };
    });
  });
  const name = ({ kind, step }: StepProfile): string => `${kind} ${step}`;
  return all.sort((a, b) => b.states - a.states || b.locals - a.locals || (name(a) < name(b) ? -1 : 1));
}
