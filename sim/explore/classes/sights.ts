/**
 * What properties see of the scheduler. Most look at programs alone: then one look speaks for a
 * whole class. Where one looks at a CPU, or at what the context switch keeps of a task, each member
 * of a class is looked at by itself.
 */
import { propertyOf } from '../../properties/index.ts';
import { PropertyWatch } from '../../property.ts';
import type { ResolvedScenario } from '../../scenario/types.ts';
import { type Parts, SCHEDULES, TASK } from './parts.ts';
import type { ClassView } from './view.ts';

export class Sights {
  readonly #parts: Parts;
  #watches: readonly PropertyWatch[];
  /** Properties of all actors together that look at some that schedule. */
  #ofScheduler = false;
  /** By column and value: whether one actor alone is evidence. */
  readonly #evident: boolean[][] = [];
  /** By column, program and view: what is seen, as text. */
  readonly #seen = new Map<string, string>();
  /** Columns of tasks that some property looks at. */
  #tasks: readonly number[] = [];

  constructor(parts: Parts, { properties }: ResolvedScenario) {
    this.#parts = parts;
    const { store } = parts.world;
    const ids = [...properties.always, ...properties.sometimes];
    this.#watches = ids
      .map((id) => new PropertyWatch(propertyOf(id), store))
      .filter((watch) => parts.configuration.some((column) => column < parts.world.actors && watch.isOf(column)));
    this.#tell();
  }

  #tell(): void {
    const { configuration, world, roles } = this.#parts;
    const schedulers = configuration.filter((column) => column < world.actors && roles[column] === SCHEDULES);
    this.#ofScheduler = this.#watches.some((watch) => !watch.isEach && schedulers.some((column) => watch.isOf(column)));
    this.#tasks = configuration.filter(
      (column) => column < world.actors && roles[column] === TASK && this.#watches.some((watch) => watch.isOf(column)),
    );
  }

  /**
   * Properties that have come true once are looked for no more.
   * @returns whether that was so of any that look at the scheduler
   */
  drop(reached: ReadonlyMap<string, unknown>): boolean {
    const left = this.#watches.filter(({ property: { id, form } }) => form !== 'sometimes' || !reached.has(id));
    if (left.length === this.#watches.length) return false;
    this.#watches = left;
    this.#evident.length = 0;
    this.#seen.clear();
    this.#tell();
    return true;
  }

  /** Whether no property sees more than programs. */
  get isBlind(): boolean {
    return this.#watches.length === 0;
  }

  /** Whether one actor of a configuration, whatever programs do, is evidence by itself. */
  isEvident(configuration: readonly number[]): boolean {
    const { roles, configuration: columns, world } = this.#parts;
    return configuration.some((value, place) => {
      const column = columns[place]!;
      if (column >= world.actors || roles[column] !== SCHEDULES) return false;
      this.#evident[column] ??= [];
      const known = this.#evident[column]!;
      known[value] ??= this.#watches.some((watch) => watch.isEach && watch.wants(column, value, value));
      return known[value];
    });
  }

  /** Whether members of a class look different to some property over a program part. */
  differ(view: ClassView, own: ArrayLike<number>): boolean {
    if (this.#watches.length === 0) return false;
    if (this.#ofScheduler) return true;
    view.isUniform ??= this.#isUniform(view);
    if (view.isUniform) return false;
    for (const column of this.#tasks) {
      const program = own[this.#parts.inProgram[column]!]!;
      const known = view.alike[column]?.[program] ?? this.#isAlike(view, column, program);
      if (!known) return true;
    }
    return view.isEvident!;
  }

  /** Whether members are the same to all properties over any program part. */
  #isUniform(view: ClassView): boolean {
    view.isEvident ??= view.members.some((id) => this.isEvident(view.partOf(id)));
    return !view.isEvident && this.#tasks.every((column) => view.viewsIn(column).size < 2);
  }

  /** Whether a task with this program is the same to all properties in every member. */
  #isAlike(view: ClassView, column: number, program: number): boolean {
    const seen = new Set([...view.viewsIn(column)].map((each) => this.#seenOf(column, program, each)));
    view.alike[column] ??= [];
    view.alike[column]![program] = seen.size < 2;
    return seen.size < 2;
  }

  #seenOf(column: number, program: number, view: number): string {
    const key = `${column} ${program} ${view}`;
    const known = this.#seen.get(key);
    if (known !== undefined) return known;
    const local = this.#parts.halvesOf(column).join(program, view);
    const seen = this.#watches.map((watch) => (watch.isOf(column) ? watch.sight(column, local) : '')).join();
    this.#seen.set(key, seen);
    return seen;
  }
}
