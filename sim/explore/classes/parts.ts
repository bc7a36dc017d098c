/**
 * A row in two parts: the scheduler's configuration (actors that schedule, what the context switch
 * keeps of each task, messages in flight to those that schedule) and the program part, which is all
 * the rest.
 */
import type { AnyMachineSnapshot } from 'xstate';
import { canonical } from '../../canonical.ts';
import type { WorldStep } from '../../rows/world-step.ts';
import type { Kind, Switched } from '../../store.ts';
import { rowKey } from '../reduce/row-key.ts';

/** What a column holds: program, the scheduler's own, or a task that is in both parts. */
export const PROGRAM = 0;
export const SCHEDULES = 1;
export const TASK = 2;

type Fields = Readonly<Record<string, unknown>>;
interface Half {
  readonly value: Fields;
  readonly context: Fields;
}

/** The local states of a kind of tasks, each as the number of its own part and of its view. */
export class Halves {
  readonly kind: Kind;
  readonly programs: Half[] = [];
  readonly views: Half[] = [];
  readonly programOf: number[] = [];
  readonly viewOf: number[] = [];
  readonly #switched: Switched;
  readonly #programs = new Map<string, number>();
  readonly #views = new Map<string, number>();
  /** Local states, by program and view. */
  readonly #joined: number[][] = [];
  readonly #join: (kind: Kind, snapshot: AnyMachineSnapshot) => number;

  constructor(kind: Kind, switched: Switched, join: (kind: Kind, snapshot: AnyMachineSnapshot) => number) {
    this.kind = kind;
    this.#switched = switched;
    this.#join = join;
  }

  /** Makes both halves of a local state known. */
  split(local: number): void {
    if (this.programOf[local] !== undefined) return;
    const { value, context } = this.kind.locals.values[local]!;
    const { region, frame, context: fields } = this.#switched;
    const [ownValue, itsValue] = parted(value as Fields, [region]);
    const [ownFields, itsFields] = parted(context as Fields, [...fields, 'frames']);
    const [ownFrames, itsFrames] = parted((itsFields.frames ?? {}) as Fields, [frame]);
    const program = numbered(this.#programs, this.programs, { value: ownValue, context: { ...ownFields, frames: ownFrames } });
    const view = numbered(this.#views, this.views, { value: itsValue, context: { ...itsFields, frames: itsFrames } });
    this.programOf[local] = program;
    this.viewOf[local] = view;
    this.#joinedWith(program)[view] = local;
  }

  #joinedWith(program: number): number[] {
    this.#joined[program] ??= [];
    return this.#joined[program];
  }

  /** A local state with this program. */
  someLocal(program: number): number {
    return this.#joinedWith(program).find((local) => local !== undefined)!;
  }

  /** The local state of a program and a view. */
  join(program: number, view: number): number {
    const known = this.#joinedWith(program)[view];
    if (known !== undefined) return known;
    const own = this.programs[program]!;
    const its = this.views[view]!;
    const frames = { ...(own.context.frames as Fields), ...(its.context.frames as Fields) };
    const snapshot = this.kind.machine.resolveState({
      value: { ...own.value, ...its.value } as never,
      context: { ...own.context, ...its.context, frames } as never,
    }) as AnyMachineSnapshot;
    const local = this.#join(this.kind, snapshot);
    this.#joinedWith(program)[view] = local;
    return local;
  }
}

function parted(fields: Fields, names: readonly string[]): [Fields, Fields] {
  const [own, its]: Record<string, unknown>[] = [{}, {}];
  for (const [name, value] of Object.entries(fields)) (names.includes(name) ? its! : own!)[name] = value;
  return [own!, its!];
}

function numbered(ids: Map<string, number>, values: Half[], half: Half): number {
  const text = canonical(half);
  const known = ids.get(text);
  if (known !== undefined) return known;
  ids.set(text, values.length);
  return values.push(half) - 1;
}

/** The columns of both parts; grows when a pair of actors first has a message in flight. */
export class Parts {
  readonly world: WorldStep;
  /** PROGRAM, SCHEDULES or TASK, by column. */
  readonly roles: number[] = [];
  /** Places of columns: in the program part and in the configuration; -1 for none. */
  readonly inProgram: number[] = [];
  readonly inConfiguration: number[] = [];
  /** Columns, by place. */
  readonly program: number[] = [];
  readonly configuration: number[] = [];
  /** By column of an actor; null where that is no task. */
  readonly #halvesOf: readonly (Halves | null)[];
  readonly #tasks: readonly number[];

  constructor(world: WorldStep) {
    this.world = world;
    const { store } = world;
    const halves = store.kinds.map((kind) =>
      kind.switched === null ? null : new Halves(kind, kind.switched, (which, snapshot) => store.local(which, snapshot)),
    );
    this.#halvesOf = store.kindOfSlot.map(({ index }) => halves[index]!);
    const roleOf = (kind: Kind): number => (kind.schedules ? SCHEDULES : kind.switched === null ? PROGRAM : TASK);
    for (const kind of store.kindOfSlot) this.#add(roleOf(kind));
    this.#tasks = this.roles.flatMap((role, column) => (role === TASK ? [column] : []));
    this.fit();
  }

  #add(role: number): void {
    const column = this.roles.push(role) - 1;
    this.inProgram.push(role === SCHEDULES ? -1 : this.program.push(column) - 1);
    this.inConfiguration.push(role === PROGRAM ? -1 : this.configuration.push(column) - 1);
  }

  /** Columns of tasks. */
  get tasks(): readonly number[] {
    return this.#tasks;
  }

  /** Whether anything schedules at all. */
  get hasScheduler(): boolean {
    return this.roles.includes(SCHEDULES);
  }

  /** Columns that have appeared since the last call. */
  fit(): void {
    const { world } = this;
    while (this.roles.length < world.columns) {
      const { to } = world.channels[this.roles.length - world.actors]!;
      this.#add(world.store.kindOfSlot[to]!.schedules ? SCHEDULES : PROGRAM);
    }
  }

  halvesOf(column: number): Halves {
    return this.#halvesOf[column]!;
  }

  programOf(column: number, local: number): number {
    const halves = this.halvesOf(column);
    halves.split(local);
    return halves.programOf[local]!;
  }

  viewOf(column: number, local: number): number {
    const halves = this.halvesOf(column);
    halves.split(local);
    return halves.viewOf[local]!;
  }

  /** The two parts of a row. */
  split(row: ArrayLike<number>): { readonly program: number[]; readonly configuration: number[] } {
    this.fit();
    const at = (column: number): number => row[column] ?? 0;
    return {
      program: this.program.map((column) => (this.roles[column] === TASK ? this.programOf(column, at(column)) : at(column))),
      configuration: this.configuration.map((column) => (this.roles[column] === TASK ? this.viewOf(column, at(column)) : at(column))),
    };
  }

  /** A row as a key. */
  keyOf(row: readonly number[]): string {
    return rowKey(row, this.world.actors);
  }

  /**
   * The first columns of the row of two parts; either may end before the column of a queue that is
   * empty.
   */
  join(configuration: ArrayLike<number>, program: ArrayLike<number>, columns = this.roles.length): number[] {
    const { roles, inProgram, inConfiguration } = this;
    const row = new Array<number>(columns);
    for (let column = 0; column < row.length; column++) {
      const role = roles[column]!;
      const own = role === SCHEDULES ? 0 : (program[inProgram[column]!] ?? 0);
      const its = role === PROGRAM ? 0 : (configuration[inConfiguration[column]!] ?? 0);
      row[column] = role === PROGRAM ? own : role === SCHEDULES ? its : this.#halvesOf[column]!.join(own, its);
    }
    return row;
  }
}
