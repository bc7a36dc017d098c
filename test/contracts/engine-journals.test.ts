/** The live and the memo engine are one definition: the same choices give the same journal, byte for byte. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Chooser } from '../../sim/choosers/chooser.ts';
import { MemoEngine } from '../../sim/engine/memo.ts';
import type { ResolvedScenario } from '../../sim/scenario/types.ts';
import type { ChooserSpec } from '../../sim/session.ts';
import { topologyOf } from '../../sim/topology.ts';
import * as w from '../claims/world.ts';
import { engineOf, journalOf, SHIPPED, seeds, shipped } from '../sim/play.ts';

const SEEDS = 6;
const RUNS = 8;
/** Enough for every way through the small scenarios; longer runs end at the bound in both engines. */
const STEPS_MAX = 1500;

const bounded = (scenario: ResolvedScenario): ResolvedScenario => ({ ...scenario, bounds: { ...scenario.bounds, steps: STEPS_MAX } });

/** Takes what the numbers say, whatever is there, over and over. */
const arbitrary = (numbers: readonly number[]): Chooser => {
  let at = 0;
  return { name: 'arbitrary', choose: ({ count }) => numbers[at++ % numbers.length]! % count };
};

const bytesOf = (scenario: ResolvedScenario, engine: 'live' | 'memo', how: () => Chooser | ChooserSpec) =>
  Buffer.from(journalOf(scenario, how(), engineOf(scenario, engine)).bytes);

/** Everything a scenario can ask for at once: all operations, interrupts, errors of the firmware, pending ticks. */
const crowded = (options: Parameters<typeof w.world>[2]) =>
  bounded(
    w.world(
      {
        vm0: w.vm(
          [w.page('shared'), w.page('guest-valid', 6), w.page('vmsa', 8)],
          [
            w.psc('private'),
            w.pvalidate(),
            w.write(true),
            { repeat: { times: 2, do: [w.spin, w.rmpadjust(true, 6)] } },
            w.read(true),
            w.hlt,
          ],
        ),
      },
      {
        qemu0: [[w.run()]],
        netd: [[{ repeat: { times: 2, do: [w.dmaWrite(2), w.dmaWrite(1, 8)] } }], [w.makeShared(6)]],
        vhost0: [[w.kernelWrite()]],
        sevctl: [[{ 'sev-command': { command: 'SNP_PLATFORM_STATUS', pfn: 0x1800 } }, { 'sev-command': { command: 'SNP_DF_FLUSH' } }]],
      },
      options,
      {
        host: { arch: 'amd', cpus: 2, features: ['sev-snp'], ticks: 'pending', preemption: 'voluntary', options: options ?? {} },
        allow: ['interrupt', 'psp-error'],
        firmware: { state: 'INIT', pages: [{ pfn: 0x1800, state: 'hypervisor' }] },
        properties: { always: ['rmp.*'] },
      },
    ),
  );

const scenarios: readonly (readonly [string, ResolvedScenario])[] = [
  ...SHIPPED.map(({ name, variant }) => [`${name} ${variant}`, bounded(shipped(name, variant))] as const),
  ['all operations, auto-share', crowded({ 'kvm.rmpFault': 'auto-share' })] as const,
  ['all operations, kill-guest', crowded({ 'kvm.rmpFault': 'kill-guest', 'rmp.contention': 'overlap-2m' })] as const,
];

describe.each(scenarios)('%s', (_name, scenario) => {
  it(`gives equal journals in order and under ${SEEDS} seeds`, () => {
    for (const spec of [{ name: 'fifo' } as const, ...seeds(SEEDS)]) {
      const live = bytesOf(scenario, 'live', () => spec);
      expect(live.equals(bytesOf(scenario, 'memo', () => spec)), JSON.stringify(spec)).toBe(true);
    }
  });

  it('gives equal journals under any schedule, and a memory that was filled by other runs changes nothing', () => {
    const filled = new MemoEngine(topologyOf(scenario));
    const schedules = fc.array(fc.nat({ max: 1000 }), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(schedules, (numbers) => {
        const live = bytesOf(scenario, 'live', () => arbitrary(numbers));
        const memo = Buffer.from(journalOf(scenario, arbitrary(numbers), filled).bytes);
        return live.equals(memo);
      }),
      { numRuns: RUNS, seed: 20_240_701 },
    );
    expect(filled.verify()).toBeGreaterThan(0);
  });

  it('remembers only what XState does again', () => {
    const engine = new MemoEngine(topologyOf(scenario));
    for (const spec of [{ name: 'fifo' } as const, ...seeds(4)]) journalOf(scenario, spec, engine);
    expect(engine.verify()).toBe(engine.misses);
  });
});
