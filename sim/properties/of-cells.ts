/** Properties of what the cells of a race hold, in a line each. */
import type { CellFields } from '../../actors/kit/cell.ts';
import type { Source } from '../../actors/path/path.ts';
import { alwaysEach, type Property, sometimes } from '../property.ts';

/** A primitive whose actors have fields: a cell, or anything by its kind. @public */
export interface OfKind {
  readonly kind: string;
}

const known = (source: string | Source): Source => (typeof source === 'string' ? { source, grade: 'decision' } : source);

/**
 * In no state any cell of it is wrong: `wrong` has what is told about it, and false or null where
 * nothing is wrong.
 * @public
 */
export const alwaysIn = <F = CellFields>(
  id: string,
  { kind }: OfKind,
  source: string | Source,
  wrong: (fields: F, id: string) => string | false | null | undefined,
): Property => alwaysEach<F>(id, { ...known(source), kind, each: (cell) => wrong(cell.context, cell.id) || null });

/** In some state a cell of it is so. @public */
export const sometimesIn = <F = CellFields>(
  id: string,
  { kind }: OfKind,
  source: string | Source,
  isSo: (fields: F, id: string) => boolean,
): Property =>
  sometimes(id, {
    ...known(source),
    kinds: [kind],
    check: (world) => world.actors<F>(kind).find((cell) => isSo(cell.context, cell.id))?.id ?? null,
  });
