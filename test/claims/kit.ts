/**
 * The claims of the kit: the rows of docs/domain/kit.md, with the files that test each of them and
 * the mutants under which its test fails, as they stand there.
 */
import { codeOf, projectFiles, textOf } from '../house/source.ts';

export interface KitRow {
  readonly id: string;
  readonly says: string;
  readonly source: string;
  readonly grade: string;
  readonly tests: readonly string[];
  /** What is wrong in each, in words: machines and paths of a test, and no name for `--mutant`. */
  readonly mutants: readonly string[];
}

const ROW = /^\| (?<id>KIT-\d+) \| (?<says>.+?) \| (?<source>.+?) \| (?<grade>\w+) \|$/gm;

/** A claim as data, or a test whose title begins with its id. */
const CLAIM = /(?:\bid: '(?<claim>KIT-\d+)'|\((?:\s*)'(?<title>KIT-\d+) )/g;

/** The keys of the map that opens at this offset. */
function keysAt(text: string, code: string, open: number): readonly string[] {
  const keys: string[] = [];
  let depth = 0;
  for (let at = open; at < code.length; at++) {
    if (depth === 1 && (code[at - 1] === '{' || code[at - 1] === ',')) {
      const [, key] = /^\s*(?:'((?:[^'\\]|\\.)+)'|(?:\w+))\s*:/.exec(text.slice(at)) ?? [];
      if (key !== undefined) keys.push(key);
    }
    if ('{[('.includes(code[at]!)) depth++;
    if ('}])'.includes(code[at]!)) depth--;
    if (depth === 0) break;
  }
  return keys;
}

/** The mutants of the claim that stands as data at this offset. */
function mutantsAt(text: string, code: string, at: number): readonly string[] {
  const named = code.indexOf('mutants: {', at);
  return keysAt(text, code, named + 'mutants: '.length);
}

interface Found {
  readonly tests: readonly string[];
  readonly mutants: readonly string[];
}

/** What the tests of the kit have of each claim, by its id. */
function foundInTests(): ReadonlyMap<string, Found> {
  const found = new Map<string, Found>();
  for (const file of projectFiles().filter((one) => /^test\/actors\/(?:kvm\/)?kit\/[^/]+\.test\.ts$/.test(one))) {
    const text = textOf(file);
    const code = codeOf(text);
    for (const { groups, index } of text.matchAll(CLAIM)) {
      const id = groups!.claim ?? groups!.title!;
      const { tests, mutants } = found.get(id) ?? { tests: [], mutants: [] };
      found.set(id, {
        tests: [...new Set([...tests, file])],
        mutants: [...mutants, ...(groups!.claim ? mutantsAt(text, code, index) : [])],
      });
    }
  }
  return found;
}

/** In the order of the document. */
export function kitRows(): readonly KitRow[] {
  const found = foundInTests();
  return [...textOf('docs/domain/kit.md').matchAll(ROW)].map(({ groups }) => {
    const { id, says, source, grade } = groups as Record<'id' | 'says' | 'source' | 'grade', string>;
    return { id, says, source, grade, tests: [], mutants: [], ...found.get(id) };
  });
}

/** Claims that tests name, in the document or not. */
export const testedIds = (): readonly string[] => [...foundInTests().keys()];
