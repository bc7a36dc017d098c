/** `diff`: the same, or where two journals part and what only one of them did. */
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Difference } from '../../replay/diff.ts';
import { Bench } from './run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());

const STORE = 'thread:netd/0@emulate_dma_write.store#2';
let fork = { at: 0, label: '' };
beforeAll(async () => {
  await bench.run(['run', 'rmp-host-write-race', '-o', 'a.wsj']);
  const injected = await bench.run(['inject', 'a.wsj', '--at', STORE, '--preempt', 'pcpu:0', '-o', 'b.wsj', '--json']);
  fork = injected.json<{ fork: typeof fork }>().fork;
});

describe('diff', () => {
  it('finds a journal the same as itself, and ends with 0', async () => {
    const { code, json } = await bench.run(['diff', 'a.wsj', 'a.wsj', '--json']);
    expect(code).toBe(0);
    expect(json()).toEqual({ same: true, first: null, onlyA: [], onlyB: [], sealed: { a: true, b: true } });
    expect((await bench.run(['diff', 'a.wsj', 'a.wsj'])).out).toBe('Same: every step has the same digest\n');
  });

  it('finds the place of an injection, and ends with 1', async () => {
    const { code, json } = await bench.run(['diff', 'a.wsj', 'b.wsj', '--json']);
    expect(code).toBe(1);
    const { same, first, onlyA, onlyB } = json<Difference>();
    expect({ same, first }).toEqual({ same: false, first: { step: fork.at, a: 'exec(pcpu:0)', b: fork.label } });
    expect(onlyA.length).toBeGreaterThan(0);
    expect(onlyB).toContainEqual(expect.objectContaining({ actor: 'thread:netd/0', type: 'rmp.entry' }));
  });

  it('tells people where they part, and says how much it leaves out', async () => {
    const { out } = await bench.run(['diff', 'a.wsj', 'b.wsj']);
    const { onlyA } = (await bench.run(['diff', 'a.wsj', 'b.wsj', '--json'])).json<Difference>();
    expect(out).toContain(`They part at step ${fork.at}\n  a.wsj: exec(pcpu:0)\n  b.wsj: preempt(pcpu:0)\n`);
    expect(out).toContain(`only a.wsj: ${onlyA.length}`);
    if (onlyA.length > 30) expect(out).toContain(`and ${onlyA.length - 30} more`);
  });

  it('refuses what is no journal with 3, and what is not there with 2', async () => {
    writeFileSync(bench.path('text.wsj'), 'not a journal, whatever it is called');
    expect((await bench.run(['diff', 'a.wsj', 'text.wsj'])).code).toBe(3);
    expect((await bench.run(['diff', 'none.wsj', 'a.wsj'])).code).toBe(2);
    expect((await bench.run(['diff', 'a.wsj'])).code).toBe(2);
  });
});
