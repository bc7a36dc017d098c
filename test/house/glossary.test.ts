/** The glossary: each term once, and the words that the code has for a user among them. */
import { describe, expect, it } from 'vitest';
import { RUN_ENDS, STUCK_KINDS } from '../../events/journal.ts';
import { NO_DEVIATIONS } from '../../sim/explore/in-order/deviations.ts';
import { STRATEGIES } from '../../sim/explore/sampling/strategies.ts';
import { allowedOffers } from '../../sim/host/registry.ts';
import { textOf } from './source.ts';

const PAGE = 'docs/glossary.md';
/** A glossary in which fewer terms are seen was not read. */
const TERMS_MIN = 100;

/** What a term is sorted and looked up by: hyphens, code marks and capitals make no difference. */
const keyOf = (term: string): string =>
  term
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, ' ')
    .trim();

interface Section {
  readonly title: string;
  /** The first column, row by row. */
  readonly heads: readonly string[];
}

const sectionsOf = (text: string): readonly Section[] =>
  text
    .split(/^## /m)
    .slice(1)
    .map((section) => ({
      title: section.slice(0, section.indexOf('\n')),
      heads: [...section.matchAll(/^\| (.*?) \|/gm)].map(([, head]) => head!).filter((head) => !/^(?:Term|Word|-+)$/.test(head)),
    }));

/** The terms of a row: `hang, livelock` are two. */
const termsOf = (head: string): readonly string[] => head.split(', ').map(keyOf);

/** Terms of a section that stand twice, or before one that comes earlier in the alphabet. */
function misplaced({ title, heads }: Section): readonly string[] {
  const terms = heads.flatMap(termsOf);
  return [
    ...terms.filter((term, at) => terms.indexOf(term) !== at).map((term) => `${title}: ${term} stands twice`),
    ...heads.flatMap((head, at) =>
      at > 0 && keyOf(heads[at - 1]!) > keyOf(head) ? [`${title}: ${head} stands after ${heads[at - 1]}`] : [],
    ),
  ];
}

/** The members of a union of literals, read from its file: a type cannot be imported. */
function unionOf(file: string, name: string): readonly string[] {
  const union = new RegExp(`\\btype ${name} = ([^;]*);`).exec(textOf(file))?.[1] ?? '';
  return [...union.matchAll(/'([^']+)'/g)].map(([, member]) => member!);
}

/** The choosers that `ChooserSpec` tells apart. */
const choosers = (): readonly string[] => {
  const spec = /type ChooserSpec =([\s\S]*?)\n\n/.exec(textOf('sim/session.ts'))?.[1] ?? '';
  return [...spec.matchAll(/name: '(\w+)'/g)].map(([, name]) => name!);
};

const SPOKEN: readonly (readonly [what: string, words: readonly string[]])[] = [
  ['kinds of properties', unionOf('sim/property.ts', 'PropertyForm')],
  ['kinds of delivery', unionOf('events/event.ts', 'Delivery')],
  ['ends of a run', RUN_ENDS],
  ['ways to get stuck', STUCK_KINDS],
  ['grades of evidence', unionOf('actors/path/path.ts', 'Grade')],
  ['engines', unionOf('sim/session.ts', 'EngineName')],
  ['choosers', choosers()],
  ['strategies', [...STRATEGIES, 'portfolio']],
  ['deviations', Object.keys(NO_DEVIATIONS).map((many) => many.replace(/(?<=switch)es$|s$/, ''))],
  ['offers of allow', allowedOffers()],
];

const sections = sectionsOf(textOf(PAGE));
/** Every term, without what tells two of one name apart. */
const known = new Set(sections.flatMap(({ heads }) => heads.flatMap((head) => termsOf(head.replace(/ \([^)]*\)/g, '')))));

describe('the glossary', () => {
  it('is seen', () => {
    expect(sections).toHaveLength(3);
    expect(known.size).toBeGreaterThanOrEqual(TERMS_MIN);
  });

  it('has each term once in a section, in the order of the alphabet', () => {
    expect(sections.flatMap(misplaced)).toEqual([]);
  });

  it.each(SPOKEN)('has the %s', (_, words) => {
    expect(words.length).toBeGreaterThan(1);
    expect(words.filter((word) => !known.has(keyOf(word)))).toEqual([]);
  });

  it('names files that exist', () => {
    const named = [...textOf(PAGE).matchAll(/`((?:actors|cli|events|replay|scenarios|sim|test|timeline)\/[\w./-]+\.ts)`/g)];
    expect(named.length).toBeGreaterThan(50);
    for (const [, file] of named) expect(() => textOf(file!), file).not.toThrow();
  });
});

describe('the check of the glossary', () => {
  it('sees a term that stands twice, and one out of order', () => {
    expect(misplaced({ title: 'A', heads: ['`b`', 'B, c'] })).toEqual(['A: b stands twice']);
    expect(misplaced({ title: 'A', heads: ['c', '#b'] })).toEqual(['A: #b stands after c']);
    expect(misplaced({ title: 'A', heads: ['frame (of a journal)', 'frame (of an actor)'] })).toEqual([]);
  });
});
