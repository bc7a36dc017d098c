/** The 128 bytes that open a journal: what it is, who may read it, and which run it holds. */
import { FORMAT_VERSION, type RunStart } from '../events/journal.ts';
import { crc32c } from './crc32c.ts';
import { JournalDamagedError, JournalTooNewError, JournalTornError, NotAJournalError } from './errors.ts';
import { fromHex, HASH_BYTES, runIdOf, scenarioIdOf, toHex } from './identity.ts';

export const HEADER_BYTES = 128;
/**
 * A byte that is not ASCII, the letters, and line ends that a transfer in text mode would change.
 */
const MAGIC = Uint8Array.of(0x89, 0x57, 0x53, 0x4a, 0x0d, 0x0a, 0x1a, 0x0a);
const AT = {
  version: 8,
  minimumReader: 10,
  flags: 12,
  runId: 16,
  seed: 32,
  modelId: 40,
  scenarioId: 72,
  modelVersion: 104,
  crc: 124,
} as const;

/** Whether bytes begin as a journal does. */
export const beginsAsJournal = (bytes: Uint8Array): boolean => MAGIC.every((byte, at) => bytes[at] === byte);

export interface JournalHeader {
  readonly formatVersion: number;
  /** Readers of an older version than this must refuse the file. */
  readonly minimumReader: number;
  readonly runId: string;
  readonly seed: number;
  readonly modelId: string;
  readonly scenarioId: string;
  readonly modelVersion: number;
}

/** @throws RangeError on a seed or a model id that the header cannot hold */
export function encodeHeader(start: RunStart): Uint8Array {
  if (!Number.isSafeInteger(start.seed) || start.seed < 0) throw new RangeError(`seed ${start.seed} is not an integer from 0 to 2^53 - 1`);
  if (!/^[0-9a-f]{64}$/.test(start.modelId))
    throw new RangeError(`model id ${JSON.stringify(start.modelId)} is not a SHA-256 in lower-case hex`);
  const bytes = new Uint8Array(HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(MAGIC);
  view.setUint16(AT.version, FORMAT_VERSION, true);
  view.setUint16(AT.minimumReader, FORMAT_VERSION, true);
  bytes.set(runIdOf(start), AT.runId);
  view.setBigUint64(AT.seed, BigInt(start.seed), true);
  bytes.set(fromHex(start.modelId), AT.modelId);
  bytes.set(scenarioIdOf(start.scenario), AT.scenarioId);
  view.setUint32(AT.modelVersion, start.modelVersion, true);
  view.setUint32(AT.crc, crc32c(bytes, 0, AT.crc), true);
  return bytes;
}

/**
 * @throws NotAJournalError if the bytes do not start as a journal does
 * @throws JournalTornError if they do, but end within the header
 * @throws JournalTooNewError if the file asks for a newer reader
 */
export function decodeHeader(bytes: Uint8Array): JournalHeader {
  if (!beginsAsJournal(bytes)) {
    throw new NotAJournalError(
      bytes.length === 0 ? 'the file is empty' : 'the file does not start with the magic bytes of a Worldswitch journal',
    );
  }
  if (bytes.length < HEADER_BYTES)
    throw new JournalTornError({ offset: 0, lostBytes: bytes.length, reason: 'the file ends within its header' });
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES);
  const place = { offset: 0, frame: 0 };
  if (view.getUint32(AT.crc, true) !== crc32c(bytes, 0, AT.crc))
    throw new JournalDamagedError(place, 'the checksum of the file header does not fit');
  const minimumReader = view.getUint16(AT.minimumReader, true);
  if (minimumReader > FORMAT_VERSION) {
    throw new JournalTooNewError(`the journal needs a reader of format version ${minimumReader}; this one knows version ${FORMAT_VERSION}`);
  }
  const flags = view.getUint32(AT.flags, true);
  if (flags !== 0) throw new JournalTooNewError(`the journal uses the flags 0x${flags.toString(16)}, which this reader does not know`);
  const seed = view.getBigUint64(AT.seed, true);
  if (seed > BigInt(Number.MAX_SAFE_INTEGER)) throw new JournalDamagedError(place, `seed ${seed} is over 2^53 - 1`);
  const hex = (at: number, size: number) => toHex(bytes.subarray(at, at + size));
  return {
    formatVersion: view.getUint16(AT.version, true),
    minimumReader,
    runId: hex(AT.runId, 16),
    seed: Number(seed),
    modelId: hex(AT.modelId, HASH_BYTES),
    scenarioId: hex(AT.scenarioId, HASH_BYTES),
    modelVersion: view.getUint32(AT.modelVersion, true),
  };
}
