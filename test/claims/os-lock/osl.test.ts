/** The arm64 OS Lock: every claim of the domain document, and every mutant of the mechanism. */
import { describe, expect, it } from 'vitest';
import type { Vcpu } from '../../../actors/kvm/guest-program.ts';
import { SYSREG_RULES, SYSREGS } from '../../../events/os-lock/sysregs.ts';
import { osLock } from '../../../sim/mechanisms/os-lock/index.ts';
import type { WorldView } from '../../../sim/view.ts';
import { fileOf } from '../../sim/play.ts';
import { testClaims } from '../claim-cases.ts';
import { broken, shippedAs } from '../split-lock/intel.ts';
import { armed, atVector, debug, injected, lastRead, MDE, met, mrs, msr, runGuest, setLock } from './arm64.ts';
import { OSL_CLAIMS } from './osl-claims.ts';

describe('the OS Lock', () => {
  testClaims(OSL_CLAIMS);
});

/** What a search of a sound variant finds under a mutant, besides what the claims show. */
const SEEN: readonly (readonly [mutant: string, scenario: string, variant: string, property: string])[] = [
  // D.6: one bit for two users; a copy that does not follow; the wrong bit of a register.
  ['oslock-shared-tde', 'oslock-shared-tde', 'all-users', 'oslock.debugger-sees-its-events'],
  ['oslock-pkvm-stale', 'oslock-pkvm-copy', 'flushed', 'oslock.no-exception-lost'],
  ['oslock-wrong-bit', 'oslock-status-bit', 'bit-1', 'oslock.no-exception-under-lock'],
  ['oslock-any-key', 'oslock-dbgoslar-key', 'architecture', 'oslock.no-exception-lost'],
  // A read that says nothing of what was written.
  ['oslock-constant-oslsr-el1', 'oslock-read-back', 'each-entry', 'oslock.lock-reads-back'],
  ['oslock-constant-oslsr-el1', 'oslock-read-back', 'owner', 'oslock.lock-reads-back'],
  ['oslock-constant-osdlr-el1', 'oslock-read-back', 'each-entry', 'oslock.lock-reads-back'],
  ['oslock-constant-osdlr-el1', 'oslock-read-back', 'owner', 'oslock.lock-reads-back'],
  ['oslock-reset-locked', 'oslock-old-to-new', 'mainline', 'oslock.lock-survives-migration'],
  ['oslock-preemptible-reload', 'oslock-oslar-reload', 'atomic', 'oslock.loads-are-balanced'],
  ['oslock-sleep-in-reload', 'oslock-oslar-reload', 'atomic', 'oslock.no-sleep-in-atomic'],
];

describe('a search under a mutant', () => {
  it.each(SEEN)('%s breaks %s %s: %s', (mutant, scenario, variant, property) => {
    expect(broken(shippedAs(scenario, variant))).toEqual([]);
    expect(broken(shippedAs(scenario, variant, mutant))).toContain(property);
  });
});

it('has a mutant with a constant read-back for each register that a guest can read', () => {
  const readable = SYSREGS.filter((reg) => SYSREG_RULES[reg].readFrom !== null);
  const noticed = new Set([
    ...SEEN.map(([mutant]) => mutant),
    ...OSL_CLAIMS.flatMap(({ shows }) => shows.flatMap(({ mutants }) => mutants)),
  ]);
  expect(readable.filter((reg) => !noticed.has(`oslock-constant-${reg.replace('_', '-')}`))).toEqual([]);
});

it.each([
  ['put twice', 'which KVM does not notice'],
  ['loaded twice', 'KVM_BUG_ON in kvm_vcpu_load_debug(), with VHE alone'],
])('a vCPU that is %s is told with what KVM makes of it', (unbalanced, reaction) => {
  const property = osLock.properties!.find(({ id }) => id === 'oslock.loads-are-balanced')!;
  const world = { actors: () => [{ id: 'arm:vm0/0', value: 'kept', context: { unbalanced } }] } as unknown as WorldView;
  expect(property.check(world)).toBe(`arm:vm0/0 was ${unbalanced}, with nothing between: ${reaction}`);
});

describe('vector catch of an AArch32 guest', () => {
  const undefinedBy = (played: ReturnType<typeof runGuest>) => played.context<Vcpu>('vcpu:vm0/0').arm!.undefined;

  it('is the guest’s own, whatever KDE and PSTATE.D say', () => {
    for (const kernel of ['6.12', '6.14'] as const) {
      const masked = [msr('mdscr_el1', MDE), msr('dbgvcr', 1), { eret: { el: 1, d: true } } as const, atVector];
      expect(met(runGuest(masked, { kernel }))).toEqual(['vector-catch to EL1']);
      expect(met(runGuest([msr('mdscr_el1', MDE), atVector], { kernel }))).toEqual(['nothing']);
    }
  });

  it('is an undefined instruction once a debugger routes it to EL2: KVM has no handler for it', () => {
    for (const kernel of ['6.12', '6.14'] as const) {
      const played = runGuest([...armed, setLock, atVector], { kernel, before: [debug({ hw: true })] });
      expect([met(played), injected(played), undefinedBy(played)]).toEqual([['vector-catch to EL2'], [], 'vector-catch']);
      const open = runGuest([...armed, setLock, atVector], { kernel, before: [debug({ sw: true })] });
      expect([met(open), undefinedBy(open)]).toEqual([['nothing'], null]);
    }
  });

  it('is read back as it was written, and moves with the guest', () => {
    expect(lastRead(runGuest([msr('dbgvcr', 1), mrs('dbgvcr')]))).toBe(1);
    expect(met(runGuest([...armed, { pause: {} }, atVector], { migratesFrom: 'emulated' }))).toEqual(['vector-catch to EL1']);
  });
});

describe('the claims of the OS Lock', () => {
  it('are those of the domain document', () => {
    const listed = [...fileOf('docs/domain/debug-and-split-lock.md').matchAll(/^\* (OSL-\d+)x? -/gm)].map((match) => match[1]);
    expect(OSL_CLAIMS.map(({ id }) => id)).toEqual(listed);
  });

  it('and the searches notice every mutant', () => {
    const noticed = new Set([
      ...OSL_CLAIMS.flatMap(({ mutants, shows }) => [...mutants, ...shows.flatMap((show) => show.mutants)]),
      ...SEEN.map(([mutant]) => mutant),
    ]);
    expect(Object.keys(osLock.mutants ?? {}).filter((name) => !noticed.has(name))).toEqual([]);
  });
});
