/** What one instruction meets: tables from the manuals and from KVM's sources, a row a line. */
import { describe, expect, it } from 'vitest';
import type { InsnControls } from '../../../actors/guest-debug/db-delivery.ts';
import { DR6_ACTIVE_LOW, DR6_BS, DR7_GD } from '../../../actors/guest-debug/debug-bits.ts';
import { DEBUG_CPUS, type DebugVendor, runInsn } from '../../../actors/guest-debug/x86-debug-rule.ts';
import type { DebuggedInsn } from '../../../events/guest-debug/x86-debug.ts';
import { u64 } from '../../../events/u64.ts';
import {
  ask,
  type Before,
  CODE,
  DATA,
  DR7,
  fromDr,
  line,
  load,
  movSs,
  NONE,
  of,
  plain,
  run,
  state,
  store,
  toDr,
  VENDORS,
} from './debugged-insns.ts';

type Row = readonly [name: string, before: Before, insn: DebuggedInsn, expected: string];

describe.each(VENDORS)('an instruction on %s, where KVM has asked for nothing', (vendor) => {
  const rows: readonly Row[] = [
    ['nothing is enabled', {}, store, '-, 0xffff0ff0, retired'],
    ['instruction breakpoint', { dr7: DR7.code }, plain, '#DB, 0xffff0ff1, not done'],
    ['instruction breakpoint, RF', { dr7: DR7.code, rf: true }, plain, '-, 0xffff0ff0, retired'],
    ['instruction breakpoint elsewhere', { dr7: DR7.code }, store, '-, 0xffff0ff0, retired'],
    ['instruction breakpoint before a step', { dr7: DR7.code, tf: true }, plain, '#DB, 0xffff0ff1, not done'],
    ['instruction breakpoint at INT3', { dr7: DR7.code }, of('int3'), '#DB, 0xffff0ff1, not done'],
    ['write to a write watchpoint', { dr7: DR7.write }, store, '#DB, 0xffff0ff2, retired'],
    ['read of a write watchpoint', { dr7: DR7.write }, load, '-, 0xffff0ff0, retired'],
    ['write to a watchpoint on accesses', { dr7: DR7.access }, store, '#DB, 0xffff0ff4, retired'],
    ['read of the last byte of it', { dr7: DR7.access }, load, '#DB, 0xffff0ff4, retired'],
    ['two watchpoints at once', { dr7: DR7.both }, store, '#DB, 0xffff0ff6, retired'],
    ['RF does not hide a watchpoint', { dr7: DR7.write, rf: true }, store, '#DB, 0xffff0ff2, retired'],
    ['step', { tf: true }, plain, '#DB, 0xffff4ff0, retired'],
    ['step with a watchpoint', { tf: true, dr7: DR7.write }, store, '#DB, 0xffff4ff2, retired'],
    ['watchpoint where BS was left', { dr7: DR7.write, dr6: 0xffff_4ff1 }, store, '#DB, 0xffff4ff2, retired'],
    ['POPF that sets TF', {}, { ...plain, kind: 'popf', tf: true }, '-, 0xffff0ff0, retired'],
    ['POPF that clears TF', { tf: true }, { ...plain, kind: 'popf', tf: false }, '#DB, 0xffff4ff0, retired'],
    ['STI under TF', { tf: true }, of('sti'), '#DB, 0xffff4ff0, retired'],
    ['MOV SS under TF', { tf: true }, of('mov-ss'), '-, 0xffff0ff0, retired'],
    ['MOV SS that meets a watchpoint', { dr7: DR7.access }, movSs, '-, 0xffff0ff0, retired'],
    ['behind such a MOV SS', { shadow: 'mov-ss', pending: 4 }, plain, '#DB, 0xffff0ff4, retired'],
    ['behind it, stepped', { shadow: 'mov-ss', pending: 4, tf: true }, plain, '#DB, 0xffff4ff4, retired'],
    ['behind it, with a watchpoint of its own', { shadow: 'mov-ss', pending: 4, dr7: DR7.write }, store, '#DB, 0xffff0ff6, retired'],
    ['behind it, a second MOV SS', { shadow: 'mov-ss', pending: 4 }, of('mov-ss'), '#DB, 0xffff0ff4, retired'],
    ['behind it, INT3', { shadow: 'mov-ss', pending: 4 }, of('int3'), '#BP, 0xffff0ff0, retired'],
    ['behind it, MOV DR under GD', { shadow: 'mov-ss', pending: 4, dr7: DR7.gd }, toDr(0, 0), '#DB, 0xffff2ff4, not done'],
    ['behind it, a MOV DR that is #GP', { shadow: 'mov-ss', pending: 4 }, toDr(7, 0x1_0000_0000), '#GP, 0xffff0ff0, not done'],
    ['behind a stepped MOV SS, ICEBP', { shadow: 'mov-ss', pending: DR6_BS | 4 }, of('icebp'), '#DB, 0xffff0ff4, retired'],
    ['a step that waits without a shadow', { shadow: 'sti', pending: DR6_BS }, plain, '#DB, 0xffff4ff0, not done'],
    ['what waits without a shadow comes first', { pending: 4, dr7: DR7.code }, plain, '#DB, 0xffff0ff4, not done'],
    ['INT3', {}, of('int3'), '#BP, 0xffff0ff0, retired'],
    ['INT3 under TF', { tf: true }, of('int3'), '#BP, 0xffff0ff0, retired'],
    ['ICEBP', {}, of('icebp'), '#DB, 0xffff0ff0, retired'],
    ['ICEBP under TF', { tf: true }, of('icebp'), '#DB, 0xffff0ff0, retired'],
    ['MOV DR', {}, toDr(0, 0x3000), '-, 0xffff0ff0, retired'],
    ['MOV DR under TF', { tf: true }, toDr(0, 0x3000), '#DB, 0xffff4ff0, retired'],
    ['MOV to DR0 under GD', { dr7: DR7.gd }, toDr(0, 0x3000), '#DB, 0xffff2ff0, not done'],
    ['MOV from DR7 under GD', { dr7: DR7.gd }, fromDr(7), '#DB, 0xffff2ff0, not done'],
    ['GD before a step', { dr7: DR7.gd, tf: true }, fromDr(7), '#DB, 0xffff2ff0, not done'],
    ['GD before a value that is #GP', { dr7: DR7.gd }, toDr(7, 0x1_0000_0000), '#DB, 0xffff2ff0, not done'],
    ['GD of another instruction', { dr7: DR7.gd }, store, '-, 0xffff0ff0, retired'],
    ['RF does not hide GD', { dr7: DR7.gd, rf: true }, fromDr(0), '#DB, 0xffff2ff0, not done'],
    ['MOV to DR6 of a long value', {}, toDr(6, 0x1_0000_0000), '#GP, 0xffff0ff0, not done'],
    ['MOV to DR5 of a long value', {}, toDr(5, u64(1n << 63n)), '#GP, 0xffff0ff0, not done'],
    ['MOV to DR3 of a long value', {}, toDr(3, u64(1n << 63n)), '-, 0xffff0ff0, retired'],
    ['MOV to DR4 is one to DR6', {}, toDr(4, 0x4002), '-, 0xffff4ff2, retired'],
  ];

  it.each(rows)('%s', (_name, before, insn, expected) => {
    expect(line(run(vendor, before, insn))).toBe(expected);
  });

  it('is #UD if it names DR4 or DR5 under CR4.DE, under GD and whatever the value', () => {
    const controls = { ...NONE, de: true };
    for (const insn of [toDr(4, 0x1_0000_0000), toDr(5, 0), fromDr(4), fromDr(5)]) {
      expect(line(run(vendor, { dr7: DR7.gd }, insn, controls))).toBe('#UD, 0xffff0ff0, not done');
    }
    expect(line(run(vendor, {}, toDr(6, 0), controls))).toBe('-, 0xffff0ff0, retired');
  });

  it('reads the register it names, and DR6 and DR7 as DR4 and DR5', () => {
    const before = { dr6: 0xffff_4ff1, dr7: DR7.both };
    const values = ([0, 1, 2, 3, 4, 5, 6, 7] as const).map((dr) => run(vendor, before, fromDr(dr)).met.value);
    expect(values).toEqual([CODE, DATA, DATA, 0, 0xffff_4ff1, DR7.both, 0xffff_4ff1, DR7.both]);
  });

  it('writes the register it names, and no other', () => {
    const { registers } = run(vendor, {}, toDr(2, u64(0xffff_8880_0000_1000n))).next;
    expect(registers).toEqual({ db: [CODE, DATA, '0xffff888000001000', 0], dr6: DR6_ACTIVE_LOW, dr7: 0x400 });
    expect(run(vendor, {}, toDr(5, 0x00d0_000a)).next.registers.dr7).toBe(0x00d0_040a);
  });

  it('that a handler is entered for finds TF, RF, GD and the shadow clear', () => {
    const { next } = run(vendor, { dr7: DR7.gd, tf: true, rf: true, shadow: 'mov-ss' }, fromDr(0));
    expect(next).toEqual({ ...state({}), registers: { ...state({}).registers, dr6: 0xffff_2ff0 } });
    expect(run(vendor, { dr7: DR7.code | DR7_GD }, plain).next.registers.dr7).toBe(DR7.code);
  });

  it('leaves a shadow only if it is STI or MOV SS', () => {
    const shadows = (['plain', 'sti', 'mov-ss', 'popf'] as const).map((kind) => run(vendor, {}, of(kind)).next.shadow);
    expect(shadows).toEqual([null, 'sti', 'mov-ss', null]);
    expect(run(vendor, { shadow: 'sti' }, of('mov-ss')).next.shadow).toBe('mov-ss');
    expect(run(vendor, { shadow: 'mov-ss' }, of('mov-ss')).next.shadow).toBe(null);
  });

  it('that is MOV SS and stepped leaves a step that waits', () => {
    const { next } = run(vendor, { tf: true }, of('mov-ss'));
    expect([next.flags.tf, next.pending]).toEqual([true, DR6_BS]);
    for (const insn of [of('int3'), toDr(7, 0x1_0000_0000)]) expect(runInsn(DEBUG_CPUS[vendor], NONE, next, insn).next.pending).toBe(0);
  });

  it('leaves behind MOV SS what waits, and behind INT3 what the handler takes first', () => {
    const behind = run(vendor, { dr7: DR7.access }, movSs).next;
    expect([behind.shadow, behind.pending]).toEqual(['mov-ss', 4]);
    const handler = runInsn(DEBUG_CPUS[vendor], NONE, behind, of('int3')).next;
    expect([handler.shadow, handler.pending]).toEqual([null, 4]);
    const first = runInsn(DEBUG_CPUS[vendor], NONE, handler, plain);
    expect(line(first)).toBe('#DB, 0xffff0ff4, not done');
    expect(first.next.pending).toBe(0);
  });
});

describe('where the vendors differ', () => {
  const rows: readonly (readonly [string, Before, DebuggedInsn, InsnControls, Readonly<Record<DebugVendor, string>>])[] = [
    [
      'a MOV DR that KVM wants, under GD',
      { dr7: DR7.gd },
      fromDr(7),
      ask('dr'),
      { svm: '#DB, 0xffff2ff0, not done', vmx: 'exit DR, 0xffff0ff0, not done' },
    ],
    [
      'one under GD where KVM wants #DB as well',
      { dr7: DR7.gd },
      fromDr(7),
      ask('dr', 'db'),
      { svm: 'exit DB, 0xffff2ff0, not done', vmx: 'exit DR, 0xffff0ff0, not done' },
    ],
    [
      'one to DR4 under CR4.DE',
      {},
      toDr(4, 0),
      { ...ask('dr'), de: true },
      { svm: '#UD, 0xffff0ff0, not done', vmx: 'exit DR, 0xffff0ff0, not done' },
    ],
    [
      'one of a value that is #GP',
      {},
      toDr(7, 0x1_0000_0000),
      ask('dr'),
      { svm: '#GP, 0xffff0ff0, not done', vmx: 'exit DR, 0xffff0ff0, not done' },
    ],
    [
      'one that is nothing else',
      {},
      toDr(7, 0x401),
      ask('dr'),
      { svm: 'exit DR, 0xffff0ff0, not done', vmx: 'exit DR, 0xffff0ff0, not done' },
    ],
    [
      'an instruction breakpoint at a MOV DR',
      { dr7: DR7.code },
      { ...toDr(0, 0), rip: CODE },
      ask('dr'),
      { svm: '#DB, 0xffff0ff1, not done', vmx: '#DB, 0xffff0ff1, not done' },
    ],
    [
      'a watchpoint that KVM wants',
      { dr7: DR7.write },
      store,
      ask('db'),
      { svm: 'exit DB, 0xffff0ff2, retired', vmx: 'exit DB, 0xffff0ff0, retired' },
    ],
    [
      'an instruction breakpoint that KVM wants',
      { dr7: DR7.code },
      plain,
      ask('db'),
      { svm: 'exit DB, 0xffff0ff1, not done', vmx: 'exit DB, 0xffff0ff0, not done' },
    ],
    ['a step that KVM wants', { tf: true }, plain, ask('db'), { svm: 'exit DB, 0xffff4ff0, retired', vmx: 'exit DB, 0xffff0ff0, retired' }],
    ['an ICEBP where KVM wants #DB', {}, of('icebp'), ask('db'), { svm: '#DB, 0xffff0ff0, retired', vmx: 'exit DB, 0xffff0ff0, not done' }],
    [
      'an ICEBP where B1 was left',
      { dr6: 0xffff_0ff2 },
      of('icebp'),
      NONE,
      { svm: '#DB, 0xffff0ff2, retired', vmx: '#DB, 0xffff0ff0, retired' },
    ],
    ['an INT3 that KVM wants', {}, of('int3'), ask('bp'), { svm: 'exit BP, 0xffff0ff0, not done', vmx: 'exit BP, 0xffff0ff0, not done' }],
    [
      'an instruction breakpoint behind MOV SS',
      { dr7: DR7.code, shadow: 'mov-ss' },
      plain,
      NONE,
      { svm: '#DB, 0xffff0ff1, not done', vmx: '-, 0xffff0ff0, retired' },
    ],
    [
      'one behind a stepped MOV SS',
      { dr7: DR7.code, shadow: 'mov-ss', tf: true, pending: DR6_BS },
      plain,
      NONE,
      { svm: '#DB, 0xffff0ff1, not done', vmx: '#DB, 0xffff4ff0, retired' },
    ],
    [
      'one behind STI',
      { dr7: DR7.code, shadow: 'sti' },
      plain,
      NONE,
      { svm: '#DB, 0xffff0ff1, not done', vmx: '#DB, 0xffff0ff1, not done' },
    ],
  ];

  it.each(rows)('%s', (_name, before, insn, controls, expected) => {
    expect(Object.fromEntries(VENDORS.map((vendor) => [vendor, line(run(vendor, before, insn, controls))]))).toEqual(expected);
  });

  it.each(VENDORS)('an exit by #DB on %s tells the bits and leaves TF; GD is clear behind that of SVM', (vendor) => {
    const { met, next } = run(vendor, { tf: true, dr7: DR7.write | DR7_GD, shadow: 'mov-ss', pending: 4 }, store, ask('db'));
    expect(met).toEqual({ exit: 'DB', exception: null, bits: DR6_BS | 6, retired: true, value: 0, tf: false });
    const dr7 = vendor === 'svm' ? DR7.write : DR7.write | DR7_GD;
    expect([next.flags, next.registers.dr7, next.shadow, next.pending]).toEqual([{ tf: true, rf: false }, dr7, null, 0]);
  });

  it.each(VENDORS)(
    'an exit of an instruction that is not done on %s leaves all of it as it was, but RF, which a VMCS has as 0',
    (vendor) => {
      const before: Before = { tf: true, rf: true, shadow: 'mov-ss', pending: DR6_BS | 4 };
      expect(run(vendor, before, fromDr(0), ask('dr')).next).toEqual(state({ ...before, rf: vendor === 'svm' }));
      expect(run(vendor, before, of('wrmsr'), ask('msr')).next).toEqual(state({ ...before, rf: vendor === 'svm' }));
      expect(run(vendor, before, of('int3'), ask('bp')).next).toEqual(state(before));
    },
  );
});
