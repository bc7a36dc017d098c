/**
 * The list of pages that `launch-digest` takes: JSON, of which every mistake is told with its file,
 * line and field.
 */
import { isMeasured, PAGE_BYTES, PAGE_TYPES, type PageType, VMSA_GPA } from '../../actors/sev-snp/firmware/launch-digest.ts';
import { CliError, EXIT } from '../errors.ts';
import { bytesOfHex } from './bytes.ts';
import { jsonPlaces } from './json-places.ts';

/** The most bytes of a list: more than `PAGES_MAX` entries with a digest each. */
export const LIST_BYTES_MAX = 1 << 24;
/** The most pages of a launch: 256 MiB. */
export const PAGES_MAX = 1 << 16;
/** The least GPA that no processor has. */
export const GPA_END = 1n << 52n;

/** What is in the page or pages of an entry. */
export type Contents = { readonly sha384: Uint8Array } | { readonly fill: number } | { readonly file: string };

export interface ListedPage {
  readonly type: PageType;
  readonly gpa: bigint;
  readonly imi: boolean;
  readonly permissions: readonly [vmpl1: number, vmpl2: number, vmpl3: number];
  /** Null only for a type whose contents are not measured. */
  readonly contents: Contents | null;
  /** Where it stands, for what is found wrong later. */
  readonly fail: (field: string, message: string) => CliError;
}

export interface PageList {
  readonly start: Uint8Array | null;
  readonly pages: readonly ListedPage[];
}

const EXAMPLE = '[{"type": "normal", "gpa": "0x800000", "fill": 0}, …]';

const listError = (message: string): CliError =>
  new CliError({
    code: 'page_list_invalid',
    exit: EXIT.usage,
    message,
    attempt: 'worldswitch launch-digest --help; docs/mechanisms/sev-snp.md explains the fields',
  });

/** Of a text that goes wrong, what a message shows. */
const FOUND_MAX = 20;

const lineAt = (text: string, at: number): number => text.slice(0, at).split('\n').length;

/** The value, and on which line each element of a list begins. */
function parsed(text: string, file: string): { readonly value: unknown; readonly lineOf: (index: number) => number } {
  const { errorAt, elements, repeatedAt } = jsonPlaces(text);
  if (errorAt !== null) {
    const found = errorAt === text.length ? 'its end' : text.slice(errorAt, errorAt + FOUND_MAX).split('\n')[0];
    throw listError(`${file}:${lineAt(text, errorAt)}: found ${found}, which JSON does not have there; expected ${EXAMPLE}`);
  }
  if (repeatedAt !== null) {
    const found = text
      .slice(repeatedAt, repeatedAt + FOUND_MAX)
      .split(':')[0]!
      .trim();
    throw listError(`${file}:${lineAt(text, repeatedAt)}: found ${found} for the second time in one entry; expected each key once`);
  }
  return { value: JSON.parse(text) as unknown, lineOf: (index) => lineAt(text, elements[index]!) };
}

type Fields = Readonly<Record<string, unknown>>;
const isMap = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value);

const SHOWN_MAX = 40;
/** A value as a message shows it; lists and maps may be deep. */
function shown(value: unknown): string {
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'a map';
  const text = value === undefined ? 'nothing' : (JSON.stringify(value) ?? String(value));
  return text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}…` : text;
}

const CONTENTS = ['sha384', 'file', 'fill'] as const;
const VMPLS = ['vmpl1', 'vmpl2', 'vmpl3'] as const;
const KEYS: readonly string[] = ['type', 'gpa', ...CONTENTS, 'imi', ...VMPLS];
const BYTE_MAX = 255;
/** What Linux takes for a path. */
const PATH_MAX = 4095;

type Fail = ListedPage['fail'];

function expectKeys(fields: Fields, known: readonly string[], fail: Fail): void {
  const other = Object.keys(fields).find((key) => !known.includes(key));
  if (other !== undefined) throw fail('', `found ${shown(other)}; expected one of ${known.join(', ')}`);
}

function typeOf({ type }: Fields, fail: Fail): PageType {
  if (typeof type === 'string' && Object.hasOwn(PAGE_TYPES, type)) return type as PageType;
  throw fail('type', `found ${shown(type)}; expected one of ${Object.keys(PAGE_TYPES).join(', ')}`);
}

function gpaOf({ gpa }: Fields, type: PageType, fail: Fail): bigint {
  if (gpa === undefined && type === 'vmsa') return VMSA_GPA;
  if (typeof gpa === 'string' && /^0x[0-9a-f]{1,16}$/i.test(gpa)) {
    const value = BigInt(gpa);
    if (value % BigInt(PAGE_BYTES) === 0n && value < GPA_END) return value;
  }
  throw fail('gpa', `found ${shown(gpa)}; expected "0x…", a multiple of 0x1000 below 0x${GPA_END.toString(16)}`);
}

function byteOf(fields: Fields, key: string, fail: Fail): number {
  const value = fields[key];
  if (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= BYTE_MAX) return value as number;
  throw fail(key, `found ${shown(value)}; expected an integer from 0 to ${BYTE_MAX}`);
}

function digestOf(fields: Fields, key: string, fail: Fail): Uint8Array {
  const value = fields[key];
  const bytes = typeof value === 'string' ? bytesOfHex(value, 48) : null;
  if (bytes === null) throw fail(key, `found ${shown(value)}; expected 96 hex digits, a SHA-384`);
  return bytes;
}

function contentsOf(fields: Fields, type: PageType, fail: Fail): Contents | null {
  const given = CONTENTS.filter((key) => Object.hasOwn(fields, key));
  const [only] = given;
  if (given.length > 1) throw fail('', `found ${given.join(' and ')}; expected one of them`);
  if (only === undefined) {
    if (isMeasured(type)) throw fail('', `found no contents; expected one of ${CONTENTS.join(', ')} in a ${type} page`);
    return null;
  }
  if (only === 'sha384') return { sha384: digestOf(fields, only, fail) };
  if (only === 'fill') return { fill: byteOf(fields, only, fail) };
  const { file } = fields;
  if (typeof file !== 'string' || file === '' || file.length > PATH_MAX)
    throw fail('file', `found ${shown(file)}; expected the path of a file below the list's folder`);
  return { file };
}

function imiOf({ imi = false }: Fields, fail: Fail): boolean {
  if (typeof imi === 'boolean') return imi;
  throw fail('imi', `found ${shown(imi)}; expected true or false`);
}

function pageOf(value: unknown, fail: Fail): ListedPage {
  if (!isMap(value)) throw fail('', `found ${shown(value)}; expected a page: {"type": …, "gpa": …, …}`);
  expectKeys(value, KEYS, fail);
  const type = typeOf(value, fail);
  const [vmpl1, vmpl2, vmpl3] = VMPLS.map((key) => (Object.hasOwn(value, key) ? byteOf(value, key, fail) : 0)) as [number, number, number];
  return {
    type,
    gpa: gpaOf(value, type, fail),
    imi: imiOf(value, fail),
    permissions: [vmpl1, vmpl2, vmpl3],
    contents: contentsOf(value, type, fail),
    fail,
  };
}

/**
 * @param file the name of the list in messages
 * @throws CliError
 */
export function parsePageList(text: string, file: string): PageList {
  if (text.length > LIST_BYTES_MAX) throw listError(`${file} has more than ${LIST_BYTES_MAX} bytes; expected at most that`);
  const { value: list, lineOf } = parsed(text, file);
  if (!Array.isArray(list)) throw listError(`${file}:1: found ${shown(list)}; expected a list: ${EXAMPLE}`);
  if (list.length > PAGES_MAX + 1) throw listError(`${file} has ${list.length} entries; expected at most ${PAGES_MAX} pages`);
  const failIn =
    (index: number): Fail =>
    (field, message) =>
      listError(`${file}:${lineOf(index)}: [${index}]${field === '' ? '' : `.${field}`}: ${message}`);
  const [first] = list as readonly unknown[];
  const hasStart = isMap(first) && Object.hasOwn(first, 'start');
  if (hasStart) expectKeys(first, ['start'], failIn(0));
  return {
    start: hasStart ? digestOf(first, 'start', failIn(0)) : null,
    pages: list.flatMap((value: unknown, index) => (hasStart && index === 0 ? [] : [pageOf(value, failIn(index))])),
  };
}
