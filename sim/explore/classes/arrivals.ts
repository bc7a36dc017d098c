/**
 * What a step leads to is added to a search over classes. Where a property sees more than programs,
 * each configuration is looked at by itself, and a run ends in those in which it breaks: the rest
 * of the class is what the scheduler leads to without them.
 */
import type { PropertyWatch } from '../../property.ts';
import type { WorldStep } from '../../rows/world-step.ts';
import { RUN_ENDS } from '../space/state-space.ts';
import type { Verdicts } from '../space/verdicts.ts';
import type { ComponentGraph } from './component-graph.ts';
import type { ClassRows } from './rows.ts';
import type { Sights } from './sights.ts';
import type { ClassView, Standing, Target } from './view.ts';

/** What a search over classes consists of, as far as arrivals need it. */
interface Searching {
  readonly world: WorldStep;
  readonly graph: ComponentGraph;
  readonly rows: ClassRows;
  readonly sights: Sights;
  readonly verdicts: Verdicts;
  readonly watches: readonly PropertyWatch[];
  /** Set where steps were looked up that no run takes. */
  isOverTaken: boolean;
  rowOf(configuration: number, program: ArrayLike<number>): number[];
  localsOf(configuration: number, program: ArrayLike<number>): number[];
}

export class Arrivals {
  readonly #on: Searching;

  constructor(on: Searching) {
    this.#on = on;
  }

  /** Adds what a step has led to, with the classes that stand for it. */
  arrive({ entered, classes }: Target, from: number, isSeen: boolean): void {
    const { rows } = this.#on;
    for (let i = 0; i < classes.length; i++) {
      if (!this.#isToldApart(classes[i]!)) continue;
      for (const { id, at } of entered) this.enter(id, rows.nextUnder(at), from);
      return;
    }
    for (let i = 0; i < classes.length; i++) {
      const standing = classes[i]!;
      const found = rows.add(standing, from);
      if (found < 0 || !isSeen) continue;
      const first = entered.find(({ id, at }) => at === standing.at && standing.view.members.includes(id))!;
      this.#lookOnce(found, first.id, rows.nextUnder(standing.at));
    }
  }

  #isToldApart({ view, at }: Standing): boolean {
    const { sights, rows } = this.#on;
    if (sights.isBlind) return false;
    return sights.differ(view, rows.nextUnder(at));
  }

  /** A look at one configuration that speaks for its whole class. */
  #lookOnce(state: number, configuration: number, program: ArrayLike<number>): void {
    if (this.#look(state, configuration, program)) this.#on.rows.space.ends[state] = RUN_ENDS;
  }

  /**
   * A configuration that a step has led to, which is looked at by itself; each that follows is when
   * the state is expanded.
   */
  enter(configuration: number, program: ArrayLike<number>, from: number): void {
    if (this.#look(this.#on.rows.space.count, configuration, program)) {
      this.#insertEnd(configuration, program, from);
      return;
    }
    const view = this.#on.rows.classes.ofConfiguration(configuration);
    if (!this.#on.sights.differ(view, program)) {
      this.#on.rows.insert(view, program, from);
      return;
    }
    if (this.#on.rows.find(view, program) >= 0) return;
    const broken = new Set(view.members.filter((id) => this.#on.verdicts.breaks(this.#on.localsOf(id, program))));
    if (broken.size === 0) this.#on.rows.insert(view, program, from);
    else this.#enterAmong(configuration, broken, program, from);
  }

  /**
   * Lets properties look at a configuration; what they say must be the same under other names.
   * @returns whether a run ends there
   */
  #look(state: number, configuration: number, program: ArrayLike<number>): boolean {
    const { rows, verdicts, watches, world } = this.#on;
    const row = this.#on.rowOf(configuration, program);
    rows.classes.names?.look(watches, row);
    return verdicts.look(state, row.slice(0, world.actors));
  }

  /** A run ends in some members: what is left is reached without them. */
  #enterAmong(first: number, broken: ReadonlySet<number>, program: ArrayLike<number>, from: number): void {
    this.#on.isOverTaken = true;
    const reached = new Set([first]);
    for (const id of reached) for (const to of this.#on.graph.targetsOf(id)) if (!broken.has(to)) reached.add(to);
    const view = this.#on.rows.classes.ofMembers([...reached].sort((one, other) => one - other));
    if (this.#on.rows.find(view, program) >= 0) return;
    this.#on.rows.insert(view, program, from);
  }

  /**
   * Lets properties look at the members of a class, where they look different. Of the dead ones a
   * run comes to those alone that it enters, or that follow from one that is not.
   */
  lookAmong(view: ClassView, program: ArrayLike<number>, state: number, dead: readonly number[]): void {
    if (!this.#on.sights.differ(view, program)) return;
    const alive = view.members.filter((id) => !dead.includes(id));
    const next = new Set(dead.length === 0 ? [] : alive.flatMap((id) => this.#on.graph.targetsOf(id)));
    for (const id of [...alive, ...dead.filter((one) => next.has(one))]) this.#look(state, id, program);
  }

  /**
   * Adds the configurations in which a run ends, where the scheduler leads to them from members of
   * a class that are not dead: of those that were left out of the class.
   */
  endBeside({ component, members }: ClassView, program: ArrayLike<number>, state: number, dead: readonly number[]): void {
    if (component !== null) return;
    const alive = members.filter((id) => !dead.includes(id));
    const ends = new Set(alive.flatMap((id) => this.#on.graph.targetsOf(id).filter((to) => !members.includes(to))));
    for (const id of ends) {
      this.#on.verdicts.look(this.#on.rows.space.count, this.#on.localsOf(id, program));
      this.#insertEnd(id, program, state);
    }
  }

  #insertEnd(configuration: number, program: ArrayLike<number>, from: number): void {
    const view = this.#on.rows.classes.ofMembers([configuration]);
    const state = this.#on.rows.insert(view, program, from);
    this.#on.rows.space.ends[state] = RUN_ENDS;
  }
}
