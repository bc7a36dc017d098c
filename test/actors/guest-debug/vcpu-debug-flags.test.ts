/**
 * KVM_SET_GUEST_DEBUG: all combinations of its flags on both vendors, against what the domain
 * reference says of them. The expectations are written over the bits of the kernel's control word.
 *
 * @see domain debug-and-split-lock A.6, B.1, B.3, B.6
 */
import { describe, expect, it } from 'vitest';
import { vcpuDebugDesign } from '../../../actors/guest-debug/vcpu-debug-state.ts';
import type { BreakpointAddresses, DebugExit, X86GuestDebugFlag } from '../../../events/guest-debug/x86-debug.ts';
import { Rig } from './vcpu-rig.ts';

/** Bits of struct kvm_guest_debug.control. @see kernel arch/x86/include/uapi/asm/kvm.h */
const BIT: Readonly<Record<X86GuestDebugFlag, number>> = {
  ENABLE: 0x1,
  SINGLESTEP: 0x2,
  USE_SW_BP: 0x1_0000,
  USE_HW_BP: 0x2_0000,
  INJECT_DB: 0x4_0000,
  INJECT_BP: 0x8_0000,
  BLOCKIRQ: 0x10_0000,
};
const FLAGS = Object.keys(BIT) as X86GuestDebugFlag[];
const COMBINATIONS = Array.from({ length: 1 << FLAGS.length }, (_, bits) => FLAGS.filter((_flag, at) => (bits >> at) & 1));
const controlOf = (flags: readonly X86GuestDebugFlag[]): number => flags.reduce((control, flag) => control | BIT[flag], 0);

const GUEST_DB: BreakpointAddresses = [0xa000, 0xa001, 0xa002, 0xa003];
const DEBUGGER_DB: BreakpointAddresses = [0xb000, 0xb001, 0xb002, 0xb003];
const GUEST_DR7 = 0x402;
/** L1 alone, so that the two can be told apart. */
const DEBUGGER_DR7 = 0x404;
const RIP = 0x5000;

/** A guest that has armed breakpoint 0, and has left guest mode. */
function arm(vendor: 'svm' | 'vmx'): Rig {
  const rig = new Rig(vcpuDebugDesign(vendor, '6.12'));
  rig.enter();
  GUEST_DB.forEach((address, at) => {
    rig.moves(at as 0 | 1 | 2 | 3, address);
  });
  rig.moves(7, GUEST_DR7);
  rig.leave();
  return rig;
}

const ARMED = { svm: arm('svm'), vmx: arm('vmx') };
const armedGuest = (vendor: 'svm' | 'vmx'): Rig => ARMED[vendor].copy();

/** What the ioctl has to leave, by the text: ENABLE missing is 0, and so on. */
function expectedOf(control: number) {
  const debug = (control & 0x1) === 0 ? 0 : control;
  const hw = (debug & 0x2_0000) !== 0;
  const dr7 = hw ? DEBUGGER_DR7 : GUEST_DR7;
  return {
    guestDebug: debug,
    effDb: hw ? DEBUGGER_DB : GUEST_DB,
    dr7,
    bpEnabled: true,
    tf: (debug & 0x2) !== 0,
    interceptsBp: (debug & 0x1_0000) !== 0,
    interceptsDr: true,
    injects: (control & 0x4_0000) !== 0 ? 'DB' : (control & 0x8_0000) !== 0 ? 'BP' : null,
    // The guest's own registers are KVM's to keep.
    db: GUEST_DB,
    guestDr7: GUEST_DR7,
  };
}

function leftBy({ vcpu }: Rig) {
  return {
    guestDebug: controlOf(vcpu.guestDebug),
    effDb: vcpu.effDb,
    dr7: vcpu.area.dr7,
    bpEnabled: vcpu.bpEnabled,
    tf: vcpu.area.flags.tf,
    interceptsBp: vcpu.area.interceptsBp,
    interceptsDr: vcpu.area.interceptsDr,
    injects: vcpu.exception?.vector ?? null,
    db: vcpu.db,
    guestDr7: vcpu.dr7,
  };
}

const debugged = (vendor: 'svm' | 'vmx', flags: readonly X86GuestDebugFlag[]): Rig => {
  const rig = armedGuest(vendor);
  expect(rig.setGuestDebug(flags, { db: DEBUGGER_DB, dr7: DEBUGGER_DR7, rip: RIP })).toBeNull();
  return rig;
};

/** The same, in guest mode, and in the handler of what was injected. */
const running = (vendor: 'svm' | 'vmx', flags: readonly X86GuestDebugFlag[]): Rig => {
  const rig = debugged(vendor, flags);
  rig.enter();
  rig.tell({ type: 'kdb.resume?' });
  return rig;
};

it('has 128 combinations of flags', () => {
  expect(new Set(COMBINATIONS.map(controlOf)).size).toBe(128);
});

describe.each(['svm', 'vmx'] as const)('KVM_SET_GUEST_DEBUG on %s', (vendor) => {
  it('leaves what the reference says, for every combination', () => {
    for (const flags of COMBINATIONS)
      expect({ flags, ...leftBy(debugged(vendor, flags)) }).toEqual({ flags, ...expectedOf(controlOf(flags)) });
  });

  it('keeps flags once each, sorted', () => {
    const rig = debugged(vendor, ['USE_SW_BP', 'ENABLE', 'BLOCKIRQ', 'ENABLE']);
    expect(rig.vcpu.guestDebug).toEqual(['BLOCKIRQ', 'ENABLE', 'USE_SW_BP']);
  });

  it('is EBUSY with INJECT_DB or INJECT_BP while an exception is pending, and changes nothing', () => {
    for (const flags of COMBINATIONS) {
      const rig = armedGuest(vendor);
      rig.setGuestDebug(['INJECT_DB']);
      const before = rig.vcpu;
      const injects = (controlOf(flags) & 0xc_0000) !== 0;
      expect(rig.setGuestDebug(flags, { db: DEBUGGER_DB, dr7: DEBUGGER_DR7 })).toBe(injects ? 'EBUSY' : null);
      if (injects) expect(rig.vcpu).toEqual(before);
    }
  });

  it('is not busy while an exception is only to be injected again', () => {
    const rig = armedGuest(vendor);
    rig.setGuestDebug(['INJECT_DB']);
    rig.tell({ type: 'kdb.inject' });
    rig.tell({ type: 'kdb.cancel' });
    expect(rig.vcpu.exception).toEqual({ vector: 'DB', injected: true });
    expect(rig.setGuestDebug(['INJECT_BP'])).toBeNull();
    expect(rig.vcpu.exception).toEqual({ vector: 'BP', injected: false });
  });

  it('brings #DB to user space with SINGLESTEP or USE_HW_BP, and to the guest otherwise', () => {
    for (const flags of COMBINATIONS) {
      const debug = expectedOf(controlOf(flags)).guestDebug;
      const rig = running(vendor, flags);
      rig.leave();
      rig.tell({ type: 'kdb.db', bits: 1, icebp: false, rip: 0x1000, next: 0x1003 });
      const { exit, queued } = rig.tell({ type: 'kdb.exit?' }) as unknown as { exit: DebugExit | null; queued: boolean };
      const toUser = (debug & 0x2_0002) !== 0;
      expect({ flags, to: exit?.exception ?? null, queued }).toEqual({ flags, to: toUser ? 'DB' : null, queued: !toUser });
    }
  });

  it('leaves ICEBP to the guest on SVM, which has an intercept of its own for it, and treats it as #DB on VMX', () => {
    const { exit, exception } = running(vendor, ['ENABLE', 'USE_HW_BP']).run({ kind: 'icebp' });
    expect([exit?.exception ?? null, exception]).toEqual(vendor === 'svm' ? [null, 'DB'] : ['DB', null]);
  });

  it('brings INT3 to user space with USE_SW_BP, and to the guest otherwise', () => {
    for (const flags of COMBINATIONS) {
      const { exit, exception } = running(vendor, flags).run({ kind: 'int3', rip: 0x7000 });
      const toUser = expectedOf(controlOf(flags)).interceptsBp;
      expect({ flags, exit, exception }).toEqual({
        flags,
        exit: toUser ? expect.objectContaining({ exception: 'BP', rip: 0x7000 }) : null,
        exception: toUser ? null : 'BP',
      });
    }
  });

  it('lets the guest have its debug registers with no flag, and answers for them otherwise', () => {
    for (const flags of COMBINATIONS) {
      const debug = expectedOf(controlOf(flags)).guestDebug;
      const rig = debugged(vendor, flags);
      rig.tell({ type: 'kdb.dr', dr: 3, write: true, value: 0xc003, rip: RIP, next: RIP + 3 });
      expect({ flags, gives: rig.vcpu.wontExit, intercepts: rig.vcpu.area.interceptsDr }).toEqual({
        flags,
        gives: debug === 0,
        intercepts: debug !== 0,
      });
      expect(rig.vcpu.db[3]).toBe(debug === 0 ? GUEST_DB[3] : 0xc003);
      // The debugger's address stays on the CPU while it has the breakpoints.
      expect(rig.vcpu.effDb[3]).toBe((debug & 0x2_0000) !== 0 ? DEBUGGER_DB[3] : debug === 0 ? GUEST_DB[3] : 0xc003);
    }
  });
});

describe.each(['svm', 'vmx'] as const)('the end of guest debugging on %s', (vendor) => {
  it('gives the guest its breakpoints back', () => {
    const rig = debugged(vendor, ['ENABLE', 'USE_HW_BP']);
    expect(rig.setGuestDebug([])).toBeNull();
    expect({ effDb: rig.vcpu.effDb, dr7: rig.vcpu.area.dr7 }).toEqual({ effDb: GUEST_DB, dr7: GUEST_DR7 });
  });

  it('takes TF with it, even if the guest had it set before', () => {
    const rig = armedGuest(vendor);
    rig.enter();
    rig.run({ kind: 'popf', tf: true });
    rig.leave();
    expect(rig.vcpu.area.flags.tf).toBe(true);
    rig.setGuestDebug(['ENABLE', 'SINGLESTEP'], { rip: RIP });
    rig.setGuestDebug([], { rip: RIP });
    expect(rig.vcpu.area.flags.tf).toBe(false);
  });

  it('leaves TF of a guest alone that was not stepped', () => {
    const rig = armedGuest(vendor);
    rig.enter();
    rig.run({ kind: 'popf', tf: true });
    rig.leave();
    rig.setGuestDebug(['ENABLE', 'USE_SW_BP'], { rip: RIP });
    rig.setGuestDebug([], { rip: RIP });
    expect(rig.vcpu.area.flags.tf).toBe(true);
  });
});
