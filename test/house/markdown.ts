/** Markdown as the house rules see it: lines outside code, headings with their anchors, links. */

export interface Line {
  /** 1-based. */
  readonly line: number;
  readonly text: string;
}

/** The lines outside fenced code. */
export function linesOutsideCode(text: string): readonly Line[] {
  let fence: string | null = null;
  return text.split('\n').flatMap((each, index) => {
    const mark = /^\s*(`{3,}|~{3,})/.exec(each)?.[1];
    const isFence = mark !== undefined && (fence === null || mark.startsWith(fence));
    if (isFence) fence = fence === null ? mark : null;
    return isFence || fence !== null ? [] : [{ line: index + 1, text: each }];
  });
}

/** The text with its code spans blanked; a span may go over the end of a line. */
const withoutSpans = (text: string): string =>
  text.replace(/(?<!`)(`+)(?!`)((?:[^`]|(?!\1(?!`))`)*?)\1(?!`)/g, (span) => span.replace(/[^\n]/g, ' '));

/** Paragraphs, with the line they start at and their code spans blanked. */
export function paragraphsOf(text: string): readonly Line[] {
  const paragraphs: { line: number; lines: string[] }[] = [];
  let last = 0;
  for (const { line, text: each } of linesOutsideCode(text)) {
    const open = paragraphs.at(-1);
    if (each.trim() === '') last = 0;
    else if (open && last === line - 1 && last !== 0) open.lines.push(each);
    else paragraphs.push({ line, lines: [each] });
    if (each.trim() !== '') last = line;
  }
  return paragraphs.map(({ line, lines }) => ({ line, text: withoutSpans(lines.join('\n')) }));
}

/** What GitHub makes of a heading: its anchor, before duplicates are numbered. */
const slugOf = (heading: string): string =>
  heading
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, '')
    .replaceAll(' ', '-');

/** The anchors of a page, in order; the second of a name ends in -1. */
export function anchorsOf(text: string): readonly string[] {
  const taken = new Map<string, number>();
  return linesOutsideCode(text).flatMap(({ text: each }) => {
    const heading = /^ {0,3}#{1,6}\s+(.*?)(?:\s+#+)?\s*$/.exec(each)?.[1];
    if (heading === undefined) return [];
    const slug = slugOf(heading);
    let anchor = slug;
    while (taken.has(anchor)) {
      const next = taken.get(slug)! + 1;
      taken.set(slug, next);
      anchor = `${slug}-${next}`;
    }
    taken.set(anchor, 0);
    return [anchor];
  });
}

export interface Link {
  readonly line: number;
  readonly target: string;
}

const INLINE = /\]\(\s*<?([^\s)<>]+)>?(?:\s+"[^"]*")?\s*\)/g;
const DEFINITION = /^ {0,3}\[[^\]]+\]:\s+<?([^\s<>]+)>?/gm;

/** The targets of all links and pictures outside code. */
export const linksOf = (text: string): readonly Link[] =>
  paragraphsOf(text).flatMap(({ line, text: each }) =>
    [INLINE, DEFINITION].flatMap((pattern) =>
      [...each.matchAll(pattern)].map((match) => ({
        line: line + each.slice(0, match.index).split('\n').length - 1,
        target: match[1]!,
      })),
    ),
  );
