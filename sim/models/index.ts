/** The models that are shipped, by name. */
import type { ModelModule } from '../models.ts';
import { rmpLock } from './rmp-lock.ts';

export const MODELS: readonly ModelModule[] = [rmpLock];
export const MODEL_NAMES: readonly string[] = MODELS.map(({ name }) => name);
