/**
 * Turns what a schema has to say into what was found, what was expected, and the nearest valid
 * name.
 */
import type { z } from 'zod';
import { didYouMean, likest } from '../../events/nearest.ts';
import { guestOperations, hostOperations } from './all-operations.ts';
import { keysIn } from './fields.ts';
import { archNamed, isVmSetting, known as knownTo, type Side } from './foreign.ts';
import { hex, listed, type Path, type PathIssue, shown } from './issues.ts';
import type { Arch } from './types.ts';

type Issue = z.core.$ZodIssue;

/** The most mistakes that are told: a file with more is damaged or hostile. */
const ISSUES_MAX = 100;

const EXPECTED_TYPES: Readonly<Record<string, string>> = {
  array: 'a list',
  boolean: 'true or false',
  int: 'an integer',
  number: 'a number',
  object: 'a map',
  record: 'a map',
  string: 'text',
};

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  let value = root;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Readonly<Record<PropertyKey, unknown>>)[key];
  }
  return value;
}

const keyOf = (key: PropertyKey): string | number => (typeof key === 'number' ? key : String(key));

/**
 * YAML reads 6.10 as 6.1 and no as text: where a name is expected, a number or a boolean wants
 * quotes.
 */
const quotesHint = (found: unknown): string => (['number', 'bigint', 'boolean'].includes(typeof found) ? '; write text in quotes' : '');

/** An operation of the other side is known, only not here, and so is a setting beside `options`. */
function otherSide(key: string, valid: readonly string[]): string {
  if (valid.includes('vcpus') && isVmSetting(key)) return ', which stands under options';
  if (valid.includes('KVM_RUN') && Object.hasOwn(guestOperations(), key)) return ', an operation of guests';
  return valid.includes('hlt') && Object.hasOwn(hostOperations(), key) ? ', an operation of host threads' : '';
}

/** What brings names to a map with these keys. */
const sideOf = (keys: readonly string[]): Side =>
  keys.includes('KVM_RUN')
    ? 'hostOperations'
    : keys.includes('hlt')
      ? 'guestOperations'
      : keys.includes('processes')
        ? 'sections'
        : 'vmSettings';

function unknownKeys(issue: Extract<Issue, { code: 'unrecognized_keys' }>, at: Path, arch: Arch | null): PathIssue[] {
  const known = keysIn(issue.message);
  const all = known ?? [];
  const valid = arch === null ? all : knownTo(arch, sideOf(all), all);
  return issue.keys.slice(0, ISSUES_MAX).map((key) => ({
    path: [...at, key],
    message: `found the key ${shown(key)}${otherSide(key, valid)}${amongKeys(key, valid, known !== null)}`,
  }));
}

/** More keys than these are not listed: those most like it are, behind what was meant. */
const KEYS_MAX = 24;
const LIKEST_MAX = 12;

function amongKeys(key: string, valid: readonly string[], isKnown: boolean): string {
  const meant = didYouMean(key, valid);
  if (valid.length === 0) return `; expected no ${isKnown ? '' : 'such '}key`;
  if (valid.length <= KEYS_MAX) return `; expected one of ${valid.join(', ')}${meant}`;
  const likeliest = `one of ${likest(key, valid, LIKEST_MAX).join(', ')} and ${valid.length - LIKEST_MAX} others`;
  return meant === '' ? `; expected ${likeliest}` : `${meant} Expected ${likeliest}`;
}

/**
 * The member of a union that the author meant: one that got past the value's own type, else the one
 * that says most.
 */
function meantMember(issue: Extract<Issue, { code: 'invalid_union' }>, found: unknown): readonly Issue[] {
  const inside = issue.errors.find((errors) => errors.some(({ code, path }) => path.length > 0 || code === 'unrecognized_keys'));
  if (inside !== undefined && typeof found === 'object' && found !== null) return inside;
  const fits = (errors: readonly Issue[]) => errors.every(({ code }) => code !== 'invalid_type' && code !== 'invalid_format');
  const reference = issue.errors.find((errors) => errors.some(({ code }) => code === 'invalid_format'));
  if (typeof found === 'string' && found.startsWith('$') && reference !== undefined) return reference;
  return issue.errors.find(fits) ?? issue.errors[0] ?? [];
}

/** A size in words: of text, or of a list. */
function amount(count: number | bigint, origin: string): string {
  if (origin === 'string') return count === 1 ? '1 character' : `${count} characters`;
  return count === 1 ? '1 entry' : `${count} entries`;
}

/** Frame numbers in hex, when that is how their bounds are written. */
const foundText = (found: unknown, expected: string): string =>
  (typeof found === 'bigint' || (typeof found === 'number' && Number.isSafeInteger(found))) && found > 0 && expected.includes('0x')
    ? hex(found)
    : shown(found);

function expectation(issue: Issue, found: unknown): string {
  if (issue.message.startsWith('expected '))
    return issue.message + (issue.code === 'invalid_type' && issue.expected === 'string' ? quotesHint(found) : '');
  switch (issue.code) {
    case 'invalid_type':
      return `expected ${EXPECTED_TYPES[issue.expected] ?? issue.expected}${issue.expected === 'string' ? quotesHint(found) : ''}`;
    case 'invalid_value': {
      const values = issue.values.map(String);
      const hint = typeof found === 'string' ? didYouMean(found, values) : quotesHint(found);
      return `expected ${values.length === 1 ? '' : 'one of '}${listed(values)}${hint}`;
    }
    case 'too_small':
      return `expected at least ${amount(issue.minimum, issue.origin)}`;
    case 'too_big':
      return `expected at most ${amount(issue.maximum, issue.origin)}`;
    default:
      return issue.message;
  }
}

function whatIs(issue: Issue, found: unknown, subject: string): string {
  const expected = expectation(issue, found);
  return found === undefined ? `required and missing; ${expected}` : `${subject} ${foundText(found, expected)}; ${expected}`;
}

function explainOne(issue: Issue, root: unknown, base: Path, subject: string, arch: Arch | null): PathIssue[] {
  const path = [...base, ...issue.path.map(keyOf)];
  const found = valueAt(root, issue.path);
  switch (issue.code) {
    case 'unrecognized_keys':
      return unknownKeys(issue, path, arch);
    case 'invalid_key':
      return [{ path, message: `found the key ${shown(path.at(-1))}; ${issue.issues[0]?.message ?? 'expected a name'}` }];
    case 'invalid_union': {
      if (issue.message.startsWith('expected ')) return [{ path, message: whatIs(issue, found, subject) }];
      if (issue.discriminator !== undefined && 'options' in issue) {
        const options = (issue.options ?? []).map(String);
        if (found === undefined) return [{ path, message: `required and missing; expected one of ${listed(options)}` }];
        const hint = typeof found === 'string' ? didYouMean(found, options) : '';
        return [{ path, message: `found ${shown(found)}; expected one of ${listed(options)}${hint}` }];
      }
      return meantMember(issue, found).flatMap((inner) => explainOne(inner, found, path, subject, arch));
    }
    default:
      return [{ path, message: whatIs(issue, found, subject) }];
  }
}

/**
 * What a schema said first about `root`, which stands at `base`. `subject` says whose value it is.
 */
export function explain(error: z.ZodError, root: unknown, base: Path = [], subject = 'found'): PathIssue[] {
  const arch = archNamed(valueAt(root, ['host', 'arch']));
  const explained = error.issues.slice(0, ISSUES_MAX).flatMap((issue) => explainOne(issue, root, base, subject, arch));
  return explained.slice(0, ISSUES_MAX);
}
