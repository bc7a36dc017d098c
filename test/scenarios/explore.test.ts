/**
 * What each shipped variant is expected to break is decided by exploration: of all its
 * interleavings, or, where there are too many for a test, of all within a bound. Those are searched
 * to their end by `npm run soak`.
 */
import { describe, expect, it } from 'vitest';
import { DEADLOCK } from '../../sim/end.ts';
import { Explorer } from '../../sim/explore/breadth/explorer.ts';
import { searchedBy } from '../../sim/explore/breadth/searched.ts';
import { type Ledger, ledgerOf } from '../../sim/explore/covered/ledger.ts';
import { lassosOf } from '../../sim/explore/cycles/endless.ts';
import { coveredBy, judge } from '../../sim/explore/excuses.ts';
import { BoundedSearch } from '../../sim/explore/in-order/bounded.ts';
import { finish } from '../../sim/explore/turns.ts';
import { outcomeOf, SHIPPED, shipped, shippedNames, source } from '../sim/play.ts';

/** Too many states for a test, and the deviations within which they are searched here. */
const LARGE: Readonly<Record<string, number>> = {
  'rmp-churn default': 2,
  'rmp-host-write-race auto-share': 3,
  'rmp-host-write-race kill-guest': 3,
  'rmp-host-write-race map-lock-user': 3,
  'rmp-host-write-race panic-sigbus': 3,
};
/** Of these the bound leaves out steps that full coverage asks for: `npm run soak` judges it. */
const BEYOND = ['rmp-churn'];
/** What all others must fit into. */
const STATES_MAX = 300_000;

/**
 * States, transitions, and steps that change nothing. A model that changes on purpose changes them.
 */
const COUNTS: Readonly<Record<string, readonly [number, number, number]>> = {
  'rmp-double-prepare lock-dropped': [290_647, 688_212, 68],
  'rmp-double-prepare lock-held': [240_371, 570_282, 36],
  'rmp-lock default': [232_105, 643_436, 445_176],
  'rmpadjust-vs-rmpupdate inuse': [26_580, 63_370, 0],
  'rmpadjust-vs-rmpupdate inuse-retried': [26_488, 63_280, 0],
  'rmpadjust-vs-rmpupdate overlap-2m': [26_488, 63_280, 0],
  'vmsa-in-use-kick kick': [26_402, 63_302, 246],
  'vmsa-in-use-kick kick-and-block': [46_110, 120_042, 200],
  'vmsa-in-use-kick no-kick': [18_722, 44_648, 122],
};

const nameOf = ({ name, variant }: { readonly name: string; readonly variant: string }) => `${name} ${variant}`;
const expectedOf = (name: string, variant: string): string[] => {
  const { expect: expectation } = shipped(name, variant);
  if (expectation === null) throw new Error(`${name} expects nothing of ${variant}`);
  return expectation === 'clean' ? [] : [...expectation.violates].sort();
};

/** What the searches of this file took, by variant: full coverage asks for no search of its own. */
const ledgers = new Map<string, Ledger>();
const ledgerFor = (name: string, variant: string): Ledger => {
  const known = ledgers.get(nameOf({ name, variant }));
  if (known) return known;
  const scenario = shipped(name, variant);
  return finish(coveredBy(scenario, STATES_MAX)).ledger;
};

const large = SHIPPED.filter((each) => nameOf(each) in LARGE);
const whole = SHIPPED.filter((each) => !(nameOf(each) in LARGE));

describe('all interleavings', () => {
  it.each(whole)('of $name under $variant break what is expected, and nothing else', ({ name, variant }) => {
    const scenario = shipped(name, variant);
    const explorer = new Explorer({ scenario, budget: { states: STATES_MAX } });
    const report = finish(explorer.run());
    ledgers.set(nameOf({ name, variant }), ledgerOf(scenario, explorer.world.engine));
    const lassos = finish(lassosOf(searchedBy(explorer, report), scenario.properties.eventually));
    expect(report.limit, 'the space is too large: name it in LARGE, and let npm run soak search it').toBeNull();
    const broken = [...report.findings, ...lassos.findings].map(({ property }) => property);
    expect(broken.sort()).toEqual(expectedOf(name, variant));
    expect([...report.reached].filter(([, met]) => met === null)).toEqual([]);
    expect(report.reactions).toBeGreaterThan(10);
    const counts = COUNTS[nameOf({ name, variant })];
    if (counts) expect([report.states, report.transitions, report.unchanged]).toEqual(counts);
    for (const { property, state, steps } of report.findings) {
      const choices = explorer.labelsTo(state).map((label) => ({ index: 0, label }));
      expect(outcomeOf(scenario, { name: 'replay', choices, match: 'label' }).end.violation).toMatchObject({ property, step: steps });
    }
    for (const { property, stem, cycle, lasso } of lassos.findings) {
      const choices = [...stem, ...cycle].map((label) => ({ index: 0, label }));
      const { violation } = outcomeOf(scenario, { name: 'replay', choices, match: 'label' }).end;
      expect(violation).toMatchObject({ property, step: choices.length, lasso });
    }
  });

  it('leave no thread waiting forever', () => {
    // Deadlocks are findings like any other. The cases above have shown that there is none but
    // where a scenario expects one.
    const deadlocked = SHIPPED.filter(({ name, variant }) => expectedOf(name, variant).includes(DEADLOCK)).map(({ name }) => name);
    // A #DB or a #VC that is delivered without end keeps its CPU. The model of the last one keeps
    // the tasks of a CPU that goes offline: docs/fidelity.md, "Known to be wrong".
    expect([...new Set(deadlocked)]).toEqual(['ghcb-own-psc', 'sevdbg-db-tarpit', 'sevdbg-vc-tarpit', 'sld-cpu-offline']);
  });
});

describe('all interleavings within a bound', () => {
  it.each(large)('of $name under $variant break what is expected, and nothing else', ({ name, variant }) => {
    const scenario = shipped(name, variant);
    const limits = { deviations: LARGE[nameOf({ name, variant })]! };
    const search = new BoundedSearch({ scenario, limits, states: STATES_MAX });
    const report = finish(search.run());
    ledgers.set(nameOf({ name, variant }), ledgerOf(scenario, search.world.engine));
    expect(report).toMatchObject({ exhausted: true, closed: false, missed: [] });
    expect(report.findings.map(({ property }) => property).sort()).toEqual(expectedOf(name, variant));
    expect(search.world.engine.verify()).toBeGreaterThan(50);
    for (const { property, labels } of report.findings) {
      const choices = labels.map((label) => ({ index: 0, label }));
      expect(outcomeOf(scenario, { name: 'replay', choices, match: 'label' }).end.violation).toMatchObject({
        property,
        step: labels.length,
      });
    }
  });

  it('are those of shipped variants', () => {
    expect(Object.keys(LARGE).filter((name) => !SHIPPED.map(nameOf).includes(name))).toEqual([]);
    expect(Object.keys(COUNTS).filter((name) => !SHIPPED.map(nameOf).includes(name))).toEqual([]);
  });
});

describe('full coverage', () => {
  it.each(shippedNames.filter((name) => !BEYOND.includes(name)))(
    'of %s lacks what its file gives a reason for, and nothing else',
    (name) => {
      const variants = SHIPPED.filter((each) => each.name === name);
      const taken = variants.map(({ variant }) => ledgerFor(name, variant));
      const { open, stale } = judge(taken, source(name).uncovered ?? [], { whole: !variants.some((each) => nameOf(each) in LARGE) });
      expect({ open: open.map((hole) => hole.name), stale }).toEqual({ open: [], stale: [] });
    },
    600_000,
  );
});
