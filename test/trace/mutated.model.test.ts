/**
 * Recordings that no kernel has made are told what they are. WORLDSWITCH_TRACES=10000 tries as
 * many; 200 unless given.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { TraceError } from '../../trace/recording.ts';
import { conformedText, RECORDED } from './conformed.ts';
import { mutated } from './mutated.ts';

const SEED = 11;
const CASES = Number(process.env.WORLDSWITCH_TRACES ?? 200);

/** What became of a recording: a verdict, or why it is none. */
function outcome(text: string): string {
  try {
    const { verdict, threads, doubts } = conformedText(text);
    if (verdict === 'cannot') return threads.some(({ refusal }) => refusal !== null) ? 'cannot' : 'cannot, and no line says why';
    if (verdict === 'unknown') return doubts.length > 0 ? 'unknown' : 'unknown, and nothing says why';
    return threads.some(({ refusals }) => refusals > 0) ? 'conforms, in spite of a line that cannot be' : 'conforms';
  } catch (error) {
    if (error instanceof TraceError) return 'no recording';
    throw error;
  }
}

describe('a recording that no kernel has made', () => {
  const pieces: string[][] = [];
  beforeAll(() => {
    for (const name of RECORDED.filter((file) => /6\.12-(?:full|tools)\/(?:ev|fg|trace)/.test(file)))
      pieces.push(
        gunzipSync(readFileSync(join('test/recordings', name)))
          .toString()
          .split('\n'),
      );
  });

  it(`conforms, cannot be, is unknown or none, in ${CASES} cases`, () => {
    const counts: Record<string, number> = {};
    for (let index = 0; index < CASES; index++) {
      let what: string;
      try {
        what = outcome(mutated(pieces, SEED, index));
      } catch (error) {
        throw new Error(`case ${index} of seed ${SEED}: ${String(error)}`, { cause: error });
      }
      counts[what] = (counts[what] ?? 0) + 1;
    }
    expect(Object.keys(counts).sort()).toEqual(['cannot', 'conforms', 'no recording', 'unknown']);
    expect(counts.cannot).toBeGreaterThan(CASES / 20);
  }, 600_000);
});
