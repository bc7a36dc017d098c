/**
 * What KVM writes to a CPU's debug registers around a run, and in which order, by vendor and
 * version; and the states that an entry of VMX refuses.
 *
 * @see domain debug-and-split-lock 0.1 R11 to R14
 */
import { describe, expect, it } from 'vitest';
import { type VcpuDebugDesign, vcpuDebugDesign } from '../../../actors/guest-debug/vcpu-debug-state.ts';
import { Rig } from './vcpu-rig.ts';

const VENDORS = ['svm', 'vmx'] as const;
type Vendor = (typeof VENDORS)[number];
const KERNELS = ['6.1', '6.6', '6.12', '6.14'] as const;

const BS = 1 << 14;
const CLEAN_DR6 = 0xffff_0ff0;
const HOST = { address: 0xf000, type: 'w', length: 4, mask: 0 } as const;
/** What R11 writes to DR7: 0, and 0x400 since the reset value is written. */
const ENTRY_DR7 = { '6.1': 0, '6.6': 0, '6.12': 0x400, '6.14': 0 } as const;

/** What a step of the run writes, without the names of messages. */
function writesOf(rig: Rig, step: () => void): unknown[] {
  rig.writes.length = 0;
  step();
  return rig.writes.map(({ type: _, ...registers }) => registers);
}

/** A guest that is about to use its debug registers, DR6 being BS. */
function using(design: VcpuDebugDesign): Rig {
  const rig = new Rig(design);
  rig.enter();
  rig.moves(6, BS);
  rig.moves(0, 0xa000);
  rig.leave();
  // A run without them, after which the VMCB has another DR6.
  rig.enter();
  rig.leave();
  rig.tell({ type: 'kdb.dr', dr: 0, write: false, value: 0, rip: 0x1000, next: 0x1003 });
  return rig;
}

const prepare = (rig: Rig, hostActive: boolean) => writesOf(rig, () => rig.tell({ type: 'kdb.prepare', hostActive }));
const enter = (rig: Rig) => writesOf(rig, () => rig.tell({ type: 'kdb.enter' }));

describe.each(KERNELS)('R11 on kernel %s', (kernel) => {
  const dr7 = { dr7: ENTRY_DR7[kernel] };

  it.each(VENDORS)('writes nothing for a %s guest without breakpoints while the host has none', (vendor) => {
    const rig = new Rig(vcpuDebugDesign(vendor, kernel));
    expect(prepare(rig, false)).toEqual([]);
  });

  it.each(VENDORS)('disarms the host’s breakpoints before a %s guest without any', (vendor) => {
    const rig = new Rig(vcpuDebugDesign(vendor, kernel));
    expect(prepare(rig, true)).toEqual([dr7]);
  });

  it.each(VENDORS)('disarms all breakpoints of the CPU before it writes addresses of a %s guest', (vendor) => {
    const rig = new Rig(vcpuDebugDesign(vendor, kernel));
    rig.setGuestDebug(['ENABLE', 'USE_HW_BP'], { db: [1, 2, 3, 4], dr7: 0x402 });
    expect(prepare(rig, true)).toEqual([dr7, { db: [1, 2, 3, 4] }]);
  });

  it('leaves addresses alone while no breakpoint is enabled and accesses exit', () => {
    const rig = new Rig(vcpuDebugDesign('svm', kernel));
    rig.setGuestDebug(['ENABLE', 'USE_HW_BP'], { db: [1, 2, 3, 4], dr7: 0x400 });
    expect(prepare(rig, false)).toEqual([]);
  });
});

describe('DR6 of a guest that has its debug registers', () => {
  const COMES = { '6.1': 'enter', '6.6': 'enter', '6.12': 'enter', '6.14': 'prepare' } as const;

  it.each(KERNELS)('is written to the CPU by VMX once, on kernel %s', (kernel) => {
    const rig = using(vcpuDebugDesign('vmx', kernel));
    const writes = { prepare: prepare(rig, false), enter: enter(rig) };
    const dr6 = { dr6: CLEAN_DR6 + BS };
    const expected = { prepare: [{ dr7: ENTRY_DR7[kernel] }, { db: [0xa000, 0, 0, 0] }], enter: [] };
    expect(writes).toEqual({ ...expected, [COMES[kernel]]: [...expected[COMES[kernel]], dr6] });
  });

  it.each(KERNELS)('is in the VMCB at the entry, on kernel %s', (kernel) => {
    const rig = using(vcpuDebugDesign('svm', kernel));
    prepare(rig, false);
    enter(rig);
    expect(rig.cpu.context.registers.dr6).toBe(CLEAN_DR6 + BS);
  });

  /** The guest clears DR6, and an exit of the fastpath enters it again without R11 to R14. */
  const behindFastpath = (vendor: Vendor, loadDr6: VcpuDebugDesign['loadDr6']) => {
    const rig = using({ vendor, loadDr6, icrReenters: false, interceptsVectoring: true, de: false, entryDr7: 0 });
    rig.enter();
    rig.moves(6, 0);
    rig.tell({ type: 'kdb.leave' });
    rig.tell({ type: 'kdb.enter' });
    return rig.reads(6);
  };

  it.each(VENDORS)('stays what the guest wrote behind a fastpath exit on %s', (vendor) => {
    expect(behindFastpath(vendor, 'run-flag')).toBe(CLEAN_DR6);
    expect(behindFastpath(vendor, 'common')).toBe(CLEAN_DR6);
  });
});

describe.each(VENDORS)('R13 and R14 on %s', (vendor) => {
  it('take the guest’s registers back, and its DR6 off a CPU that shares it', () => {
    const rig = using(vcpuDebugDesign(vendor, '6.12'));
    rig.enter();
    rig.moves(1, 0xa001);
    rig.tell({ type: 'kdb.leave' });
    expect(writesOf(rig, () => rig.tell({ type: 'kdb.sync' }))).toEqual(vendor === 'vmx' ? [{ dr6: CLEAN_DR6 }] : []);
    expect(rig.vcpu).toMatchObject({ db: [0xa000, 0xa001, 0, 0], dr6: CLEAN_DR6 + BS, wontExit: false });
  });

  it('take nothing back while accesses exit', () => {
    const rig = new Rig(vcpuDebugDesign(vendor, '6.12'));
    rig.setGuestDebug(['ENABLE', 'USE_HW_BP'], { db: [1, 2, 3, 4], dr7: 0x402 });
    rig.enter();
    rig.leave();
    expect(rig.vcpu).toMatchObject({ db: [0, 0, 0, 0], dr7: 0x400, warned: false });
  });

  it('bring the host’s breakpoints back, armed last', () => {
    const rig = using(vcpuDebugDesign(vendor, '6.12'));
    rig.perf({ type: 'hbp.install', slot: 0, breakpoint: HOST });
    rig.enter();
    rig.tell({ type: 'kdb.leave' });
    rig.tell({ type: 'kdb.sync' });
    expect(writesOf(rig, () => rig.perf({ type: 'hbp.restore' }))).toEqual([
      { db: [0xf000, 0, 0, 0] },
      { dr6: CLEAN_DR6 },
      { dr7: 0xd_0202 },
    ]);
    expect(rig.cpu.context.registers).toEqual({ db: [0xf000, 0, 0, 0], dr7: 0xd_0602, dr6: CLEAN_DR6 });
  });

  it('write nothing where the host has no breakpoint', () => {
    const rig = new Rig(vcpuDebugDesign(vendor, '6.12'));
    rig.enter();
    rig.tell({ type: 'kdb.leave' });
    expect(writesOf(rig, () => rig.perf({ type: 'hbp.restore' }))).toEqual([]);
  });

  it('warn where a debugger came between the exit that gave the registers and the entry', () => {
    const rig = using(vcpuDebugDesign(vendor, '6.12'));
    rig.setGuestDebug(['ENABLE', 'USE_HW_BP'], { db: [1, 2, 3, 4], dr7: 0x400 });
    rig.enter();
    expect(rig.moves(3, 0xa003)).toMatchObject({ exits: 0 });
    rig.leave();
    // The guest had the debugger's addresses in its hands, and KVM takes them for the guest's.
    expect(rig.vcpu).toMatchObject({ warned: true, db: [1, 2, 3, 0xa003], effDb: [1, 2, 3, 4] });
  });
});

it('refuses to run a vCPU that is loaded nowhere', () => {
  const rig = new Rig(vcpuDebugDesign('svm', '6.12'));
  rig.tell({ type: 'kdb.put' });
  expect(() => rig.tell({ type: 'kdb.enter' })).toThrow(/loaded nowhere/);
});

describe('a #DB that VMX hands back', () => {
  /** TF is set, and the guest stands behind STI when the #DB exits. */
  const behindSti = () => {
    const rig = new Rig(vcpuDebugDesign('vmx', '6.12'));
    rig.enter();
    rig.run({ kind: 'popf', tf: true });
    return rig;
  };

  it('behind STI has a step pending, as the next entry wants it', () => {
    const rig = behindSti();
    expect(rig.run({ kind: 'sti' })).toMatchObject({ exception: 'DB' });
    expect(rig.vcpu.entryFailed).toBe(false);
    expect(rig.reads(6)).toBe(CLEAN_DR6 + BS);
  });

  it('behind STI, entered without that, is refused by the CPU', () => {
    const rig = behindSti();
    rig.tell({ type: 'kdb.leave' });
    rig.tell({ type: 'dr.left', registers: rig.vcpu.left, flags: { tf: true, rf: false }, shadow: 'sti', pending: 0 });
    rig.tell({ type: 'kdb.enter' });
    expect(rig.vcpu.entryFailed).toBe(true);
  });

  it('without TF has none pending', () => {
    const rig = behindSti();
    rig.tell({ type: 'kdb.leave' });
    rig.tell({ type: 'dr.left', registers: rig.vcpu.left, flags: { tf: false, rf: false }, shadow: 'sti', pending: 0 });
    rig.tell({ type: 'kdb.db', bits: 1, icebp: false, rip: 0x1000, next: 0x1003 });
    expect(rig.vcpu.area.pending).toBe(0);
    rig.tell({ type: 'kdb.enter' });
    expect(rig.vcpu.entryFailed).toBe(false);
  });

  it('of ICEBP steps over it, ends a shadow and brings no step', () => {
    const rig = behindSti();
    rig.tell({ type: 'kdb.leave' });
    rig.tell({ type: 'dr.left', registers: rig.vcpu.left, flags: { tf: true, rf: false }, shadow: 'sti', pending: 0 });
    rig.tell({ type: 'kdb.db', bits: 0, icebp: true, rip: 0x1000, next: 0x1001 });
    expect(rig.vcpu).toMatchObject({ skipped: true, rip: 0x1001, dr6: CLEAN_DR6, area: { shadow: null, pending: 0 } });
  });

  it('of ICEBP stays before it for a debugger', () => {
    const rig = new Rig(vcpuDebugDesign('vmx', '6.12'));
    rig.setGuestDebug(['ENABLE', 'USE_HW_BP'], { dr7: 0x400 });
    rig.enter();
    expect(rig.run({ kind: 'icebp', rip: 0x1000 }).exit).toEqual({ exception: 'DB', dr6: CLEAN_DR6, dr7: 0x400, rip: 0x1000 });
    expect(rig.vcpu.skipped).toBe(false);
  });
});

it('ends a shadow at the entry of a stepped guest on VMX, and on SVM leaves it', () => {
  const shadowAt = (vendor: Vendor) => {
    const rig = new Rig(vcpuDebugDesign(vendor, '6.12'));
    rig.setGuestDebug(['ENABLE', 'SINGLESTEP'], { rip: 0x1000 });
    rig.enter();
    rig.run({ kind: 'sti', rip: 0x1000 });
    rig.enter();
    return rig.vcpu.area.shadow;
  };
  expect({ svm: shadowAt('svm'), vmx: shadowAt('vmx') }).toEqual({ svm: 'sti', vmx: null });
});
