/**
 * Every shipped scenario does what it says: a schedule for each violation it expects, one that
 * reaches none if there is any, and no other violation.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Choice } from '../../events/journal.ts';
import { openJournal } from '../../replay/open.ts';
import { reexecute } from '../../replay/reexecute.ts';
import { memorySource } from '../../replay/source.ts';
import { DEADLOCK, isWhole } from '../../sim/end.ts';
import { engineOf, fileOf, journalOf, play, SHIPPED, seeds, shipped, shippedNames } from '../sim/play.ts';

interface Regression {
  readonly variant: string;
  /** Null: this schedule reaches no violation. */
  readonly property: string | null;
  readonly schedule: readonly Choice[];
}

/** Random runs of each variant; the whole project stays below a minute. */
const SEEDS = 120;
/**
 * Designs that are wrong in every order: what they break is no race, so no schedule reaches none.
 */
const INEVITABLE: readonly string[] = [
  'ghcb-own-psc kill-guest',
  'ghcb-own-psc map-lock-long',
  'ghcb-own-psc panic-sigbus',
  'kdump-shutdown after-stop',
  'kdump-shutdown never',
  'kexec-iommu-count miscounted',
  'kexec-private-page not-shut-down',
  'kexec-private-page strict',
  'ksm-private-page mergeable',
  'oslock-brk patch-v2',
  'oslock-dbgoslar-key kvm',
  'oslock-every-kind ignored',
  'oslock-fast-path fast-path',
  'oslock-old-ignores architecture',
  'oslock-old-to-new architecture',
  'oslock-old-to-new-locked mainline',
  'oslock-pkvm-copy stale',
  'oslock-reset architecture',
  'oslock-status-bit bit-0',
  'rmp-moved-frame as-found',
  'rmp-table-end e820-alone',
  'rmp-table-end unreserved',
  'rmp-validate-2m terminate',
  'sld-bus-lock-exit off',
  'sld-bus-lock-in-warn off-no-mitigate',
  'sld-bus-lock-ratelimit off',
  'sld-bus-lock-ratelimit warn',
  'sld-flag-names off-enabled',
  'sld-guest-split-lock fatal',
  'sld-kernel-split-lock fatal',
  'sld-kernel-split-lock warn',
  'sld-timer-livelock period-1ms',
  'snp-bring-up one-offline',
  'vmsa-in-use-kick kill-guest',
  'vmsa-in-use-kick map-lock-kernel',
  'vmsa-in-use-kick panic-sigbus',
];
/** Runs that end in another kernel, whose CPUs are halted: the old one never ends its threads. */
const HALTED: readonly string[] = [
  'kdump-shutdown before-stop',
  'kexec-iommu-count reclaimed',
  'kexec-private-page auto-share',
  'kexec-private-page checks-ended',
];
const STEPS_MAX = 5000;

const regressionsOf = (name: string): readonly Regression[] => {
  const file = `scenarios/regressions/${name}.json`;
  return existsSync(join(import.meta.dirname, '../..', file)) ? (JSON.parse(fileOf(file)) as Regression[]) : [];
};
const expectedOf = (name: string, variant: string): readonly string[] => {
  const { expect: expectation } = shipped(name, variant);
  return expectation === null || expectation === 'clean' ? [] : expectation.violates;
};

describe.each(shippedNames)('%s', (name) => {
  const regressions = regressionsOf(name);
  const variants = SHIPPED.filter((each) => each.name === name).map(({ variant }) => variant);

  it('expects something of each variant, and no regression is of another', () => {
    expect(variants.filter((variant) => shipped(name, variant).expect === null)).toEqual([]);
    expect(regressions.filter(({ variant }) => !variants.includes(variant))).toEqual([]);
  });

  it.each(variants)('%s has a schedule for each violation it expects, and then one that reaches none', (variant) => {
    const found = regressions.filter((regression) => regression.variant === variant).map(({ property }) => property);
    expect(expectedOf(name, variant).filter((property) => !found.includes(property))).toEqual([]);
    if (expectedOf(name, variant).length > 0) expect(found.includes(null)).toBe(!INEVITABLE.includes(`${name} ${variant}`));
  });

  it.each(regressions.map((regression) => [regression.variant, regression.property ?? 'no violation', regression] as const))(
    '%s: the schedule leads to %s under both engines, and its journal re-executes',
    (variant, _what, { property, schedule }) => {
      const scenario = shipped(name, variant);
      const spec = { name: 'replay', choices: schedule, match: 'strict' } as const;
      const complete = { ...spec, after: { name: 'fifo' } as const };
      for (const engine of ['live', 'memo'] as const) {
        // A run looks for a deadlock where it would go on.
        const played =
          property === DEADLOCK
            ? play(scenario, complete, engineOf(scenario, engine))
            : play(scenario, spec, engineOf(scenario, engine), ({ sequencer }) => sequencer.step >= schedule.length);
        expect(played.end.violation?.property ?? null, engine).toBe(property);
        expect(played.run.sequencer.step).toBe(schedule.length);
      }
      const { bytes } = journalOf({ ...scenario, bounds: { ...scenario.bounds, steps: STEPS_MAX } }, complete, engineOf(scenario, 'live'));
      expect(reexecute(openJournal(memorySource(bytes)))).toMatchObject({ identical: true, divergence: null });
    },
  );

  it.each(variants)(`%s breaks nothing that it does not expect, in order and under ${SEEDS} seeds`, (variant) => {
    const scenario = shipped(name, variant);
    const expected = expectedOf(name, variant);
    const engine = engineOf(scenario, 'memo');
    for (const spec of [{ name: 'fifo' } as const, ...seeds(SEEDS)]) {
      const { end } = play(scenario, spec, engine, ({ sequencer }) => sequencer.step >= STEPS_MAX);
      if (end.violation) expect(expected, `${JSON.stringify(spec)}: ${end.violation.message}`).toContain(end.violation.property);
      // What would have followed a run that was cut is not known.
      if (INEVITABLE.includes(`${name} ${variant}`) && isWhole(end.ended)) expect(end.violation, JSON.stringify(spec)).not.toBeNull();
    }
  });

  it.each(variants.filter((variant) => expectedOf(name, variant).length === 0))('%s ends, and no thread is left hanging', (variant) => {
    for (const engine of ['live', 'memo'] as const) {
      const { end } = play(shipped(name, variant), { name: 'fifo' }, engineOf(shipped(name, variant), engine));
      expect(end).toMatchObject({ verdict: 'clean', ended: HALTED.includes(`${name} ${variant}`) ? 'halted' : 'done' });
    }
  });
});
