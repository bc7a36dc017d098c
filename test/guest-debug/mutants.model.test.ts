/** Each planted fault of KVM's debug code breaks a property, on both vendors. */
import { describe, expect, it } from 'vitest';
import { explore } from '../../sim/explore/explore.ts';
import { finish } from '../../sim/explore/turns.ts';
import { HOST_BREAKPOINT_MUTANTS } from '../../sim/mechanisms/guest-debug/host-mutants.ts';
import { GUEST_DEBUG_MUTANTS } from '../../sim/mechanisms/guest-debug/mutants.ts';
import { broken as brokenIn, shippedAs } from '../claims/split-lock/intel.ts';
import { DR7, debugHost, type Host, VENDORS, type Vendor } from './hosts.ts';

const WATCHED: readonly string[] = [
  '{ mov-to-dr: { dr: 0, value: 0x5000 } }',
  `{ mov-to-dr: { dr: 7, value: ${DR7.write4} } }`,
  '{ insn: { writes: 0x5000, length: 4 } }',
  '{ mov-from-dr: { dr: 0 } }',
];
const MOVED = { cpus: 1, preemption: 'full', beside: true } as const;

/** What a host does that shows the fault, and the property that breaks. */
const SHOWN: Readonly<Record<string, readonly [property: string, host: Omit<Host, 'vendor'>, only?: Vendor]>> = {
  'debug-not-prepared': ['debug.dr6-tells-the-cause', { guest: WATCHED, ...MOVED }],
  'debug-not-synced': ['debug.registers-read-back', { guest: WATCHED, ...MOVED }],
  'debug-not-injected': ['debug.exception-comes', { guest: WATCHED }],
  'debug-db-swallowed': ['debug.exception-comes', { guest: WATCHED }],
  'debug-step-in-shadow': ['debug.entry-accepted', { guest: ['{ popf: { tf: true } }', '{ sti: {} }', '{ popf: { tf: false } }'] }, 'vmx'],
  'debug-cr4-de-ignored': [
    'debug.exception-comes',
    { guest: ['{ mov-from-dr: { dr: 4 } }'], debug: 'hw: true, dr0: 0x9000, dr7: 0x401', options: { 'guest.cr4De': 'set' } },
    'vmx',
  ],
};

const broken = (host: Host): readonly string[] => {
  const found = finish(explore({ scenario: debugHost(host), maxStates: 400_000, limits: { deviations: 3 } }));
  return found.violations.map(({ property }) => property);
};

/** What shipped scenarios show of a mutant. */
const SEEN: readonly (readonly [mutant: string, scenario: string, variant: string, property: string])[] = [
  ['debug-queue-lost', 'dbg-queued-exception', 'default', 'debug.exception-comes'],
  ['debug-bp-intercept-stays', 'dbg-debugger-goes', 'default', 'debug.area-follows-debugger'],
  ['debug-bp-intercept-stays', 'dbg-user-debugger', 'default', 'debug.area-follows-debugger'],
  ['debug-step-lost', 'dbg-causes-svm', 'default', 'debug.exception-comes'],
  ['debug-step-lost', 'dbg-causes-vmx', 'default', 'debug.exception-comes'],
  ['debug-db-swallowed', 'dbg-causes-svm', 'default', 'debug.meets-as-told'],
  ['debug-host-mask-left', 'dbg-perf-masks', 'default', 'debug.host-registers-are-the-copy'],
];

it('there is a host for each mutant', () => {
  const noticed = [...Object.keys(SHOWN), ...SEEN.map(([mutant]) => mutant)];
  expect(Object.keys(GUEST_DEBUG_MUTANTS).filter((mutant) => !noticed.includes(mutant))).toEqual([]);
  const known = [...Object.keys(GUEST_DEBUG_MUTANTS), ...Object.keys(HOST_BREAKPOINT_MUTANTS)];
  expect(noticed.filter((mutant) => !known.includes(mutant))).toEqual([]);
});

it.each(SEEN)('%s is noticed in %s %s: %s', { timeout: 60_000 }, (mutant, scenario, variant, property) => {
  expect(brokenIn(shippedAs(scenario, variant, mutant))).toContain(property);
});

describe.each(VENDORS)('on %s', (vendor) => {
  const shown = Object.entries(SHOWN).filter(([, [, , only]]) => only === undefined || only === vendor);
  it.each(shown)('%s is noticed', (mutant, [property, host]) => {
    expect(broken({ ...host, vendor, mutant })).toContain(property);
    expect(broken({ ...host, vendor })).toEqual([]);
  });
});
