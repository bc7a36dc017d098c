/** What the query and the headers of a request for events ask for. */
import type { Context } from 'hono';
import { type JournalRecord, RECORD_KINDS } from '../../events/journal.ts';
import { didYouMean } from '../../events/nearest.ts';
import { Problem } from './problem.ts';

/** What a query may have, each with an example. */
const EXAMPLES = { from: '1', actor: 'pcpu:0', kind: 'choice' };
const KEYS = Object.keys(EXAMPLES);

export interface EventsQuery {
  readonly from: number;
  readonly wanted: (record: JournalRecord) => boolean;
}

const bad = (message: string, expected: string, attempt: string): Problem =>
  new Problem({ status: 400, code: 'bad_query', message, expected, try: attempt });

function seqIn(name: string, text: string): number {
  const seq = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(seq)) throw bad(`${name} is ${JSON.stringify(text)}`, 'the seq of a record: digits only', '?from=1');
  return seq;
}

function oneOf(key: string, values: readonly string[], known: readonly string[]): ReadonlySet<string> | null {
  for (const value of values) {
    if (known.includes(value)) continue;
    const shown = known.length > 12 ? `${known.slice(0, 12).join(', ')}, …` : known.join(', ');
    throw bad(`${key} is ${JSON.stringify(value)}${didYouMean(value, known)}`, `one of ${shown}`, `?${key}=${known[0] ?? ''}`);
  }
  return values.length > 0 ? new Set(values) : null;
}

/**
 * `Last-Event-ID` wins over `from`: a client that comes again sends both, and the header is the
 * newer one.
 * @throws Problem 400
 */
export function eventsQuery(c: Context, actors: readonly string[]): EventsQuery {
  const query = c.req.queries();
  for (const key of Object.keys(query)) {
    if (!KEYS.includes(key))
      throw bad(`the query has ${JSON.stringify(key)}${didYouMean(key, KEYS)}`, KEYS.join(', '), `?${new URLSearchParams(EXAMPLES)}`);
  }
  const [from = '1', ...more] = query.from ?? [];
  if (more.length > 0) throw bad('the query has from more than once', 'one from', `?from=${from}`);
  const asked = Math.max(seqIn('?from=', from), 1);
  const last = c.req.header('last-event-id') ?? '';
  const actor = oneOf('actor', query.actor ?? [], actors);
  const kind = oneOf('kind', query.kind ?? [], RECORD_KINDS);
  return {
    from: last === '' ? asked : seqIn('Last-Event-ID', last) + 1,
    wanted: (record) => (actor?.has(record.actor) ?? true) && (kind?.has(record.kind) ?? true),
  };
}
