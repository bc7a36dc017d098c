/**
 * JSON from files that are not trusted: how deep a text nests and how many values it holds is known
 * before anything is built of it, as a parser would take both from the one who wrote the text.
 */

export interface JsonSize {
  readonly depth: number;
  /** Lists, maps and the values in them, with the keys of maps; no fewer than there are. */
  readonly values: number;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Of a text that need not be JSON. */
export function sizeOfJson(text: string): JsonSize {
  let open = 0;
  let depth = 0;
  let values = 1;
  for (let at = 0; at < text.length; at++) {
    const c = text.charCodeAt(at);
    if (c === QUOTE) at = endOfText(text, at + 1);
    else if (c === 0x7b || c === 0x5b) {
      values++;
      if (++open > depth) depth = open;
    } else if (c === 0x7d || c === 0x5d) open--;
    else if (c === 0x2c || c === 0x3a) values++;
  }
  return { depth, values };
}

/** Where the quote stands that ends the text which starts at `from`. */
function endOfText(text: string, from: number): number {
  let at = from;
  while (at < text.length && text.charCodeAt(at) !== QUOTE) at += text.charCodeAt(at) === BACKSLASH ? 2 : 1;
  return at;
}

/** How deep lists and maps of a file may stand in each other. */
const DEPTH_MAX = 64;
/** How many values a file may hold. */
const VALUES_MAX = 1 << 20;

/** @throws SyntaxError if the text is no JSON, nests too deep or holds too many values */
export function parseJson(text: string, valuesMax = VALUES_MAX): unknown {
  const { depth, values } = sizeOfJson(text);
  if (depth > DEPTH_MAX) throw new SyntaxError(`its values nest ${depth} deep; at most ${DEPTH_MAX} levels are allowed`);
  if (values > valuesMax) throw new SyntaxError(`it holds about ${values} values; at most ${valuesMax} are allowed`);
  return JSON.parse(text);
}
