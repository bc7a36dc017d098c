/** Names for tests that are made by a function, so that a path can be read. */

/** The same test, under a name that says what it asks. */
export const saying = <F extends (...args: never[]) => unknown>(says: string, test: F): F =>
  Object.defineProperty(test, 'name', { value: says });
