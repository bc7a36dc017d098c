/** What a search never took, for people: a few lines, by path. */
import type { Hole, Item } from '../sim/explore/covered/chart.ts';
import { countsText, grouped } from '../sim/explore/covered/holes.ts';
import type { Printer } from './output.ts';

const LINES_MAX = 8;
const COLUMNS = 80;

export const plainHole = ({ kind, what, name }: Hole): Hole => ({ kind, what, name });

/** The end of a path tells more than its beginning. */
const clipped = (text: string, columns: number): string => (text.length <= columns ? text : `…${text.slice(1 - columns)}`);

/** By path, those with most holes first; `all` and how many there are in --json. */
export function holeLines(all: Parameters<typeof grouped>[1] & { readonly holes: readonly Item[] }): string[] {
  const groups = grouped(all.holes, all);
  const lines = groups.slice(0, LINES_MAX).map(({ place, holes }) => {
    const counts = countsText(holes);
    return `  ${clipped(place, COLUMNS - 4 - counts.length)}: ${counts}`;
  });
  const more = groups.length - LINES_MAX;
  return more > 0 ? [...lines, `  … and at ${more} more place${more === 1 ? '' : 's'}; --json lists all`] : lines;
}

export function printHoles(printer: Printer, all: Parameters<typeof holeLines>[0]): void {
  for (const line of holeLines(all)) printer.line(line);
}
