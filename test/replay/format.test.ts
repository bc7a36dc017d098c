/**
 * The documented format is the written one: a change of either that the other does not follow fails
 * here.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { toHex } from '../../replay/identity.ts';
import { verifyJournal } from '../../replay/integrity.ts';
import { memorySource } from '../../replay/source.ts';
import { channelLaneA, channelLaneB, digestOf, hexOf, queueLaneA, queueLaneB, slotLaneA, slotLaneB } from '../../sim/canonical.ts';
import { framesOf } from './surgery.ts';
import { IDLE, IPI, SENT, tinyJournal, WOKEN, worldOf } from './tiny.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/journal-format.md'), 'utf8');
const tiny = tinyJournal();

/** The bytes of the dump, at the addresses that it gives. */
function dumpedBytes(): Uint8Array {
  const bytes: number[] = [];
  for (const [, address, row] of page.matchAll(/^([0-9a-f]{4}) {2}((?:[0-9a-f]{2} )*[0-9a-f]{2})(?: |$)/gm)) {
    expect(Number.parseInt(address!, 16)).toBe(bytes.length);
    bytes.push(...row!.split(' ').map((hex) => Number.parseInt(hex, 16)));
  }
  return Uint8Array.from(bytes);
}

describe('docs/journal-format.md', () => {
  it('shows the tiny journal byte by byte', () => {
    expect(toHex(dumpedBytes())).toBe(toHex(tiny.content));
    expect(page).toContain(`${tiny.bytes.toLocaleString('en')} bytes`);
    expect(verifyJournal(memorySource(tiny.content), { root: tiny.root }).problem).toBeNull();
  });

  it('shows its chain', () => {
    const chains = [...page.matchAll(/^\| \d \| `([0-9a-f]{64})` \|$/gm)].map((match) => match[1]);
    expect(chains).toEqual(framesOf(tiny.content).map(({ chain }) => toHex(chain)));
    expect(chains.at(-1)).toBe(tiny.root);
  });

  it('has the digests of texts', () => {
    const rows = [...page.matchAll(/^\| (?:no bytes|`(.*)`) \| `([0-9a-f]{16})` \|$/gm)];
    expect(rows.length).toBe(9);
    for (const [, text = '', digest] of rows) {
      const { a, b } = digestOf(text);
      expect(hexOf(a, b), text).toBe(digest);
    }
  });

  it('has the lanes of slots, queues, channels and worlds', () => {
    const local = digestOf(IDLE);
    const event = digestOf(IPI);
    const [queueA, queueB] = [queueLaneA(0, event.a), queueLaneB(0, event.b)];
    const expected = [
      [slotLaneA(local.a, 0), slotLaneB(local.b, 0)],
      [slotLaneA(local.a, 1), slotLaneB(local.b, 1)],
      [queueA, queueB],
      [queueLaneA(queueA, event.a), queueLaneB(queueB, event.b)],
      [channelLaneA(queueA, 0, 1), channelLaneB(queueB, 0, 1)],
      ...[worldOf([IDLE, IDLE], []), worldOf([SENT, IDLE], [IPI]), worldOf([SENT, WOKEN], [])].map(({ a, b }) => [a, b]),
    ];
    const rows = [...page.matchAll(/^\| .* \| `0x([0-9a-f]{8})` \| `0x([0-9a-f]{8})` \|$/gm)];
    expect(rows.map(([, a, b]) => `${a}${b}`)).toEqual(expected.map(([a, b]) => hexOf(a!, b!)));
  });
});
