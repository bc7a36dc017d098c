/**
 * One of several searches that share a space, level by level: each expands the states it owns,
 * writes down what it finds of the others' and takes what they found of its own. Together they meet
 * every state once, each at its depth; only the order differs from run to run.
 */
import { hexOf } from '../../canonical.ts';
import type { PlainWorld } from '../../restore.ts';
import { LOOK } from '../../rows/step-trie.ts';
import type { ResolvedScenario } from '../../scenario/types.ts';
import type { Kind } from '../../store.ts';
import { Explorer } from '../breadth/explorer.ts';
import { type Evidence, weakestEvidence, weakestOf } from '../covered/evidence.ts';
import { Ledger, ledgerOf } from '../covered/ledger.ts';
import type { SearchFacts } from '../request.ts';
import { type Dictionary, type DictionarySizes, dictionaryOf, sizesOf, Translation } from '../space/dictionary.ts';
import { BOX_HEAD, ENTRY_HEAD, Exchange, ownerOf } from '../space/exchange.ts';
import type { Finding } from '../space/verdicts.ts';
import { finish } from '../turns.ts';

export interface PartitionOptions {
  readonly scenario: ResolvedScenario;
  readonly from: PlainWorld | null;
  readonly me: number;
  /** One for each partition, to write into. */
  readonly boxes: readonly Int32Array[];
  /** Time is limited: reactions are executed again after each round. */
  readonly isTimed?: boolean;
}

/**
 * Steps that had to be computed, after which a round ends, so that the user can stop the search.
 */
const ROUND_MISSES = 2048;

/** What comes out of one round. */
export interface Round {
  /**
   * Every owned state of this level is expanded; else the boxes are full, or have to be taken
   * before it goes on.
   */
  readonly done: boolean;
  /** Whether it knows of any state of the next level, its own or another shard's. */
  readonly found: boolean;
  /** Entries that the others lack. */
  readonly dictionary: Dictionary;
  readonly states: number;
  readonly frontier: number;
  readonly transitions: number;
  readonly bytes: number;
  /** Bytes that its tables take more when they grow in the next round. */
  readonly growth: number;
  readonly depth: number;
}

/** What one partition knows when it is over. */
export interface PartitionReport {
  readonly states: number;
  readonly transitions: number;
  readonly unchanged: number;
  readonly depth: number;
  /** Whether it is known of every owned state if it is a deadlock. */
  readonly deadlocks: boolean;
  readonly findings: readonly Omit<Finding, 'state'>[];
  /** `sometimes` properties that came true. */
  readonly reached: readonly string[];
  /** Digests of the reactions it was asked for; each was executed again. */
  readonly reactions: readonly string[];
  /** Digests of the local states that its actors came into, by kind. */
  readonly localStates: Readonly<Record<string, readonly string[]>>;
  /** Keys of what it took. */
  readonly taken: readonly string[];
  readonly evidence: Evidence | null;
  readonly misses: number;
  readonly bytes: number;
}

export class Partition {
  readonly #scenario: ResolvedScenario;
  readonly #explorer: Explorer;
  readonly #exchange: Exchange;
  readonly #isTimed: boolean;
  /** By sender. */
  readonly #translations: readonly Translation[];
  /** What the others know of the dictionary. */
  #told: DictionarySizes | undefined;
  /** Steps to the deepest state of its own. */
  #deepest = 0;

  constructor({ scenario, from, me, boxes, isTimed = false }: PartitionOptions) {
    this.#isTimed = isTimed;
    this.#scenario = scenario;
    this.#exchange = new Exchange(me, boxes);
    this.#explorer = new Explorer({
      scenario,
      budget: { states: Number.POSITIVE_INFINITY },
      exchange: this.#exchange,
      ...(from && { from }),
    });
    this.#translations = boxes.map(() => new Translation(this.#explorer.world));
    if (ownerOf(this.#explorer.firstLane, boxes.length) === me) {
      this.#exchange.levelEnd = 1;
      this.#explorer.begin();
    }
  }

  /** Expands owned states of the present level, into boxes that no shard reads yet. */
  expand(boxes: readonly Int32Array[]): Round {
    const explorer = this.#explorer;
    const exchange = this.#exchange;
    const { world, space } = explorer;
    exchange.turn(boxes);
    // With the first message between two actors rows become wider: those in the boxes are not.
    const { columns } = world;
    exchange.mustHold(explorer.successors, columns);
    const before = explorer.misses;
    const goesOn = () => explorer.counts.head < exchange.levelEnd && explorer.misses - before < ROUND_MISSES;
    while (goesOn() && world.columns === columns && !this.#isFull()) explorer.advance(exchange.levelEnd);
    if (this.#isTimed) world.engine.verifySome(Number.POSITIVE_INFINITY);
    const sent = exchange.seal(columns);
    const dictionary = dictionaryOf(world, this.#told);
    this.#told = sizesOf(world);
    if (space.count > exchange.levelEnd) this.#deepest = exchange.depth + 1;
    const { states, frontier, transitions, bytes } = explorer.progress;
    const done = explorer.counts.head >= exchange.levelEnd;
    return {
      done,
      found: sent > 0 || space.count > exchange.levelEnd,
      dictionary,
      states,
      frontier,
      transitions,
      bytes,
      growth: space.growth(space.count >> 2),
      depth: exchange.depth,
    };
  }

  #isFull(): boolean {
    const { successors, space } = this.#explorer;
    return Math.max(...this.#exchange.used) >= this.#exchange.roomFor(successors, space.columns);
  }

  /**
   * Takes what another one found, with the entries it has learnt since the last time.
   * @throws DictionaryError
   */
  take(sender: number, dictionary: Dictionary, box: Int32Array): void {
    const explorer = this.#explorer;
    const { world } = explorer;
    const translation = this.#translations[sender]!;
    translation.learn(dictionary);
    explorer.widen();
    explorer.fit();
    const [used, columns] = [box[0]!, box[1]!];
    const stride = columns + ENTRY_HEAD;
    explorer.space.reserve((used - BOX_HEAD) / stride + 1);
    const places = translation.columns;
    const values = Array.from({ length: columns }, (_, column) => translation.valuesOf(column));
    const row = new Int32Array(world.columns);
    for (let at = BOX_HEAD; at < used; at += stride) {
      row.fill(0);
      for (let column = 0; column < columns; column++) row[places[column]!] = values[column]![box[at + ENTRY_HEAD + column]!]!;
      const state = explorer.space.add(row, box[at]!);
      if (state >= 0 && (box[at + 1]! & LOOK) !== 0) explorer.look(state);
    }
    if (explorer.space.count > this.#exchange.levelEnd) this.#deepest = this.#exchange.depth + 1;
  }

  /**
   * Goes on with the next level, after all partitions have expanded this one and taken what was
   * found.
   */
  descend(): void {
    this.#exchange.levelEnd = this.#explorer.space.count;
    this.#exchange.depth++;
  }

  /** Executes every reaction again, and says what was found. @throws ModelError */
  report(): PartitionReport {
    const { world, space, counts, verdicts } = this.#explorer;
    const { store } = world;
    const deadlocks = finish(this.#explorer.decideDeadlocks()) === true;
    world.engine.verifySome(Number.POSITIVE_INFINITY);
    const triples = world.engine.taken();
    const reactions = Array.from({ length: triples.length / 3 }, (_, i) => {
      const [kind, local, event] = [triples[3 * i]!, triples[3 * i + 1]!, triples[3 * i + 2]!];
      return `${kind} ${digestOf(store.kinds[kind]!, local)} ${hexOf(store.events.laneA[event]!, store.events.laneB[event]!)}`;
    });
    return {
      states: space.count,
      transitions: counts.transitions,
      unchanged: counts.unchanged,
      depth: this.#deepest,
      deadlocks,
      findings: verdicts.findings.map(({ property, message, steps }) => ({ property, message, steps })),
      reached: [...verdicts.reached.keys()],
      reactions,
      localStates: Object.fromEntries(
        store.kinds.map((kind) => [kind.name, world.engine.reachedLocals(kind.index).map((local) => digestOf(kind, local))]),
      ),
      taken: [...ledgerOf(this.#scenario, world.engine, { start: world.initial }).taken],
      evidence: weakestEvidence(world.engine),
      misses: this.#explorer.misses,
      bytes: space.bytesPerState * space.count,
    };
  }
}

const digestOf = ({ locals }: Kind, local: number): string => hexOf(locals.laneA[local]!, locals.laneB[local]!);

/**
 * What all partitions know together. `limit`: why they stopped before every state was expanded;
 * null if they did not.
 */
export function combined(scenario: ResolvedScenario, reports: readonly PartitionReport[], limit: SearchFacts['limit']): SearchFacts {
  const sum = (of: (report: PartitionReport) => number) => reports.reduce((total, report) => total + of(report), 0);
  const findings = new Map<string, Omit<Finding, 'state'>>();
  for (const finding of reports.flatMap((report) => report.findings)) {
    const known = findings.get(finding.property);
    if (!known || finding.steps < known.steps) findings.set(finding.property, finding);
  }
  const states = sum((report) => report.states);
  return {
    exhausted: limit === null,
    limit,
    deadlocks: reports.every((report) => report.deadlocks),
    states,
    transitions: sum((report) => report.transitions),
    unchanged: sum((report) => report.unchanged),
    depth: Math.max(...reports.map(({ depth }) => depth)),
    findings: [...findings.values()].sort((a, b) => a.steps - b.steps || (a.property < b.property ? -1 : 1)),
    reached: new Set(reports.flatMap(({ reached }) => reached)),
    reactions: new Set(reports.flatMap(({ reactions }) => reactions)).size,
    bytesPerState: sum((report) => report.bytes) / states,
    stepMisses: sum((report) => report.misses),
    localStates: Object.fromEntries(
      Object.keys(reports[0]!.localStates).map((kind) => [kind, new Set(reports.flatMap(({ localStates }) => localStates[kind]!)).size]),
    ),
    ledger: new Ledger(scenario).add(reports.flatMap(({ taken }) => taken)),
    evidence: weakestOf(reports.map(({ evidence }) => evidence)),
  };
}
