/**
 * The debug registers of an arm64 CPU, and what KVM does with those of a vCPU: traps, register
 * accesses, the two models.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { armCpuDebugMachine } from '../../../actors/os-lock/arm-cpu-debug.ts';
import { MDSCR, OSLAR_KEY } from '../../../actors/os-lock/arm-debug-rule.ts';
import { getReg, regList, setReg, sysreg } from '../../../actors/os-lock/arm-vcpu-registers.ts';
import {
  type ArmDebugDesign,
  type ArmVcpuState,
  armVcpuState,
  clearDebug,
  cpuStateOf,
  load,
  put,
  setupDebug,
} from '../../../actors/os-lock/arm-vcpu-state.ts';
import type { CpuDebugState, DebugTraps } from '../../../events/os-lock/arm-debug.ts';
import { SYSREGS, type Sysreg } from '../../../events/os-lock/sysregs.ts';
import { type U64, u64 } from '../../../events/u64.ts';
import { designOf } from '../../../sim/mechanisms/os-lock/design.ts';
import { shipped } from '../../sim/play.ts';
import { Given } from '../given.ts';

const OLD: ArmDebugDesign = designOf(shipped('oslock-status-bit', 'bit-1'));
const OWNER: ArmDebugDesign = designOf(shipped('oslock-oslar-reload', 'atomic'));
const fresh = armVcpuState({ knowsLock: true }, OLD);
const access = (v: ArmVcpuState, design: ArmDebugDesign, reg: Sysreg, write: boolean, value = 0): ArmVcpuState => ({
  ...v,
  ...sysreg(v, design, reg, write, value),
});

describe.each([
  ['each-entry', OLD],
  ['owner', OWNER],
] as const)('what user space saves and restores in the model %s', (_model, design) => {
  it('is each register that is listed, in all of its 64 bits', () => {
    const wide = (reg: Sysreg): U64 => (reg === 'oslsr_el1' ? 0xa : u64((BigInt(SYSREGS.indexOf(reg) + 1) << 60n) + 0x8000_0001n));
    const before: ArmVcpuState = { ...armVcpuState({ knowsLock: true }, design), vcr: 0 };
    const listed = regList(before, design);
    expect([...listed].sort()).toEqual(['dbgbcr0_el1', 'dbgvcr', 'dbgwcr0_el1', 'mdscr_el1', 'oslsr_el1']);
    let restored = before;
    for (const reg of listed) restored = { ...restored, ...setReg(restored, design, reg, wide(reg)).change };
    expect(listed.map((reg) => getReg(restored, design, reg))).toEqual(listed.map((reg) => ({ value: wide(reg), error: null })));
    const { mdscr, bcr, wcr, vcr, oslsr } = restored;
    const wanted = (['mdscr_el1', 'dbgbcr0_el1', 'dbgwcr0_el1', 'dbgvcr', 'oslsr_el1'] as const).map(wide);
    expect([mdscr, bcr, wcr, vcr, oslsr]).toEqual(wanted);
  });
});

it('what the lock took around an entry is given back in all of its 64 bits', () => {
  const mdscr = u64((1n << 63n) + BigInt(MDSCR.MDE | MDSCR.SS));
  const locked: ArmVcpuState = { ...armVcpuState({ knowsLock: true }, OLD), mdscr, oslsr: 0xa };
  const entered = { ...locked, ...setupDebug(locked, OLD) };
  expect(entered.mdscr).toBe(u64(1n << 63n));
  expect({ ...entered, ...clearDebug(entered, OLD) }.mdscr).toBe(mdscr);
});

describe('an access of a guest', () => {
  const none: DebugTraps = { tda: false, tdosa: false, tde: false };
  const state = (traps: DebugTraps): CpuDebugState => ({
    mdscr: 0,
    traps,
    bank: 'guest',
    bcr: 0,
    wcr: 0,
    pstate: { el: 1, d: false, ss: false },
    osLock: false,
  });
  /** Whether a read or a write traps; one of the two may be UNDEFINED. */
  const trapsOn = (traps: DebugTraps, reg: Sysreg): boolean =>
    [false, true].some((write) => {
      const access = { type: 'dbg.access?', reg, write, value: 0, from: 'vcpu:vm0/0' };
      const { sent } = Given.standing(armCpuDebugMachine, 'on', state(traps)).when(access);
      return (sent[0]!.event as unknown as { readonly trap: boolean }).trap;
    });

  it.each([
    ['TDOSA', { ...none, tdosa: true }, ['oslar_el1', 'oslsr_el1', 'osdlr_el1', 'dbgoslar']],
    ['TDA', { ...none, tda: true }, ['mdscr_el1', 'dbgbcr0_el1', 'dbgwcr0_el1', 'dbgvcr']],
    [
      'TDE',
      { ...none, tde: true },
      ['oslar_el1', 'oslsr_el1', 'osdlr_el1', 'mdscr_el1', 'dbgbcr0_el1', 'dbgwcr0_el1', 'dbgvcr', 'dbgoslar'],
    ],
    ['nothing', none, []],
  ] as const)('%s traps its registers', (_name, traps, expected) => {
    const all: readonly Sysreg[] = ['oslar_el1', 'oslsr_el1', 'osdlr_el1', 'mdscr_el1', 'dbgbcr0_el1', 'dbgwcr0_el1', 'dbgvcr', 'dbgoslar'];
    expect(all.filter((reg) => trapsOn(traps, reg))).toEqual(expected);
  });

  it.each([OLD, OWNER])('is undefined if it reads OSLAR or DBGOSLAR, or writes OSLSR; OSDLR is RAZ/WI', (design) => {
    expect(access(fresh, design, 'oslar_el1', false).undef).toBe(true);
    const locked = { ...fresh, oslsr: 0xa };
    expect(access(locked, design, 'dbgoslar', false)).toMatchObject({ undef: true, oslsr: 0xa });
    expect(access(fresh, design, 'oslsr_el1', true, 0xa)).toMatchObject({ undef: true, oslsr: 0x8 });
    expect(access(fresh, design, 'osdlr_el1', true, 1)).toEqual(fresh);
  });

  it.each([
    [OSLAR_KEY, 0xa, 0xa],
    [1, 0x8, 0xa],
    [OSLAR_KEY - 1, 0x8, 0x8],
    [0, 0x8, 0x8],
  ])('to DBGOSLAR with 0x%x leaves OSLSR by the architecture, and by KVM', (value, architecture, kvm) => {
    const locked = { ...fresh, oslsr: architecture === 0xa ? 0x8 : 0xa };
    expect(access(locked, { ...OLD, dbgoslarKey: true }, 'dbgoslar', true, value).oslsr).toBe(architecture);
    expect(access(locked, OLD, 'dbgoslar', true, value).oslsr).toBe(kvm);
  });
});

describe('KVM_SET_ONE_REG of OSLSR_EL1', () => {
  it('takes 0x8 and 0xA, and refuses all else', () => {
    const taken = Array.from({ length: 32 }, (_, value) => value).filter((value) => setReg(fresh, OLD, 'oslsr_el1', value).error === null);
    expect(taken).toEqual([0x8, 0xa]);
    expect(setReg(fresh, OLD, 'oslsr_el1', 0x2)).toEqual({ change: {}, error: 'EINVAL' });
  });

  it('is unknown to a kernel that does not list it', () => {
    expect(setReg({ ...fresh, knowsLock: false }, OLD, 'oslsr_el1', 0x8).error).toBe('ENOENT');
  });
});

describe('the two models', () => {
  const guestDebugs = fc.constantFrom<ArmVcpuState['guestDebug']>(
    [],
    ['ENABLE', 'USE_HW'],
    ['ENABLE', 'SINGLESTEP'],
    ['ENABLE', 'USE_SW_BP'],
    ['ENABLE', 'SINGLESTEP', 'USE_HW'],
  );
  const mdscrs = fc.subarray([MDSCR.SS, MDSCR.KDE, MDSCR.MDE]).map((bits) => bits.reduce((all, bit) => all | bit, 0));
  const states = fc
    .record({ oslsr: fc.constantFrom(0x8, 0xa), mdscr: mdscrs, guestDebug: guestDebugs, ss: fc.boolean(), hostSsPending: fc.boolean() })
    .map(({ ss, ...rest }): ArmVcpuState => ({ ...fresh, ...rest, pstate: { el: 1, d: false, ss } }));

  it('put the guest’s MDSCR and PSTATE.SS back, whatever was forced', () => {
    fc.assert(
      fc.property(states, (v) => {
        const old: ArmVcpuState = { ...v, ...setupDebug(v, OLD) };
        expect({ ...old, ...clearDebug(old, OLD) }).toMatchObject({ mdscr: v.mdscr, pstate: v.pstate });
        const loaded: ArmVcpuState = { ...v, ...load(v, OWNER, 'pcpu:0') };
        expect({ ...loaded, ...put(loaded, OWNER) }).toMatchObject({ mdscr: v.mdscr, pstate: v.pstate });
      }),
    );
  });

  it('are put once more where KVM does not look: in the owner model the second put gives PSTATE.SS away', () => {
    const stepped = { ...fresh, guestDebug: ['ENABLE', 'SINGLESTEP'] as const, pstate: { el: 1, d: false, ss: false } as const };
    const loaded = { ...stepped, ...load(stepped, OWNER, 'pcpu:0') };
    const once = { ...loaded, ...put(loaded, OWNER) };
    expect(once).toMatchObject({ unbalanced: null, hostSsPending: false, pstate: { ss: false } });
    expect(put(once, OWNER)).toMatchObject({ unbalanced: 'put twice', hostSsPending: true, pstate: { ss: false } });
    expect(load(loaded, OWNER, 'pcpu:0')).toMatchObject({ unbalanced: 'loaded twice' });
  });

  it('put the same MDE and SS on the CPU where the lock or a debugger decides', () => {
    fc.assert(
      fc.property(states, (v) => {
        if (v.guestDebug.length === 0 && v.oslsr === 0x8) return;
        const bits = MDSCR.MDE | MDSCR.SS;
        const old = Number(cpuStateOf({ ...v, ...setupDebug(v, OLD) }, OLD).mdscr) & bits;
        const owner = Number(cpuStateOf({ ...v, ...load(v, OWNER, 'pcpu:0') }, OWNER).mdscr) & bits;
        // A debugger that only catches BRK leaves an unlocked guest its MDE in the old model, and
        // takes it in the owner model.
        const differs = v.oslsr === 0x8 && !v.guestDebug.includes('USE_HW');
        expect(differs ? owner & MDSCR.SS : owner).toBe(differs ? old & MDSCR.SS : old);
      }),
    );
  });

  it.each([
    [0x8, 0, [], 'FREE'],
    [0x8, MDSCR.MDE, [], 'GUEST_OWNED'],
    [0x8, MDSCR.KDE, [], 'GUEST_OWNED'],
    [0x8, MDSCR.SS, [], 'FREE'],
    [0xa, MDSCR.MDE, [], 'HOST_OWNED'],
    [0x8, MDSCR.MDE, ['ENABLE', 'USE_SW_BP'], 'HOST_OWNED'],
  ] as const)('OSLSR 0x%x and MDSCR 0x%x under %j are %s at load', (oslsr, mdscr, guestDebug, owner) => {
    expect(load({ ...fresh, oslsr, mdscr, guestDebug }, OWNER, 'pcpu:0').owner).toBe(owner);
  });

  it('give a free vCPU to the guest at its first access, and never take it from the host', () => {
    const free = { ...fresh, ...load(fresh, OWNER, 'pcpu:0') };
    expect(access(free, OWNER, 'mdscr_el1', false)).toMatchObject({ owner: 'GUEST_OWNED', traps: { tda: false } });
    const locked = { ...fresh, oslsr: 0xa };
    const host = { ...locked, ...load(locked, OWNER, 'pcpu:0') };
    expect(access(host, OWNER, 'mdscr_el1', true, MDSCR.MDE)).toMatchObject({ owner: 'HOST_OWNED', traps: { tda: true } });
  });
});
