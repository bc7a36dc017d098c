/** The debug registers of a CPU, through entries and exits of a guest, on both vendors. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CpuDebugRegisters, cpuDebugRegistersMachine, drOf } from '../../../actors/guest-debug/cpu-debug-registers.ts';
import { DR6_ACTIVE_LOW, DR6_BD, DR6_BS } from '../../../actors/guest-debug/debug-bits.ts';
import type { DebugVendor } from '../../../actors/guest-debug/x86-debug-rule.ts';
import type { CpuDebugRegistersEvent, DebuggedInsn, GuestDebugControls } from '../../../events/guest-debug/x86-debug.ts';
import type { U64 } from '../../../events/u64.ts';
import { Given } from '../given.ts';

const VENDORS: readonly DebugVendor[] = ['svm', 'vmx'];
const machine = (vendor: DebugVendor, noNestedDataBp = false) => cpuDebugRegistersMachine({ vendor, noNestedDataBp });
const MACHINES = { svm: machine('svm'), vmx: machine('vmx') } as const;
const from = 'pcpu:0';
const start = (vendor: DebugVendor) => Given.start<CpuDebugRegisters>(MACHINES[vendor]);

const CONTROLS: GuestDebugControls = {
  intercepts: { dr: false, db: false, bp: false },
  de: false,
  flags: { tf: false, rf: false },
  shadow: null,
  pending: 0,
  inject: null,
};
/** What KVM enters with: a VMCB has a DR6, a VMCS has none. */
const enter = (vendor: DebugVendor, controls: Partial<GuestDebugControls>, dr7: U64, dr6: U64 = DR6_ACTIVE_LOW) => ({
  type: 'dr.enter' as const,
  controls: { ...CONTROLS, ...controls },
  dr6: vendor === 'svm' ? dr6 : null,
  dr7,
  from,
});
const insn = (what: DebuggedInsn) => ({ type: 'dr.insn?' as const, ...what, from });
const NOP = insn({ kind: 'plain', rip: 0x1000 });
const STORE = insn({ kind: 'plain', rip: 0x1800, access: { gva: 0x2000, length: 4, write: true } });
const TOUCH = { type: 'dr.touch?', gva: 0, length: 1, write: true, from };
const DR7_WRITE_4 = 0xd_0402;
const LEAVE = { type: 'dr.leave?', from };
const set = (fields: Extract<CpuDebugRegistersEvent, { type: 'dr.set' }>) => ({ ...fields, from });
const HOST = set({ type: 'dr.set', db: [1, 2, 3, 4], dr6: 0x4001, dr7: 0x403 });
const GUEST_DB = set({ type: 'dr.set', db: [0x1000, 0x2000, 0, 0], dr7: 0 });
const CODE_AND_WRITE = 0x00d0_0405;

it('dr:N is the registers of pcpu:N', () => {
  expect(drOf('pcpu:3')).toBe('dr:3');
});

describe.each(VENDORS)('the debug registers of a CPU with %s', (vendor) => {
  it('are those after reset at first, and as the host wrote them then', () => {
    const { context } = start(vendor);
    expect(context).toMatchObject({ registers: { db: [0, 0, 0, 0], dr6: 0xffff_0ff0, dr7: 0x400 }, masks: [0, 0, 0, 0] });
    expect(start(vendor).after(HOST).context.registers).toEqual({ db: [1, 2, 3, 4], dr6: 0xffff_4ff1, dr7: 0x403 });
  });

  it('change one address and one mask where the host writes one', () => {
    const one = set({ type: 'dr.set', db: [null, 7, null, null], masks: [null, null, 0xfff, null] });
    const { registers, masks } = start(vendor).after(HOST, one).context;
    expect([registers.db, masks]).toEqual([
      [1, 7, 3, 4],
      [0, 0, 0xfff, 0],
    ]);
  });

  it('raise the host’s #DB for what it accesses, in DR6, and for nothing else', () => {
    const host = start(vendor).after(set({ type: 'dr.set', db: [0x1000, 0, 0, 0], dr7: DR7_WRITE_4 }));
    const touch = (gva: number, write = true) => ({ type: 'dr.touch?', gva, length: 4, write, from });
    expect(host.when(touch(0x1000)).sent).toEqual([{ to: from, event: { type: 'dr.touched', bits: 1 } }]);
    expect(host.after(touch(0x1000)).context.registers.dr6).toBe(0xffff_0ff1);
    for (const missing of [touch(0x1004), touch(0x1000, false)]) {
      expect(host.when(missing).sent[0]!.event).toEqual({ type: 'dr.touched', bits: 0 });
    }
    const masked = host.after(set({ type: 'dr.set', masks: [0xfff, null, null, null] }));
    expect(masked.when(touch(0x1ffc)).sent[0]!.event).toEqual({ type: 'dr.touched', bits: 1 });
  });

  it('widen what a guest arms by the masks that the host has left', () => {
    const wide = start(vendor).after(GUEST_DB, set({ type: 'dr.set', masks: [0, 0xfff, 0, 0] }), enter(vendor, {}, CODE_AND_WRITE));
    const far = insn({ kind: 'plain', rip: 0x1800, access: { gva: 0x2ff0, length: 4, write: true } });
    expect(wide.when(far).sent[0]!.event).toMatchObject({ type: 'dr.met', exception: 'DB' });
    expect(
      start(vendor)
        .after(GUEST_DB, enter(vendor, {}, CODE_AND_WRITE))
        .when(far).sent[0]!.event,
    ).toMatchObject({ exception: null });
  });

  it('keep what set_debugreg() does not name', () => {
    const { context } = start(vendor).after(HOST, set({ type: 'dr.set', dr7: 0 }));
    expect(context.registers).toEqual({ db: [1, 2, 3, 4], dr6: 0xffff_4ff1, dr7: 0x400 });
  });

  it('disable every breakpoint at an exit, and leave DR0 to DR3 as the guest left them', () => {
    const guest = start(vendor).after(HOST, enter(vendor, {}, CODE_AND_WRITE));
    const moved = guest.after(insn({ kind: 'mov-dr', rip: 0x10, move: { dr: 3, write: true, value: 0x9000 } }));
    const { registers } = moved.after(LEAVE).context;
    expect([registers.db, registers.dr7]).toEqual([[1, 2, 3, 0x9000], 0x400]);
  });

  it('tell at an exit what the guest has of them, in all that KVM reads', () => {
    const guest = start(vendor).after(GUEST_DB, enter(vendor, { flags: { tf: true, rf: true } }, CODE_AND_WRITE));
    const { sent } = guest.after(insn({ kind: 'sti', rip: 0x10 }), { type: 'dr.iret', flags: { tf: true, rf: true }, from }).when(LEAVE);
    expect(sent).toEqual([
      {
        to: from,
        event: {
          type: 'dr.left',
          registers: { db: [0x1000, 0x2000, 0, 0], dr6: 0xffff_4ff0, dr7: CODE_AND_WRITE },
          flags: { tf: true, rf: true },
          shadow: null,
          pending: 0,
        },
      },
    ]);
  });

  it('are as those of a CPU that never ran a guest, but for what an exit leaves', () => {
    const plain = start(vendor).after(HOST);
    const { context } = plain.after(enter(vendor, { intercepts: { dr: true, db: true, bp: true }, de: true }, 0x401), LEAVE);
    expect(context).toEqual({ ...plain.context, registers: { ...plain.context.registers, dr7: 0x400 } });
  });

  it('answer an instruction with what it met, and keep what it leaves', () => {
    const guest = start(vendor).after(GUEST_DB, enter(vendor, {}, CODE_AND_WRITE));
    const fault = guest.when(NOP);
    const met = { type: 'dr.met', exit: null, exception: 'DB', bits: 1, retired: false, value: 0, tf: false };
    expect(fault.sent).toEqual([{ to: from, event: met }]);
    const again = fault.and.after({ type: 'dr.iret', flags: { tf: false, rf: true }, from }).when(NOP);
    expect(again.sent[0]!.event).toEqual({ ...met, exception: null, bits: 0, retired: true });
    expect(again.and.when(NOP).sent[0]!.event).toEqual(met);
    const trap = guest.when(STORE);
    expect(trap.sent[0]!.event).toEqual({ ...met, bits: 2, retired: true });
    expect(trap.context.registers.dr6).toBe(0xffff_0ff2);
  });

  it('step the instruction behind IRET, as TF on the stack says', () => {
    const guest = start(vendor).after(enter(vendor, { flags: { tf: true, rf: false } }, 0x400), NOP);
    expect(guest.context.guest.flags.tf).toBe(false);
    const stepped = guest.after({ type: 'dr.iret', flags: { tf: true, rf: false }, from }).when(NOP);
    expect(stepped.sent[0]!.event).toMatchObject({ exception: 'DB', bits: DR6_BS });
  });

  it('have no shadow behind IRET', () => {
    const guest = start(vendor).after(enter(vendor, {}, 0x400), insn({ kind: 'sti', rip: 0x10 }));
    expect(guest.context.guest.shadow).toBe('sti');
    expect(guest.after({ type: 'dr.iret', flags: CONTROLS.flags, from }).context.guest.shadow).toBe(null);
  });

  it.each(['DB', 'BP', 'GP', 'UD'] as const)('enter the handler of an injected #%s: TF, RF and the shadow are clear', (inject) => {
    const guest = start(vendor).after(enter(vendor, { inject, flags: { tf: true, rf: true }, shadow: 'sti' }, CODE_AND_WRITE));
    const { flags, shadow } = guest.context.guest;
    expect([flags, shadow, guest.context.registers.dr7]).toEqual([{ tf: false, rf: false }, null, CODE_AND_WRITE]);
  });

  it('hear a guest in guest mode alone, and the host in host mode', () => {
    const host = start(vendor);
    const guest = host.after(enter(vendor, {}, 0x400));
    expect([NOP, LEAVE, { type: 'dr.iret', flags: CONTROLS.flags, from }].map((event) => host.when(event).handled)).toEqual([
      false,
      false,
      false,
    ]);
    expect([HOST, TOUCH, enter(vendor, {}, 0x400)].map((event) => guest.when(event).handled)).toEqual([false, false, false]);
    expect([host.has('rest'), guest.has('rest')]).toEqual([true, true]);
  });

  it('have a context that JSON holds', () => {
    const { context } = start(vendor).after(HOST, enter(vendor, { shadow: 'sti' }, 0x401), NOP);
    expect(JSON.parse(JSON.stringify(context))).toEqual(context);
  });
});

describe('DR6', () => {
  const dirty = (vendor: DebugVendor) => start(vendor).after(HOST, GUEST_DB, enter(vendor, {}, CODE_AND_WRITE), STORE);

  it('of a VMCB is the guest’s alone: the exit saves it, and brings the host’s back', () => {
    const left = dirty('svm').when(LEAVE);
    expect(left.sent[0]!.event).toMatchObject({ registers: { dr6: 0xffff_0ff2 } });
    expect(left.context.registers.dr6).toBe(0xffff_4ff1);
    const loaded = start('svm')
      .after(enter('svm', {}, 0x400, 0xffff_2ff0))
      .when(insn({ kind: 'mov-dr', rip: 0, move: { dr: 6, write: false, value: 0 } }));
    expect(loaded.sent[0]!.event).toMatchObject({ value: 0xffff_2ff0 });
  });

  it('of VMX is the host’s and the guest’s: each finds what the other left', () => {
    const guest = dirty('vmx');
    // The host had BS and B0: the guest's exception writes B0 to B3, and leaves BS.
    expect(guest.context.registers.dr6).toBe(0xffff_4ff2);
    expect(guest.after(LEAVE).context.registers.dr6).toBe(0xffff_4ff2);
  });

  it.each([
    ['svm', 0xffff_0ff2],
    ['vmx', 0xffff_0ff0],
  ] as const)('is written at an intercepted #DB on SVM alone: %s', (vendor, dr6) => {
    const controls = { intercepts: { dr: false, db: true, bp: false } };
    const guest = start(vendor)
      .after(GUEST_DB, enter(vendor, controls, CODE_AND_WRITE))
      .when(STORE);
    expect(guest.sent[0]!.event).toMatchObject({ exit: 'DB', exception: null, bits: 2, retired: true });
    expect(guest.and.when(LEAVE).sent[0]!.event).toMatchObject({ registers: { dr6 } });
  });

  it('is refused at an entry of VMX, and missed at one of SVM', () => {
    const give = (vendor: DebugVendor, dr6: U64 | null) => () => start(vendor).when({ ...enter(vendor, {}, 0x400), dr6 });
    expect(give('vmx', DR6_ACTIVE_LOW)).toThrow('a VMCS has none');
    expect(give('svm', null)).toThrow('a VMCB has a DR6');
  });
});

describe('a debug exception that waits behind MOV SS', () => {
  const MOV_SS = insn({ kind: 'mov-ss', rip: 0x1800, access: { gva: 0x2000, length: 2, write: true } });
  const waiting = (vendor: DebugVendor) => start(vendor).after(GUEST_DB, enter(vendor, {}, CODE_AND_WRITE), MOV_SS);

  it('is saved by an exit of VMX, and told behind the instruction that follows the entry', () => {
    const left = waiting('vmx').when(LEAVE);
    expect(left.sent[0]!.event).toMatchObject({ shadow: 'mov-ss', pending: 2 });
    const entered = left.and.after(GUEST_DB, enter('vmx', { shadow: 'mov-ss', pending: 2 }, CODE_AND_WRITE));
    expect(entered.when(NOP).sent[0]!.event).toMatchObject({ exception: 'DB', bits: 2, retired: true });
  });

  it('is lost by an exit of SVM, which has no field for it', () => {
    const left = waiting('svm').when(LEAVE);
    expect(left.sent[0]!.event).toMatchObject({ shadow: 'mov-ss', pending: 0 });
    expect(() => start('svm').when(enter('svm', { shadow: 'mov-ss', pending: 2 }, 0x400))).toThrow('a VMCB has no field');
  });

  it('has BS at an exit of VMX under TF, which the next entry asks for, and not at one by #DB', () => {
    const stepped = (dr: boolean, dr7: U64) => {
      const controls = { intercepts: { dr, db: true, bp: false }, flags: { tf: true, rf: false } };
      const behind = start('vmx').after(enter('vmx', controls, dr7), insn({ kind: 'mov-ss', rip: 0x1800 }));
      const read = behind.when(insn({ kind: 'mov-dr', rip: 0x1800, move: { dr: 0, write: false, value: 0 } }));
      return [read.sent[0]!.event, read.and.when(LEAVE).sent[0]!.event];
    };
    const left = { flags: { tf: true, rf: false }, shadow: 'mov-ss' };
    expect(stepped(true, 0x400)).toMatchObject([{ exit: 'DR' }, { ...left, pending: DR6_BS }]);
    expect(stepped(false, 0x2400)).toMatchObject([
      { exit: 'DB', bits: DR6_BD },
      { ...left, pending: 0 },
    ]);
  });

  it('is due before the first instruction of an entry without the shadow', () => {
    const { sent } = start('vmx')
      .after(enter('vmx', { pending: DR6_BS }, 0x400))
      .when(NOP);
    expect(sent[0]!.event).toMatchObject({ exception: 'DB', bits: DR6_BS, retired: false });
  });

  it.each([
    ['DB', 'mov-ss', 0],
    ['DB', null, 0],
    ['BP', null, 0],
    ['BP', 'mov-ss', 2],
    ['GP', 'mov-ss', 0],
  ] as const)('behind an injected #%s with shadow %s is %i', (inject, shadow, pending) => {
    const { context } = start('vmx').after(enter('vmx', { inject, shadow, pending: DR6_BS | 2 }, 0x400));
    expect(context.guest.pending).toBe(pending);
  });
});

it('no run of a guest leaves a breakpoint enabled, or DR6 of an SVM host changed', () => {
  const value = fc.constantFrom<U64>(0, 0x401, 0xffff_ffff, 0x1000, '0xffff888000001000');
  const move = fc
    .record({ dr: fc.constantFrom(0, 1, 2, 3, 6, 7), write: fc.boolean(), value })
    .map((what) => ({ ...NOP, kind: 'mov-dr', move: what }));
  const step = fc.oneof(move, fc.constantFrom(NOP, STORE, { ...NOP, kind: 'icebp' }, { ...NOP, kind: 'mov-ss' }));
  fc.assert(
    fc.property(fc.constantFrom(...VENDORS), fc.boolean(), fc.array(step, { maxLength: 12 }), (vendor, tf, steps) => {
      const host = start(vendor).after(HOST);
      const { context } = host.after(enter(vendor, { flags: { tf, rf: false } }, CODE_AND_WRITE), ...steps, LEAVE);
      expect(context.registers.dr7).toBe(0x400);
      if (vendor === 'svm') expect(context.registers.dr6).toBe(host.context.registers.dr6);
      expect([context.guest, context.hostDr6]).toEqual([host.context.guest, host.context.hostDr6]);
    }),
    { numRuns: 200 },
  );
});
