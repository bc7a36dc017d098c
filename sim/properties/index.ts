/** All properties, by id. */
import { MODELS } from '../models/index.ts';
import type { Property } from '../property.ts';
import {
  guestKilled,
  guestPageLost,
  hostPanic,
  innocentProcessKilled,
  inUseIsVmsa,
  lockIsContended,
  pscMeetsHostWrite,
  retryBounded,
  validatedImpliesAssigned,
  vmBugged,
} from './rmp.ts';

export const PROPERTIES: readonly Property[] = [
  hostPanic,
  innocentProcessKilled,
  guestPageLost,
  guestKilled,
  vmBugged,
  retryBounded,
  validatedImpliesAssigned,
  inUseIsVmsa,
  lockIsContended,
  pscMeetsHostWrite,
  ...MODELS.flatMap(({ properties }) => properties),
];

export const PROPERTY_IDS: readonly string[] = PROPERTIES.map((property) => property.id);

/** @throws Error if there is no such property; scenarios are checked against PROPERTY_IDS before they run */
export function propertyOf(id: string): Property {
  const property = PROPERTIES.find((candidate) => candidate.id === id);
  if (!property) throw new Error(`there is no property ${id}`);
  return property;
}
