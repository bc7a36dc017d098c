/**
 * `explore --shard` and `--merge`: results that are always the same bytes, and a verdict only from
 * all of them.
 */
import { copyFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sha256 } from '@noble/hashes/sha2.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toHex } from '../../replay/identity.ts';
import { canonical } from '../../sim/canonical.ts';
import { Bench } from './run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());

const RACE = 'rmpadjust-vs-rmpupdate';
const OF = 2;

interface Document {
  readonly exhausted: boolean;
  readonly states: number;
  readonly violations: readonly { readonly property: string; readonly steps: number; readonly journal: string }[];
  readonly missed: readonly string[];
  readonly guarantee: string;
  readonly bound: string;
  readonly shards: {
    readonly of: number;
    readonly index: number | null;
    readonly file: string | null;
    readonly statesAtLeast: number | null;
  };
}
interface Failed {
  readonly error: { readonly code: string; readonly message: string };
}

const shard = (index: number, folder: string, ...more: readonly string[]) =>
  bench.run(['explore', RACE, '--shard', `${index}/${OF}`, '-o', folder, '--json', ...more]);
const results = (folder: string) => readdirSync(bench.path(folder)).filter((name) => name.endsWith('.shard.json'));

let one: Document;
beforeAll(async () => {
  one = (await bench.run(['explore', RACE, '--json'])).json<Document>();
  for (let index = 1; index <= OF; index++) expect((await shard(index, 'whole')).json<Document>().exhausted).toBe(true);
}, 60_000);

describe('a shard', () => {
  it('is the same bytes each time, and claims no more than its part', async () => {
    const { json } = await shard(2, 'again');
    const { bound, missed, shards, guarantee } = json<Document>();
    expect(shards).toEqual({ of: 2, index: 2, file: `again/${RACE}-inuse-2-of-2.shard.json`, statesAtLeast: null });
    expect(bound).toBe('shard 2 of 2 of all schedules');
    expect([missed, guarantee.includes('Of all schedules')]).toEqual([[], false]);
    const name = results('again')[0]!;
    expect(readFileSync(join(bench.path('again'), name))).toEqual(readFileSync(join(bench.path('whole'), name)));
  });

  it('has no result when it is stopped, and one that is not exhausted when its budget of states is used up', async () => {
    const stopped = await bench.run(['explore', 'rmp-lock', '--shard', '1/2', '-o', 'stopped', '--json'], { signal: AbortSignal.abort() });
    expect([stopped.code, stopped.json<Document>().shards.file]).toEqual([4, null]);
    await shard(1, 'cut', '--max-states', '2000');
    await shard(2, 'cut');
    const { code, json } = await bench.run(['explore', '--merge', 'cut', '--json']);
    expect([code, json<Document>().exhausted]).toEqual([json<Document>().violations.length > 0 ? 1 : 4, false]);
  });

  it.each(['0/2', '3/2', '1/5000', '1', 'a/b', '-1/2'])('is refused: %s', async (text) => {
    expect((await bench.run(['explore', RACE, `--shard=${text}`, '--json'])).code).toBe(2);
  });
});

describe('all shards together', () => {
  it('give the verdict, the violations and the journals of one search, and counts that are bounds', async () => {
    const { code, json } = await bench.run(['explore', '--merge', 'whole', '--json']);
    const merged = json<Document>();
    expect(code).toBe(1);
    const { exhausted, violations, missed } = one;
    expect(merged).toMatchObject({ exhausted, violations, missed, bound: 'all schedules' });
    expect(merged.states).toBeGreaterThanOrEqual(one.states);
    expect(merged.shards.statesAtLeast).toBeLessThanOrEqual(one.states);
    expect(merged.guarantee).toContain('at most ');
    expect((await bench.run(['explore', '--merge', 'whole'])).out).toContain('Merged from 2 shards, which overlap');
  });

  it('give a guarantee where nothing broke', async () => {
    for (const index of [1, 2])
      await bench.run(['explore', RACE, '--variant', 'overlap-2m', '--shard', `${index}/2`, '-o', 'clean', '--json']);
    const { code, json } = await bench.run(['explore', '--merge', 'clean', '--json']);
    expect([code, json<Document>().guarantee.includes('Of all schedules, none breaks')]).toEqual([0, true]);
  });

  const refused = async (folder: string) => {
    const { code, json } = await bench.run(['explore', '--merge', folder, '--json']);
    const { error } = json<Failed>();
    return [code, error.code, error.message] as const;
  };
  /** The folder of both results, to be spoilt. */
  const copyOf = (folder: string) => {
    bench.makeFolder(folder);
    for (const name of results('whole')) copyFileSync(join(bench.path('whole'), name), join(bench.path(folder), name));
    return join(bench.path(folder), results('whole')[0]!);
  };

  it('are refused where one is missing, and none of them is enough', async () => {
    rmSync(copyOf('lacking'));
    expect(await refused('lacking')).toEqual([2, 'shards_missing', expect.stringContaining('lacks 1/2')]);
    bench.makeFolder('empty');
    expect((await refused('empty')).slice(0, 2)).toEqual([2, 'no_shards']);
    expect((await refused('nowhere')).slice(0, 2)).toEqual([2, 'cannot_read']);
  });

  it('are refused where one is damaged', async () => {
    const file = copyOf('damaged');
    const text = readFileSync(file, 'utf8');
    for (const bad of [
      text.slice(0, -9),
      text.replace('"states":', '"states":1'),
      '{}',
      '[]',
      'null',
      '',
      text.replace(/"checksum":"./, '"checksum":"z'),
    ]) {
      writeFileSync(file, bad);
      expect((await refused('damaged')).slice(0, 2), bad.slice(0, 40)).toEqual([3, 'shard_damaged']);
    }
  });

  it('are refused where one is forged: a property that is not asked for, or choices that break nothing', async () => {
    const finding = { property: 'rmp.host-panic', message: 'forged', steps: 1, labels: ['exec(pcpu:0)'] };
    const forgeries: readonly (readonly [findings: readonly object[], code: string])[] = [
      [[{ ...finding, property: 'rmp.no-such' }], 'shard_damaged'],
      [[finding], 'search_damaged'],
      [[{ ...finding, labels: ['no such choice'] }], 'search_damaged'],
    ];
    const file = copyOf('forged');
    const { checksum: _, ...body } = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
    for (const [findings, code] of forgeries) {
      const told = { ...body, findings };
      const checksum = toHex(sha256(Buffer.from(canonical(told), 'latin1')));
      writeFileSync(file, canonical({ ...told, checksum }));
      expect([findings, ...(await refused('forged')).slice(0, 2)]).toEqual([findings, 3, code]);
    }
  });

  it('are refused where they are not of one search', async () => {
    const file = copyOf('mixed');
    const other = readdirSync(bench.path('clean')).find((name) => name.includes('-1-of-2'))!;
    copyFileSync(join(bench.path('clean'), other), file);
    expect((await refused('mixed')).slice(0, 2)).toEqual([3, 'shard_foreign']);
  });

  it('are not searched for: --merge takes no scenario and no budget', async () => {
    expect((await bench.run(['explore', RACE, '--merge', 'whole', '--json'])).code).toBe(2);
    expect((await bench.run(['explore', '--merge', 'whole', '--max-states', '5', '--json'])).code).toBe(2);
  });
});

describe('violations', () => {
  it('come in the same order from one search, from shards, within a bound and from a sample', async () => {
    const asked = ['explore', 'sld-wrmsr-preempted', '--variant', 'v8-no-guard', '--json'];
    for (let index = 1; index <= OF; index++) await bench.run([...asked, '--shard', `${index}/${OF}`, '-o', 'two']);
    const ways = [asked, ['explore', '--merge', 'two', '--json'], [...asked, '--deviations', '3'], [...asked, '--strategy', 'pct']];
    for (const way of ways) {
      const { violations } = (await bench.run(way)).json<Document>();
      expect([way, violations.map(({ property }) => property)]).toEqual([way, ['sld.host-setting-kept', 'sld.msr-matches-task']]);
    }
  }, 60_000);
});
