/**
 * A search between two turns as plain data: what it takes to go on elsewhere exactly as it would
 * have gone on here.
 */

import type { WorldStep } from '../../rows/world-step.ts';
import { type Dictionary, dictionaryOf, Translation } from './dictionary.ts';
import type { Cursor } from './kernel.ts';
import { NO_STEP_PROGRESSES, type Row, RUN_ENDS, type StateSpace } from './state-space.ts';
import type { Finding, FirstMet, Verdicts } from './verdicts.ts';

/** When each `sometimes` property first came true. */
type Reached = readonly (readonly [id: string, first: FirstMet])[];

/** The numbers of a search: where it stands, and what it counted. */
export interface SearchCounts {
  /** States expanded so far: all below this one. */
  readonly head: number;
  /**
   * Of the state at `head`: the column and alternative that come next, and how many alternatives
   * there were so far.
   */
  readonly column: number;
  readonly alternative: number;
  readonly out: number;
  /** Of them, those that are progress. The file of a search calls them so. */
  readonly moving: number;
  readonly states: number;
  readonly columns: number;
  readonly transitions: number;
  readonly unchanged: number;
  readonly deliveries: number;
}

export interface SearchImage {
  readonly counts: SearchCounts;
  readonly dictionary: Dictionary;
  /** `kind, local, event` of all reactions that XState was asked for. */
  readonly reactions: Int32Array;
  readonly findings: readonly Finding[];
  readonly reached: Reached;
  /** `columns` numbers for each state. */
  readonly rows: Row;
  /** State that each was found from; -1 for the first. */
  readonly parent: Int32Array;
  /** Alternative by which: `column << 12 | alternative`. */
  readonly via: Int32Array;
  /** States where a run ends; `-1 - state` where no step out is progress. */
  readonly ends: Int32Array;
  /** Those of them where it ends by itself. */
  readonly ended: Int32Array;
}

/** The parts of an image do not fit together, or not this scenario. */
export class SearchImageError extends Error {
  override readonly name = 'SearchImageError';
}

/** @throws SearchImageError unless every number is one that the tables of this search have */
function checkImage(image: SearchImage, world: WorldStep): void {
  const { counts, rows, parent, via, ends, ended, reactions, findings, reached } = image;
  const { states, head, column: next, columns } = counts;
  if (columns !== world.columns || next >= columns)
    throw new SearchImageError(`rows of ${columns} columns, where ${world.columns} are needed`);
  if (states < 1 || head > states || rows.length !== states * columns || parent.length !== states || via.length !== states)
    throw new SearchImageError(`the tables do not hold ${states} states of which ${head} are expanded`);
  const sizes = Array.from({ length: columns }, (_, column) => world.sizeOf(column));
  const choices = Array.from({ length: columns }, (): number[] => []);
  for (let state = 0, at = 0; state < states; state++) {
    for (let column = 0; column < columns; column++, at++)
      if (rows[at]! < 0 || rows[at]! >= sizes[column]!) throw new SearchImageError(`state ${state} has no value in column ${column}`);
    if (state > 0) checkLink(image, world, state, choices);
  }
  if (parent[0] !== -1) throw new SearchImageError('the first state was found from another one');
  const places = [...findings, ...reached.map(([, first]) => first)].map(({ state }) => state);
  for (const list of [Array.from(ends, (end) => (end < 0 ? -1 - end : end)), ended, places])
    for (const state of list) if (!(state >= 0 && state < states)) throw new SearchImageError(`there is no state ${state}`);
  checkReactions(reactions, world);
}

/** A state was found from an earlier one, by one of its alternatives. */
function checkLink({ counts: { columns }, rows, parent, via }: SearchImage, world: WorldStep, state: number, choices: number[][]): void {
  const from = parent[state]!;
  const column = via[state]! >> 12;
  if (from < 0 || from >= state || column < 0 || column >= columns) throw new SearchImageError(`nothing leads to state ${state}`);
  const value = rows[from * columns + column]!;
  choices[column]![value] ??= world.alternatives(column, value).length;
  if ((via[state]! & 0xfff) >= choices[column]![value]!)
    throw new SearchImageError(`state ${from} has no alternative that leads to ${state}`);
}

function checkReactions(reactions: Int32Array, { store }: WorldStep): void {
  if (reactions.length % 3 !== 0) throw new SearchImageError('a reaction has three numbers');
  for (let at = 0; at < reactions.length; at += 3) {
    const kind = store.kinds[reactions[at]!];
    const [local, event] = [reactions[at + 1]!, reactions[at + 2]!];
    if (!kind || local < 0 || local >= kind.locals.size || event < 0 || event >= store.events.size)
      throw new SearchImageError(`reaction ${at / 3} is of a state or an event that is not there`);
  }
}

/** What a search consists of, as far as it is kept. */
interface SearchParts {
  readonly world: WorldStep;
  readonly space: StateSpace;
  readonly cursor: Cursor;
  readonly verdicts: Verdicts;
}

export function imageOf({ world, space, cursor, verdicts }: SearchParts): SearchImage {
  const { head, column, alternative, out, progressing, transitions, unchanged, deliveries } = cursor;
  const ends: number[] = [];
  for (let state = 0; state < space.count; state++)
    if (space.ends[state] !== 0) ends.push(space.ends[state] === NO_STEP_PROGRESSES ? -1 - state : state);
  return {
    counts: {
      head,
      column,
      alternative,
      out,
      moving: progressing,
      states: space.count,
      columns: space.columns,
      transitions,
      unchanged,
      deliveries,
    },
    dictionary: dictionaryOf(world),
    reactions: Int32Array.from(world.engine.taken()),
    findings: verdicts.findings,
    reached: [...verdicts.reached].flatMap(([id, first]) => (first ? [[id, first] as const] : [])),
    rows: space.rows.subarray(0, space.count * space.columns),
    parent: space.parent.subarray(0, space.count),
    via: space.via.subarray(0, space.count),
    ends: Int32Array.from(ends),
    ended: Int32Array.from(verdicts.ended),
  };
}

/**
 * Makes the numbers of an image those of a world that nothing has happened in.
 * @throws SearchImageError, DictionaryError
 */
export function translateImage(image: SearchImage, world: WorldStep): void {
  const translation = new Translation(world);
  translation.learn(image.dictionary);
  if (!translation.isIdentity) throw new SearchImageError('its states and events are not in the order in which a search meets them');
  checkImage(image, world);
  try {
    world.engine.recall(image.reactions);
  } catch (error) {
    throw new SearchImageError(`a reaction that the model does not have: ${(error as Error).message}`);
  }
}

/** Restores everything that was kept. @throws SearchImageError if a state stands there twice */
export function restoreImage(
  { space, cursor, verdicts }: SearchParts,
  image: SearchImage,
  laneOf: (column: number, value: number) => number,
): void {
  const again = space.fill(image.rows, image.parent, image.via, laneOf);
  if (again >= 0) throw new SearchImageError(`state ${again} is one that was found before`);
  for (const end of image.ends) space.ends[end < 0 ? -1 - end : end] = end < 0 ? NO_STEP_PROGRESSES : RUN_ENDS;
  const { states: _, columns: __, moving, ...counts } = image.counts;
  Object.assign(cursor, counts, { progressing: moving });
  verdicts.findings.push(...image.findings);
  for (const state of image.ended) verdicts.ended.push(state);
  for (const [id, first] of image.reached) verdicts.reached.set(id, first);
}
