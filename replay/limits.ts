/**
 * How much a reader takes from one file: counts and lengths are held against these before anything
 * is built, so that a forged file of 100 MB costs no more memory than an honest one. Runs stay far
 * below them; `docs/journal-format.md` lists them.
 */

/** Labels, events and local states of a file together; and pieces of text. */
export const TEXTS_MAX = 1 << 22;
export const PIECES_MAX = 1 << 22;
/** Pieces that the texts of a file refer to. */
export const REFERENCES_MAX = 1 << 24;
/** Records of one block: a writer closes it at the end of the step that brings it to 4,096. */
export const BLOCK_RECORDS_MAX = 1 << 20;
/** Messages in flight at one time. */
export const IN_FLIGHT_MAX = 1 << 20;
/** Bytes of a start frame, and of a seal: they are built as objects, where columns are not. */
export const FACTS_BYTES_MAX = 1 << 23;
