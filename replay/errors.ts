/** Why a journal could not be written or read: every failure names its place. */

/**
 * Where in a file: the offset of the frame's first byte, and the frame's number (the start frame is
 * 1; 0 is the file header).
 */
export interface Place {
  readonly offset: number;
  readonly frame: number;
}

/**
 * A file ends in bytes that were never acknowledged: everything before `offset` is good.
 * @public
 */
export interface Torn {
  readonly offset: number;
  readonly lostBytes: number;
  readonly reason: string;
}

/** The base of everything that can be wrong with the bytes of a journal. @public */
export class JournalError extends Error {
  override readonly name: string = 'JournalError';
}

/** The bytes do not begin as a journal does. @public */
export class NotAJournalError extends JournalError {
  override readonly name = 'NotAJournalError';
}

/** The file needs a reader that knows more than this one. @public */
export class JournalTooNewError extends JournalError {
  override readonly name = 'JournalTooNewError';
}

/**
 * The file is torn so early that there is nothing to go on from; a file torn later opens and
 * reports it.
 * @public
 */
export class JournalTornError extends JournalError {
  override readonly name = 'JournalTornError';
  readonly offset: number;
  readonly lostBytes: number;
  constructor({ offset, lostBytes, reason }: Torn) {
    super(`the journal is torn at byte ${offset}: ${reason}; nothing was recorded before it`);
    this.offset = offset;
    this.lostBytes = lostBytes;
  }
}

/** Some part of the file is not what was written; `offset` and `frame` name the place. @public */
export class JournalDamagedError extends JournalError {
  override readonly name = 'JournalDamagedError';
  readonly offset: number;
  readonly frame: number;
  readonly reason: string;
  constructor({ offset, frame }: Place, reason: string) {
    super(`the journal is damaged in frame ${frame} at byte ${offset}: ${reason}`);
    this.offset = offset;
    this.frame = frame;
    this.reason = reason;
  }
}

/**
 * Writing failed. Under the final name is what was there before; the partial file is gone unless
 * the message says otherwise.
 * @public
 */
export class JournalWriteError extends Error {
  override readonly name = 'JournalWriteError';
  readonly path: string;
  /** What was being done: `open`, `write`, `sync`, `rename`, … */
  readonly operation: string;
  /** The system's name of the error, for example ENOSPC. */
  readonly code: string;
  /** The whole file, where only its last name could not be given, or made durable; else null. */
  readonly kept: string | null;
  constructor(
    path: string,
    operation: string,
    cause: unknown,
    { note = '', kept = null }: { readonly note?: string; readonly kept?: string | null } = {},
  ) {
    const code = codeOf(cause) || 'EUNKNOWN';
    super(`cannot ${operation} ${path}: ${code}${cause instanceof Error ? ` (${cause.message})` : ''}${note}`, { cause });
    this.path = path;
    this.operation = operation;
    this.code = code;
    this.kept = kept;
  }
}

/**
 * The given bytes do not decode. The caller, which knows the frame, turns this into a
 * JournalDamagedError.
 */
export class UndecodableError extends Error {
  override readonly name = 'UndecodableError';
}

/** The system's name of an error; empty where it is another one. */
export const codeOf = (cause: unknown): string =>
  cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : '';

/**
 * Runs a decoder over the bytes of one frame.
 * @throws JournalDamagedError with the frame's place if the bytes do not decode
 */
export function decodedAt<T>(place: Place, decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    if (error instanceof UndecodableError) throw new JournalDamagedError(place, error.message);
    throw error;
  }
}
