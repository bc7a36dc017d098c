/**
 * Breakpoints of the host beside guests with debug registers of their own: what perf arms on a CPU
 * stays armed there, whenever it comes, and a guest never meets it.
 */
import { describe, expect, it } from 'vitest';
import { explore } from '../../sim/explore/explore.ts';
import type { ExploreRequest } from '../../sim/explore/request.ts';
import { finish } from '../../sim/explore/turns.ts';
import { DR7, debugHost, type Host, VENDORS } from './hosts.ts';

const STATES = 200_000;
const COPY = 'debug.host-registers-are-the-copy';
const OWN = 'debug.host-arms-its-own';
const REPORTED = 'debug.host-hit-is-reported';
const REAL = 'debug.host-hit-is-real';
const HIT = 'debug.host-breakpoint-is-hit';
const BESIDE = 'debug.guest-runs-beside-host-breakpoint';
const OF_HOST = [COPY, OWN, REPORTED, REAL];
const OF_GUEST = ['debug.exception-comes', 'debug.exception-is-due', 'debug.registers-read-back', 'debug.one-owner'];

const TOUCH = 'touch-address: { address: 0x1000 }';
const ARM = 'perf-breakpoint: { cpu: 0, address: 0x1000 }';
const PAGE = 'perf-breakpoint: { cpu: 0, address: 0x1000, length: 4096 }';
const REMOVE = 'perf-remove: { cpu: 0 }';
const USES = ['{ mov-to-dr: { dr: 0, value: 0x5000 } }'];

const explored = (host: Partial<Host>, limits: NonNullable<ExploreRequest['limits']> = {}) => {
  const scenario = debugHost({
    vendor: 'svm',
    guest: USES,
    cpus: 2,
    perf: [ARM],
    behind: [TOUCH],
    always: [...OF_HOST, ...OF_GUEST],
    sometimes: [HIT, BESIDE],
    ...host,
  });
  const { exhausted, violations, missed } = finish(explore({ scenario, maxStates: STATES, limits }));
  return { exhausted, broken: violations.map(({ property }) => property), never: missed };
};

/** Enough for perf to come once at any time. */
const FEW = { deviations: 3 };
const CLEAN = { exhausted: true, broken: [], never: [] };

describe.each(VENDORS)('a breakpoint of perf on %s', { timeout: 60_000 }, (vendor) => {
  it('comes at any time on the CPU of a guest that has the registers to itself, and survives it', () => {
    expect(explored({ vendor })).toEqual(CLEAN);
  });

  it('goes at any time, and tells perf nothing behind it', () => {
    expect(explored({ vendor, perf: [ARM, REMOVE], guest: ['{ insn: { writes: 0x1000 } }'] })).toEqual(CLEAN);
  });

  it('and one of a debugger in user space leave each other alone', () => {
    const guest = ['{ insn: { writes: 0x5000, length: 4 } }'];
    expect(explored({ vendor, guest, debug: `hw: true, dr0: 0x5000, dr7: ${DR7.write4}` })).toEqual(CLEAN);
  });

  it('survives threads that take the CPU from each other, on one CPU', () => {
    const perf = [ARM, TOUCH];
    expect(explored({ vendor, cpus: 1, preemption: 'full', perf })).toEqual(CLEAN);
  });
});

describe('a breakpoint of perf that is longer than 8 bytes', { timeout: 60_000 }, () => {
  const guest = [...USES, `{ mov-to-dr: { dr: 7, value: ${DR7.write4} } }`, '{ insn: { writes: 0x5800, length: 4 } }'];

  it.each(['6.1', '6.12'])('widens what a guest watches in the same register, on kernel %s', (kernel) => {
    expect(explored({ kernel, guest, perf: [PAGE] }, FEW).broken).toEqual(['debug.exception-is-due']);
  });

  it('leaves a guest alone that uses another register', () => {
    const other = guest.map((op) => op.replace('dr: 0', 'dr: 1').replace(`${DR7.write4}`, '0xd00404'));
    expect(explored({ guest: other, perf: [PAGE] }, FEW).broken).toEqual([]);
  });
});

const DUE = 'debug.exception-is-due';
/** Of the guest, behind an exit: 0x5000, and no other address. */
const ARMED = [...USES, `{ mov-to-dr: { dr: 7, value: ${DR7.write4} } }`, '{ wrmsr-fastpath: { msr: x2apic-icr } }'];

const NOTICED: readonly (readonly [mutant: string, property: string, host: Partial<Host>])[] = [
  ['debug-host-not-restored', COPY, {}],
  ['debug-host-not-restored', REPORTED, {}],
  ['debug-host-armed-at-entry', OWN, {}],
  ['debug-host-copy-later', COPY, {}],
  ['debug-host-copy-later', OWN, {}],
  ['debug-host-mask-unwritten', COPY, { perf: [PAGE] }],
  ['debug-host-mask-unwritten', REPORTED, { perf: [PAGE], behind: ['touch-address: { address: 0x1800 }'] }],
  ['debug-host-left-armed', OWN, { perf: [ARM, REMOVE] }],
  ['debug-host-left-armed', REAL, { perf: [ARM, REMOVE] }],
  ['debug-not-prepared', DUE, { cpus: 1, guest: [...ARMED, '{ insn: { writes: 0x1000, length: 4 } }'] }],
  ['debug-not-synced', DUE, { cpus: 1, guest: [...ARMED, '{ insn: { writes: 0, length: 4 } }'] }],
];

it.each(NOTICED)('%s breaks %s', { timeout: 60_000 }, (mutant, property, host) => {
  expect(explored({ ...host, mutant, always: [property], sometimes: [] }, FEW).broken).toEqual([property]);
});
