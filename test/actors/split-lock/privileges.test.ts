/** Every operation of a guest of VMX at both privilege levels: what it may, and what is #GP. */
import { describe, expect, it } from 'vitest';
import type { HostOptions } from '../../../events/options.ts';
import { type Cpl, HIGHEST_CPL } from '../../../events/split-lock/privileges.ts';
import { GUEST_OPERATIONS } from '../../../sim/mechanisms/split-lock/operations.ts';
import type { GuestStep } from '../../../sim/scenario/program.ts';
import * as w from '../../claims/split-lock/intel.ts';

const at = (cpl: Cpl): Readonly<Record<keyof typeof GUEST_OPERATIONS, GuestStep>> => ({
  'wrmsr-test-ctrl': { 'wrmsr-test-ctrl': { value: w.BIT, cpl } },
  'rdmsr-test-ctrl': { 'rdmsr-test-ctrl': { cpl } },
  // Memory accesses: the emulator's too is one.
  'emulated-increment': { 'emulated-increment': {} },
  'split-lock': { 'split-lock': { cpl } },
  misaligned: { misaligned: { cpl } },
});
const NAMES = Object.keys(GUEST_OPERATIONS) as readonly (keyof typeof GUEST_OPERATIONS)[];
const DESIGNS: readonly Partial<HostOptions>[] = [
  { 'kvm.sldVirt': 'v8' },
  { 'kvm.sldVirt': 'v10' },
  { 'kvm.sldVirt': 'none' },
  { 'kvm.sldVirt': 'v8', 'host.sld': 'off' },
];

describe('an operation of a guest of VMX', () => {
  it('has a privilege in the table, and the table has no other', () => {
    expect(Object.keys(HIGHEST_CPL)).toEqual(NAMES);
  });

  const cases = NAMES.flatMap((name) => ([0, 3] as const).map((cpl) => ({ name, cpl, faults: cpl > HIGHEST_CPL[name] })));
  it.each(cases)('$name at CPL $cpl faults before any exit: $faults', ({ name, cpl, faults }) => {
    for (const options of DESIGNS) {
      const played = w.inOrder({ guest: [at(cpl)[name]], options });
      const exits = played.delivered('vmexit').length;
      if (faults)
        expect([w.guest(played).exception, exits, w.vmx(played).testCtrl, w.guest(played).readback]).toEqual(['GP', 1, 0, undefined]);
      else if (HIGHEST_CPL[name] === 3) expect(w.guest(played).exception).not.toBe('GP');
      // The access, and the end of the program; KVM may raise #GP then.
      else expect(exits).toBe(2);
    }
  });

  it('is one of the kernel unless it says otherwise', () => {
    const played = w.inOrder({ guest: [w.wrmsr(w.BIT), w.rdmsr] });
    expect([w.guest(played).exception, w.guest(played).readback]).toEqual([undefined, w.BIT]);
  });
});
