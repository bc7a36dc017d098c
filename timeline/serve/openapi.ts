/**
 * The description of the server for programs: OpenAPI 3.1. A test compares it with what the server
 * answers.
 */
import { RECORD_KINDS, RUN_ENDS, STUCK_KINDS } from '../../events/journal.ts';
import { EXPORTERS } from '../encode/index.ts';

type Schema = { readonly [key: string]: unknown };

const text = (description: string, rest: Schema = {}): Schema => ({ type: 'string', description, ...rest });
const count = (description: string): Schema => ({ type: 'integer', minimum: 0, description });
const flag = (description: string): Schema => ({ type: 'boolean', description });
const orNull = (schema: Schema): Schema => ({ oneOf: [schema, { type: 'null' }] });
const list = (items: Schema): Schema => ({ type: 'array', items });
const ref = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });

/** All properties are there always, unless `optional` says otherwise. */
const object = (
  properties: Readonly<Record<string, Schema>>,
  description = '',
  optional: Readonly<Record<string, Schema>> = {},
): Schema => ({
  type: 'object',
  ...(description && { description }),
  required: Object.keys(properties),
  properties: { ...properties, ...optional },
});

const RUN = {
  id: text('The run id: 32 hexadecimal digits, and a number where one run is served twice.'),
  scenario: text("The scenario's name."),
  variant: text('The variant of the host that was run.'),
  records: count('Records so far, and so the seq of the last one.'),
  sealed: flag('The journal is complete.'),
};

const ENDED = {
  steps: count('Number of the last step so far.'),
  verdict: orNull({ type: 'string', enum: ['clean', 'violation'] }),
  end: orNull(ref('RunEnd')),
  digest: orNull(text("The world's digest after the last step.")),
  root: orNull(text("The journal's SHA-256 chain; null while it grows.")),
  failure: orNull(text('Why a live run stopped without an end.')),
};

const CYCLE = object({ from: count('Back to the end of this step.'), length: count('Steps of one turn.') }, 'The run can go on forever.');

const SCHEMAS: Readonly<Record<string, Schema>> = {
  Run: object(RUN),
  RunSummary: object({
    ...RUN,
    ...ENDED,
    live: flag('More records may come.'),
    torn: orNull({ type: 'object', description: 'What an unsealed file lost at its end.' }),
    start: { type: 'object', description: 'What decided the run: the resolved scenario, model, chooser, seed, schedule.' },
    actors: list(object({ id: text('As in records.'), kind: text('Name of its machine.') })),
  }),
  RunEnd: object(
    {
      verdict: { type: 'string', enum: ['clean', 'violation'] },
      violation: orNull(
        object({ property: text('Its id.'), step: count('After which it was broken.'), message: text('The evidence.') }, '', {
          kind: { type: 'string', enum: [...STUCK_KINDS], description: 'How the run gets nowhere, where the property tells it.' },
          lasso: CYCLE,
        }),
      ),
      ended: { type: 'string', enum: [...RUN_ENDS] },
      outcomes: { type: 'object' },
    },
    '',
    { comesBack: CYCLE },
  ),
  Record: object(
    {
      seq: { type: 'integer', minimum: 1, description: 'Without gaps.' },
      step: count('0 is the initial state.'),
      vtime: { type: 'number', description: 'Nanoseconds: nominal costs of the steps before.' },
      actor: text('Whose record it is.'),
      kind: { type: 'string', enum: RECORD_KINDS },
      type: text("The event's type; of a change always `state`."),
      peer: orNull(text('Of a send the receiver, of a delivery the sender.')),
      cause: count('seq of the record that caused it; 0 for none.'),
      payload: { type: 'object' },
    },
    'The data of an event without a name.',
  ),
  Recording: object({
    id: text('The name of its file, and a number where two have one name.'),
    file: text('The file as it was given.'),
    format: text('Which program printed it: ftrace, trace-cmd, perf or function_graph.'),
    kernel: orNull(text('The version of the kernel, if the recording tells it.')),
    lines: count('Lines that mean something.'),
  }),
  TimelineEvent: object(
    { kind: { type: 'string', enum: ['lane', 'begin', 'end', 'instant', 'counter', 'switch', 'wake'] } },
    'The data of an event of a recording without a name; docs/serve.md has the fields of each kind. `at` is in ns from its first line.',
  ),
  RecordingEnd: object(
    { file: text('As above.'), format: text('As above.'), kernel: orNull(text('As above.')), lines: count('As above.') },
    'The data of `event: end` of a recording.',
  ),
  Gap: object({ from: count('First seq that is left out.'), to: count('Last one.') }, 'The data of `event: gap`.'),
  End: object({ records: RUN.records, sealed: RUN.sealed, ...ENDED }, 'The data of `event: end`.'),
  Failed: object({ code: text('As in errors.'), message: text('A sentence.') }, 'The data of `event: failed`.'),
  Error: object({
    error: object({
      code: text('A name for programs.'),
      message: text('What was found.'),
      expected: text('What would have been right.'),
      try: text('What to do next.'),
    }),
  }),
};

const content = (type: string, schema: Schema): Schema => ({ content: { [type]: { schema } } });
const json = (description: string, schema: Schema): Schema => ({ description, ...content('application/json', schema) });
const problem = (description: string): Schema => json(description, ref('Error'));

/** What every operation may answer besides its own. */
const COMMON = {
  '401': problem('The bearer token is missing or wrong.'),
  '403': problem('The Host or the Origin is not an allowed one.'),
};
const UNKNOWN_RECORDING = { '404': problem('There is no such recording; the message names the nearest id.') };
const UNKNOWN = { '404': problem('There is no such run; the message names the nearest id.') };

const ID = { name: 'id', in: 'path', required: true, schema: { type: 'string' }, description: 'A run id, as `/api/runs` lists it.' };
const RECORDING_ID = { ...ID, description: 'An id of a recording, as `/api/recordings` lists it.' };
const inQuery = (parameters: Readonly<Record<string, Schema>>): Schema[] =>
  Object.entries(parameters).map(([name, parameter]) => ({ name, in: 'query', ...parameter }));
const inHeader = (name: string, description: string): Schema => ({ name, in: 'header', schema: { type: 'string' }, description });

interface Operation {
  readonly id: string;
  readonly summary: string;
  readonly parameters?: readonly Schema[];
  readonly responses: Readonly<Record<string, Schema>>;
}

const get = ({ id, summary, parameters = [], responses }: Operation): Schema => ({
  get: { operationId: id, summary, ...(parameters.length > 0 && { parameters }), responses: { ...responses, ...COMMON } },
});

const EVENTS = get({
  id: 'followRun',
  summary: 'The records of a run as Server-Sent Events, followed while it goes on',
  parameters: [
    ID,
    ...inQuery({
      from: { schema: { type: 'integer', minimum: 0, default: 1 }, description: 'seq of the first record.' },
      actor: { schema: list({ type: 'string' }), description: 'Only records of these actors.' },
      kind: { schema: list({ type: 'string', enum: RECORD_KINDS }), description: 'Only records of these kinds.' },
    }),
    inHeader('Last-Event-ID', 'seq of the last record that the client has; wins over `from`.'),
  ],
  responses: {
    '200': {
      description: 'Events without a name are records, their id is the seq. `gap`, `end` and `failed` have no id.',
      ...content('text/event-stream', { oneOf: ['Record', 'Gap', 'End', 'Failed'].map(ref) }),
    },
    '204': { description: 'The run has ended and the client has all of it: do not come again.' },
    '400': problem('A parameter that is not known, or has no such value.'),
    ...UNKNOWN,
    '503': problem('Too many clients are following.'),
  },
});

const JOURNAL = get({
  id: 'readJournal',
  summary: 'The journal file, or a range of its bytes',
  parameters: [
    ID,
    inHeader('Range', 'One range of bytes; several are answered with the whole file.'),
    inHeader('If-Range', 'The ETag for which the range is meant.'),
    inHeader('If-None-Match', 'ETags that the client has.'),
  ],
  responses: {
    '200': { description: 'The file. The ETag of a sealed journal is its root.', ...content('application/octet-stream', {}) },
    '206': { description: 'The range.', ...content('application/octet-stream', {}) },
    '304': { description: 'The client has it.' },
    ...UNKNOWN,
    '409': problem('The run goes on; its journal is not sealed.'),
    '416': problem('No byte lies in the range.'),
  },
});

const FORMAT = inQuery({
  format: {
    schema: { type: 'string', enum: EXPORTERS.map(({ name }) => name), default: EXPORTERS[0]!.name },
    description: 'Which tool is to read it.',
  },
});
const timeline = (id: string, summary: string, parameter: Schema, others: Readonly<Record<string, Schema>>): Schema =>
  get({
    id,
    summary,
    parameters: [parameter, ...FORMAT],
    responses: {
      '200': { description: 'The file.', content: { 'application/octet-stream': { schema: {} }, 'application/json': { schema: {} } } },
      '400': problem('A parameter that is not known, or has no such value.'),
      ...others,
    },
  });

const RECORDING_PATHS: Readonly<Record<string, Schema>> = {
  '/api/recordings': get({
    id: 'listRecordings',
    summary: 'All recordings of real kernels',
    responses: { '200': json('In the order they were given.', list(ref('Recording'))) },
  }),
  '/api/recordings/{id}': get({
    id: 'summarizeRecording',
    summary: 'What a recording is',
    parameters: [RECORDING_ID],
    responses: { '200': json('Its facts.', ref('Recording')), ...UNKNOWN_RECORDING },
  }),
  '/api/recordings/{id}/events': get({
    id: 'followRecording',
    summary: 'The timeline of a recording as Server-Sent Events',
    parameters: [
      RECORDING_ID,
      ...inQuery({ from: { schema: { type: 'integer', minimum: 0, default: 1 }, description: 'Number of the first event.' } }),
      inHeader('Last-Event-ID', 'Number of the last event that the client has; wins over `from`.'),
    ],
    responses: {
      '200': {
        description: 'Events without a name are of the timeline, their id is their number. `end` and `failed` have no id.',
        ...content('text/event-stream', { oneOf: ['TimelineEvent', 'RecordingEnd', 'Failed'].map(ref) }),
      },
      '400': problem('A parameter that is not known, or has no such value.'),
      ...UNKNOWN_RECORDING,
      '503': problem('Too many clients are following.'),
    },
  }),
  '/api/recordings/{id}/timeline': timeline(
    'readRecordingTimeline',
    'The timeline of a recording as a file',
    RECORDING_ID,
    UNKNOWN_RECORDING,
  ),
};

export function openApi(serverUrl: string, hasToken: boolean): Schema {
  return {
    openapi: '3.1.0',
    info: {
      title: 'Worldswitch runs',
      version: '1.0.0',
      summary: 'Runs of a simulated virtualization host: recorded or going on, as events and as files.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: serverUrl }],
    ...(hasToken && { security: [{ bearer: [] }] }),
    paths: {
      '/api/runs': get({
        id: 'listRuns',
        summary: 'All runs',
        responses: { '200': json('In the order they were given.', list(ref('Run'))) },
      }),
      '/api/runs/{id}': get({
        id: 'summarizeRun',
        summary: 'What a run was, and how it ended',
        parameters: [ID],
        responses: { '200': json('The summary.', ref('RunSummary')), ...UNKNOWN },
      }),
      '/api/runs/{id}/events': EVENTS,
      '/api/runs/{id}/journal': JOURNAL,
      '/api/runs/{id}/timeline': timeline('readTimeline', 'The timeline of a run as a file', ID, {
        ...UNKNOWN,
        '409': problem('The run goes on; its journal is not sealed.'),
      }),
      ...RECORDING_PATHS,
      '/openapi.json': get({
        id: 'describe',
        summary: 'This document; also at /api/openapi.json',
        responses: { '200': json('OpenAPI 3.1.', { type: 'object' }) },
      }),
      '/healthz': get({
        id: 'health',
        summary: 'Whether the server answers; asks for no token',
        responses: { '200': json('It does.', object({ ok: flag('True.'), runs: count('Runs that are served.') })) },
      }),
      '/': get({
        id: 'index',
        summary: 'A page for people, in plain text',
        responses: { '200': { description: 'The URLs.', ...content('text/plain', { type: 'string' }) } },
      }),
    },
    components: {
      schemas: SCHEMAS,
      ...(hasToken && { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } }),
    },
  };
}
