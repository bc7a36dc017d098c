/** Where steps of the kit come from. */
import type { Source } from '../path/path.ts';

/** A place in the kernel that its author has in mind, and has not read again. */
export const memorized = (source: string): Source => ({ source, grade: 'memory' });
