/**
 * The sequences of kvm-unit-tests x86/debug.c: what its handlers note, as DR6 and the index of the
 * instruction that comes next.
 */
import { describe, expect, it } from 'vitest';
import { DEBUG_CPUS, runInsn } from '../../../actors/guest-debug/x86-debug-rule.ts';
import type { DebuggedInsn } from '../../../events/guest-debug/x86-debug.ts';
import { type Before, DR7, hex, movSs, NONE, of, state, toDr, VENDORS } from './debugged-insns.ts';

describe.each(VENDORS)('the sequences of kvm-unit-tests on %s', (vendor) => {
  /** Runs to the end, a handler that does nothing behind each exception. */
  function notes(before: Before, insns: readonly DebuggedInsn[]): string[] {
    const noted: string[] = [];
    let at = state(before);
    let index = 0;
    while (index < insns.length) {
      const insn = insns[index]!;
      const { met, next } = runInsn(DEBUG_CPUS[vendor], NONE, at, insn);
      if (met.retired) index += 1;
      if (met.exception !== null) noted.push(`#${met.exception} ${hex(next.registers.dr6)} ${index}`);
      const tf = met.retired && insn.kind === 'popf' ? (insn.tf ?? false) : at.flags.tf;
      // The handler of #DB and of #BP returns with the flags that it found on its stack.
      at = met.exception === null ? next : { ...next, flags: { tf, rf: false } };
    }
    return noted;
  }
  const popf = (tf: boolean): DebuggedInsn => ({ kind: 'popf', rip: 0x1800, tf });
  const and: DebuggedInsn = { kind: 'plain', rip: 0x1800 };
  const movSsOf = (access?: DebuggedInsn['access']): DebuggedInsn => ({ kind: 'mov-ss', rip: 0x1800, access });
  const watched = movSs.access;

  it('step three instructions, POPF that ends it among them', () => {
    expect(notes({}, [popf(true), and, and, popf(false), and])).toEqual(['#DB 0xffff4ff0 2', '#DB 0xffff4ff0 3', '#DB 0xffff4ff0 4']);
  });

  it('step STI, which hides nothing', () => {
    expect(notes({}, [popf(true), of('sti'), and, popf(false)])).toEqual(['#DB 0xffff4ff0 2', '#DB 0xffff4ff0 3', '#DB 0xffff4ff0 4']);
  });

  it('step MOV SS together with the instruction behind it', () => {
    expect(notes({}, [popf(true), movSsOf(), and, popf(false)])).toEqual(['#DB 0xffff4ff0 3', '#DB 0xffff4ff0 4']);
  });

  it('report ICEBP behind a stepped MOV SS without BS', () => {
    const seen = notes({}, [popf(true), movSsOf(), of('icebp'), of('icebp'), and, popf(false)]);
    expect(seen.slice(0, 2)).toEqual(['#DB 0xffff0ff0 3', '#DB 0xffff0ff0 4']);
    expect(seen.slice(2)).toEqual(['#DB 0xffff4ff0 5', '#DB 0xffff4ff0 6']);
  });

  it('report GD behind a stepped MOV SS without BS, once', () => {
    const seen = notes({ dr7: DR7.gd }, [popf(true), movSsOf(), toDr(6, 0), and, popf(false)]);
    expect(seen).toEqual(['#DB 0xffff2ff0 2', '#DB 0xffff4ff0 3', '#DB 0xffff4ff0 4', '#DB 0xffff4ff0 5']);
  });

  it('take one #DB for a watched MOV SS and ICEBP, and #DB behind #BP for one and INT3', () => {
    expect(notes({ dr7: DR7.access }, [movSsOf(watched), of('icebp'), and])).toEqual(['#DB 0xffff0ff4 2']);
    expect(notes({ dr7: DR7.access }, [movSsOf(watched), of('int3'), and])).toEqual(['#BP 0xffff0ff0 2', '#DB 0xffff0ff4 2']);
  });
});
