/**
 * The pages of a list, one after another, with what its files hold. A file lies below the folder of
 * the list, wherever links lead, and is read a page at a time.
 */
import { closeSync, constants, fstatSync, openSync, readSync, realpathSync } from 'node:fs';
import { isAbsolute, relative, resolve, sep } from 'node:path';
import { isMeasured, type LaunchPage, PAGE_BYTES, pageDigest } from '../../actors/sev-snp/firmware/launch-digest.ts';
import { type CliError, fileError } from '../errors.ts';
import { GPA_END, type ListedPage, PAGES_MAX } from './page-list.ts';

/** Whether a path is no other than one below the folder. */
function isBelow(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== '' && way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

function openBelow(folder: string, name: string, fail: ListedPage['fail']): number {
  const outside = (): CliError => fail('file', `found ${name}; expected a file below the folder of the list`);
  const path = resolve(folder, name);
  if (isAbsolute(name) || name.includes('\0') || !isBelow(folder, path)) throw outside();
  let fd: number;
  try {
    const real = realpathSync(path);
    if (!isBelow(realpathSync(folder), real)) throw outside();
    // A pipe without a writer would keep the command waiting, and is refused below.
    fd = openSync(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const told = fileError(error, name, 'read');
    throw told === error ? error : fail('file', told.message);
  }
  return fd;
}

/** The digests of the pages of a file. */
function* pagesIn(folder: string, name: string, { type, fail }: ListedPage): Generator<Uint8Array> {
  const fd = openBelow(folder, name, fail);
  try {
    const found = fstatSync(fd);
    if (!found.isFile()) throw fail('file', `${name} is no regular file; expected one`);
    const { size } = found;
    const wanted = type === 'vmsa' ? `${PAGE_BYTES} bytes, one VMSA` : `${PAGE_BYTES} bytes or a multiple of it`;
    if (size === 0 || size % PAGE_BYTES !== 0 || (type === 'vmsa' && size !== PAGE_BYTES)) {
      throw fail('file', `${name} has ${size} bytes; expected ${wanted}`);
    }
    const page = new Uint8Array(PAGE_BYTES);
    for (let at = 0; at < size; at += PAGE_BYTES) {
      let count = 0;
      try {
        count = readSync(fd, page, 0, PAGE_BYTES, at);
      } catch (error) {
        throw fileError(error, name, 'read');
      }
      if (count !== PAGE_BYTES) throw fail('file', `${name} ended while it was read; expected ${size} bytes`);
      yield pageDigest(page);
    }
  } finally {
    closeSync(fd);
  }
}

function* digestsOf(folder: string, page: ListedPage, fills: Map<number, Uint8Array>): Generator<Uint8Array | undefined> {
  const { contents, type } = page;
  if (contents === null) yield undefined;
  else if ('sha384' in contents) yield contents.sha384;
  else if ('file' in contents) yield* pagesIn(folder, contents.file, page);
  else if (isMeasured(type)) {
    const { fill } = contents;
    const known = fills.get(fill) ?? pageDigest(new Uint8Array(PAGE_BYTES).fill(fill));
    fills.set(fill, known);
    yield known;
  } else yield undefined;
}

/**
 * The pages as the firmware takes them: a file of several is as many pages, one behind the other.
 * @throws CliError
 */
export function* launchPages(folder: string, pages: readonly ListedPage[]): Generator<LaunchPage> {
  const fills = new Map<number, Uint8Array>();
  let count = 0;
  for (const page of pages) {
    const { type, imi, permissions, fail } = page;
    let { gpa } = page;
    for (const sha384 of digestsOf(folder, page, fills)) {
      if (++count > PAGES_MAX) throw fail('', `found more than ${PAGES_MAX} pages in all; expected at most that`);
      if (gpa >= GPA_END) throw fail('gpa', `the pages end behind 0x${GPA_END.toString(16)}; expected all below it`);
      yield { type, gpa, imi, permissions, ...(sha384 && { sha384 }) };
      gpa += BigInt(PAGE_BYTES);
    }
  }
}
