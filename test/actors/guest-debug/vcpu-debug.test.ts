/**
 * KVM's half of a debugged vCPU against the registers of a CPU: who has the debug registers, what a
 * re-queued #DB leaves in DR6, and what KVM makes of MOV to and from debug registers.
 *
 * @see domain debug-and-split-lock A.6
 */
import { describe, expect, it } from 'vitest';
import { kdbOf } from '../../../actors/guest-debug/vcpu-debug.ts';
import { vcpuDebugDesign } from '../../../actors/guest-debug/vcpu-debug-state.ts';
import type { DebuggedInsn, DebugRegister, X86GuestDebugFlag } from '../../../events/guest-debug/x86-debug.ts';
import { Rig } from './vcpu-rig.ts';

const VENDORS = ['svm', 'vmx'] as const;
type Vendor = (typeof VENDORS)[number];

const BD = 1 << 13;
const BS = 1 << 14;
const GD = 1 << 13;
const CLEAN_DR6 = 0xffff_0ff0;
const dr6With = (bits: number): number => CLEAN_DR6 + bits;
/** G0: execution at DR0; and a watchpoint of 4 bytes for writes at DR1. */
const CODE_0 = 0x402;
const WRITE_1 = 0x408 + 0x00d0_0000;
const WRITES = { gva: 0x8000, length: 4, write: true } as const;

/** In guest mode. */
function running(vendor: Vendor): Rig {
  const rig = new Rig(vcpuDebugDesign(vendor, '6.12'));
  rig.enter();
  return rig;
}

/** In guest mode, with a debugger. */
function debugged(vendor: Vendor, flags: readonly X86GuestDebugFlag[], debug: Parameters<Rig['setGuestDebug']>[1] = {}): Rig {
  const rig = running(vendor);
  rig.leave();
  rig.setGuestDebug(['ENABLE', ...flags], debug);
  rig.enter();
  return rig;
}

it('has an actor for each vCPU', () => {
  expect(kdbOf('vcpu:vm0/1')).toBe('kdb:vm0/1');
});

describe.each(VENDORS)('debug registers of a guest without a debugger on %s', (vendor) => {
  it('are the guest’s from its first use to the next exit', () => {
    const rig = running(vendor);
    expect(rig.moves(0, 0xa000)).toMatchObject({ exits: 1 });
    expect({ gives: rig.vcpu.wontExit, kept: rig.vcpu.db[0] }).toEqual({ gives: true, kept: 0 });
    expect(rig.moves(1, 0xa001)).toMatchObject({ exits: 0 });
    rig.leave();
    expect(rig.vcpu).toMatchObject({
      wontExit: false,
      db: [0xa000, 0xa001, 0, 0],
      effDb: [0xa000, 0xa001, 0, 0],
      area: { interceptsDr: true },
    });
    rig.enter();
    expect(rig.reads(1)).toBe(0xa001);
  });

  it('read as they were written, exit or not, under all names', () => {
    const rig = running(vendor);
    rig.moves(4, BS);
    rig.moves(5, CODE_0);
    rig.leave();
    rig.enter();
    expect([4, 6, 5, 7].map((dr) => rig.reads(dr as DebugRegister))).toEqual([dr6With(BS), dr6With(BS), CODE_0, CODE_0]);
  });

  it('stay armed while accesses exit again', () => {
    const rig = running(vendor);
    rig.moves(0, 0x7000);
    rig.moves(7, CODE_0);
    rig.leave();
    expect(rig.vcpu).toMatchObject({ bpEnabled: true, wontExit: false });
    rig.enter();
    expect(rig.run({ rip: 0x7000 })).toMatchObject({ exception: 'DB', exits: 1 });
  });

  it('are off the CPU while the host runs', () => {
    const rig = running(vendor);
    rig.moves(0, 0x7000);
    rig.moves(7, CODE_0);
    rig.moves(6, BS);
    rig.leave();
    expect(rig.cpu.context.registers).toMatchObject({ dr6: CLEAN_DR6, dr7: 0x400 });
  });
});

describe.each(VENDORS)('a #DB that goes back to the guest on %s', (vendor) => {
  it.each<[string, Partial<DebuggedInsn>, boolean, number]>([
    ['a breakpoint', { rip: 0x7000 }, false, 0b0001],
    ['a watchpoint', { access: WRITES }, false, 0b0010],
    ['a watchpoint and a step', { access: WRITES }, true, 0b0010 + BS],
    ['ICEBP', { kind: 'icebp' }, false, 0],
  ])('shows %s in DR6', (_name, insn, tf, bits) => {
    const rig = running(vendor);
    rig.moves(0, 0x7000);
    rig.moves(1, 0x8000);
    rig.moves(7, CODE_0 | WRITE_1);
    rig.leave();
    rig.enter();
    if (tf) rig.run({ kind: 'popf', tf: true });
    expect(rig.run(insn)).toMatchObject({ exit: null, exception: 'DB' });
    expect(rig.reads(6)).toBe(dr6With(bits));
  });

  it('keeps BS and drops B0 of a DR6 that the guest has not cleared', () => {
    const rig = running(vendor);
    rig.moves(1, 0x8000);
    rig.moves(7, WRITE_1);
    rig.moves(6, BS | 0b0001);
    rig.run({ access: WRITES });
    expect(rig.reads(6)).toBe(dr6With(BS | 0b0010));
  });

  it('shows its own cause alone in the VMCB, and the guest’s DR6 has what was there before', () => {
    const rig = running(vendor);
    rig.moves(1, 0x8000);
    rig.moves(7, WRITE_1);
    rig.moves(6, BS);
    rig.leave();
    // Accesses exit again: the guest runs with an empty DR6, and KVM keeps the guest's.
    rig.enter();
    expect(rig.vcpu.area.dr6).toBe(vendor === 'svm' ? CLEAN_DR6 : null);
    rig.run({ access: WRITES });
    expect(rig.reads(6)).toBe(dr6With(BS | 0b0010));
  });

  it('of general detect comes before the access, and clears GD', () => {
    const rig = running(vendor);
    rig.moves(7, GD);
    rig.leave();
    rig.enter();
    expect(rig.run({ kind: 'mov-dr', move: { dr: 0, write: true, value: 0xa000 } })).toMatchObject({ exception: 'DB', exits: 1 });
    expect([rig.reads(6), rig.reads(7), rig.reads(0)]).toEqual([dr6With(BD), 0x400, 0]);
  });

  it('leaves B0 to B3 clear where it is ICEBP, in KVM’s own copy as well', () => {
    const rig = debugged(vendor, ['USE_SW_BP']);
    expect(rig.run({ kind: 'icebp' })).toMatchObject({ exit: null, exception: 'DB' });
    expect(rig.vcpu.dr6).toBe(CLEAN_DR6);
  });

  it('behind MOV SS is kept over an exit by a VMCS, and lost with a VMCB', () => {
    const rig = running(vendor);
    rig.moves(1, 0x8000);
    rig.moves(7, WRITE_1);
    rig.leave();
    rig.enter();
    expect(rig.run({ kind: 'mov-ss', access: WRITES })).toMatchObject({ exception: null, exits: 0 });
    expect(rig.run({ kind: 'mov-dr', move: { dr: 0, write: false, value: 0 } }).exception).toBe(vendor === 'vmx' ? 'DB' : null);
  });

  it('has bit 12 of a payload left out', () => {
    const rig = running('vmx');
    rig.leave();
    rig.tell({ type: 'kdb.db', bits: 0x1001, icebp: false, rip: 0x7000, next: 0x7003 });
    expect(rig.vcpu).toMatchObject({ dr6: dr6With(1), exception: { vector: 'DB', injected: false } });
  });

  it('flips bits of a payload that are active low in DR6', () => {
    const rig = running('vmx');
    rig.leave();
    rig.tell({ type: 'kdb.db', bits: 0x1_0800, icebp: false, rip: 0x7000, next: 0x7003 });
    expect(rig.vcpu.dr6).toBe(CLEAN_DR6 - 0x1_0800);
  });
});

describe.each(VENDORS)('MOV to a debug register that KVM does on %s', (vendor) => {
  it.each([4, 5, 6, 7] as const)('is #GP with upper bits for DR%i', (dr) => {
    const rig = debugged(vendor, []);
    expect(rig.moves(dr, '0x8000000000000000')).toMatchObject({ exception: 'GP' });
    expect(rig.vcpu).toMatchObject({ dr6: CLEAN_DR6, dr7: 0x400 });
  });

  it('takes an address of 64 bits', () => {
    const rig = debugged(vendor, []);
    rig.moves(2, '0xffff888000000000');
    expect(rig.reads(2)).toBe('0xffff888000000000');
  });

  it('has two names for DR6, and for DR7', () => {
    const rig = debugged(vendor, []);
    rig.moves(4, BS);
    rig.moves(5, 0x401);
    expect([4, 6, 5, 7].map((dr) => rig.reads(dr as DebugRegister))).toEqual([dr6With(BS), dr6With(BS), 0x401, 0x401]);
  });

  it('gives the guest its value once', () => {
    const rig = debugged(vendor, []);
    rig.moves(0, 0xa000);
    expect(rig.reads(0)).toBe(0xa000);
    expect(rig.tell({ type: 'kdb.resume?' })).toEqual({ type: 'kdb.resumed', skipped: false, value: 0, exception: null });
  });

  it('ends a shadow', () => {
    const rig = debugged(vendor, []);
    rig.run({ kind: 'sti' });
    rig.moves(0, 0xa000);
    expect(rig.vcpu.area.shadow).toBeNull();
  });

  it('masks reserved bits', () => {
    const rig = debugged(vendor, []);
    rig.moves(6, 0);
    rig.moves(7, 0xffff_ffff - GD);
    expect([rig.reads(6), rig.reads(7)]).toEqual([CLEAN_DR6, 0xffff_0fff]);
  });

  it('stores the guest’s breakpoint and leaves the debugger’s on the CPU', () => {
    const rig = debugged(vendor, ['USE_HW_BP'], { db: [0xb000, 0, 0, 0], dr7: CODE_0 });
    rig.moves(0, 0xa000);
    rig.moves(7, 0x401);
    expect(rig.reads(0)).toBe(0xa000);
    expect(rig.reads(7)).toBe(0x401);
    expect(rig.cpu.context.registers).toMatchObject({ db: [0xb000, 0, 0, 0], dr7: CODE_0 });
  });

  it('brings a fault whose handler returns with RF', () => {
    const rig = debugged(vendor, []);
    rig.leave();
    rig.tell({ type: 'kdb.dr', dr: 7, write: true, value: '0x8000000000000000', rip: 0x1000, next: 0x1003 });
    rig.tell({ type: 'kdb.inject' });
    expect(rig.vcpu.area).toMatchObject({ inject: 'GP', flags: { rf: true } });
  });
});

describe('what vendors look at before a MOV DR', () => {
  it('is CR4.DE on VMX: DR4 and DR5 are #UD', () => {
    const rig = running('vmx');
    rig.leave();
    rig.setDe();
    rig.tell({ type: 'kdb.dr', dr: 4, write: false, value: 0, rip: 0x1000, next: 0x1003 });
    expect(rig.vcpu).toMatchObject({ exception: { vector: 'UD' }, skipped: false, wontExit: false });
    rig.tell({ type: 'kdb.inject' });
    rig.tell({ type: 'kdb.enter' });
    rig.leave();
    rig.tell({ type: 'kdb.dr', dr: 6, write: false, value: 0, rip: 0x1000, next: 0x1003 });
    expect(rig.vcpu).toMatchObject({ exception: null, wontExit: true });
  });

  it('is GD on VMX, for a debugger that has set it as well', () => {
    const rig = debugged('vmx', ['USE_HW_BP'], { dr7: 0x400 | GD });
    expect(rig.run({ kind: 'mov-dr', rip: 0x1000, move: { dr: 0, write: false, value: 0 } }).exit).toEqual({
      exception: 'DB',
      dr6: dr6With(BD),
      dr7: 0x400 | GD,
      rip: 0x1000,
    });
  });

  it('is not CR4.DE on SVM, where the CPU has looked', () => {
    const rig = running('svm');
    rig.leave();
    rig.setDe();
    rig.tell({ type: 'kdb.dr', dr: 4, write: false, value: 0, rip: 0x1000, next: 0x1003 });
    expect(rig.vcpu).toMatchObject({ exception: null, wontExit: true });
  });

  it('is nothing on SVM, where the CPU has looked: GD is a #DB for the debugger', () => {
    const rig = debugged('svm', ['USE_HW_BP'], { dr7: 0x400 | GD });
    expect(rig.run({ kind: 'mov-dr', rip: 0x1000, move: { dr: 0, write: false, value: 0 } }).exit).toMatchObject({
      exception: 'DB',
      dr6: dr6With(BD),
      rip: 0x1000,
    });
  });

  it('differs for the guest’s own GD under a debugger that steps only', () => {
    const to = (vendor: Vendor) => {
      const rig = debugged(vendor, ['SINGLESTEP'], { rip: 0x9000 });
      rig.leave();
      rig.tell({ type: 'kdb.dr', dr: 7, write: true, value: GD, rip: 0x1000, next: 0x1003 });
      rig.tell({ type: 'kdb.exit?' });
      rig.enter();
      rig.tell({ type: 'kdb.resume?' });
      const { exit, exception } = rig.run({ kind: 'mov-dr', move: { dr: 0, write: false, value: 0 } });
      return { exit: exit?.exception ?? null, exception };
    };
    expect({ svm: to('svm'), vmx: to('vmx') }).toEqual({ svm: { exit: 'DB', exception: null }, vmx: { exit: null, exception: 'DB' } });
  });
});
