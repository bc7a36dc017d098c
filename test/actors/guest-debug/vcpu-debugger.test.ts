/**
 * A debugger in user space: it steps, sets breakpoints and injects exceptions, and the guest finds
 * what it would find without it.
 *
 * @see domain debug-and-split-lock A.6, B.3
 */
import { describe, expect, it } from 'vitest';
import { vcpuDebugDesign } from '../../../actors/guest-debug/vcpu-debug-state.ts';
import type { X86GuestDebugFlag } from '../../../events/guest-debug/x86-debug.ts';
import { Rig } from './vcpu-rig.ts';

const VENDORS = ['svm', 'vmx'] as const;
type Vendor = (typeof VENDORS)[number];

const BS = 1 << 14;
const CLEAN_DR6 = 0xffff_0ff0;
const dr6With = (bits: number): number => CLEAN_DR6 + bits;
/** G0: execution at DR0. */
const CODE_0 = 0x402;

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

describe.each(VENDORS)('a debugger that steps on %s', (vendor) => {
  it('is told behind each instruction, and where the guest stands', () => {
    const rig = debugged(vendor, ['SINGLESTEP'], { rip: 0x1000 });
    expect(rig.run({ rip: 0x1000 }).exit).toEqual({ exception: 'DB', dr6: dr6With(BS), dr7: 0x400, rip: 0x1003 });
    rig.enter();
    expect(rig.run({ rip: 0x1003 }).exit).toMatchObject({ exception: 'DB', rip: 0x1006 });
  });

  it('is told behind an instruction that KVM has done', () => {
    const rig = debugged(vendor, ['SINGLESTEP'], { rip: 0x1000 });
    const { exit } = rig.run({ kind: 'mov-dr', rip: 0x1000, move: { dr: 0, write: true, value: 0xa000 } });
    expect(exit).toMatchObject({ exception: 'DB', dr6: dr6With(BS), rip: 0x1003 });
    expect(rig.vcpu).toMatchObject({ skipped: true, db: [0xa000, 0, 0, 0] });
  });

  it('steps over STI', () => {
    const rig = debugged(vendor, ['SINGLESTEP'], { rip: 0x1000 });
    expect(rig.run({ kind: 'sti', rip: 0x1000 }).exit).toMatchObject({ exception: 'DB', rip: 0x1003 });
    rig.enter();
    expect(rig.vcpu.entryFailed).toBe(false);
    expect(rig.run({ rip: 0x1003 }).exit).toMatchObject({ exception: 'DB', rip: 0x1006 });
  });

  it('hides its TF from the flags of a fault, but where it asked for the step', () => {
    const tfBehindFault = (rip: number) => {
      const rig = debugged(vendor, ['SINGLESTEP'], { rip: 0x1000 });
      rig.leave();
      rig.tell({ type: 'kdb.dr', dr: 7, write: true, value: '0x100000000', rip, next: rip + 3 });
      rig.tell({ type: 'kdb.inject' });
      return rig.vcpu.area.flags;
    };
    expect(tfBehindFault(0x1000)).toEqual({ tf: true, rf: true });
    expect(tfBehindFault(0x2000)).toEqual({ tf: false, rf: true });
  });
});

describe.each(VENDORS)('user space that moves the guest on, on %s', (vendor) => {
  /** Before an INT3 that user space knows, while it steps. */
  const beforeInt3 = () => {
    const rig = debugged(vendor, ['SINGLESTEP', 'USE_SW_BP'], { rip: 0x1000 });
    expect(rig.run({ kind: 'int3', rip: 0x1000 }).exit).toMatchObject({ exception: 'BP', rip: 0x1000 });
    return rig;
  };

  it('makes no step of the instruction, and takes TF away until it asks for the next', () => {
    const rig = beforeInt3();
    rig.tell({ type: 'kdb.setRegs', rip: 0x1001 });
    expect(rig.vcpu).toMatchObject({ rip: 0x1001, skipped: true, exits: false, exception: null, area: { flags: { tf: false } } });
    rig.setGuestDebug(['ENABLE', 'SINGLESTEP']);
    expect(rig.vcpu).toMatchObject({ singlestepRip: 0x1001, area: { flags: { tf: true } } });
  });

  it('drops what is pending, and keeps what is to be injected again', () => {
    const rig = beforeInt3();
    rig.setGuestDebug(['INJECT_BP']);
    const queued = rig.copy();
    queued.tell({ type: 'kdb.setRegs', rip: 0x1001 });
    expect(queued.vcpu.exception).toBeNull();
    rig.tell({ type: 'kdb.inject' });
    rig.tell({ type: 'kdb.cancel' });
    rig.tell({ type: 'kdb.setRegs', rip: 0x1001 });
    expect(rig.vcpu.exception).toEqual({ vector: 'BP', injected: true });
  });
});

it('makes the guest’s own step of an instruction that KVM has done', () => {
  const rig = debugged('svm', ['USE_SW_BP']);
  rig.run({ kind: 'popf', tf: true });
  expect(rig.moves(0, 0xa000)).toMatchObject({ exit: null, exception: 'DB', exits: 1 });
  expect(rig.reads(6)).toBe(dr6With(BS));
});

describe.each(VENDORS)('a debugger’s breakpoints on %s', (vendor) => {
  it('exit before the instruction, with the debugger’s DR7', () => {
    const rig = debugged(vendor, ['USE_HW_BP'], { db: [0x7000, 0, 0, 0], dr7: CODE_0 });
    expect(rig.run({ rip: 0x7000 }).exit).toEqual({ exception: 'DB', dr6: dr6With(1), dr7: CODE_0, rip: 0x7000 });
  });

  it('leave DR6 of the guest alone', () => {
    const rig = debugged(vendor, ['USE_HW_BP'], { db: [0x7000, 0, 0, 0], dr7: CODE_0 });
    rig.run({ rip: 0x7000 });
    rig.enter();
    expect(rig.reads(6)).toBe(CLEAN_DR6);
  });

  it('of INT3 exit with DR6 and DR7 of the exit before', () => {
    const rig = debugged(vendor, ['USE_HW_BP', 'USE_SW_BP'], { db: [0x7000, 0, 0, 0], dr7: CODE_0 });
    rig.run({ rip: 0x7000 });
    rig.enter();
    expect(rig.run({ kind: 'int3', rip: 0x7100 }).exit).toEqual({ exception: 'BP', dr6: dr6With(1), dr7: CODE_0, rip: 0x7100 });
  });

  it('are told to user space once', () => {
    const rig = debugged(vendor, ['USE_SW_BP']);
    rig.run({ kind: 'int3' });
    expect(rig.tell({ type: 'kdb.exit?' })).toEqual({ type: 'kdb.exit', exit: null, queued: false });
  });
});

describe.each(VENDORS)('an injected exception on %s', (vendor) => {
  it('reaches the guest at the next entry, with DR6 as it was', () => {
    const rig = debugged(vendor, []);
    rig.leave();
    rig.setGuestDebug(['ENABLE', 'INJECT_DB']);
    rig.enter();
    expect(rig.tell({ type: 'kdb.resume?' })).toMatchObject({ exception: { vector: 'DB', tf: false } });
    expect(rig.reads(6)).toBe(CLEAN_DR6);
  });

  it('is injected again where the entry is given up, and once', () => {
    const rig = running(vendor);
    rig.leave();
    rig.setGuestDebug(['INJECT_BP']);
    rig.tell({ type: 'kdb.inject' });
    rig.tell({ type: 'kdb.cancel' });
    expect(rig.vcpu.area.inject).toBeNull();
    rig.enter();
    rig.leave();
    rig.enter();
    expect([rig.tell({ type: 'kdb.resume?' }), rig.tell({ type: 'kdb.resume?' })]).toMatchObject([
      { exception: { vector: 'BP' } },
      { exception: null },
    ]);
  });

  it('waits for a guest that has not asked, in order', () => {
    const rig = running(vendor);
    for (const flag of ['INJECT_DB', 'INJECT_BP'] as const) {
      rig.leave();
      rig.setGuestDebug([flag]);
      rig.enter();
    }
    const asked = [0, 1, 2].map(() => rig.tell({ type: 'kdb.resume?' })!.exception);
    expect(asked).toEqual([{ vector: 'DB', tf: false }, { vector: 'BP', tf: false }, null]);
  });
});
