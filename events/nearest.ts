/** The valid name that the user most likely meant. */

/**
 * Longer names are not compared: the work grows with the product of both lengths, and no valid name
 * is that long.
 */
const LENGTH_MAX = 64;

/**
 * Insertions, deletions, substitutions and swaps of neighbours that turn one text into the other.
 */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const substituted = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? before[j - 2]! + 1 : Number.POSITIVE_INFINITY;
      current.push(Math.min(substituted, swapped, previous[j]! + 1, current[j - 1]! + 1));
    }
    before = previous;
    previous = current;
  }
  return previous[b.length]!;
}

/**
 * The candidate nearest to `name`, the first of equals; null if none is near. Upper and lower case
 * count as equal.
 */
function nearest(name: string, candidates: readonly string[]): string | null {
  if (name.length > LENGTH_MAX) return null;
  let best: string | null = null;
  let distanceMax = Math.max(1, Math.floor(name.length / 3)) + 1;
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - name.length) >= distanceMax) continue;
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance < distanceMax) {
      best = candidate;
      distanceMax = distance;
    }
  }
  return best;
}

const wordsOf = (name: string): readonly string[] => name.toLowerCase().split(/[^a-z0-9]+/);

/**
 * The candidates most like `name`, however far: those with the most of its words, and of these the
 * nearest in letters.
 */
export function likest(name: string, candidates: readonly string[], count: number): readonly string[] {
  const text = name.slice(0, LENGTH_MAX);
  const words = wordsOf(text);
  return candidates
    .map((candidate) => ({
      candidate,
      shared: wordsOf(candidate).filter((word) => words.includes(word)).length,
      distance: editDistance(text.toLowerCase(), candidate.toLowerCase()),
    }))
    .sort((one, other) => other.shared - one.shared || one.distance - other.distance)
    .slice(0, count)
    .map(({ candidate }) => candidate);
}

/** The end of a message about an unknown name: a question, or nothing. */
export function didYouMean(name: string, candidates: readonly string[]): string {
  const meant = nearest(name, candidates);
  return meant === null ? '' : `; did you mean ${JSON.stringify(meant)}?`;
}
