/**
 * Guests with encrypted registers that debug themselves: with DebugSwap they meet what a plain
 * guest meets, wherever they are preempted and moved; without it they do not.
 */
import { describe, expect, it } from 'vitest';
import type { Vcpu } from '../../actors/kvm/guest-program.ts';
import type { ProtectedDebugState } from '../../actors/sev-es-debug/protected-debug.ts';
import type { MechanismOptions } from '../../events/options.ts';
import type { GuestStep } from '../../sim/scenario/program.ts';
import { play } from '../sim/play.ts';
import { found, type SevEsWorld, world } from './worlds.ts';

const WRITE8 = 0x9_0401;
const CODE = 0x401;
const GD = 0x2400;
const arm = (dr7: number): readonly GuestStep[] => [{ 'mov-to-dr': { dr: 0, value: 0x5000 } }, { 'mov-to-dr': { dr: 7, value: dr7 } }];

const PROGRAMS: readonly (readonly [what: string, guest: readonly GuestStep[], exceptions: number])[] = [
  ['a watchpoint', [...arm(WRITE8), { insn: { writes: 0x5000 } }], 1],
  ['a breakpoint', [...arm(CODE), { insn: { at: 0x5000 } }], 1],
  ['single-step', [{ popf: { tf: true } }, { insn: {} }, { popf: { tf: false } }], 2],
  ['general detect', [{ 'mov-to-dr': { dr: 7, value: GD } }, { 'mov-from-dr': { dr: 0 } }], 1],
  ['ICEBP', [{ icebp: {} }], 1],
  ['INT3', [{ int3: {} }], 1],
  ['its registers again', [{ 'mov-to-dr': { dr: 3, value: 0x7000 } }, { touch: {} }, { 'mov-from-dr': { dr: 3 } }], 0],
];

const ALWAYS = [
  'debug.exception-comes',
  'debug.exception-is-due',
  'debug.dr6-tells-the-cause',
  'debug.registers-read-back',
  'sev-es.host-registers',
];

type Kind = 'plain' | 'DebugSwap' | 'DebugSwap and the #DB intercept' | 'DebugSwap and #VC for #DB' | 'none' | 'none, and #VC for #DB';
const KINDS: Readonly<Record<Kind, { readonly type: string; readonly asks: boolean; readonly options: Partial<MechanismOptions> }>> = {
  plain: { type: 'svm', asks: false, options: {} },
  DebugSwap: { type: 'sev-es', asks: true, options: {} },
  'DebugSwap and the #DB intercept': { type: 'sev-es', asks: true, options: { 'kvm.dbIntercept': 'kept' } },
  'DebugSwap and #VC for #DB': { type: 'sev-es', asks: true, options: { 'kvm.dbIntercept': 'kept', 'sev.interceptedDb': 'vc' } },
  none: { type: 'sev-es', asks: false, options: {} },
  'none, and #VC for #DB': { type: 'sev-es', asks: false, options: { 'sev.interceptedDb': 'vc' } },
};

const debugged = (kind: Kind, guest: readonly GuestStep[], rest: Partial<SevEsWorld> = {}) => {
  const { type, asks, options } = KINDS[kind];
  return world({
    guest,
    vm: { type, ...(asks && { options: { vmsaFeatures: ['debug-swap'] } }) },
    threads: [[{ compute: {} }]],
    properties: { always: ALWAYS },
    ...rest,
    host: { cpus: 2, options, ...rest.host },
  });
};

/** What the guest has met on the in-order run. */
const taken = (kind: Kind, guest: readonly GuestStep[]) => {
  const { taken: count, state, cause } = play(debugged(kind, guest, { threads: [] }), { name: 'fifo' }).context<Vcpu>('vcpu:vm0/0').debug!;
  return { count, state, cause };
};

describe.each(['DebugSwap', 'DebugSwap and the #DB intercept'] as const)('DBG-17: a guest with %s', (kind) => {
  it.each(PROGRAMS)('meets %s as a plain guest does, between any two instructions preempted and moved', (_what, guest, count) => {
    const plain = taken('plain', guest);
    expect(plain.count).toBe(count);
    expect(taken(kind, guest)).toEqual(plain);
    expect(found(debugged(kind, guest)).broken).toEqual([]);
  });
});

describe('a guest whose intercepted #DB is #VC', () => {
  it.each(PROGRAMS)('reads the same DR6 as a plain guest, and KVM is told of nothing: %s', (_what, guest) => {
    const kind = 'DebugSwap and #VC for #DB';
    expect(taken(kind, guest)).toEqual(taken('plain', guest));
    expect(play(debugged(kind, guest, { threads: [] }), { name: 'fifo' }).delivered('kdb.db')).toEqual([]);
  });

  it('meets its single-step between any two instructions preempted and moved, with DebugSwap and without', () => {
    const [, guest] = PROGRAMS[2]!;
    for (const kind of ['DebugSwap and #VC for #DB', 'none, and #VC for #DB'] as const) {
      expect(taken(kind, guest).count).toBe(2);
      expect(found(debugged(kind, guest)).broken).toEqual([]);
    }
  });
});

describe('a guest with DebugSwap, beside a plain one,', () => {
  it('loses with it what waits behind MOV SS at an exit, as no VMCB has a field for it', () => {
    const guest: readonly GuestStep[] = [...arm(WRITE8), { 'mov-ss': { writes: 0x5000 } }, { insn: {} }];
    for (const kind of ['plain', 'DebugSwap'] as const)
      expect(found(debugged(kind, guest, { host: { cpus: 1 } })).broken).toEqual(['debug.exception-comes']);
  });
});

describe('a guest without DebugSwap', () => {
  it.each(PROGRAMS.slice(0, 2))('arms nothing, and so misses %s', (_what, guest) => {
    expect(found(debugged('none', guest)).broken).toEqual(['debug.exception-comes']);
  });

  it('DBG-7: loses DR0 to DR3 to a guest that it takes turns with, and where it is moved', () => {
    const [, guest] = PROGRAMS.at(-1)!;
    expect(found(debugged('none', guest)).broken).toEqual(['debug.registers-read-back']);
  });

  it('DBG-18: gets each #DB that KVM intercepts, as KVM injects it again', () => {
    const [, guest] = PROGRAMS[2]!;
    expect(taken('none', guest).count).toBe(2);
    expect(play(debugged('none', guest, { threads: [] }), { name: 'fifo' }).context<ProtectedDebugState>('kdb:vm0/0').delivered).toEqual(
      [],
    );
  });
});
