/**
 * Which files of the user's own are loaded: every command that is printed to be copied repeats
 * them, and every thread loads them too.
 */

/** A file as the command line named it, and the folder that it is relative to. */
export interface ModelFile {
  readonly file: string;
  readonly cwd: string;
}

const loaded: ModelFile[] = [];

/** @returns a function that removes it from the list again */
export function noteModelFile(one: ModelFile): () => void {
  loaded.push(one);
  return () => {
    loaded.splice(loaded.lastIndexOf(one), 1);
  };
}

export const modelFiles = (): readonly ModelFile[] => [...loaded];

/** The words that load them again. */
export const modelWords = (): readonly string[] => loaded.flatMap(({ file }) => ['--models', file]);
