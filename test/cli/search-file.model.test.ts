/**
 * `explore --checkpoint` and `--resume`: the file of a search, what is refused of it, and a search
 * that goes on from it.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FEATURES, REFUSED } from '../../cli/search/combinations.ts';
import { decodeSearch, encodeSearch } from '../../cli/search/image-file.ts';
import { PIECE_BYTES } from '../../cli/search/image-format.ts';
import { crc32c } from '../../replay/crc32c.ts';
import { memorySource } from '../../replay/source.ts';
import { Bench } from './run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());

const RACE = 'rmpadjust-vs-rmpupdate';
const SPACE = { exhausted: true, states: 26_580, transitions: 63_370, unchanged: 0 };
const KEEP = ['--checkpoint', 'kept.wss'];

interface Failed {
  readonly error: { readonly code: string; readonly message: string };
}

/** A search cut at 1,500 states, in a file. */
let bytes: Uint8Array;
beforeAll(async () => {
  expect((await bench.run(['explore', RACE, '--max-states', '1500', '--json', ...KEEP])).code).toBe(4);
  bytes = readFileSync(bench.path('kept.wss'));
}, 60_000);

async function resumed(content: Uint8Array, ...more: readonly string[]) {
  writeFileSync(bench.path('given.wss'), content);
  return bench.run(['explore', ...more, '--resume', 'given.wss', '--json']);
}

describe('a stored search', () => {
  it('goes on to the report of a search that was never stopped', async () => {
    const never = await bench.run(['explore', RACE, '--json']);
    const { code, json, err } = await resumed(bytes);
    expect([code, err]).toEqual([1, '']);
    expect(json()).toMatchObject(SPACE);
    const { coverage: _, ...rest } = json<{ coverage: unknown }>();
    expect(never.json()).toMatchObject(rest);
  });

  it('is kept where it came from, and can be resumed again and again', async () => {
    await resumed(bytes, '--max-states', '6000');
    const middle = readFileSync(bench.path('given.wss'));
    expect(middle.length).toBeGreaterThan(bytes.length);
    expect((await resumed(middle, '--max-states', '9000')).json()).toMatchObject({ exhausted: false, limit: 'states' });
    expect((await bench.run(['explore', '--resume', 'given.wss', '--json'])).json()).toMatchObject(SPACE);
    // A search that has ended says so again.
    expect((await bench.run(['explore', '--resume', 'given.wss', '--json'])).json()).toMatchObject(SPACE);
    expect(existsSync(bench.path('given.wss.part'))).toBe(false);
  });

  it('holds nothing of the process that wrote it', async () => {
    await bench.run(['explore', RACE, '--max-states', '1500', '--checkpoint', 'again.wss']);
    expect(readFileSync(bench.path('again.wss')).equals(bytes)).toBe(true);
    const stored = decodeSearch(memorySource(bytes));
    expect(Buffer.concat([...encodeSearch(stored, stored.image)]).equals(bytes)).toBe(true);
  });

  it('keeps what was found when the search is interrupted', async () => {
    const { code } = await bench.run(['explore', 'rmp-lock', '--checkpoint', 'stopped.wss', '--json'], { signal: AbortSignal.abort() });
    expect(code).toBe(4);
    const { json } = await bench.run(['explore', '--resume', 'stopped.wss', '--json']);
    expect(json()).toMatchObject({ states: 232_105, transitions: 643_436, unchanged: 445_176 });
  });

  it('goes on with all futures of a recorded run', async () => {
    await bench.run(['run', 'vmsa-in-use-kick', '--variant', 'no-kick', '-o', 'stuck.wsj']);
    const from = ['explore', 'stuck.wsj', '--from', '5', '--json'];
    const never = (await bench.run(from)).json<{ states: number; guarantee: string; violations: readonly { journal: string }[] }>();
    await bench.run([...from, '--max-states', '30', '--checkpoint', 'from.wss']);
    expect((await bench.run(['explore', '--resume', 'from.wss', '--json'])).json()).toMatchObject({
      states: never.states,
      guarantee: never.guarantee,
      violations: never.violations,
    });
    expect((await bench.run([...from, '--resume', 'from.wss'])).json()).toMatchObject({ states: never.states });
    const other = await bench.run(['explore', 'stuck.wsj', '--from', '6', '--resume', 'from.wss', '--json']);
    expect([other.code, other.json<Failed>().error.code]).toEqual([3, 'search_foreign']);
  });
});

describe('a file that is refused', () => {
  const refusal = async (content: Uint8Array, ...more: readonly string[]) => {
    const { code, json, err } = await resumed(content, ...more);
    expect(code).toBe(3);
    expect(err).toContain('given.wss: ');
    return json<Failed>().error.code;
  };

  it('is one that ends early, wherever', async () => {
    const places = [0, 1, 23, 24, 30, 2000, bytes.length >> 1, bytes.length - 17, bytes.length - 16, bytes.length - 1];
    for (const length of places) expect(await refusal(bytes.subarray(0, length)), `${length} bytes`).toBe('search_damaged');
    expect(await refusal(Buffer.concat([bytes, Uint8Array.of(0)]))).toBe('search_damaged');
  });

  it('is one with a flipped byte, wherever', () => {
    for (let at = 0; at < bytes.length; at += 97) {
      const bent = Uint8Array.from(bytes);
      bent[at]! ^= 1 << (at % 8);
      expect(() => decodeSearch(memorySource(bent)), `byte ${at}`).toThrow(expect.objectContaining({ name: 'SearchFileError' }));
    }
  });

  /** The file with another dictionary, cut into frames, and all checksums right. */
  const defined = (text: string): Uint8Array => {
    const length = Buffer.from(bytes).readUInt32LE(12);
    const head = bytes.subarray(0, 24 + length);
    const pieces: Uint8Array[] = [];
    for (let at = 0; at <= text.length; at += PIECE_BYTES) {
      const piece = Buffer.from(text.slice(at, at + PIECE_BYTES), 'latin1');
      const frame = Buffer.alloc(16);
      frame.writeUInt32LE(1, 0);
      frame.writeUInt32LE(piece.length, 4);
      frame.writeUInt32LE(crc32c(piece), 8);
      frame.writeUInt32LE(crc32c(frame, 0, 12), 12);
      pieces.push(frame, piece);
    }
    return Buffer.concat([head, ...pieces]);
  };

  it.each([
    ['nests a million deep', '['.repeat(1_000_000), 'nest 1000000 deep'],
    ['has millions of entries', `{"locals":[[${'"",'.repeat(5_000_000)}""]]}`, 'at most 4194304 are allowed'],
    ['is longer than 128 MiB', 'x'.repeat(2 ** 27 + 1), 'its dictionary has more than 134217728 bytes'],
  ])('is one whose dictionary %s', (_, text, says) => {
    expect(() => decodeSearch(memorySource(defined(text)))).toThrow(
      expect.objectContaining({ name: 'SearchFileError', message: expect.stringContaining(says) }),
    );
  });

  it('is one in which a state stands twice', async () => {
    const { image, ...subject } = decodeSearch(memorySource(bytes));
    const { columns } = image.counts;
    const rows = image.rows.slice();
    rows.copyWithin(3 * columns, 2 * columns, 3 * columns);
    expect(await refusal(Buffer.concat([...encodeSearch(subject, { ...image, rows })]))).toBe('search_damaged');
  });

  /** The file with its header changed and its checksums right. */
  const headed = (change: (header: Record<string, unknown>) => object): Uint8Array => {
    const length = Buffer.from(bytes).readUInt32LE(12);
    const header = JSON.parse(Buffer.from(bytes.subarray(24, 24 + length)).toString()) as Record<string, unknown>;
    const text = Buffer.from(JSON.stringify(change(header)));
    const preamble = Buffer.from(bytes.subarray(0, 24));
    preamble.writeUInt32LE(text.length, 12);
    preamble.writeUInt32LE(crc32c(text), 16);
    preamble.writeUInt32LE(crc32c(preamble, 0, 20), 20);
    return Buffer.concat([preamble, text, bytes.subarray(24 + length)]);
  };

  it('is one of another model', async () => {
    expect(await refusal(headed((header) => ({ ...header, modelId: 'f'.repeat(64) })))).toBe('search_foreign');
  });

  it('is one that promises more than it holds, before room is made for it', async () => {
    const states = (value: unknown) => headed((header) => ({ ...header, counts: { ...(header.counts as object), states: value } }));
    for (const value of [Number.MAX_SAFE_INTEGER, 1e12, 5000, -1, 0.5, 'many'])
      expect(await refusal(states(value)), String(value)).toBe('search_damaged');
    expect(await refusal(headed(({ findings: _, ...rest }) => rest))).toBe('search_damaged');
  });

  it('is one of a format to come, or no search at all', async () => {
    const preamble = Buffer.from(bytes.subarray(0, 24));
    preamble.writeUInt32LE(9, 8);
    preamble.writeUInt32LE(crc32c(preamble, 0, 20), 20);
    const { json } = await resumed(Buffer.concat([preamble, bytes.subarray(24)]));
    expect(json<Failed>().error.message).toContain('it has format 9');
    expect(await refusal(Buffer.from('name: a scenario, and no search at all\n'))).toBe('search_damaged');
  });

  it('is one of another scenario, variant or parameter than asked for', async () => {
    expect(await refusal(bytes, 'vmsa-in-use-kick')).toBe('search_foreign');
    expect(await refusal(bytes, RACE, '--variant', 'overlap-2m')).toBe('search_foreign');
    expect((await resumed(bytes, RACE)).code).toBe(1);
  });
});

describe('fingerprints', () => {
  it('are told of, for people and for programs', async () => {
    const { code, json } = await bench.run(['explore', RACE, '--variant', 'overlap-2m', '--compact', '--json']);
    const { omissions, states, guarantee } = json<{ omissions: number; states: number; guarantee: string }>();
    expect([code, omissions]).toEqual([0, (states * (states - 1)) / 2 ** 65]);
    expect(guarantee).toContain('64-bit fingerprints of states (expected omissions ');
  });
});

describe('what does not go together', () => {
  it('is refused with the reason, in either order, and names options that exist', () => {
    for (const [one, other, reason] of REFUSED) {
      expect(FEATURES).toEqual(expect.arrayContaining([one, other]));
      expect(reason).toMatch(/leave|for a whole/);
    }
    const pairs = REFUSED.map(([one, other]) => [one, other].sort().join());
    expect(new Set(pairs).size).toBe(pairs.length);
  });

  it.each<readonly string[]>([
    [...KEEP, '--deviations', '1'],
    [...KEEP, '--reduce', 'symmetry'],
    ['--resume', 'kept.wss', '--switches', '1'],
    ['--no-reduce', '--deviations', '1'],
    ['--max-memory', '10', '--preemptions', '1'],
    ['--reduce', 'symmetry', '--deviations', '1'],
    ['--compact', '--switches', '1'],
    ['--compact', '--workers', '2'],
    ['--compact', ...KEEP],
    ['--workers', '2', '--deviations', '1'],
    ['--workers', '2', ...KEEP],
    ['--shard', '1/2', '--workers', '2'],
    ['--shard', '1/2', '--preemptions', '1'],
  ])('%j %j %j %j is refused', async (...flags) => {
    const { code, json } = await bench.run(['explore', 'rmp-lock', ...flags, '--json']);
    expect([code, json<Failed>().error.code]).toEqual([2, 'usage']);
  });

  it('refuses a file that cannot be written, and one that is not there, before it searches', async () => {
    bench.makeFolder('folder');
    expect((await bench.run(['explore', RACE, '--checkpoint', 'folder', '--json'])).code).toBe(2);
    expect((await bench.run(['explore', RACE, '--checkpoint', 'no/such/folder.wss', '--json'])).code).toBe(2);
    expect((await bench.run(['explore', '--resume', 'nowhere.wss', '--json'])).json<Failed>().error.code).toBe('cannot_read');
    expect((await bench.run(['explore', '--json'])).json<Failed>().error.message).toContain('missing required argument');
    expect((await bench.run(['explore', '--resume', 'kept.wss', '--variant', 'inuse', '--json'])).code).toBe(2);
  });
});
