/** What the query and the headers of a request ask for. */
import type { Context } from 'hono';
import { RECORD_KINDS } from '../../events/journal.ts';
import { didYouMean } from '../../events/nearest.ts';
import { EXPORTERS, type Exporter } from '../encode/index.ts';
import { Problem } from './problem.ts';
import type { Wanted } from './sse.ts';

/** What a query may have, each with an example. */
const OF_RUN = { from: '1', actor: 'pcpu:0', kind: 'choice' };
const OF_RECORDING = { from: '1' };
const FROM = 'from';

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

type Queries = Readonly<Record<string, string[]>>;

/** @throws Problem 400 on a key that is not one of the examples */
function queriesOf(c: Context, examples: Readonly<Record<string, string>>): Queries {
  const query = c.req.queries();
  const keys = Object.keys(examples);
  for (const key of Object.keys(query)) {
    if (!keys.includes(key))
      throw bad(`the query has ${JSON.stringify(key)}${didYouMean(key, keys)}`, keys.join(', '), `?${new URLSearchParams(examples)}`);
  }
  return query;
}

/** The only value of a key; undefined if there is none. @throws Problem 400 if there are more */
function onlyValue(query: Queries, key: string): string | undefined {
  const [value, ...more] = query[key] ?? [];
  if (more.length > 0) throw bad(`the query has ${key} more than once`, `one ${key}`, `?${key}=${value}`);
  return value;
}

/**
 * `Last-Event-ID` wins over `from`: a client that comes again sends both, and the header is the
 * newer one.
 */
function fromOf(c: Context, query: Queries): number {
  const given = onlyValue(query, FROM);
  const asked = given === undefined ? 1 : Math.max(seqIn('?from=', given), 1);
  const last = c.req.header('last-event-id') ?? '';
  return last === '' ? asked : seqIn('Last-Event-ID', last) + 1;
}

/** @throws Problem 400 */
export function eventsQuery(c: Context, actors: readonly string[]): Wanted {
  const query = queriesOf(c, OF_RUN);
  const from = fromOf(c, query);
  const actor = oneOf('actor', query.actor ?? [], actors);
  const kind = oneOf('kind', query.kind ?? [], RECORD_KINDS);
  return { from, wanted: (record) => (actor?.has(record.actor) ?? true) && (kind?.has(record.kind) ?? true) };
}

/** The number of the first event of a recording. @throws Problem 400 */
export const recordingQuery = (c: Context): number => fromOf(c, queriesOf(c, OF_RECORDING));

/** The format of a timeline. @throws Problem 400 */
export function formatQuery(c: Context): Exporter {
  const [first] = EXPORTERS as readonly [Exporter, ...Exporter[]];
  const asked = onlyValue(queriesOf(c, { format: first.name }), 'format');
  if (asked === undefined) return first;
  oneOf(
    'format',
    [asked],
    EXPORTERS.map(({ name }) => name),
  );
  return EXPORTERS.find(({ name }) => name === asked)!;
}
