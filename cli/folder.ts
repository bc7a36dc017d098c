/** Makes folders with all that is above them. */
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Like `mkdir -p`. Node's own recursive mkdir never returns where the parent exists and the file system refuses children with ENOENT, as
 * below /proc; this goes down one folder at a time and fails.
 * @throws the system's error
 */
export function makeFolder(path: string): void {
  if (existsSync(path) && statSync(path).isDirectory()) return;
  const parent = dirname(path);
  if (parent !== path) makeFolder(parent);
  try {
    mkdirSync(path);
  } catch (error) {
    // Somebody else may have made it at the same time.
    if ((error as { readonly code?: string }).code !== 'EEXIST' || !statSync(path).isDirectory()) throw error;
  }
}
