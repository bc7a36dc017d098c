/** Which files of the user's own are loaded, as the command line named them: every command that is printed to be copied repeats them. */

const loaded: string[] = [];

/** @returns what forgets it again */
export function noteModelFile(file: string): () => void {
  loaded.push(file);
  return () => {
    loaded.splice(loaded.lastIndexOf(file), 1);
  };
}

/** Their names, in the order in which they were loaded. */
export const modelFiles = (): readonly string[] => [...loaded];

/** The words that load them again. */
export const modelWords = (): readonly string[] => loaded.flatMap((file) => ['--models', file]);
