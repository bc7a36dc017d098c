/** Why a search over classes is refused. */

/** A condition does not hold: no class may stand for its configurations. */
export class ClassError extends Error {
  override readonly name = 'ClassError';
}
