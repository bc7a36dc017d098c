/** Each planted fault of KVM's debug code breaks a property, on both vendors. */
import { describe, expect, it } from 'vitest';
import { explore } from '../../sim/explore/explore.ts';
import { finish } from '../../sim/explore/turns.ts';
import { GUEST_DEBUG_MUTANTS } from '../../sim/mechanisms/guest-debug/mutants.ts';
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

it('there is a host for each mutant', () => {
  expect(Object.keys(SHOWN)).toEqual(Object.keys(GUEST_DEBUG_MUTANTS));
});

describe.each(VENDORS)('on %s', (vendor) => {
  const shown = Object.entries(SHOWN).filter(([, [, , only]]) => only === undefined || only === vendor);
  it.each(shown)('%s is noticed', (mutant, [property, host]) => {
    expect(broken({ ...host, vendor, mutant })).toContain(property);
    expect(broken({ ...host, vendor })).toEqual([]);
  });
});
