/** The delivery of a #DB that hits a data breakpoint itself, and #VC at MOV DR7. */
import { describe, expect, it } from 'vitest';
import { type CpuDebugRegisters, cpuDebugRegistersMachine } from '../../../actors/guest-debug/cpu-debug-registers.ts';
import { DB_GATE, DB_STACK, type InsnControls, nestedHits, VC_GATE, VC_STACK } from '../../../actors/guest-debug/db-delivery.ts';
import { DEBUG_CPUS, runInsn } from '../../../actors/guest-debug/x86-debug-rule.ts';
import type { DebuggedInsn, DebugRegisters } from '../../../events/guest-debug/x86-debug.ts';
import { Given } from '../given.ts';

const READ_WRITE8 = 0xb_0401;
const WRITE8 = 0x9_0401;
const registers = (address: number, dr7 = WRITE8): DebugRegisters => ({ db: [address, 0, 0, 0], dr6: 0xffff_0ff0, dr7 });
const ICEBP: DebuggedInsn = { kind: 'icebp', rip: 0x1000 };
const NONE: InsnControls = { intercepts: { dr: false, db: false, bp: false }, de: false };
const met = (address: number, dr7: number, controls: Partial<InsnControls> = {}, insn = ICEBP) =>
  runInsn(
    DEBUG_CPUS.svm,
    { ...NONE, ...controls },
    { registers: registers(address, dr7), flags: { tf: false, rf: false }, shadow: null, pending: 0 },
    insn,
  ).met;

describe('a data breakpoint on what the delivery of #DB touches', () => {
  it.each([
    ['the stack, for writes', DB_STACK, WRITE8],
    ['the gate, for reads', DB_GATE, READ_WRITE8],
  ])('hangs the CPU without NoNestedDataBp: %s', (_what, address, dr7) => {
    expect(met(address, dr7)).toMatchObject({ exit: 'HANG', exception: null });
  });

  it('DBG-10: is not hit with NoNestedDataBp: one #DB is delivered', () => {
    expect(met(DB_STACK, WRITE8, { noNestedDataBp: true })).toMatchObject({ exit: null, exception: 'DB' });
  });

  it.each([
    ['the gate, for writes', DB_GATE, WRITE8],
    ['an address beside them', DB_STACK + 8, READ_WRITE8],
  ])('is none: %s', (_what, address, dr7) => {
    expect(met(address, dr7)).toMatchObject({ exit: null, exception: 'DB' });
    expect(nestedHits('DB', registers(address, dr7), {})).toBe(0);
  });

  it('DBG-11: is an exit where KVM intercepts #DB, of the first and of each that it injects', () => {
    const db = { dr: false, db: true, bp: false };
    const stepped = { kind: 'plain', rip: 0x1000, access: { gva: DB_STACK, length: 8, write: true } } as const;
    expect(met(DB_STACK, WRITE8, { intercepts: db }, stepped)).toMatchObject({ exit: 'DB', exception: null });
    // ICEBP is no #DB that the intercept takes: what its delivery hits is.
    expect(met(DB_STACK, WRITE8, { intercepts: db })).toMatchObject({ exit: null, exception: 'DB' });
    const from = 'kdb:vm0/0';
    const entered = (noNestedDataBp: boolean) =>
      Given.start<CpuDebugRegisters>(cpuDebugRegistersMachine({ vendor: 'svm', noNestedDataBp })).after(
        { type: 'dr.set', db: [DB_STACK, 0, 0, 0], from },
        {
          type: 'dr.enter',
          controls: { intercepts: db, de: false, flags: { tf: false, rf: false }, shadow: null, pending: 0, inject: 'DB' },
          dr6: 0xffff_0ff0,
          dr7: WRITE8,
          from,
        },
      );
    const next = (noNestedDataBp: boolean) =>
      entered(noNestedDataBp).when({ type: 'dr.insn?', kind: 'plain', rip: 0x2000, from }).sent[0]!.event;
    expect(next(false)).toMatchObject({ exit: 'DB', bits: 1, retired: false });
    expect(next(true)).toMatchObject({ exit: null, retired: true });
  });
});

describe('an intercepted #DB that is #VC in the guest', () => {
  const byVc = { intercepts: { dr: false, db: 'by-vc', bp: false } } as const;
  const touches = (gva: number) => ({ kind: 'plain', rip: 0x1000, access: { gva, length: 8, write: true } }) as const;

  it('DBG-11: exits nowhere, and its delivery hits no breakpoint on the stack of #DB', () => {
    const { exit, exception, bits } = met(DB_STACK, WRITE8, byVc, touches(DB_STACK));
    expect([exit, exception, bits]).toEqual(['VC', 'DB', 1]);
  });

  it('has DR6 written and DR7.GD clear, as its handler reads them', () => {
    const before = { registers: registers(0, 0x2400), flags: { tf: true, rf: false }, shadow: null, pending: 0 } as const;
    const read: DebuggedInsn = { kind: 'mov-dr', rip: 0x10, move: { dr: 0, write: false, value: 0 } };
    const { met: told, next } = runInsn(DEBUG_CPUS.svm, { ...NONE, ...byVc }, before, read);
    expect(told).toMatchObject({ exit: 'VC', exception: 'DB', retired: false, tf: true });
    expect(next).toMatchObject({ registers: { dr6: 0xffff_2ff0, dr7: 0x400 }, flags: { tf: false, rf: false }, pending: 0 });
  });

  it.each([
    ['the stack, for writes', VC_STACK, WRITE8],
    ['the gate, for reads', VC_GATE, READ_WRITE8],
  ])('hangs the CPU where its own delivery hits a breakpoint: %s', (_what, address, dr7) => {
    expect(met(address, dr7, byVc, touches(address))).toMatchObject({ exit: 'HANG', exception: null });
    expect(met(address, dr7, { ...byVc, noNestedDataBp: true }, touches(address))).toMatchObject({ exit: 'VC', exception: 'DB' });
  });

  it('is none of ICEBP, whose delivery may hit the breakpoint that is', () => {
    expect(met(DB_STACK, WRITE8, byVc)).toMatchObject({ exit: null, exception: 'DB' });
  });
});

describe('MOV DR of a guest whose DR7 alone is intercepted', () => {
  const move = (dr: 0 | 5 | 6 | 7, write: boolean): DebuggedInsn => ({ kind: 'mov-dr', rip: 0x10, move: { dr, write, value: 0x400 } });
  it.each([
    [7, true, 'VC'],
    [7, false, 'VC'],
    [5, true, 'VC'],
    [6, true, null],
    [0, true, null],
  ] as const)('of DR%i, a write: %s, is %s', (dr, write, exit) => {
    const controls = { intercepts: { dr: 'dr7-by-vc', db: true, bp: false } } as const;
    expect(met(0, 0x400, controls, move(dr, write))).toMatchObject({ exit, retired: exit === null });
  });
});
