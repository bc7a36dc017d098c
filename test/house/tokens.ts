/** Sources as tokens: enough to tell a declaration of a name from its use. */
import { spansOf } from './source.ts';

export interface Token {
  /**
   * A word is an identifier or a keyword, a literal the text of a string or a piece of a template,
   * a mark anything else.
   */
  readonly kind: 'word' | 'literal' | 'mark';
  readonly text: string;
}

const PIECE = /[A-Za-z_$][\w$]*|=>|\?\.|\.\.\.|[^\s\w]|\d[\w.]*/g;

/** The tokens outside comments, in order. */
export function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  const code = (piece: string): void => {
    for (const [found] of piece.matchAll(PIECE)) tokens.push({ kind: /^[A-Za-z_$]/.test(found) ? 'word' : 'mark', text: found });
  };
  let at = 0;
  for (const { kind, from, to } of spansOf(text)) {
    code(text.slice(at, from));
    if (kind === 'literal') tokens.push({ kind, text: text.slice(from, to).replace(/^['"`}]|(?:['"`]|\$\{)$/g, '') });
    at = to;
  }
  code(text.slice(at));
  return tokens;
}

/** Names that a text declares. */
export interface Declared {
  /**
   * Members of types and classes, and the values of types of literals: other files may use them.
   */
  readonly members: ReadonlySet<string>;
  /** Variables, functions, types, parameters and imports: the file itself may use them. */
  readonly bindings: ReadonlySet<string>;
}

const DECLARES = new Set(['const', 'let', 'var', 'function', 'class', 'interface', 'type', 'enum']);
const CONDITIONS = new Set(['if', 'while', 'switch', 'for', 'return', 'typeof', 'await']);
const OPENS = new Set(['{', '(', '[']);
const CLOSES = new Set(['}', ')', ']']);

/** The index of the bracket that closes the one at `open`; the end of the text if none does. */
export function closing(tokens: readonly Token[], open: number): number {
  let depth = 0;
  for (let at = open; at < tokens.length; at++) {
    const { kind, text } = tokens[at]!;
    if (kind !== 'mark') continue;
    if (OPENS.has(text)) depth++;
    if (CLOSES.has(text) && --depth === 0) return at;
  }
  return tokens.length;
}

const isMark = (token: Token | undefined, ...marks: readonly string[]): boolean => token?.kind === 'mark' && marks.includes(token.text);
const isWord = (token: Token | undefined, words: ReadonlySet<string>): boolean => token?.kind === 'word' && words.has(token.text);

/**
 * Whether a pair of parentheses holds parameters: an arrow, a body or a type of the result follows.
 */
function holdsParameters(tokens: readonly Token[], open: number, close: number): boolean {
  if (isMark(tokens[close + 1], '=>')) return true;
  if (isWord(tokens[open - 1], CONDITIONS)) return false;
  return isMark(tokens[close + 1], '{', ':') && tokens[open - 1]?.kind === 'word';
}

/**
 * The words that a list of parameters, or a destructured array, binds. Fields that are destructured
 * are uses of them.
 */
function boundIn(tokens: readonly Token[], open: number, close: number): string[] {
  const bound: string[] = [];
  for (let at = open + 1; at < close; at++) {
    const token = tokens[at]!;
    if (isMark(token, '{', '(')) at = closing(tokens, at);
    else if (token.kind === 'word' && isMark(tokens[at - 1], '(', '[', ',', '...') && isMark(tokens[at + 1], ',', ')', ']', ':', '?', '='))
      bound.push(token.text);
  }
  return bound;
}

/** Where a statement `interface` or `type` at the outermost level ends. */
function endOfType(tokens: readonly Token[], start: number): number {
  for (let at = start; at < tokens.length; at++) {
    if (isMark(tokens[at], '{', '(', '[')) {
      at = closing(tokens, at);
      if (tokens[start]!.text === 'interface') return at;
    } else if (isMark(tokens[at], ';')) return at;
  }
  return tokens.length;
}

/** The words and quoted names between two places that are names of members. */
export const membersBetween = (tokens: readonly Token[], start: number, end: number): string[] =>
  tokens.slice(start, end).flatMap(({ kind, text }, index) => {
    const next = start + index + 1;
    const isMember = kind !== 'mark' && (isMark(tokens[next], ':') || (isMark(tokens[next], '?') && isMark(tokens[next + 1], ':')));
    return isMember ? [text] : [];
  });

/** The members and the values of a statement `interface` or `type`. */
const membersIn = (tokens: readonly Token[], start: number, end: number): string[] => [
  ...membersBetween(tokens, start, end),
  ...tokens.slice(start, end).flatMap(({ kind, text }) => (kind === 'literal' ? [text] : [])),
];

/** The names that an import statement binds, if one begins at the word. */
function importedAt(tokens: readonly Token[], at: number): string[] {
  if (tokens[at]!.text !== 'import' || isMark(tokens[at + 1], '(')) return [];
  const end = tokens.findIndex(({ kind }, index) => index > at && kind === 'literal');
  return tokens.slice(at + 1, end).flatMap(({ kind, text }) => (kind === 'word' ? [text] : []));
}

/** The names that a word declares for its own file, by what stands around it. */
function bindingsAt(tokens: readonly Token[], at: number): string[] {
  const next = tokens[at + 1];
  if (isMark(next, '=>')) return [tokens[at]!.text];
  if (!DECLARES.has(tokens[at]!.text)) return importedAt(tokens, at);
  if (isMark(next, '[')) return boundIn(tokens, at + 1, closing(tokens, at + 1));
  return next?.kind === 'word' ? [next.text] : [];
}

/** The members that a word declares: a type's, a class's. */
function membersAt(tokens: readonly Token[], at: number, depth: number): string[] {
  const { text } = tokens[at]!;
  const next = tokens[at + 1];
  if (depth === 0 && (text === 'interface' || text === 'type') && next?.kind === 'word')
    return membersIn(tokens, at + 2, endOfType(tokens, at));
  if (text === 'readonly' && next?.kind !== 'mark') return [next!.text];
  const isMethod = isMark(next, '(') && isMark(tokens[at - 1], '{', '}', ';') && isMark(tokens[closing(tokens, at + 1) + 1], '{', ':');
  return isMethod ? [text] : [];
}

export function declaredIn(text: string): Declared {
  const tokens = tokensOf(text);
  const members: string[] = [];
  const bindings: string[] = [];
  let depth = 0;
  for (const [at, token] of tokens.entries()) {
    if (token.kind === 'literal' && (isMark(tokens[at + 1], '|') || isMark(tokens[at - 1], '|'))) members.push(token.text);
    if (token.kind === 'word') {
      members.push(...membersAt(tokens, at, depth));
      bindings.push(...bindingsAt(tokens, at));
    }
    if (token.kind !== 'mark') continue;
    if (OPENS.has(token.text)) depth++;
    if (CLOSES.has(token.text)) depth--;
    if (token.text !== '(') continue;
    const close = closing(tokens, at);
    if (holdsParameters(tokens, at, close)) bindings.push(...boundIn(tokens, at, close));
  }
  return { members: new Set(members), bindings: new Set(bindings) };
}
