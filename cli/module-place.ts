/** Where in a module of the user's own an error comes from: the file and the line in its stack. */
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The code of the running program: its sources, or what is built of them. */
const PROGRAM = new URL('..', import.meta.url).href;
const LAYERS = /^(?:actors|api|cli|events|replay|sim|timeline|trace)\//;
/** A frame of V8, with or without the name of a function. */
const FRAME = /^ +at (?:.*\()?(file:\/\/\S+?|\/\S+?):(\d+):(\d+)\)?$/;

const isOurs = (url: string): boolean =>
  (url.startsWith(PROGRAM) && LAYERS.test(url.slice(PROGRAM.length))) || url.includes('/node_modules/');

/** The stack, if the error has one that can be read. */
function stackOf(error: unknown): string {
  try {
    return error instanceof Error && typeof error.stack === 'string' ? error.stack : '';
  } catch {
    return '';
  }
}

/** A message with the place on a line of its own. */
export const withPlace = (message: string, place: string | null): string => (place === null ? message : `${message}\n  at ${place}`);

/**
 * The innermost place that is not the program's own, as `mine.js:12:3`; null where none is known,
 * as of errors that no code of the module has caused directly.
 */
export function placeOf(error: unknown, cwd: string): string | null {
  for (let one = error, depth = 0; one instanceof Error && depth < 8; one = one.cause, depth++) {
    for (const line of stackOf(one).split('\n')) {
      const [, where, row, column] = FRAME.exec(line) ?? [];
      if (where === undefined) continue;
      const url = where.startsWith('/') ? `file://${where}` : where;
      if (isOurs(url)) continue;
      const near = relative(cwd, fileURLToPath(url));
      return `${near.startsWith('..') ? fileURLToPath(url) : near}:${row}:${column}`;
    }
  }
  return null;
}
