/** Random guests under a debugger on arm64: the OS Lock breaks nothing; its mutants are noticed. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { GuestStep, HostStep } from '../../../sim/scenario/program.ts';
import * as w from '../../claims/os-lock/arm64.ts';

describe('any program', () => {
  const guestStep = fc.oneof<fc.Arbitrary<GuestStep>[]>(
    fc.constantFrom(0, w.SS, w.MDE, w.MDE | w.KDE, w.KDE | w.SS).map((value) => w.msr('mdscr_el1', value)),
    fc.constantFrom(w.setLock, w.clearLock, w.brk, w.insn, w.atBreakpoint, w.atWatchpoint),
    fc.constantFrom(w.mrs('mdscr_el1'), w.mrs('oslsr_el1'), w.mrs('dbgbcr0_el1'), w.msr('dbgbcr0_el1', 1), w.msr('dbgwcr0_el1', 1)),
    fc.record({ el: fc.constantFrom<0 | 1>(0, 1), d: fc.boolean(), ss: fc.boolean() }).map((eret) => ({ eret })),
  );
  const debuggers = fc.constantFrom<readonly HostStep[]>([], [w.debug({ hw: true })], [w.debug({ step: true })], [w.debug({ sw: true })]);

  const holds = (kernel: '6.12' | '6.14', mutant?: string) => () =>
    fc.assert(
      fc.property(fc.array(guestStep, { minLength: 1, maxLength: 12 }), debuggers, fc.boolean(), (rest, before, locked) => {
        const options = { 'vmm.debugInject': 'unless-locked' } as const;
        const program = [...w.armed, ...(locked ? [w.setLock] : []), ...rest];
        expect(w.runGuest(program, { kernel, before, options, mutant, properties: ['oslock.*'] }).end.violation).toBeNull();
      }),
      { numRuns: 60, seed: 4 },
    );

  it.each(['6.12', '6.14'] as const)('of a guest on %s breaks nothing, debugged or not', (kernel) => {
    expect(holds(kernel)).not.toThrow();
  });

  it.each([
    ['6.12', 'oslock-wrong-bit'],
    ['6.12', 'oslock-no-restore'],
    ['6.12', 'oslock-lock-first'],
    ['6.14', 'oslock-no-reload'],
  ] as const)('on %s shows %s', (kernel, mutant) => {
    expect(holds(kernel, mutant)).toThrow(/^Property failed/);
  });
});
