/** Models besides the host's, by name: those that are shipped, and those of mechanisms. */
import type { ModelModule } from '../models.ts';
import { mechanisms } from '../registry.ts';
import { rmpLock } from './rmp-lock.ts';

export const models = (): readonly ModelModule[] => [rmpLock, ...mechanisms().flatMap((mechanism) => mechanism.models ?? [])];
export const modelNames = (): readonly string[] => models().map(({ name }) => name);
