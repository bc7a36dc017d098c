/** Models besides the host's, by name: mechanisms bring them. */
import type { ModelModule } from '../models.ts';
import { mechanisms } from '../registry.ts';

export const models = (): readonly ModelModule[] => mechanisms().flatMap((mechanism) => mechanism.models ?? []);
export const modelNames = (): readonly string[] => models().map(({ name }) => name);
