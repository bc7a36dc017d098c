/** All properties, by id. */

import { amongMechanisms, perRegistry } from '../host/registry.ts';
import { models } from '../models/index.ts';
import type { Property } from '../property.ts';
import type { KnownProperty } from '../scenario/properties.ts';
import { guarded } from './guarded.ts';
import { progress } from './liveness.ts';
import { useAfterFree } from './objects.ts';

export const properties = perRegistry((): readonly Property[] =>
  [
    ...amongMechanisms<readonly Property[]>([progress, useAfterFree], (mechanism) => mechanism.properties ?? []).flat(),
    ...models().flatMap((model) => model.properties),
  ].map(guarded),
);

/** All properties as scenarios are checked against them. */
export const knownProperties = (): readonly KnownProperty[] => properties().map(({ id, form }) => ({ id, kind: form }));

/** @throws Error if there is no such property; scenarios are checked before they run */
export function propertyOf(id: string): Property {
  const property = properties().find((candidate) => candidate.id === id);
  if (!property) throw new Error(`there is no property ${id}`);
  return property;
}
