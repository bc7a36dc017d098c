/** Prints or writes what `id-block` and `id-auth` have made or found. */
import type { Call } from '../command.ts';
import { EXIT, usageError } from '../errors.ts';
import { styled, table } from '../output.ts';
import { checkOutput, writeOutput } from '../target.ts';
import { base64Of } from './bytes.ts';
import type { IdOptions } from './id-options.ts';
import { documentOf, keyRows, rowsOf, type Structures } from './id-structures.ts';

export interface Kind {
  /** The structure that the command is about. */
  readonly primary: 'block' | 'auth';
  /** It was read, and not made. */
  readonly isRead: boolean;
}

const bytesOf = ({ authBytes, blockBytes }: Structures, primary: Kind['primary']): Uint8Array =>
  primary === 'auth' && authBytes !== null ? authBytes : blockBytes;

function print({ out, options }: Call, structures: Structures, { primary, isRead }: Kind): void {
  const { auth, wrong } = structures;
  const isGood = wrong.length === 0;
  if (isRead) table(out, rowsOf(structures), '');
  for (const one of wrong) out.line(styled('red', 'wrong'), `: ${one}`);
  if (isRead && isGood) out.line(styled('green', 'ok'));
  if (isRead || !isGood) return;
  const bytes = bytesOf(structures, primary);
  const { output } = options as Pick<IdOptions, 'output'>;
  out.line(output === undefined ? base64Of(bytes) : `${output}  ${bytes.length} bytes`);
  table(out, keyRows(auth), '');
}

/** @returns the exit code */
export function answer(call: Call, structures: Structures, kind: Kind): number {
  const { io, out, json, options } = call;
  const { output } = options as Pick<IdOptions, 'output'>;
  const isGood = structures.wrong.length === 0;
  if (output !== undefined) {
    if (kind.isRead) throw usageError('-o is for a structure that is made; expected none where one is read');
    checkOutput(output, io, { json });
    // What was asked for is not what would be signed.
    if (isGood) writeOutput(output, [bytesOf(structures, kind.primary)], io);
  }
  if (json) out.json(documentOf(structures));
  else if (output !== '-') print(call, structures, kind);
  return isGood ? EXIT.ok : EXIT.broken;
}
