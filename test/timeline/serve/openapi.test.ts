/**
 * The OpenAPI document against the server: every path answers as it says, and nothing answers that
 * it does not name.
 */
import { describe, expect, it } from 'vitest';
import { RECORD_KINDS } from '../../../events/journal.ts';
import { journalApp, recordingFixture, Stream } from './fixtures.ts';

interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly oneOf?: readonly Schema[];
  readonly enum?: readonly unknown[];
  readonly items?: Schema;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly minimum?: number;
}
interface Operation {
  readonly operationId: string;
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly responses: Readonly<
    Record<string, { readonly description: string; readonly content?: Readonly<Record<string, { readonly schema: Schema }>> }>
  >;
}
interface Document {
  readonly openapi: string;
  readonly servers: readonly { readonly url: string }[];
  readonly security?: unknown;
  readonly paths: Readonly<Record<string, { readonly get: Operation }>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>>; readonly securitySchemes?: unknown };
}

const { app, source } = journalApp({ recordings: [recordingFixture()] });
const document = (await (await app.request('/openapi.json')).json()) as Document;
const schemas = document.components.schemas;
const urlOf = (path: string): string => path.replace('recordings/{id}', 'recordings/ev_kick.txt').replace('{id}', source.id);

/**
 * What of a value does not fit a schema. As much of JSON Schema as the document uses; an unknown
 * keyword would go unseen, so it is refused.
 */
function misfits(value: unknown, schema: Schema, at = '$'): string[] {
  const unknown = Object.keys(schema).filter(
    (key) => !['$ref', 'type', 'oneOf', 'enum', 'items', 'required', 'properties', 'minimum', 'description', 'default'].includes(key),
  );
  if (unknown.length > 0) return [`${at}: ${unknown.join()}`];
  if (schema.$ref) return misfits(value, schemas[schema.$ref.replace('#/components/schemas/', '')]!, at);
  if (schema.oneOf) return schema.oneOf.filter((one) => misfits(value, one, at).length === 0).length === 1 ? [] : [`${at}: fits not one`];
  if (schema.enum) return schema.enum.includes(value) ? [] : [`${at}: ${String(value)}`];
  const type = value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value;
  const wanted = schema.type === 'integer' ? 'number' : schema.type;
  if (wanted !== undefined && type !== wanted) return [`${at}: ${type}, not ${wanted}`];
  if (schema.type === 'integer' && (!Number.isInteger(value) || (value as number) < (schema.minimum ?? 0)))
    return [`${at}: ${String(value)}`];
  if (Array.isArray(value)) return value.flatMap((item, index) => misfits(item, schema.items ?? {}, `${at}[${index}]`));
  if (type !== 'object' || !schema.properties) return [];
  const fields = value as Record<string, unknown>;
  const missing = (schema.required ?? []).filter((key) => !(key in fields)).map((key) => `${at}.${key} is missing`);
  const more = Object.keys(fields)
    .filter((key) => !(key in schema.properties!))
    .map((key) => `${at}.${key} is not described`);
  return [
    ...missing,
    ...more,
    ...Object.entries(schema.properties).flatMap(([key, field]) => (key in fields ? misfits(fields[key], field, `${at}.${key}`) : [])),
  ];
}

describe('the OpenAPI document', () => {
  it('is one, at both of its places', async () => {
    expect(document.openapi).toBe('3.1.0');
    expect(document.servers).toEqual([{ url: 'http://localhost' }]);
    expect(await (await app.request('/api/openapi.json')).json()).toEqual(document);
    const refs = [...JSON.stringify(document).matchAll(/"#\/components\/schemas\/(\w+)"/g)].map((match) => match[1]!);
    expect(refs.length).toBeGreaterThan(10);
    expect(refs.filter((name) => !(name in schemas))).toEqual([]);
    const ids = Object.values(document.paths).map(({ get }) => get.operationId);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it.each(Object.keys(document.paths))('%s answers as described', async (path) => {
    const { get } = document.paths[path]!;
    const response = await app.request(urlOf(path));
    expect(response.status).toBe(200);
    const type = response.headers.get('content-type')?.split(';')[0]?.toLowerCase() ?? '';
    const { [type]: described, ...others } = get.responses['200']!.content!;
    // Only a timeline comes in more than one format.
    expect(Object.keys(others)).toHaveLength(path.endsWith('/timeline') ? 1 : 0);
    const { schema } = described!;
    if (type === 'application/json') expect(misfits(await response.json(), schema)).toEqual([]);
    else await response.body?.cancel();
    const named = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
    expect((get.parameters ?? []).filter((parameter) => parameter.in === 'path').map(({ name }) => name)).toEqual(named);
  });

  it('describes the data of every event', async () => {
    const told = await new Stream(await app.request(urlOf('/api/runs/{id}/events'))).rest();
    const names = { message: 'Record', end: 'End' } as const;
    for (const { event, data } of told) expect(misfits(data, schemas[names[event as keyof typeof names]]!)).toEqual([]);
    const recorded = await new Stream(await app.request(urlOf('/api/recordings/{id}/events'))).rest();
    expect(misfits(recorded.at(-1)!.data, schemas.RecordingEnd!)).toEqual([]);
    const kinds = new Set(recorded.slice(0, -1).map(({ data }) => (data as { readonly kind: string }).kind));
    for (const kind of kinds) expect(schemas.TimelineEvent!.properties!.kind!.enum).toContain(kind);
    expect(misfits({ from: 1, to: 2 }, schemas.Gap!)).toEqual([]);
    expect(misfits({ code: 'journal_damaged', message: 'a' }, schemas.Failed!)).toEqual([]);
    expect(schemas.Record!.properties!.kind!.enum).toEqual(RECORD_KINDS);
  });

  it.each([
    ['/api/runs/{id}', '/api/runs/x', '404', {}],
    ['/api/runs/{id}/events', '/api/runs/x/events', '404', {}],
    ['/api/runs/{id}/events', '/api/runs/{id}/events?from=x', '400', {}],
    ['/api/runs/{id}/journal', '/api/runs/x/journal', '404', {}],
    ['/api/runs/{id}/journal', '/api/runs/{id}/journal', '416', { range: 'bytes=999999999-' }],
    ['/api/runs/{id}/timeline', '/api/runs/x/timeline', '404', {}],
    ['/api/recordings/{id}', '/api/recordings/x', '404', {}],
    ['/api/recordings/{id}/events', '/api/recordings/{id}/events?from=x', '400', {}],
    ['/api/recordings/{id}/timeline', '/api/recordings/{id}/timeline?format=x', '400', {}],
    ['/api/runs', '/api/runs', '403', { origin: 'https://evil.example' }],
  ])('%s describes the error of %s: %s', async (path, url, status, headers: Record<string, string>) => {
    const response = await app.request(urlOf(url), { headers });
    expect(String(response.status)).toBe(status);
    const described = document.paths[path]!.get.responses[status]!.content!['application/json']!.schema;
    expect(misfits(await response.json(), described)).toEqual([]);
  });

  it('names the parameters that the events take', async () => {
    const { parameters = [] } = document.paths['/api/runs/{id}/events']!.get;
    const values: Record<string, string> = { from: '2', actor: source.actors[0]!, kind: 'change' };
    const inQuery = parameters.filter((parameter) => parameter.in === 'query').map(({ name }) => name);
    expect(inQuery.sort()).toEqual(Object.keys(values).sort());
    for (const name of inQuery) {
      const response = await app.request(`${urlOf('/api/runs/{id}/events')}?${name}=${values[name]}`);
      expect([name, response.status]).toEqual([name, 200]);
      await response.body?.cancel();
    }
  });

  it('asks for a token where the server does', async () => {
    expect([document.security, document.components.securitySchemes]).toEqual([undefined, undefined]);
    const { app: closed } = journalApp({ token: 'sesame' });
    const guarded = (await (await closed.request('/openapi.json', { headers: { authorization: 'Bearer sesame' } })).json()) as Document;
    expect(guarded.security).toEqual([{ bearer: [] }]);
    expect(guarded.components.securitySchemes).toEqual({ bearer: { type: 'http', scheme: 'bearer' } });
  });
});
