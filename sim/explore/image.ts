/** A search between two turns as plain data: what it takes to go on elsewhere exactly as it would have gone on here. */
import type { Dictionary } from './dictionary.ts';
import type { Row } from './state-space.ts';
import type { Finding, FirstMet } from './verdicts.ts';
import type { WorldStep } from './world-step.ts';

/** When each `sometimes` property first came true. */
type Reached = readonly (readonly [id: string, first: FirstMet])[];

/** The numbers of a search: where it stands, and what it counted. */
export interface SearchCounts {
  /** States expanded so far: all below this one. */
  readonly head: number;
  /** Of the state at `head`: the column and alternative that come next, and how many alternatives there were so far. */
  readonly column: number;
  readonly alternative: number;
  readonly out: number;
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
  /** States where a run ends. */
  readonly ends: Int32Array;
  /** Those of them where it ends by itself. */
  readonly ended: Int32Array;
}

/** The parts of an image do not fit together, or not this scenario. */
export class SearchImageError extends Error {
  override readonly name = 'SearchImageError';
}

/** @throws SearchImageError unless every number is one that the tables of this search have */
export function checkImage(image: SearchImage, world: WorldStep): void {
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
  for (const list of [ends, ended, places])
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
