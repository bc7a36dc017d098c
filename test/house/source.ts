/**
 * The files of the project as the house rules see them: listed by git, with comments and strings
 * told apart from code.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Every file that is or may become tracked, relative to the root, with forward slashes. */
export function projectFiles(): string[] {
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: ROOT, encoding: 'utf8' });
  return [...new Set(listed.split('\0'))].filter((file) => file !== '' && existsSync(join(ROOT, file))).sort();
}

export const isScript = (file: string): boolean => /\.(?:ts|mts|js|mjs)$/.test(file);

export const textOf = (file: string): string => readFileSync(join(ROOT, file), 'utf8');

/** The 1-based line of an offset. */
export const lineAt = (text: string, offset: number): number => text.slice(0, offset).split('\n').length;

/** The text with its comments blanked; offsets and lines stay. */
export const withoutComments = (text: string): string => blank(text, ['comment']);

/** The text with its comments, strings and regular expressions blanked; offsets and lines stay. */
export const codeOf = (text: string): string => blank(text, ['comment', 'literal']);

/** The comments and literals of a text, with its code and the marks of comments blanked. */
export function proseOf(text: string): string {
  let prose = '';
  let at = 0;
  for (const { kind, from, to } of spansOf(text)) {
    const piece = text.slice(from, to);
    prose += blanked(text.slice(at, from)) + (kind === 'comment' ? piece.replace(COMMENT_MARK, blanked) : piece);
    at = to;
  }
  return prose + blanked(text.slice(at));
}

/**
 * The 1-based lines that a comment begins or ends, directives to tools apart: those hold one line.
 */
export function commentLinesOf(text: string): { readonly line: number; readonly text: string }[] {
  const lines = text.split('\n');
  return spansOf(text).flatMap(({ kind, from, to }) => {
    if (kind !== 'comment' || DIRECTIVE.test(text.slice(from, to))) return [];
    const [first, last] = [lineAt(text, from), lineAt(text, to)];
    const begins = lines[first - 1]!.trimStart().startsWith(text.slice(from, from + 2));
    const ends = lines[last - 1]!.endsWith(text.slice(to - 2, to));
    return begins || ends ? lines.slice(first - 1, last).map((one, index) => ({ line: first + index, text: one })) : [];
  });
}

const COMMENT_MARK = /^\s*(?:\/\*\*?|\*\/?|\/\/)/gm;
const DIRECTIVE = /\b(?:biome|v8)[- ]ignore\b|@ts-expect-error\b/;

/** An import, by the path of the file inside the project, or by the name of the package. */
export interface Import {
  readonly from: string;
  readonly line: number;
  readonly to: string;
}

export function importsOf(file: string, text: string): Import[] {
  const code = withoutComments(text);
  return [...code.matchAll(/(?<![.'"`])\b(?:from|import|require)\b\s*\(?\s*(['"`])([^'"`\n]+)\1/g)].map((match) => {
    const name = match[2]!;
    const to = name.startsWith('.')
      ? posix.join(posix.dirname(file), name)
      : isBuiltin(name) && !name.startsWith('node:')
        ? `node:${name}`
        : name;
    return { from: file, line: lineAt(code, match.index), to };
  });
}

interface Span {
  readonly kind: 'comment' | 'literal';
  readonly from: number;
  readonly to: number;
}

function blank(text: string, kinds: readonly Span['kind'][]): string {
  let seen = '';
  let at = 0;
  for (const { from, to } of spansOf(text).filter(({ kind }) => kinds.includes(kind))) {
    seen += text.slice(at, from) + blanked(text.slice(from, to));
    at = to;
  }
  return seen + text.slice(at);
}

const blanked = (text: string): string => text.replace(/[^\n]/g, ' ');

const COMMENT = /\/\/[^\n]*|\/\*[\s\S]*?\*\//y;
const QUOTED = /'(?:\\[\s\S]|[^'\\\n])*'|"(?:\\[\s\S]|[^"\\\n])*"/y;
const REGEXP = /\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[a-z]*/y;
/**
 * A piece of a template: from its backtick, or the brace that closes a substitution, to the next of
 * either.
 */
const TEMPLATE = /[`}](?:\\[\s\S]|\$(?!\{)|[^\\`$])*(?:`|\$\{)/y;
/** A slash after one of these starts a regular expression, after anything else it divides. */
const BEFORE_REGEXP = /(?:^|[(,=:[!&|?{;+\-*%<>~^]|\b(?:return|typeof|case|of|in))\s*$/;

/** The comments and the literals of a text, in order; a template comes in pieces. */
export function spansOf(text: string): Span[] {
  const spans: Span[] = [];
  /** For each template that is open: how many braces its substitution has opened. */
  const substitutions: number[] = [];
  let at = 0;
  const take = (pattern: RegExp, kind: Span['kind']): boolean => {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0];
    if (found === undefined) return false;
    spans.push({ kind, from: at, to: at + found.length });
    at += found.length;
    return true;
  };
  const takeTemplate = (): void => {
    if (!take(TEMPLATE, 'literal')) at += 1;
    else if (text[at - 1] === '{') substitutions.push(0);
  };
  while (at < text.length) {
    const char = text[at];
    if (char === '/' && take(COMMENT, 'comment')) continue;
    if (char === '/' && BEFORE_REGEXP.test(lineOrBefore(text, spans, at)) && take(REGEXP, 'literal')) continue;
    if ((char === "'" || char === '"') && take(QUOTED, 'literal')) continue;
    const depth = substitutions.at(-1);
    if (char === '`') takeTemplate();
    else if (char === '}' && depth === 0) {
      substitutions.pop();
      takeTemplate();
    } else {
      if (depth !== undefined && char === '{') substitutions[substitutions.length - 1] = depth + 1;
      if (depth !== undefined && char === '}') substitutions[substitutions.length - 1] = depth - 1;
      at += 1;
    }
  }
  return spans;
}

/**
 * What stands before an offset on its line, or after the last comment or literal: enough to tell
 * what a slash means.
 */
function lineOrBefore(text: string, spans: readonly Span[], at: number): string {
  const last = spans.at(-1);
  const from = Math.max(text.lastIndexOf('\n', at - 1) + 1, last?.to ?? 0);
  const before = text.slice(from, at);
  return last?.kind === 'literal' && last.to === from ? `x${before}` : before;
}
