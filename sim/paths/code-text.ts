/** The code of a function as people read it: what a test asks, and which types a send names. */
import { otherwise } from '../../actors/path/path.ts';

/** Longer code is cut: a report is no listing. */
const LENGTH_MAX = 120;

const TOKENS = /'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`|[\w$#]+|=>|\.\.\.|\?\.|[=!]==?|&&|\|\||\?\?|[<>]=|\+\+|--|[^\s]/g;
/** Written with a space on both sides. */
const BETWEEN: ReadonlySet<string> = new Set([
  '=>',
  '===',
  '!==',
  '==',
  '!=',
  '&&',
  '||',
  '??',
  '<',
  '>',
  '<=',
  '>=',
  '+',
  '-',
  '*',
  '/',
  '%',
  '=',
]);
const CLOSES: ReadonlySet<string> = new Set([')', ']', '}']);

const quoted = (text: string): string => (text.startsWith('"') && !text.includes("'") ? `'${text.slice(1, -1)}'` : text);

/** The tokens of a function, without what a compiler or a bundler adds to them. */
function tokensOf(fn: (...args: never[]) => unknown): string[] {
  const text = Function.prototype.toString
    .call(fn)
    .replace(/__vi(?:te_ssr)?_import_\d+__\./g, '')
    .replace(/\(0, ?([\w.]+)\)/g, '$1')
    .replace(/\bvoid 0\b/g, 'undefined');
  const tokens = [...text.matchAll(TOKENS)].map(([token]) => quoted(token));
  // A comma or a semicolon before the end says nothing.
  return tokens.filter((token, i) => !((token === ',' || token === ';') && (CLOSES.has(tokens[i + 1] ?? '}') || i === tokens.length - 1)));
}

/** Tokens with the spaces that people write, whatever was written. */
function spaced(tokens: readonly string[]): string {
  let text = '';
  let questions = 0;
  tokens.forEach((token, i) => {
    const before = tokens[i - 1] ?? '';
    const isWord = (word: string): boolean => /^[\w$#'"`]/.test(word);
    const isBinary = BETWEEN.has(token) && (isWord(before) || CLOSES.has(before));
    if (token === '?') questions++;
    const isElse = token === ':' && questions > 0;
    if (isElse) questions--;
    if (isBinary || token === '?' || isElse) text = `${text.trimEnd()} ${token} `;
    else if (token === ',' || token === ':' || token === ';') text += `${token} `;
    else if (token === '{') text += tokens[i + 1] === '}' ? '{' : '{ ';
    else if (token === '}') text = before === '{' ? `${text}}` : `${text.trimEnd()} }`;
    else text += isWord(token) && isWord(before) && !/\s$/.test(text) ? ` ${token}` : token;
  });
  return text.trim();
}

const ARROW = /^(?:async )?(?:\((?:[^()]|\([^()]*\))*\)|\w+) => /;

const cut = (text: string): string => (text.length <= LENGTH_MAX ? text : `${text.slice(0, LENGTH_MAX - 1)}…`);

/** Without brackets around all of it. */
const bare = (text: string): string => (/^\([^()]*\)$/.test(text) ? text.slice(1, -1) : text);

/**
 * What a function answers, if it is one expression; else its name or its text. A name in words says
 * it all.
 */
export function codeText(fn: (...args: never[]) => unknown): string {
  if (fn === otherwise) return 'otherwise';
  if (fn.name.includes(' ')) return fn.name;
  const text = spaced(tokensOf(fn));
  const body = bare(text.replace(ARROW, ''));
  const isExpression = body !== text && !body.startsWith('{');
  const named = fn.name === '' || body === fn.name ? '' : fn.name;
  if (!isExpression) return named || cut(text);
  return named === '' ? cut(body) : cut(`${named}: ${body}`);
}

/** Types of events that the text of a function names, in the order in which it does. */
export function typesNamedIn(fn: (...args: never[]) => unknown): readonly string[] {
  const tokens = tokensOf(fn);
  const isType = (_: string, i: number): boolean => tokens[i - 1] === ':' && tokens[i - 2] === 'type' && /^['"`]/.test(tokens[i]!);
  return [...new Set(tokens.filter(isType).map((token) => token.slice(1, -1)))];
}
