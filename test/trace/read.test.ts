/** Recordings as files: those of real kernels, packed or plain, damaged or none at all. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { readRecording } from '../../trace/read.ts';

const RECORDINGS = 'test/recordings';
const all = readdirSync(RECORDINGS, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .flatMap(({ name }) => readdirSync(join(RECORDINGS, name)).map((file) => join(RECORDINGS, name, file)))
  .filter((file) => file.endsWith('.gz') && !file.includes('/hist-'));
const scratch = mkdtempSync(join(tmpdir(), 'recording-'));
afterAll(() => rmSync(scratch, { recursive: true }));
const written = (name: string, bytes: string | Buffer): string => {
  writeFileSync(join(scratch, name), bytes);
  return join(scratch, name);
};
const LINE = '  qemu-9   [000]     1.000001: kvm_entry: vcpu 0, rip 0x1\n';

describe('reading a recording', () => {
  it('understands every line of the recordings of real kernels', async () => {
    expect(all.length).toBeGreaterThan(60);
    for (const file of all) {
      const { lines } = await readRecording(file, file);
      expect(lines.filter(({ kind }) => kind === 'foreign')).toEqual([]);
      expect(lines.length).toBeGreaterThan(400);
    }
  });

  it('reads a plain file and a packed one alike, with or without a last end of line', async () => {
    const plain = await readRecording('r', written('plain', LINE + LINE));
    expect(await readRecording('r', written('packed.gz', gzipSync(LINE + LINE)))).toEqual(plain);
    expect(await readRecording('r', written('crlf', (LINE + LINE).replaceAll('\n', '\r\n').trimEnd()))).toEqual(plain);
  });

  it.each([
    ['a damaged gzip file', gzipSync(LINE.repeat(1_000)).subarray(0, 60), 'is damaged: unexpected end of file'],
    ['a binary file of trace-cmd', Buffer.from('\x17\x08Dtracing6\0'), 'is a binary file of trace-cmd'],
    ['a binary file of perf', Buffer.from('PERFILE2\0\0'), 'is a binary file of perf'],
    ['a line without end', Buffer.alloc(100_000, 0x61), 'has a line of more than 64 KiB'],
    ['nothing', Buffer.alloc(0), 'has no events'],
  ])('refuses %s', async (name, bytes, message) => {
    await expect(readRecording('r', written(name, bytes))).rejects.toThrow(message);
  });

  it('refuses a file of empty lines, which a packed one can have without end', async () => {
    const packed = written('empty-lines.gz', gzipSync(Buffer.alloc(8_000_001, 0x0a)));
    await expect(readRecording('r', packed)).rejects.toThrow('r:8000001: more than 8,000,000 lines');
  });
});
