/**
 * A search that stops between two turns and goes on from its image: the same report as one that was
 * never stopped.
 */
import { describe, expect, it } from 'vitest';
import { Explorer } from '../../../../sim/explore/breadth/explorer.ts';
import type { ExploreReport } from '../../../../sim/explore/breadth/options.ts';
import { DictionaryError } from '../../../../sim/explore/space/dictionary.ts';
import { type SearchImage, SearchImageError } from '../../../../sim/explore/space/image.ts';
import { finish } from '../../../../sim/explore/turns.ts';
import type { ResolvedScenario } from '../../../../sim/scenario/types.ts';
import { shipped } from '../../play.ts';
import { firmware } from '../firmware.ts';

const BUDGET = { states: 5_000_000 };

/** The report without what depends on how often the memory of steps was filled again. */
const told = ({ trie: _, bytesPerState: __, deliveries: ___, ...report }: ExploreReport) => report;

function whole(scenario: ResolvedScenario) {
  const explorer = new Explorer({ scenario, budget: BUDGET });
  const report = finish(explorer.run());
  return { report: told(report), ways: report.findings.map(({ state }) => explorer.labelsTo(state)), ended: [...explorer.ended] };
}

/** A copy, so that the search that goes on shares nothing with the one it comes from. */
const copy = (image: SearchImage): SearchImage => structuredClone(image);

/** Stops after each turn, and goes on with a new search from a copy. */
function inPieces(scenario: ResolvedScenario, states: number) {
  let image: SearchImage | null = null;
  let resumes = -1;
  for (let limit = states; ; limit += states) {
    const explorer: Explorer = new Explorer({ scenario, budget: { states: limit }, ...(image && { image }) });
    resumes++;
    const search = explorer.run();
    for (let turn = search.next(); ; turn = search.next()) {
      if (!turn.done) continue;
      if (turn.value.exhausted) {
        const ways = turn.value.findings.map(({ state }) => explorer.labelsTo(state));
        return { report: told(turn.value), ways, ended: [...explorer.ended], resumes };
      }
      image = copy(explorer.image());
      break;
    }
  }
}

const SUBJECTS: readonly (readonly [string, ResolvedScenario, number])[] = [
  ['rmpadjust-vs-rmpupdate, which breaks a property', shipped('rmpadjust-vs-rmpupdate', 'inuse'), 4000],
  ['vmsa-in-use-kick, with interrupts in flight', shipped('vmsa-in-use-kick', 'no-kick'), 2500],
  ['the firmware, with commands and completions in flight', firmware, 200],
  ['rmp-lock, a model of its own', shipped('rmp-lock'), 60_000],
];

describe('a search that is resumed', () => {
  it.each(SUBJECTS)('ends as if it had never stopped: %s', (_, scenario, each) => {
    const { resumes, ...pieces } = inPieces(scenario, each);
    expect(resumes).toBeGreaterThan(0);
    expect(pieces).toEqual(whole(scenario));
  });

  it('executes again what the search before it remembered, so that nothing is believed', () => {
    const scenario = shipped('rmpadjust-vs-rmpupdate', 'inuse');
    const before = new Explorer({ scenario, budget: { states: 2000 } });
    const { reactions } = finish(before.run());
    const after = new Explorer({ scenario, budget: { states: 2000 }, image: copy(before.image()) });
    expect(finish(after.run()).reactions).toBe(reactions);
  });
});

describe('an image that does not fit', () => {
  const scenario = shipped('rmpadjust-vs-rmpupdate', 'inuse');
  const before = new Explorer({ scenario, budget: { states: 2000 } });
  finish(before.run());
  const image = copy(before.image());
  const open = (change: Partial<SearchImage>) => () => new Explorer({ scenario, budget: BUDGET, image: { ...image, ...change } });
  const counts = (change: Partial<SearchImage['counts']>) => open({ counts: { ...image.counts, ...change } });
  const bent = (column: 'rows' | 'parent' | 'via', at: number, value: number) => {
    const numbers = image[column].slice();
    numbers[at] = value;
    return open({ [column]: numbers });
  };

  it.each<readonly [string, () => unknown]>([
    ['a value that no actor has', bent('rows', 4, 255)],
    ['a state found from a later one', bent('parent', 3, 7)],
    ['a state found from nowhere', bent('parent', 3, -1)],
    ['a column that is not there', bent('via', 3, 500 << 12)],
    ['an alternative that is not there', bent('via', 3, image.via[3]! | 0xfff)],
    ['more states than rows', counts({ states: image.counts.states + 1 })],
    ['more expanded than found', counts({ head: image.counts.states + 1 })],
    ['other columns', counts({ columns: image.counts.columns + 1 })],
    ['an end behind the last state', open({ ends: Int32Array.of(image.counts.states) })],
    ['a finding in no state', open({ findings: [{ property: 'rmp.vm-bugged', message: '', state: 9_999_999, steps: 3 }] })],
    ['a reaction of no kind', open({ reactions: Int32Array.of(99, 0, 0) })],
    ['half a reaction', open({ reactions: Int32Array.of(0, 0) })],
    ['states in another order', open({ dictionary: { ...image.dictionary, events: [...image.dictionary.events].reverse() } })],
  ])('is refused: %s', (_, construct) => {
    expect(construct).toThrow(SearchImageError);
  });

  it.each([
    ['a state that the machine has not', { locals: [['{"context":{},"value":"nowhere"}']] }],
    ['no JSON', { events: ['{'] }],
    ['an event of no type', { events: ['{"a":1}'] }],
    ['an event that is in no catalogue', { events: ['{"type":"never.heard"}'] }],
    ['a text that is not canonical', { events: ['{ "type":"exec"}'] }],
    ['a queue of events that are not there', { lists: [[12_345]] }],
    ['a queue between actors that are not there', { channels: [[0, 99]] }],
  ] as const)('is refused by its dictionary: %s', (_, change) => {
    const { locals, ...rest } = image.dictionary;
    const dictionary = {
      ...rest,
      ...change,
      locals: 'locals' in change ? [...change.locals, ...locals.slice(1)] : locals,
    } as SearchImage['dictionary'];
    expect(open({ dictionary })).toThrow(DictionaryError);
  });
});
