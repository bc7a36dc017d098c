/** What a search never took, for people: a few lines, by path. */
import type { Hole, Item } from '../sim/explore/covered/chart.ts';
import { countsText, grouped, type HoleGroup } from '../sim/explore/covered/holes.ts';
import type { Printer } from './output.ts';

const LINES_MAX = 8;
const COLUMNS = 80;

export const plainHole = ({ kind, what, name }: Hole): Hole => ({ kind, what, name });

/** The end of a path tells more than its beginning. */
const clipped = (text: string, columns: number): string => (text.length <= columns ? text : `…${text.slice(1 - columns)}`);

/** Whether a hole is of a module of the user's own. */
export type IsOwn = (hole: Hole) => boolean;

/**
 * By path: those of the user's own modules, however many there are, then those with most holes;
 * `all` and how many there are in --json.
 */
export function holeLines(all: Parameters<typeof grouped>[1] & { readonly holes: readonly Item[] }, isOwn: IsOwn = () => false): string[] {
  const lineOf =
    (before: string) =>
    ({ place, holes }: HoleGroup): string => {
      const counts = countsText(holes);
      return `  ${before}${clipped(place, COLUMNS - 4 - before.length - counts.length)}: ${counts}`;
    };
  const own = grouped(all.holes.filter(isOwn), all);
  const others = grouped(
    all.holes.filter((hole) => !isOwn(hole)),
    all,
  );
  const shown = others.slice(0, Math.max(0, LINES_MAX - own.length));
  const more = others.length - shown.length;
  return [
    ...own.map(lineOf('yours: ')),
    ...shown.map(lineOf('')),
    ...(more > 0 ? [`  … and at ${more} more place${more === 1 ? '' : 's'}; --json lists all`] : []),
  ];
}

export function printHoles(printer: Printer, all: Parameters<typeof holeLines>[0], isOwn?: IsOwn): void {
  for (const line of holeLines(all, isOwn)) printer.line(line);
}
