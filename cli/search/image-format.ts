/**
 * The format of a search on disk: `docs/search-file-format.md` explains it. Here: its numbers, its
 * header, its errors.
 */
import { z } from 'zod';
import { MODEL_FIELDS } from './same-model.ts';

export const MAGIC = 'WSSEARCH';
export const FORMAT_VERSION = 1;
/** Magic, version, reserved, length and checksum of the header, checksum of all that. */
export const PREAMBLE_BYTES = 24;
/** Type, length, checksum of the payload, checksum of all that. */
export const FRAME_HEADER_BYTES = 16;
export const HEADER_BYTES_MAX = 1 << 24;
/** All pieces of the dictionary together, and the values in it. */
export const DICTIONARY_BYTES_MAX = 1 << 27;
export const ENTRIES_MAX = 1 << 22;
export const FRAME_BYTES_MAX = 1 << 26;
/** Payloads are cut at this size. */
export const PIECE_BYTES = 1 << 24;

/** What a frame holds. Columns of numbers may take several frames, in order. */
export const FRAME = { end: 0, dictionary: 1, reactions: 2, rows: 3, parent: 4, via: 5, ends: 6, ended: 7 } as const;

/** The file is not a search that can go on here. */
export class SearchFileError extends Error {
  override readonly name = 'SearchFileError';
}
/** The file is a search, but of another model or of another scenario. */
export class ForeignSearchError extends Error {
  override readonly name = 'ForeignSearchError';
}

const natural = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const finding = z.strictObject({ property: z.string(), message: z.string(), state: natural, steps: natural });
const message = z.strictObject({
  seq: natural,
  from: z.string(),
  to: z.string(),
  type: z.string(),
  payload: z.record(z.string(), z.unknown()),
});
const world = z.strictObject({
  actors: z.array(z.tuple([z.string(), z.record(z.string(), z.unknown())])),
  inFlight: z.array(message),
  step: natural,
  seq: natural,
  vtime: natural,
});

export const HEADER = z.strictObject({
  ...MODEL_FIELDS,
  scenario: z.unknown(),
  /** The state of a recorded run where the search began, and the choices that lead there. */
  from: world.nullable(),
  prefix: z.array(z.string()),
  counts: z.strictObject({
    head: natural,
    column: natural,
    alternative: natural,
    out: natural,
    moving: natural,
    states: natural,
    columns: natural,
    transitions: natural,
    unchanged: natural,
    deliveries: natural,
  }),
  /** Bytes of a number in a row. */
  width: z.literal([1, 2, 4]),
  /** Numbers in the columns whose length does not follow from the counts. */
  sizes: z.strictObject({ reactions: natural, ends: natural, ended: natural }),
  findings: z.array(finding),
  reached: z.array(z.tuple([z.string(), z.strictObject({ evidence: z.string(), state: natural })])),
});
export type Header = z.infer<typeof HEADER>;

export const DICTIONARY = z.strictObject({
  locals: z.array(z.array(z.string())),
  events: z.array(z.string()),
  lists: z.array(z.array(natural)),
  channels: z.array(z.tuple([natural, natural])),
});
