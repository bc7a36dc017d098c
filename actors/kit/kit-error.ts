/** What the kit says of what an author has given to it. */

/** Something of the kit has got what it cannot take. @public */
export class KitError extends Error {
  override readonly name = 'KitError';
}
