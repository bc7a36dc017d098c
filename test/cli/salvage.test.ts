/**
 * `verify --salvage` and `--junit`: what is good of a damaged journal, and results for continuous
 * integration.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { junitOf } from '../../cli/junit.ts';
import { Bench } from './run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());

async function damaged(name: string): Promise<void> {
  await bench.run(['run', 'rmp-churn', '--set', 'rounds=60', '--engine', 'memo', '-o', `whole-${name}`]);
  const bytes = readFileSync(bench.path(`whole-${name}`));
  bytes[Math.floor(bytes.length / 2)]! ^= 0xff;
  writeFileSync(bench.path(name), bytes);
}

describe('verify --salvage', () => {
  it('copies what is good of a damaged journal, which then replays', async () => {
    await damaged('bad.wsj');
    expect((await bench.run(['verify', 'bad.wsj'])).code).toBe(3);
    const salvaged = await bench.run(['verify', 'bad.wsj', '--salvage', 'good.wsj', '--json']);
    expect(salvaged.code).toBe(0);
    const { records, steps, lost } = salvaged.json<{ records: number; steps: number; lost: { offset: number; reason: string } }>();
    expect(records).toBeGreaterThan(1000);
    expect(lost.reason).toContain('checksum');
    const replayed = (await bench.run(['replay', 'good.wsj', '--json'])).json<object>();
    expect(replayed).toMatchObject({ identical: true, sealed: false, steps, records });
  });

  it('leaves the original as it is and writes nothing where nothing is good', async () => {
    writeFileSync(bench.path('noise.wsj'), 'this is no journal');
    const { code, err } = await bench.run(['verify', 'noise.wsj', '--salvage', 'none.wsj']);
    expect([code, existsSync(bench.path('none.wsj')), readFileSync(bench.path('noise.wsj'), 'utf8')]).toEqual([
      3,
      false,
      'this is no journal',
    ]);
    expect(err).toContain('noise.wsj');
  });

  it('is for one journal', async () => {
    expect((await bench.run(['verify', 'rmp-lock', '--salvage', 'x.wsj'])).code).toBe(2);
  });
});

describe('verify --junit', () => {
  it('writes one case for each thing, with the place of what is wrong', async () => {
    await damaged('broken.wsj');
    const { code } = await bench.run(['verify', '.', '--junit', 'out.xml']);
    expect(code).toBe(3);
    const xml = readFileSync(bench.path('out.xml'), 'utf8');
    expect(xml).toMatch(/<testsuite name="worldswitch verify" tests="\d+" failures="[1-9]/);
    expect(xml).toMatch(/name="\.\/broken\.wsj">\s*<failure message="[^"]*damaged in frame/);
  });

  it('escapes whatever a name may hold', () => {
    const xml = junitOf([{ kind: 'journal', name: 'a<b>&"\u0007', ok: false, lines: ['x < y', '\u001b[31m'] }]);
    expect(xml).toContain('name="a&lt;b&gt;&amp;&quot;\\u{7}"');
    expect(xml.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
  });
});
