/** The prose of documents: plain words, and lines that fit. */
import { describe, expect, it } from 'vitest';
import { linesOutsideCode, paragraphsOf } from './markdown.ts';
import { BANNED, COLUMNS_MAX } from './prose.ts';
import { projectFiles, textOf } from './source.ts';

/** A scan that sees fewer pages than this is broken, and would pass whatever they say. */
const PAGES_MIN = 25;
/** Collected from others, written by a program, or history. */
const LEFT_OUT = /^(?:docs\/domain\/|docs\/(?:api-report|claims|shipped)\.md$)/;

const pages = new Map(
  projectFiles()
    .filter((file) => file.endsWith('.md') && !LEFT_OUT.test(file))
    .map((file) => [file, file === 'CHANGELOG.md' ? unreleased(textOf(file)) : textOf(file)] as const),
);

/** A changelog without its releases. */
function unreleased(text: string): string {
  const release = /^## \d/m.exec(text);
  return release ? text.slice(0, release.index) : text;
}

/** Words that say nothing of who or how long. Code, and what programs print, may have them. */
const vagueWords = (file: string, text: string): readonly string[] =>
  paragraphsOf(text).flatMap(({ line, text: prose }) =>
    [...prose.matchAll(BANNED)].map(
      ({ 0: word, index }) => `${file}:${line + prose.slice(0, index).split('\n').length - 1} "${word}": name the thing`,
    ),
  );

/** A table row, a definition of a link, and what cannot be broken: one word, such as an address. */
const mayBeLong = (line: string): boolean =>
  /^\s*\|/.test(line) || /^\s*\[[^\]]+\]:\s/.test(line) || !/\S\s\S/.test(line.replace(/^\s*(?:[-*+]|\d+\.|>)\s+/, ''));

const longLines = (file: string, text: string): readonly string[] =>
  linesOutsideCode(text).flatMap(({ line, text: each }) =>
    [...each].length <= COLUMNS_MAX || mayBeLong(each) ? [] : [`${file}:${line} has ${[...each].length} columns`],
  );

/** The cells of a row of a table. */
const cellsIn = (row: string): number =>
  row
    .replaceAll('\\|', '')
    .trim()
    .replace(/^\||\|$/g, '')
    .split('|').length;

/** Rows of dashes with more or fewer cells than the header above: no reader draws such a table. */
const brokenTables = (file: string, text: string): readonly string[] => {
  const lines = linesOutsideCode(text);
  return lines.flatMap(({ line, text: each }, i) =>
    i > 0 && /^\s*\|[\s:|]*-[\s:|-]*\|\s*$/.test(each) && cellsIn(each) !== cellsIn(lines[i - 1]!.text)
      ? [`${file}:${line} has ${cellsIn(each)} cells; expected ${cellsIn(lines[i - 1]!.text)}, as in the header`]
      : [],
  );
};

describe('the prose of documents', () => {
  it('is seen', () => {
    expect(pages.size).toBeGreaterThanOrEqual(PAGES_MIN);
  });

  it('names the thing', () => {
    expect([...pages].flatMap(([file, text]) => vagueWords(file, text))).toEqual([]);
  });

  it(`wraps at ${COLUMNS_MAX} columns`, () => {
    expect([...pages].flatMap(([file, text]) => longLines(file, text))).toEqual([]);
  });
});

describe('the tables of documents', () => {
  it('have as many columns as their headers', () => {
    expect([...pages].flatMap(([file, text]) => brokenTables(file, text))).toEqual([]);
    expect(brokenTables('a.md', '| a | b | |\n| --- | --- |\n| c | d |')).toHaveLength(1);
  });
});

describe('the check of prose', () => {
  const long = 'word '.repeat(30).trim();

  it.each(['It waits for e\u0076er.', 'No\u0062ody waits.', '| a | some\u0062ody |', 'It waits for\ne\u0076er.'])('refuses %j', (text) => {
    expect(vagueWords('a.md', text)).toHaveLength(1);
  });

  it.each(['`waits for e\u0076er`', '```\nno\u0062ody\n```', 'Forever is another word.'])('takes %j', (text) => {
    expect(vagueWords('a.md', text)).toEqual([]);
  });

  it.each([long, `- ${long}`, `> ${long}`])('refuses a line that is too long: %s', (text) => {
    expect(longLines('a.md', `short\n${text}`)).toEqual([`a.md:2 has ${text.length} columns`]);
  });

  it.each([`| ${long} |`, `\`\`\`\n${long}\n\`\`\``, `[a]: ${long}`, `- ${'x'.repeat(120)}`, 'ä'.repeat(100)])('takes %s', (text) => {
    expect(longLines('a.md', text)).toEqual([]);
  });
});
