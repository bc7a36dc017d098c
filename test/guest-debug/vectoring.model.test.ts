/**
 * Exceptions whose delivery raises them again: what KVM's intercepts of #DB and #AC are for, on
 * plain guests, and what a notify VM exit does where they are missing.
 */
import { describe, expect, it } from 'vitest';
import { DB_STACK } from '../../actors/guest-debug/db-delivery.ts';
import { explore } from '../../sim/explore/explore.ts';
import { finish } from '../../sim/explore/turns.ts';
import { play } from '../sim/play.ts';
import { DR7, debugHost, type Host, VENDORS } from './hosts.ts';

const TARPIT = [
  `{ mov-to-dr: { dr: 0, value: ${DB_STACK} } }`,
  `{ mov-to-dr: { dr: 7, value: ${DR7.write8} } }`,
  '{ int3: {} }',
  '{ icebp: {} }',
];
const MISALIGNED = ['{ ac-loop: {} }'];
const NO_INTERCEPTS = { 'kvm.vectoringIntercepts': 'none' };
const ALONE = { cpus: 1, preemption: 'full', beside: true, always: ['debug.no-cpu-hangs'], sometimes: [] } as const;

const explored = (host: Pick<Host, 'vendor' | 'guest'> & Partial<Host>) => {
  const { exhausted, violations } = finish(explore({ scenario: debugHost({ ...ALONE, ...host }), maxStates: 100_000 }));
  return { exhausted, broken: violations.map(({ property }) => property) };
};

/** Exits within the first steps of a run in order. */
const exitsOf = (host: Pick<Host, 'vendor' | 'guest'> & Partial<Host>): number =>
  play(debugHost({ ...ALONE, ...host }), { name: 'fifo' }, undefined, ({ sequencer }) => sequencer.step >= 1_000).delivered('vmexit')
    .length;

const CASES: readonly (readonly [what: string, vendor: 'svm' | 'vmx', guest: readonly string[]])[] = [
  ...VENDORS.map((vendor) => [`#DB whose stack is watched, on ${vendor}`, vendor, TARPIT] as const),
  ['#AC whose stack is misaligned, on svm', 'svm', MISALIGNED],
];

describe.each(CASES)('%s', (_what, vendor, guest) => {
  it('gives the host its CPU back at each delivery', () => {
    expect(explored({ vendor, guest })).toEqual({ exhausted: true, broken: [] });
    expect(exitsOf({ vendor, guest })).toBeGreaterThan(10);
  });

  it('hangs the CPU where KVM does not intercept it, and a thread that waits for the CPU with it', () => {
    const found = explored({ vendor, guest, options: NO_INTERCEPTS });
    expect(found.broken).toContain('debug.no-cpu-hangs');
    expect(explored({ vendor, guest, options: NO_INTERCEPTS, always: [] }).broken).toEqual(['deadlock']);
  });
});

describe('a notify VM exit', () => {
  it('ends a delivery that has no end, and gives the host its CPU back', () => {
    const host = { vendor: 'vmx', guest: TARPIT, options: NO_INTERCEPTS, features: ['notify-vmexit'] } as const;
    expect(explored(host)).toEqual({ exhausted: true, broken: [] });
    expect(exitsOf(host)).toBeGreaterThan(10);
  });

  it('is a feature of Intel, as NoNestedDataBp is one of AMD', () => {
    expect(() => debugHost({ vendor: 'svm', guest: TARPIT, features: ['notify-vmexit'] })).toThrow('expected it on hosts of intel alone');
    expect(() => debugHost({ vendor: 'vmx', guest: TARPIT, features: ['no-nested-data-bp'] })).toThrow('expected it on hosts of amd alone');
    expect(() => debugHost({ vendor: 'vmx', guest: MISALIGNED })).toThrow('expected arch: amd');
  });
});

it('NoNestedDataBp ends a #DB whose stack is watched, with the intercept and without', () => {
  for (const options of [{}, NO_INTERCEPTS]) {
    const host = { vendor: 'svm', guest: TARPIT, options, features: ['no-nested-data-bp'] } as const;
    expect(explored(host)).toEqual({ exhausted: true, broken: [] });
  }
});
