/** What is wrong with a scenario: where, what was found, what was expected. */
import { didYouMean, likest } from '../../events/nearest.ts';

/** A place in a scenario: keys and indices, outermost first. @public */
export type Path = readonly (string | number)[];

/** A mistake before its line is known. @public */
export interface PathIssue {
  readonly path: Path;
  readonly message: string;
}

/**
 * A mistake in a scenario. `line` is 1-based; 0, with an empty `file`, if the scenario does not
 * come from a file.
 * @public
 */
export interface ScenarioIssue {
  readonly file: string;
  readonly line: number;
  /** For example `vms.vm0.vcpus[0][1].psc.gfn`; empty for the whole. */
  readonly path: string;
  readonly message: string;
}

const SHOWN_ISSUES_MAX = 20;
/** Of more mistakes than these, the rest is counted: a file of 1 MiB can have tens of thousands. */
const ISSUES_MAX = 100;
const SHOWN_CHARS_MAX = 60;
const WORD = /^[A-Za-z_][A-Za-z0-9_-]*$/;

/** The text, or the beginning of a long one. */
export const shortened = (text: string): string => (text.length > SHOWN_CHARS_MAX ? `${text.slice(0, SHOWN_CHARS_MAX)}…` : text);

/** Control characters drive terminals, and half a surrogate pair does not survive UTF-8. */
const UNPRINTABLE = /[\p{Cc}\p{Cs}]/gu;

/** The text with everything escaped that does not print. */
export const printable = (text: string): string =>
  text.replace(UNPRINTABLE, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);

const quoted = (text: string): string => printable(JSON.stringify(shortened(text)));

/** A path as people write one. */
export function pathText(path: Path): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else if (WORD.test(part)) text += text === '' ? part : `.${part}`;
    else text += `[${quoted(part)}]`;
  }
  return text;
}

/** A value in a message: short, and on one line. */
export function shown(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  if (typeof value === 'string') return quoted(value);
  if (typeof value === 'function') return 'a function';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (typeof value === 'object') return Object.keys(value).length === 0 ? 'an empty map' : 'a map';
  return String(value);
}

/** Frame numbers in messages, as in everything that engineers read them in. */
export const hex = (value: number | bigint): string => `0x${value.toString(16)}`;

/** `"a", "b"`, or a word that says that there are none. */
export const listed = (names: readonly string[]): string =>
  names.length === 0 ? 'none' : names.map((name) => JSON.stringify(name)).join(', ');

/** More names than these are not listed. */
const NAMES_MAX = 20;
const LIKEST_MAX = 5;

const knownText = (name: string, known: readonly string[]): string =>
  known.length <= NAMES_MAX ? listed(known) : `there are ${known.length}, among them ${listed(likest(name, known, LIKEST_MAX))}`;

/** An unknown name, the known ones, or where these are many the likest, and the nearest of them. */
export const unknownName = (name: string, what: string, known: readonly string[]): string =>
  `found ${shown(name)}; expected ${what} (${knownText(name, known)})${didYouMean(name, known)}`;

/** The first mistakes, and how many more there are. */
export function bounded(issues: readonly ScenarioIssue[]): readonly ScenarioIssue[] {
  const left = issues.length - ISSUES_MAX;
  if (left <= 0) return issues;
  const { file } = issues[0]!;
  return [...issues.slice(0, ISSUES_MAX), { file, line: 0, path: '', message: `${left} more mistakes are not listed` }];
}

function issueLine({ file, line, path, message }: ScenarioIssue): string {
  const place = [file, ...(line > 0 ? [String(line)] : [])].filter((part) => part !== '').join(':');
  return [place, path, message].filter((part) => part !== '').join(': ');
}

function textOf(headline: string, issues: readonly ScenarioIssue[]): string {
  const lines = issues.slice(0, SHOWN_ISSUES_MAX).map((issue) => `  ${issueLine(issue)}`);
  const left = issues.length - lines.length;
  return [headline, ...lines, ...(left > 0 ? [`  and ${left} more`] : [])].join('\n');
}

/** A scenario that cannot be run as asked: the input is wrong, not the model. @public */
export class ScenarioError extends Error {
  override readonly name: string = 'ScenarioError';
  readonly issues: readonly ScenarioIssue[];

  constructor(
    issues: readonly ScenarioIssue[],
    headline = `the scenario has ${issues.length === 1 ? '1 mistake' : `${issues.length} mistakes`}`,
  ) {
    super(textOf(headline, issues));
    this.issues = bounded(issues);
  }
}

/** The user asked for a variant that the scenario does not declare. */
export class UnknownVariantError extends ScenarioError {
  override readonly name = 'UnknownVariantError';
}

/** The user asked for a mutant that the model of the host does not have. */
export class UnknownMutantError extends ScenarioError {
  override readonly name = 'UnknownMutantError';
}

/** The user set a parameter that the scenario does not declare. */
export class UnknownParameterError extends ScenarioError {
  override readonly name = 'UnknownParameterError';
}

/** The user set a parameter to a value that its declaration does not allow. */
export class ParameterValueError extends ScenarioError {
  override readonly name = 'ParameterValueError';
}

/** The resolved scenario of a journal is invalid. */
export class ResolvedScenarioError extends ScenarioError {
  override readonly name = 'ResolvedScenarioError';
}

/** Mistakes without a file. */
export const withoutPlace = (issues: readonly PathIssue[]): ScenarioIssue[] =>
  issues.map(({ path, message }) => ({ file: '', line: 0, path: pathText(path), message }));
