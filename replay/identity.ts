/** Names by content: scenario id, run id, and the SHA-256 chain over the frames of a journal. */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import type { JsonObject, RunStart } from '../events/journal.ts';
import { canonical } from '../sim/canonical.ts';

export const HASH_BYTES = 32;
const RUN_ID_BYTES = 16;

export const toHex = (bytes: Uint8Array): string => bytesToHex(bytes);
export const fromHex = (hex: string): Uint8Array => hexToBytes(hex);

function ascii(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes;
}

/** SHA-256 of the canonical JSON of the resolved scenario. */
export const scenarioIdOf = (scenario: JsonObject): Uint8Array => sha256(ascii(canonical(scenario)));

/**
 * Derived from what was asked for, so that it can stand in front of the records: the choices made
 * are not yet known there.
 */
export function runIdOf({ scenario, modelId, seed, chooser, schedule, modules }: RunStart): Uint8Array {
  const asked = { chooser, model: modelId, scenario: toHex(scenarioIdOf(scenario)), schedule, seed };
  return sha256(ascii(canonical(modules.length === 0 ? asked : { ...asked, modules }))).slice(0, RUN_ID_BYTES);
}

/** The chain before the first frame: the hash of the file header. */
export const chainStart = (fileHeader: Uint8Array): Uint8Array => sha256(fileHeader);

/**
 * The chain after a frame. `facts` are the bytes of its header that are about content, not about
 * how it is stored.
 */
export const chainNext = (chain: Uint8Array, facts: Uint8Array, payload: Uint8Array): Uint8Array =>
  sha256.create().update(chain).update(facts).update(payload).digest();
