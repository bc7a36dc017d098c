/** The claims of the OS Lock discussion, the designs that it refused, and what each change of a line breaks. @see domain debug-and-split-lock F */
import { describe, expect, it } from 'vitest';
import { claim } from './os-lock-claims.ts';
import * as w from './os-lock-world.ts';

describe('the OS Lock', () => {
  it('OSL-1: suppresses breakpoint, watchpoint and software step at every level of the guest', () => claim('OSL-1'));
  it('OSL-2: does not block BRK, which is taken to EL1 without an exit', () => claim('OSL-2'));
  it('OSL-3: emulated, leaves the host its debug exceptions while the guest runs', () => claim('OSL-3'));
  it('OSL-4: is MDE and SS off at each entry, and the guest reads what it wrote', () => claim('OSL-4'));
  it('OSL-5: routes debug exceptions to EL2 in patch v2, and in mainline only a debugger does', () => claim('OSL-5'));
  it('OSL-6: does not switch off breakpoints of user space', () => claim('OSL-6'));
  it('OSL-7: is passed by a VMM that injects, unless it looks', () => claim('OSL-7'));
  it('OSL-8: switches MDE off while user space debugs without USE_HW', () => claim('OSL-8'));
  it('OSL-9: does not stop a single step of user space', () => claim('OSL-9'));
  it('OSL-10: is on out of reset by the architecture, and off by mainline', () => claim('OSL-10'));
  it('OSL-11: of a guest from an older kernel is whatever reset left at the destination', () => claim('OSL-11'));
  it('OSL-12: survives a migration between kernels that list it', () => claim('OSL-12'));
  it('OSL-13: is nothing to older kernels, and the documented default keeps it so', () => claim('OSL-13'));
  it('OSL-14: KVM does not help to inject: user space writes the registers, or nothing happens', () => claim('OSL-14'));
});

describe('designs that were refused', () => {
  it('OSL-2, patch v2: BRK exits to EL2 and is skipped, with no exception', () => {
    const played = w.runGuest([w.setLock, w.brk, w.mrs('oslsr_el1')], { options: { 'kvm.osLock': 'patch-v2' } });
    expect([w.met(played), w.skips(played), w.injected(played)]).toEqual([['brk to EL2'], 1, []]);
  });

  it('OSL-3, the lock in the CPU: the breakpoint of the debugger does not fire while the guest runs', () => {
    const rest = { before: [w.debug({ hw: true })], options: { 'kvm.osLock': 'physical' } } as const;
    expect(w.met(w.runGuest([w.setLock, w.atBreakpoint], rest))).toEqual(['nothing']);
    expect(w.met(w.runGuest([w.atBreakpoint], rest))).toEqual(['breakpoint to EL2']);
  });
});
