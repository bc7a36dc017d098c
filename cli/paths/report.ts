/** What `paths` prints of one path, and of all of them. */

import { counted } from '../../sim/counted.ts';
import type { Outline } from '../../sim/paths/outline.ts';
import type { Site } from '../../sim/paths/sites.ts';
import type { ResolvedScenario } from '../../sim/scenario/types.ts';
import { type Printer, styled, table } from '../output.ts';
import { codeLines, codeRows } from './pseudo-code.ts';

const PLACES_MAX = 3;
const COLUMNS = 80;

/** Who walks a path: actors of a kind, or their notifiers. */
const walkerOf = ({ kind, walk }: Pick<Site, 'kind' | 'walk'>): string => (walk.frame === 'notify' ? `${kind}, notifier` : kind);

function placesText(places: Outline['places']): string {
  const shown = places.slice(0, PLACES_MAX).map(({ kind, path }) => `${kind} in ${path}`);
  const more = places.length - shown.length;
  return more > 0 ? `${shown.join('; ')}; and ${counted(more, 'other place')}` : shown.join('; ');
}

/** The lines above the code of a path. */
export function headLines(outline: Outline): string[] {
  const { source, grade, places, isUsed, locals, requires, emptySlots, names } = outline;
  return [
    `source: ${source} (${grade})`,
    `walked by ${placesText(places)}`,
    ...(isUsed ? [] : ['no program of this scenario asks for it']),
    ...(requires === null ? [] : ['requires preemption off']),
    `locals that die when it returns: ${locals.join(', ') || 'none'}`,
    ...(emptySlots.length > 0 ? [`slots here that nothing fills: ${emptySlots.join(', ')}`] : []),
    `replaceStep finds: ${names.join(', ')}`,
  ];
}

export function printPath(printer: Printer, outline: Outline): void {
  printer.line(styled('bold', outline.name));
  for (const line of headLines(outline)) printer.line(`  ${line}`);
  printer.line();
  const limit = Number.isFinite(printer.limit) ? printer.limit : Number.MAX_SAFE_INTEGER;
  for (const line of codeLines(codeRows(outline), limit)) printer.line(line);
}

/** What the columns and the words of pseudo-code mean, in one paragraph. */
export const LEGEND =
  'First column: the context (U user, P preemptible, R voluntary reschedule point, L spinlock, N preemption off, I interrupts off, G guest, X inside an instruction). A when is decided at the end of the step that it names, and others may run before the next one. Messages are those that a step says when it is tried; explore --coverage tells those that were sent. worldswitch paths --about explains the rest.';

const rowOf = (name: string, sites: readonly Site[]): string[] => {
  const { path } = sites[0]!;
  return [name, [...new Set(sites.map(walkerOf))].join('; '), `${path.source} (${path.grade})`];
};

export function printList(printer: Printer, paths: ReadonlyMap<string, readonly Site[]>, { name, variant, host }: ResolvedScenario): void {
  const isUsed = (sites: readonly Site[]): boolean => sites.some((site) => site.isUsed);
  const used = [...paths].filter(([, sites]) => isUsed(sites));
  const others = [...paths].filter(([, sites]) => !isUsed(sites));
  printer.line(styled('bold', `${counted(used.length, 'path')} of ${name}, variant ${variant}`));
  table(
    printer,
    used.map(([path, sites]) => rowOf(path, sites)),
    '  ',
    printer.limit <= COLUMNS,
  );
  if (others.length > 0) {
    printer.line();
    printer.line(
      styled('bold', `${counted(others.length, 'path')} of this ${host.arch} host besides`),
      ', for programs that this scenario has not',
    );
    table(
      printer,
      others.map(([path, sites]) => rowOf(path, sites)),
      '  ',
      printer.limit <= COLUMNS,
    );
  }
  printer.line();
  printer.line('One of them: worldswitch paths NAME');
}

/** The same as data. */
export const listDocument = (paths: ReadonlyMap<string, readonly Site[]>) =>
  [...paths].map(([name, sites]) => ({
    name,
    source: sites[0]!.path.source,
    grade: sites[0]!.path.grade,
    used: sites.some((site) => site.isUsed),
    places: sites.map(({ kind, walk, prefix, isUsed }) => ({ kind, frame: walk.frame, path: prefix, used: isUsed })),
  }));
