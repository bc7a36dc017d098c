/**
 * Stateful breadth-first search over all interleavings: exact rows, a parent link for each state,
 * so that the first state in which a property breaks is one of the shortest ways there. A run ends
 * where a property breaks; other states are expanded to the end.
 */
import { MemoEngine } from '../../engine/memo.ts';
import { ModelError } from '../../engine/port.ts';
import { topologyOf } from '../../host/topology.ts';
import { DeadEnds } from '../../rows/dead-ends.ts';
import { StepTrie } from '../../rows/step-trie.ts';
import { WorldStep } from '../../rows/world-step.ts';
import type { Seen } from '../covered/ledger.ts';
import type { OpenSearch, Progress, Search } from '../request.ts';
import { ALONE } from '../space/exchange.ts';
import { imageOf, restoreImage, type SearchImage, translateImage } from '../space/image.ts';
import { Cursor, DONE, expandStates, NEED_PUSH, NEED_ROOT, NEED_RUN, NEED_STEP } from '../space/kernel.ts';
import { runLocal } from '../space/local.ts';
import { ALTERNATIVES_MAX, NO_STEP_PROGRESSES, RUN_ENDS, SizeError, StateSpace } from '../space/state-space.ts';
import { Successors } from '../space/successors.ts';
import { labelsTo } from '../space/trail.ts';
import { Verdicts } from '../space/verdicts.ts';
import { reexecuted } from '../turns.ts';
import { DeadStates, withoutWayOut } from './dead-states.ts';
import type { ExploreOptions, ExploreReport } from './options.ts';

/** States expanded between two looks at budgets, and steps that had to be computed. */
const CHUNK = 1 << 15;
const CHUNK_MISSES = 128;
const NONE: ReadonlySet<number> = new Set();

export class Explorer implements OpenSearch {
  readonly world: WorldStep;
  space: StateSpace;
  readonly #options: ExploreOptions;
  readonly #trie: StepTrie;
  #verdicts: Verdicts;
  /** `sometimes` properties that had come true when the memory of steps was last dropped. */
  #met = 0;
  #passed = 0;
  /** The budget that was used up in a trial; undefined where there was none. */
  #trial: ExploreReport['limit'] | undefined;
  /** `world.met` at the time when the tables were last made to fit. */
  #fitted = -1;
  #cursor: Cursor;
  #deadEnds: DeadEnds | null = null;
  /** In a second search: which states are dead. States below `#stoppedAt` were asked about. */
  #isDead: ((state: number) => boolean) | null = null;
  #stoppedAt = 0;
  /** Fingerprints: states below this one are decided, as rows are not kept for later. */
  #decided = 0;

  constructor(options: ExploreOptions) {
    const { scenario } = options;
    this.#options = options;
    this.world = new WorldStep(new MemoEngine(topologyOf(scenario)), options.from);
    if (options.image) translateImage(options.image, this.world);
    this.#verdicts = this.#newVerdicts();
    this.#trie = new StepTrie(this.world, (column, value, before) => this.#verdicts.wants(column, value, before));
    this.space = new StateSpace(this.world.columns, { exact: options.compact !== true });
    this.#cursor = new Cursor(this.world.columns);
    this.#cursor.local = options.local ? 1 : 0;
  }

  #newVerdicts(): Verdicts {
    const { scenario, properties } = this.#options;
    return new Verdicts(this.world, scenario, properties !== false, (state) => this.depthOf(state));
  }

  /** Whether all states are kept here, with all that happens between them. */
  get #isWhole(): boolean {
    const { local, exchange, division } = this.#options;
    return this.space.exact && local !== true && exchange === undefined && division === undefined;
  }

  /** States in which nothing is left to do. */
  get ended(): readonly number[] {
    return this.#verdicts.ended;
  }

  /**
   * Searches until every state is expanded or a budget is used up. Hands control back to the caller
   * now and then, which ends the search early by answering true.
   */
  *run(): Search<ExploreReport> {
    try {
      return yield* this.#searched();
    } catch (error) {
      // A run can show it.
      if (error instanceof ModelError) error.way ??= this.#wayToMistake();
      throw error;
    }
  }

  /** The search alone, of which `run` makes a report. @returns the budget that was used up */
  *trial(): Search<ExploreReport['limit']> {
    try {
      this.#trial = yield* this.#whole();
      return this.#trial;
    } catch (error) {
      if (error instanceof ModelError) error.way ??= this.#wayToMistake();
      throw error;
    }
  }

  *#whole(): Search<ExploreReport['limit']> {
    if (this.#options.image) this.#resume(this.#options.image);
    else this.begin();
    if (this.#isWhole) this.space.noteOnward(this.#cursor.head);
    return yield* this.#search();
  }

  *#searched(): Search<ExploreReport> {
    const searched = this.#trial === undefined ? yield* this.#whole() : this.#trial;
    this.#options.onTurn?.(this, true);
    const decided = yield* this.decideDeadlocks();
    const { engine } = this.world;
    const unverified = yield* reexecuted(engine);
    // What was not looked at, or not executed again, is not shown.
    const limit = unverified > 0 || decided === null ? (searched ?? 'stopped') : searched;
    const { transitions, unchanged, deliveries } = this.#cursor;
    const { misses, drops, integers } = this.#trie;
    return {
      exhausted: limit === null,
      limit,
      deadlocks: decided === true,
      states: this.space.count,
      transitions,
      unchanged,
      passed: this.#passed,
      depth: this.depthOf(this.space.count - 1),
      findings: this.#verdicts.findings,
      reached: this.#verdicts.allReached(),
      reactions: engine.reactions,
      unverified,
      deliveries,
      trie: { misses, drops, integers },
      bytesPerState: this.space.bytesPerState,
    };
  }

  /** The digest of the first state, as far as the table goes by it. */
  get firstLane(): number {
    return this.#laneOf(this.world.initial);
  }

  #laneOf(row: readonly number[]): number {
    return row.reduce((lane, value, column) => (lane + this.world.laneA(column, value)) | 0, 0);
  }

  get counts(): { readonly head: number; readonly transitions: number; readonly unchanged: number } {
    return this.#cursor;
  }

  get verdicts(): Verdicts {
    return this.#verdicts;
  }

  /** Most successors of a state, as far as is known. */
  get successors(): number {
    return this.#trie.successors;
  }

  /** Whole steps that had to be computed. */
  get misses(): number {
    return this.#trie.misses;
  }

  /** Steps from the first state. */
  depthOf(state: number): number {
    return this.#options.exchange?.depthOf(state) ?? this.space.depthOf(state);
  }

  /** The labels of the choices that lead to a state. */
  labelsTo(state: number): string[] {
    return labelsTo(this.world, this.space, state, this.#options.local === true);
  }

  /** The choices that lead to the step which is being looked at, and that step itself. */
  #wayToMistake(): string[] {
    const { head, column, alternative } = this.#cursor;
    const row = this.#rowOf(head);
    const event = this.#alternativesIn(row, column)[alternative];
    return [...this.labelsTo(head), ...(event === undefined ? [] : [this.world.label(column, row[column]!, event)])];
  }

  /** What an actor can do; nothing where its offers are the mistake. */
  #alternativesIn(row: readonly number[], column: number): readonly number[] {
    try {
      return this.world.alternatives(column, row[column]!);
    } catch (error) {
      if (error instanceof ModelError) return [];
      throw error;
    }
  }

  /** The actors' local states in a state, by slot. */
  localsOf(state: number): number[] {
    const locals = new Array<number>(this.world.actors);
    for (let slot = 0, at = this.space.at(state); slot < locals.length; slot++, at++) locals[slot] = this.space.rows[at]!;
    return locals;
  }

  /** Which actors met what a file holds: the file does not say so, but exact states do. */
  get seen(): Seen {
    return this.space.exact ? { also: (slot) => this.#expandedIn(slot) } : { alike: true };
  }

  /** Local states of an actor in the states that were expanded. */
  #expandedIn(slot: number): Set<number> {
    const { space } = this;
    const found = new Set<number>();
    for (let state = 0; state < this.#cursor.head; state++)
      if (space.ends[state] !== RUN_ENDS) found.add(space.rows[space.at(state) + slot]!);
    return found;
  }

  /** Adds the first state. */
  begin(): void {
    const row = [...this.world.initial];
    const { world } = this;
    this.space.first(
      row,
      this.firstLane,
      row.reduce((lane, value, column) => (lane + world.laneB(column, value)) | 0, 0),
    );
    this.look(0);
  }

  /**
   * Finds the deadlocks among the states that were expanded.
   * @returns whether all of them were decided; null where it was stopped
   */
  *decideDeadlocks(): Search<boolean | null> {
    // Where a space is kept in parts, or not all of it, what follows from a state is tried out.
    const isStopped = yield* this.#isWhole ? this.#decideAll() : this.#decideEach();
    this.widen();
    return isStopped ? null : (this.#deadEnds?.undecided ?? 0) === 0;
  }

  *#decideEach(): Search<boolean> {
    const ended = new Set(this.ended);
    let looked = 0;
    for (const state of this.space.exact ? withoutWayOut(this.space, this.#cursor.head) : []) {
      if (this.#ends.isDead(this.#rowOf(state))) this.#endIn(state, ended);
      if (++looked % CHUNK_MISSES === 0 && (yield { ...this.progress, closing: true })) return true;
    }
    return false;
  }

  *#decideAll(): Search<boolean> {
    const { space } = this;
    if (!space.ends.includes(NO_STEP_PROGRESSES)) return false;
    const isOver = (row: Int32Array): boolean => this.#ends.isOver(row);
    const isDeadBeyond = (state: number): boolean => this.#ends.isDead(this.#rowOf(state));
    const successors = new Successors(this.world, space, this.#cursor.head, false, this.#trie);
    const dead = yield* new DeadStates(successors, this.#cursor.head, { isOver, isDeadBeyond }).run();
    if (dead === null) return true;
    const isDead = new Set(dead);
    // A run ends in the first dead state it comes to. What the search has found beyond is nothing
    // that a run can do.
    const isWhole = this.#cursor.head >= space.count;
    if (isWhole && space.parent.subarray(0, space.count).some((parent) => isDead.has(parent))) return yield* this.#searchAgain(isDead);
    const ended = new Set(this.ended);
    for (const state of dead) this.#endIn(state, ended);
    return dead.length > 0 && (yield* this.#takeAgain());
  }

  /**
   * Takes the steps out of all states in which no run ends: a step out of a deadlock is none that a
   * run takes.
   * @returns whether it was stopped
   */
  *#takeAgain(): Search<boolean> {
    const { world, space } = this;
    world.engine.untake(world.initial);
    const { head } = this.#cursor;
    const successors = new Successors(world, space, head);
    for (let state = 0; state < head; state++) {
      successors.expand(state, true);
      if (state % CHUNK === CHUNK - 1 && (yield { ...this.progress, frontier: head - state, closing: true })) return true;
    }
    return false;
  }

  /**
   * Searches once more and ends in each state that is known to be dead.
   * @returns whether it was stopped
   */
  *#searchAgain(dead: ReadonlySet<number>): Search<boolean> {
    const { space: before } = this;
    this.space = new StateSpace(this.world.columns);
    this.#cursor = new Cursor(this.world.columns);
    this.#verdicts = this.#newVerdicts();
    this.#trie.clear('the search begins again');
    this.#fitted = -1;
    this.#met = 0;
    this.#passed = 0;
    before.fitColumns(this.world.columns);
    this.#isDead = (state) => {
      const row = this.#rowOf(state);
      const known = before.find(row, this.#laneOf(row));
      return known >= 0 && dead.has(known);
    };
    this.#stoppedAt = 0;
    this.world.engine.untake(this.world.initial);
    this.begin();
    return (yield* this.#search()) !== null;
  }

  /** Ends in those of the states found last that are known to be dead. */
  #stopInDead(): void {
    if (this.#isDead === null) return;
    for (; this.#stoppedAt < this.space.count; this.#stoppedAt++)
      if (this.space.ends[this.#stoppedAt] !== RUN_ENDS && this.#isDead(this.#stoppedAt)) this.#endIn(this.#stoppedAt, NONE);
  }

  get #ends(): DeadEnds {
    this.#deadEnds ??= new DeadEnds(this.world);
    return this.#deadEnds;
  }

  #rowOf(state: number): number[] {
    const at = this.space.at(state);
    return Array.from(this.space.rows.subarray(at, at + this.space.columns));
  }

  #endIn(state: number, ended: ReadonlySet<number>): void {
    this.space.ends[state] = RUN_ENDS;
    this.#verdicts.checkEnd(state, this.localsOf(state));
    if (!ended.has(state)) this.#verdicts.ends(state);
  }

  /**
   * Where the search stands; to be taken between two turns. It refers to tables of the search,
   * which change with the next turn.
   */
  image(): SearchImage {
    return imageOf({ world: this.world, space: this.space, cursor: this.#cursor, verdicts: this.#verdicts });
  }

  #resume(image: SearchImage): void {
    const { base, laneA } = this.#trie;
    const parts = { world: this.world, space: this.space, cursor: this.#cursor, verdicts: this.#verdicts };
    restoreImage(parts, image, (column, value) => laneA[base[column]! + value]!);
  }

  *#search(): Search<ExploreReport['limit']> {
    const { space } = this;
    const { budget, until, division } = this.#options;
    let seen = this.misses;
    for (;;) {
      if (this.#cursor.head >= space.count) return null;
      if (space.count >= budget.states) return 'states';
      if (!this.#hasRoom()) return 'bytes';
      const end = division?.end(space, this.#cursor) ?? space.count;
      const isTurn = this.advance(Math.min(end, this.#cursor.head + CHUNK));
      if (isTurn && this.#isDead === null) this.#options.onTurn?.(this, false);
      if (isTurn || this.misses - seen >= CHUNK_MISSES) {
        seen = this.misses;
        if (budget.isTimed) this.world.engine.verifySome(Number.POSITIVE_INFINITY);
        const stop = yield this.progress;
        if (stop) return stop === 'bytes' ? stop : 'stopped';
      }
      if (until !== undefined && this.#verdicts.has(until)) return 'stopped';
    }
  }

  /**
   * Whether memory suffices for the next steps. The memory of steps is dropped first: it fills
   * again.
   */
  #hasRoom(): boolean {
    const { fits } = this.#options.budget;
    if (!fits) return true;
    if (!fits(this.#trie.growth)) this.#trie.clear('its bound');
    return fits(this.space.growth(this.successors + 1, Math.min(CHUNK, this.space.count - this.#cursor.head)));
  }

  get progress(): Progress {
    const { head, transitions } = this.#cursor;
    const { count, bytes } = this.space;
    return { states: count, frontier: count - head, transitions, bytes, depth: count > 0 ? this.depthOf(Math.min(head, count - 1)) : 0 };
  }

  /**
   * Expands states below `end` until something is missing, which it then provides, or full.
   * @returns whether nothing was missing
   */
  advance(end: number): boolean {
    const { space } = this;
    this.#stopInDead();
    this.fit();
    const cursor = this.#cursor;
    const trie = this.#trie;
    space.release(cursor.head);
    space.reserve(trie.successors + 1);
    cursor.fitPending(trie.successors);
    space.reserveOnward(end - cursor.head);
    cursor.end = end;
    const why = expandStates(cursor, space, trie, this.#options.exchange ?? ALONE);
    if (why === NEED_RUN) this.#runOn();
    else if (why !== DONE) {
      space.read(cursor.head, cursor.row);
      if (why === NEED_ROOT) this.#expandRoot(cursor.column, cursor.row[cursor.column]!);
      else if (why === NEED_STEP) trie.learn(cursor.row, cursor.column, cursor.alternative);
      else if (why === NEED_PUSH) trie.learnPush(cursor.list, cursor.message);
    }
    this.#settle();
    this.widen();
    return why === DONE;
  }

  #expandRoot(column: number, value: number): void {
    this.#trie.expand(column, value);
    const { length } = this.world.alternatives(column, value);
    if (length <= ALTERNATIVES_MAX) return;
    const { ids } = this.world.store;
    throw new SizeError(
      `a state in which ${ids[column] ?? 'a queue'} alone has ${length} alternatives is too wide for a search of all states, which tells ${ALTERNATIVES_MAX} apart; expected fewer CPUs or threads, or a sample of schedules (explore --strategy)`,
    );
  }

  /** Runs local steps on from the state in the cursor's row, and keeps the one they come to. */
  #runOn(): void {
    const { world, space } = this;
    const cursor = this.#cursor;
    const { column, alternative, head } = cursor;
    const { row, deliveries, passed, isSeen } = runLocal(world, Array.from(cursor.row), (before, after) =>
      after.some((value, slot) => value !== before[slot] && this.#verdicts.wants(slot, value, before[slot]!)),
    );
    cursor.deliveries += deliveries;
    cursor.alternative++;
    this.#passed += passed;
    // What was met on the way may be larger than the tables have room for.
    this.widen();
    this.fit();
    space.reserve(1);
    const state = space.add(row, this.#laneOf(row));
    if (state < 0) return;
    space.parent[state] = head;
    space.via[state] = (column << 12) | alternative;
    if (isSeen) this.look(state);
  }

  /** Makes tables fit the values that are known by now. */
  fit(): void {
    // A property that has come true once is no longer looked for, so steps remembered while it was
    // looked for are dropped.
    const met = this.#verdicts.reached.size;
    const why = this.#trie.mustClear ?? (met !== this.#met ? 'a property came true' : null);
    if (why !== null) this.#trie.clear(why);
    this.#met = met;
    this.#trie.fillLanes();
    if (this.world.met === this.#fitted) return;
    this.#fitted = this.world.met;
    let largest = 0;
    for (let column = 0; column < this.world.columns; column++) largest = Math.max(largest, this.world.sizeOf(column));
    this.space.fitValue(largest - 1);
  }

  /** Widens rows where a pair of actors has its first message in flight. */
  widen(): void {
    const { columns } = this.world;
    if (columns === this.space.columns) return;
    this.space.fitColumns(columns);
    this.#cursor = Object.assign(new Cursor(columns), { ...this.#cursor, row: new Int32Array(columns), pending: this.#cursor.pending });
  }

  /** Lets properties look at the states that call for it, and at those with nothing left to do. */
  #settle(): void {
    const { pending, pendingCount } = this.#cursor;
    for (let i = 0; i < pendingCount; i++) {
      const entry = pending[i]!;
      if (entry >= 0) this.look(entry);
      else this.#verdicts.ends(-1 - entry);
    }
    this.#cursor.pendingCount = 0;
    if (this.space.exact) return;
    const ended = new Set(pendingCount > 0 ? this.ended.slice(-pendingCount) : NONE);
    for (; this.#decided < this.#cursor.head; this.#decided++)
      if (this.space.ends[this.#decided] === NO_STEP_PROGRESSES && this.#ends.isDead(this.#rowOf(this.#decided)))
        this.#endIn(this.#decided, ended);
  }

  /** Lets properties look at a state. */
  look(state: number): void {
    if (this.#verdicts.look(state, this.localsOf(state))) this.space.ends[state] = RUN_ENDS;
  }
}
