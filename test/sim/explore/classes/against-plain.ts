/**
 * Holds a search over classes against one over all states: what either comes to, the program parts,
 * and the states that classes stand for.
 */
import { Explorer } from '../../../../sim/explore/breadth/explorer.ts';
import { type Classified, classified } from '../../../../sim/explore/classes/classified.ts';
import type { ClassSearch } from '../../../../sim/explore/classes/search.ts';
import { explore } from '../../../../sim/explore/explore.ts';
import { exploreClasses } from '../../../../sim/explore/explore-classes.ts';
import type { Exploration } from '../../../../sim/explore/request.ts';
import { finish } from '../../../../sim/explore/turns.ts';
import type { ResolvedScenario } from '../../../../sim/scenario/types.ts';
import { carried, Texts } from './parts-of-rows.ts';

/** Members of classes, each with each program part, that are put together one by one. */
const MEMBERS_MAX = 100_000;

/** What is said of a scenario: nothing in it may depend on how the states were counted. */
export const verdictsOf = ({ violations, missed, exhausted, limit, undecided, coverage }: Exploration) => ({
  violations: violations.map(({ labels: _labels, waits: _waits, lasso: _lasso, ...violation }) => violation),
  missed,
  exhausted,
  limit,
  undecided,
  whole: coverage.whole,
  neverTaken: coverage.neverTaken,
  impossible: coverage.impossible,
});

/** The states of a search over classes, by what they stand for. */
export class Standing {
  readonly search: ClassSearch;
  readonly #members: Set<number>[] = [];
  readonly #byProgram = new Map<string, number[]>();

  constructor(search: ClassSearch) {
    this.search = search;
    for (let state = 0; state < search.space.count; state++) {
      const key = keyOf(search.rows.programOf(state));
      this.#byProgram.set(key, [...(this.#byProgram.get(key) ?? []), state]);
    }
  }

  /** A state that stands for a row of the search's world, by name or renamed; -1 if none does. */
  of(row: readonly number[]): number {
    const { names } = this.search;
    const found = this.#named(row);
    if (found >= 0 || names === null) return found;
    for (const at of names.images.keys()) {
      const renamed = this.#named(names.row(at, row));
      if (renamed >= 0) return renamed;
    }
    return -1;
  }

  #named(row: readonly number[]): number {
    const { parts, graph } = this.search;
    parts.fit();
    const { configuration, program } = parts.split(row);
    const id = graph.put(configuration, program);
    for (const state of this.#byProgram.get(keyOf(program)) ?? []) {
      const view = this.search.viewOf(state);
      this.#members[view.id] ??= new Set(view.members);
      if (this.#members[view.id]!.has(id)) return state;
    }
    return -1;
  }
}

/** Columns of queues that have appeared since stand at the end. */
const keyOf = (program: readonly number[]): string => program.join().replace(/(,0)+$/, '');

/** All program parts that a search over classes has met, under every name that CPUs can have. */
function programsOf(search: ClassSearch): Set<string> {
  const texts = new Texts(search.world);
  const found = new Set<string>();
  for (let state = 0; state < search.space.count; state++) {
    const row = search.rowOf(search.viewOf(state).members[0]!, search.rows.programOf(state));
    found.add(texts.program(row));
    for (const at of search.names?.images.keys() ?? []) found.add(texts.program(search.names!.row(at, row)));
  }
  return found;
}

/** A search over all states that is over. */
interface Plain {
  readonly explorer: Explorer;
  readonly reached: string;
  readonly programs: ReadonlySet<string>;
  readonly states: ReadonlySet<string>;
}

function plainOf(scenario: ResolvedScenario, states: number): Plain | null {
  const explorer = new Explorer({ scenario, budget: { states } });
  const report = finish(explorer.run());
  if (!report.exhausted) return null;
  const { space, world } = explorer;
  const texts = new Texts(world);
  const programs = new Set<string>();
  const whole = new Set<string>();
  for (const row of rowsOf(explorer)) {
    programs.add(texts.program(row));
    if (space.count <= MEMBERS_MAX) whole.add(texts.state(row));
  }
  if (whole.size !== space.count && whole.size > 0) throw new Error('two states have one text');
  return { explorer, reached: reachedIn(report.reached), programs, states: whole };
}

function* rowsOf({ space }: Explorer): Generator<Int32Array> {
  const row = new Int32Array(space.columns);
  for (let state = 0; state < space.count; state++) {
    space.read(state, row);
    yield row;
  }
}

export interface Compared {
  /** States of the search over all. */
  readonly states: number;
  readonly classes: number;
  readonly renamed: boolean;
  readonly violated: readonly string[];
  /** Whether members were looked at one by one. */
  readonly isWhole: boolean;
  /** What differs, in words; empty where nothing does. */
  readonly differences: readonly string[];
}

const some = (texts: readonly string[]): string => `${texts.length}, such as ${texts[0]?.slice(0, 2_000)}`;

/** What only one of two sets has. */
function differenceOf(what: string, plain: ReadonlySet<string>, classes: ReadonlySet<string>): string[] {
  const missing = [...plain].filter((text) => !classes.has(text));
  const extra = [...classes].filter((text) => !plain.has(text));
  return [
    ...(missing.length > 0 ? [`${what} that classes miss: ${some(missing)}`] : []),
    ...(extra.length > 0 ? [`${what} that classes alone have: ${some(extra)}`] : []),
  ];
}

/** States that no class stands for, and members of classes that no run comes to. */
function standingDifferences({ explorer, states }: Plain, search: ClassSearch): string[] {
  const standing = new Standing(search);
  const texts = new Texts(explorer.world);
  const missing: string[] = [];
  for (const row of rowsOf(explorer)) if (standing.of(carried(row, explorer.world, search.world)) < 0) missing.push(texts.state(row));
  const there = new Texts(search.world);
  const extra: string[] = [];
  for (let state = 0; state < search.space.count; state++) {
    // Where a property breaks in a whole class, a run ends in the first that it comes to.
    if (search.isOver(state) && search.viewOf(state).component !== null) continue;
    for (const id of search.viewOf(state).members) {
      const row = search.rowOf(id, search.rows.programOf(state));
      const text = there.state(row);
      if (!states.has(text)) extra.push(text);
    }
  }
  return [
    ...(missing.length > 0 ? [`states that no class stands for: ${some(missing)}`] : []),
    ...(extra.length > 0 ? [`members of classes that no run comes to: ${some(extra)}`] : []),
  ];
}

function membersOf(search: ClassSearch): number {
  let count = 0;
  for (let state = 0; state < search.space.count; state++) count += search.viewOf(state).members.length;
  return count;
}

/** Properties that came true. */
const reachedIn = (reached: ReadonlyMap<string, unknown>): string =>
  [...reached]
    .flatMap(([id, met]) => (met === null ? [] : [id]))
    .sort()
    .join();

/**
 * Compares both searches; null where there are more states than `maxStates`.
 * @throws ClassError where no class may stand for its configurations
 */
export function compared(scenario: ResolvedScenario, maxStates: number): Compared | null {
  const plain = plainOf(scenario, maxStates);
  if (plain === null) return null;
  const budget = { states: maxStates };
  const { search }: Classified = finish(classified({ scenario, budget, renames: 'cpus' }));
  const isWhole = membersOf(search) <= MEMBERS_MAX && plain.states.size > 0;
  const one = verdictsOf(finish(explore({ scenario, maxStates })));
  const other = verdictsOf(finish(exploreClasses({ scenario, maxStates })));
  const told = (Object.keys(one) as (keyof typeof one)[]).flatMap((what) => {
    const [here, there] = [JSON.stringify(one[what]), JSON.stringify(other[what])];
    return here === there ? [] : [`${what}: ${here} of all states, ${there} of classes`];
  });
  const [reached, there] = [plain.reached, reachedIn(search.verdicts.reached)];
  return {
    states: plain.explorer.space.count,
    classes: search.space.count,
    renamed: search.names !== null,
    violated: one.violations.map(({ property }) => property),
    isWhole,
    differences: [
      ...told,
      ...(reached === there ? [] : [`reached: ${reached} of all states, ${there} of classes`]),
      ...differenceOf('program parts', plain.programs, programsOf(search)),
      ...(isWhole ? standingDifferences(plain, search) : []),
    ],
  };
}
