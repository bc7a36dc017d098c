/** The house rules of prose, in scripts and in documents alike. */

export const COLUMNS_MAX = 100;

/** Words that hide who acts. Each is written in two pieces, so that this list does not hold it. */
export const WORDS: readonly string[] = ['who|ever', 'some|body', 'no|body', 'a|new', 'for| ever', 'at the| least'].map((word) =>
  word.replace('|', ''),
);

/** A phrase is also found where a line ends inside it. */
export const BANNED = new RegExp(`\\b(?:${WORDS.map((word) => word.replaceAll(' ', '\\s+')).join('|')})\\b`, 'gi');
