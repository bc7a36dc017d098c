/** Where a writer cuts texts into the pieces that many of them share. */

/** The most characters of a piece. */
export const PIECE_CHARS_MAX = 4096;

/** Long texts are told apart by their pieces, so that a writer does not keep them. */
export const keyOf = (pieces: readonly number[]): string => `#${pieces.join()}`;

/**
 * Where a text is cut is the writer's business: after commas, because fields recur where whole
 * texts do not. In a long text, which has a field for each CPU of a big host, several fields make a
 * piece: one that differs in a field then has few new characters and few pieces. Where a piece ends
 * depends on its last field alone, so that texts that differ before it have it in common.
 */
export function cut(text: string): string[] {
  const pieces: string[] = [];
  const fields = text.length > LONG_CHARS ? fieldsIn(text.length) : 1;
  let from = 0;
  let at = 0;
  while (from < text.length) {
    const comma = text.indexOf(',', at);
    const end = comma < 0 ? text.length : comma + 1;
    const isLast = fields === 1 || end === text.length || sumOf(text, at, end) % fields === 0;
    at = end;
    if (!isLast && end - from < PIECE_CHARS_MAX / 2) continue;
    for (; from < end; from += PIECE_CHARS_MAX) pieces.push(alone(text.slice(from, Math.min(end, from + PIECE_CHARS_MAX)), fields > 1));
    from = end;
  }
  return pieces;
}

/** Characters of a text beyond which it is a long one. */
export const LONG_CHARS = 1024;

/** How many fields of a long text make a piece, on average: about the root of all. */
const fieldsIn = (chars: number): number => 2 ** Math.max(2, Math.round(Math.log2(Math.sqrt(chars) / 16)));

/** A number that the characters of a field decide. */
function sumOf(text: string, from: number, end: number): number {
  let sum = 0;
  for (let at = from; at < end; at++) sum = (Math.imul(sum, 31) + text.charCodeAt(at)) >>> 0;
  return sum ^ (sum >>> 15);
}

/** A part of a text without the whole, which an engine may keep with its parts. */
const alone = (part: string, isOfMuch: boolean): string => (isOfMuch ? ` ${part}`.slice(1) : part);
