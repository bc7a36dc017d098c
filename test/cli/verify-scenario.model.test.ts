/** `verify` on a scenario: every variant runs on both engines, and keeps what is expected of it. */
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { Bench } from './run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());

describe('verify', () => {
  it('says of a scenario that it is deterministic and as expected', async () => {
    const { code, json } = await bench.run(['verify', 'rmpadjust-vs-rmpupdate', '--json']);
    expect(code).toBe(0);
    expect(json<{ ok: boolean; checks: unknown[] }>().checks.length).toBeGreaterThan(20);
  });

  it('says that schedules which it did not run are left to a search', async () => {
    const { out } = await bench.run(['verify', 'vmsa-in-use-kick']);
    expect(out).toContain('breaks what is not expected; --full-coverage searches the other schedules');
  });

  it('finds what a scenario promises and does not keep', async () => {
    const text = readFileSync('scenarios/sev-snp/vmsa-in-use-kick.yaml', 'utf8').replace(
      'kick: { violates: [rmp.retry-bounded] }',
      'kick: clean',
    );
    writeFileSync(bench.path('vmsa-in-use-kick.yaml'), text);
    bench.makeFolder('regressions');
    writeFileSync(bench.path('regressions/vmsa-in-use-kick.json'), readFileSync('scenarios/regressions/vmsa-in-use-kick.json'));
    const { code, out } = await bench.run(['verify', 'vmsa-in-use-kick.yaml']);
    expect(code).toBe(1);
    expect(out).toContain('kick: ');
    expect(out).toContain('it breaks rmp.retry-bounded, which is not expected');
  });
});
