/** The fuzzer with a fixed seed and so many inputs: what it found stays mended. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Fuzzer } from './fuzzer.ts';

const SEED = 1;
/** About 12 s of inputs. */
const INPUTS = 400;

const kept = mkdtempSync(join(tmpdir(), 'worldswitch-fuzz-'));
const fuzzer = new Fuzzer(SEED, kept);
afterAll(() => {
  fuzzer.close();
  rmSync(kept, { recursive: true });
});

describe('inputs at random', () => {
  it('give an error or a result, whatever they are', { timeout: 240_000 }, async () => {
    for (let at = 0; at < INPUTS; at++) expect(await fuzzer.run(at), `npm run fuzz -- --seed ${SEED} --only ${at}`).toBe(null);
  });
});
