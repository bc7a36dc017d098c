/** The prose of scripts: words that are not written, and how wide a comment is. */
import { describe, expect, it } from 'vitest';
import { BANNED, COLUMNS_MAX, WORDS } from './prose.ts';
import { commentLinesOf, isScript, lineAt, projectFiles, proseOf, textOf } from './source.ts';

/** Files of one kind, and where they hold prose. */
interface Kind {
  readonly name: string;
  readonly holds: (file: string) => boolean;
  /** The text with all but its prose blanked; offsets and lines stay. */
  readonly prose: (text: string) => string;
  /** Lines of prose, by their 1-based number. */
  readonly lines: (text: string) => readonly { readonly line: number; readonly text: string }[];
}

const SCRIPTS: Kind = { name: 'scripts', holds: isScript, prose: proseOf, lines: commentLinesOf };
const KINDS: readonly Kind[] = [SCRIPTS];

const isBreakable = (line: string): boolean => /\S\s+\S/.test(line.replace(/^\s*(?:\/\*\*?|\*|\/\/)\s*/, ''));

function wordsIn({ prose }: Kind, file: string, text: string): string[] {
  const seen = prose(text);
  return [...seen.matchAll(BANNED)].map((match) => `${file}:${lineAt(seen, match.index)} has "${match[0]}"; name the actor`);
}

const wideIn = ({ lines }: Kind, file: string, text: string): string[] =>
  lines(text)
    .filter((line) => line.text.length > COLUMNS_MAX && isBreakable(line.text))
    .map((line) => `${file}:${line.line} has ${line.text.length} columns; at most ${COLUMNS_MAX}`);

/**
 * What is wrong in the files of a kind.
 * @throws RangeError where there are none: the scan is broken then
 */
function offences(kind: Kind, files: readonly string[], check: typeof wordsIn): string[] {
  const seen = files.filter(kind.holds);
  if (seen.length === 0) throw new RangeError(`the scan sees no ${kind.name}`);
  return seen.flatMap((file) => check(kind, file, textOf(file)));
}

describe.each(KINDS)('the prose of $name', (kind) => {
  const files = projectFiles();

  it('names the one who acts', () => {
    expect(offences(kind, files, wordsIn)).toEqual([]);
  });

  it(`keeps its lines within ${COLUMNS_MAX} columns`, () => {
    expect(offences(kind, files, wideIn)).toEqual([]);
  });
});

describe('the check of prose', () => {
  const wide = 'word '.repeat(20);

  it('refuses to see no file', () => {
    expect(() => offences(SCRIPTS, [], wordsIn)).toThrow('the scan sees no scripts');
    expect(() => offences(SCRIPTS, ['README.md'], wideIn)).toThrow('the scan sees no scripts');
  });

  it.each(WORDS)('finds "%s" in comments and strings, and in no name', (word) => {
    const text = `/** Here ${word} acts. */\nconst a = '${word}';\nconst b = \`\${a} ${word.toUpperCase()}\`;\nconst ${word.replaceAll(' ', '')} = 1;\n`;
    expect(wordsIn(SCRIPTS, 'a.ts', text).map((found) => found.split(' ')[0])).toEqual(['a.ts:1', 'a.ts:2', 'a.ts:3']);
  });

  it.each([
    ['/**\n * It goes on for\n * ', '. */'],
    ['// It goes on for\n// ', '.'],
  ])('finds a phrase that a line ends inside: %j', (before, after) => {
    expect(wordsIn(SCRIPTS, 'a.ts', `${before}ever${after}\n`)).toHaveLength(1);
  });

  it.each([
    ['a comment of one line', `/** ${wide}*/\n`, 1],
    ['a line of a block', `/**\n * Short.\n * ${wide}\n */\n`, 3],
    ['a comment behind code', `const a = 1; // ${wide}\n`, 1],
    ['the end of a block before code', `/* Short.\n * ${wide}*/ const a = 1;\n`, 2],
  ])('measures %s', (_name, text, line) => {
    expect(wideIn(SCRIPTS, 'a.ts', text)).toEqual([expect.stringContaining(`a.ts:${line} has 1`)]);
  });

  it.each([
    ['code', `const a = '${wide}';\n`],
    ['a comment inside code', `const a = /* one */ '${wide}';\n`],
    ['a word that cannot be broken', `// https://example.org/${'a'.repeat(100)}\n`],
    ['a directive', `// biome-ignore lint/style/useConst: ${wide}\nlet a = 1;\n`],
  ])('does not measure %s', (_name, text) => {
    expect(wideIn(SCRIPTS, 'a.ts', text)).toEqual([]);
  });
});
