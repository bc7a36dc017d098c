/** Models besides the host's, by name: mechanisms bring them. */

import { mechanisms } from '../host/registry.ts';
import type { ModelModule } from '../models.ts';

export const models = (): readonly ModelModule[] => mechanisms().flatMap((mechanism) => mechanism.models ?? []);
export const modelNames = (): readonly string[] => models().map(({ name }) => name);
