/**
 * Reads YAML from untrusted files: one bounded document of plain data, and the line of each value
 * in it.
 */
import { Composer, isAlias, isMap, isScalar, isSeq, Lexer, LineCounter, Parser } from 'yaml';
import { type Path, pathText, printable, type ScenarioIssue, shown } from './issues.ts';
import { DEPTH_MAX, FORBIDDEN_KEY, textMistake } from './plain.ts';

export const BYTES_MAX = 1024 * 1024;
const ISSUES_MAX = 100;
const CORE_TAG = /^tag:yaml\.org,2002:/;
/** The parser's stack holds the document and the scalar besides the collections. */
const STACK_MAX = DEPTH_MAX + 8;

/** Where a value starts; for a value in a map, where its key does. */
interface Mark {
  readonly line: number;
  readonly children: Map<string | number, Mark>;
}

export interface ReadYaml {
  readonly value: unknown;
  /** The line of the deepest part of the path that is in the file. */
  readonly lineOf: (path: Path) => number;
  readonly issues: readonly ScenarioIssue[];
}

interface Reading {
  readonly file: string;
  readonly lines: LineCounter;
  readonly issues: ScenarioIssue[];
}

interface Place {
  readonly path: Path;
  readonly mark: Mark;
}

interface Parsed {
  readonly contents: unknown;
  readonly mark: Mark;
}

function report(reading: Reading, path: Path, line: number, message: string): void {
  if (reading.issues.length < ISSUES_MAX) reading.issues.push({ file: reading.file, line, path: pathText(path), message });
}

const lineAt = (reading: Reading, offset: number): number => Math.max(1, reading.lines.linePos(offset).line);

function offsetOf(node: unknown): number | null {
  const range = (node as { readonly range?: readonly number[] | null } | null)?.range;
  return range?.[0] ?? null;
}

/**
 * Tokens of the file, up to the first that nests too deep: what builds a tree of them is recursive.
 */
function tokensOf(text: string, reading: Reading) {
  const parser = new Parser(reading.lines.addNewLine);
  reading.lines.addNewLine(0);
  const tokens = [];
  for (const lexeme of new Lexer().lex(text)) {
    tokens.push(...parser.next(lexeme));
    if (parser.stack.length > STACK_MAX) {
      report(reading, [], lineAt(reading, parser.offset), `found values nested too deep; expected at most ${DEPTH_MAX} levels`);
      return null;
    }
  }
  tokens.push(...parser.end());
  return tokens;
}

function parse(text: string, reading: Reading): Parsed | null {
  const tokens = tokensOf(text, reading);
  if (tokens === null) return null;
  for (const token of tokens) {
    if (token.type !== 'directive') continue;
    report(reading, [], lineAt(reading, token.offset), `found the directive ${shown(token.source)}; expected none`);
    return null;
  }
  const composer = new Composer({ version: '1.2', schema: 'core', merge: false, strict: true, stringKeys: true, uniqueKeys: false });
  const documents = [...composer.compose(tokens, true, text.length)];
  const first = documents[0];
  // Only the first mistake is told, as it may cause the others.
  const error = documents.flatMap(({ errors, warnings }) => [...errors, ...warnings])[0];
  if (error !== undefined) report(reading, [], lineAt(reading, error.pos[0]), `found text that is not YAML: ${printable(error.message)}`);
  else if (documents.length > 1) {
    const start = offsetOf(documents[1]?.contents) ?? documents[1]?.range[0] ?? 0;
    report(reading, [], lineAt(reading, start), 'found a second document; expected one');
  }
  if (first === undefined || reading.issues.length > 0) return null;
  const offset = offsetOf(first.contents);
  return { contents: first.contents, mark: { line: offset === null ? 1 : lineAt(reading, offset), children: new Map() } };
}

const INTEGER = /^[-+]?(?:[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$/;

/** What a number that JavaScript would round says exactly; undefined for any other value. */
function exactInteger(value: unknown, source: string | undefined): bigint | undefined {
  if (typeof value !== 'number' || Number.isSafeInteger(value) || source === undefined || !INTEGER.test(source)) return undefined;
  const magnitude = BigInt(source.replace(/^[-+]/, ''));
  return source.startsWith('-') ? -magnitude : magnitude;
}

function scalarValue(reading: Reading, { value, source }: { readonly value: unknown; readonly source?: string }, place: Place): unknown {
  const exact = exactInteger(value, source);
  if (exact !== undefined) return exact;
  const mistake = typeof value === 'string' ? textMistake(value) : null;
  if (mistake !== null) report(reading, place.path, place.mark.line, mistake);
  if (typeof value !== 'number' || Number.isFinite(value)) return Object.is(value, -0) ? 0 : value;
  report(reading, place.path, place.mark.line, `found ${String(value)}; expected a finite number`);
  return 0;
}

function child(reading: Reading, { path, mark }: Place, key: string | number, node: unknown): Place {
  const offset = offsetOf(node);
  const inner = { line: offset === null ? mark.line : lineAt(reading, offset), children: new Map() };
  mark.children.set(key, inner);
  return { path: [...path, key], mark: inner };
}

function mapValue(reading: Reading, items: readonly { readonly key: unknown; readonly value: unknown }[], place: Place): unknown {
  const map: Record<string, unknown> = {};
  for (const { key, value } of items) {
    const name = isScalar(key) ? key.value : undefined;
    const offset = offsetOf(key);
    const line = offset === null ? place.mark.line : lineAt(reading, offset);
    if (isScalar(key)) refuseExtras(reading, key, { path: place.path, mark: { line, children: place.mark.children } });
    if (typeof name !== 'string' || textMistake(name) !== null)
      report(reading, place.path, line, 'found a key that is not plain text; expected a name');
    else if (name === FORBIDDEN_KEY)
      report(reading, [...place.path, name], line, `found the key "${FORBIDDEN_KEY}"; expected another name`);
    else if (place.mark.children.has(name)) {
      const before = place.mark.children.get(name)?.line ?? 0;
      report(reading, [...place.path, name], line, `found the key ${shown(name)} twice (first in line ${before}); expected it once`);
    } else {
      map[name] = plainValue(reading, value, child(reading, place, name, key));
    }
  }
  return map;
}

/** Refuses anchors and tags: no scenario needs them, and much that is wrong with YAML does. */
function refuseExtras(
  reading: Reading,
  node: { readonly anchor?: string | undefined; readonly tag?: string | undefined },
  { path, mark }: Place,
): void {
  if (node.anchor !== undefined)
    report(reading, path, mark.line, `found the anchor ${shown(`&${node.anchor}`)}; expected none: write the value out`);
  if (node.tag !== undefined) report(reading, path, mark.line, `found the tag ${shown(node.tag.replace(CORE_TAG, '!!'))}; expected none`);
}

function plainValue(reading: Reading, node: unknown, place: Place): unknown {
  const { path, mark } = place;
  if (node === null || node === undefined) return null;
  if (isAlias(node)) {
    report(reading, path, mark.line, `found the alias ${shown(`*${node.source}`)}; expected its value written out`);
    return null;
  }
  if (isScalar(node) || isMap(node) || isSeq(node)) refuseExtras(reading, node, place);
  if (isScalar(node)) return scalarValue(reading, node, place);
  if (path.length >= DEPTH_MAX) {
    report(reading, path, mark.line, `found values nested too deep; expected at most ${DEPTH_MAX} levels`);
    return null;
  }
  if (isMap(node)) return mapValue(reading, node.items, place);
  if (isSeq(node)) return node.items.map((item, index) => plainValue(reading, item, child(reading, place, index, item)));
  report(reading, path, mark.line, 'found a value of an unknown kind; expected a map, a list, text, a number, true or false');
  return null;
}

function lineIn(root: Mark, path: Path): number {
  let mark = root;
  for (const key of path) {
    const inner = mark.children.get(key);
    if (inner === undefined) break;
    mark = inner;
  }
  return mark.line;
}

function tooLarge(text: string): boolean {
  return text.length > BYTES_MAX || (text.length * 3 > BYTES_MAX && new TextEncoder().encode(text).length > BYTES_MAX);
}

/**
 * Reads one YAML 1.2 document without aliases, anchors, tags, directives, merge keys or duplicate
 * keys.
 */
export function readYaml(text: string, file: string): ReadYaml {
  const reading: Reading = { file, lines: new LineCounter(), issues: [] };
  const failed = (): ReadYaml => ({ value: null, lineOf: () => 1, issues: reading.issues });
  if (tooLarge(text)) {
    report(reading, [], 1, `found a file of more than ${BYTES_MAX} bytes; expected at most that`);
    return failed();
  }
  const parsed = parse(text, reading);
  if (parsed === null) return failed();
  const value = plainValue(reading, parsed.contents, { path: [], mark: parsed.mark });
  return { value, lineOf: (path) => lineIn(parsed.mark, path), issues: reading.issues };
}
