/** What must hold of every instruction in every state of debug logic. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { InsnControls } from '../../../actors/guest-debug/db-delivery.ts';
import { DR6_ACTIVE_LOW, DR6_BD, DR6_BS, DR7_GD } from '../../../actors/guest-debug/debug-bits.ts';
import { DEBUG_CPUS, type DebugVendor, type GuestDebugState, type Ran, runInsn } from '../../../actors/guest-debug/x86-debug-rule.ts';
import type { DebuggedInsn, DebugRegister, InsnKind } from '../../../events/guest-debug/x86-debug.ts';
import { hasBits, type U64 } from '../../../events/u64.ts';
import { CODE, DATA, DR7, line, NONE, state, VENDORS } from './debugged-insns.ts';

describe('every instruction in every state', () => {
  const address = fc.constantFrom<U64>(CODE, DATA, DATA + 1, DATA + 7, 0);
  const bits = fc.integer({ min: 0, max: 15 });
  const dr7 = fc
    .record({ enables: fc.integer({ min: 0, max: 255 }), fields: fc.integer({ min: 0, max: 0xffff }), gd: fc.boolean() })
    .map(({ enables, fields, gd }) => fields * 0x1_0000 + (gd ? DR7_GD : 0) + 0x400 + enables);
  const states: fc.Arbitrary<GuestDebugState> = fc.record({
    registers: fc.record({
      db: fc.tuple(address, address, address, address),
      dr6: fc.record({ trap: bits, bs: fc.boolean() }).map(({ trap, bs }) => DR6_ACTIVE_LOW + trap + (bs ? DR6_BS : 0)),
      dr7,
    }),
    flags: fc.record({ tf: fc.boolean(), rf: fc.boolean() }),
    shadow: fc.constantFrom<GuestDebugState['shadow']>(null, 'sti', 'mov-ss'),
    pending: fc.oneof(fc.constant(0), bits),
  });
  const insns: fc.Arbitrary<DebuggedInsn> = fc
    .record({
      kind: fc.constantFrom<InsnKind>('plain', 'mov-dr', 'int3', 'icebp', 'popf', 'sti', 'mov-ss'),
      rip: address,
      access: fc.option(fc.record({ gva: address, length: fc.constantFrom<1 | 2 | 4 | 8>(1, 2, 4, 8), write: fc.boolean() }), {
        nil: undefined,
      }),
      move: fc.record({
        dr: fc.constantFrom<DebugRegister>(0, 1, 2, 3, 4, 5, 6, 7),
        write: fc.boolean(),
        value: fc.constantFrom<U64>(0, 0x401, 0x1_0000_0000),
      }),
      tf: fc.boolean(),
    })
    .map(({ move, ...insn }) => (insn.kind === 'mov-dr' ? { ...insn, access: undefined, move } : insn));
  const controls: fc.Arbitrary<InsnControls> = fc.record({
    intercepts: fc.record({ dr: fc.boolean(), db: fc.boolean(), bp: fc.boolean() }),
    de: fc.boolean(),
  });
  const vendors = fc.constantFrom(...VENDORS);
  const always = (check: (ran: Ran, before: GuestDebugState, insn: DebuggedInsn, vendor: DebugVendor, asked: InsnControls) => void) =>
    fc.assert(
      fc.property(vendors, controls, states, insns, (vendor, asked, before, insn) => {
        check(runInsn(DEBUG_CPUS[vendor], asked, before, insn), before, insn, vendor, asked);
      }),
      { numRuns: 3000 },
    );

  it('meets nothing where nothing is enabled, stepped, waiting or asked for', () => {
    const quiet = states.map(
      (all): GuestDebugState => ({
        registers: { ...all.registers, dr7: Number(all.registers.dr7) - (Number(all.registers.dr7) % 0x1_0000) + 0x400 },
        flags: { ...all.flags, tf: false },
        shadow: all.shadow,
        pending: 0,
      }),
    );
    const harmless = insns.filter(({ kind }) => kind !== 'int3' && kind !== 'icebp' && kind !== 'mov-dr');
    fc.assert(
      fc.property(vendors, controls, quiet, harmless, (vendor, asked, before, insn) => {
        const { met, next } = runInsn(DEBUG_CPUS[vendor], asked, before, insn);
        expect(met).toEqual({ exit: null, exception: null, bits: 0, retired: true, value: 0, tf: false });
        expect([next.registers, next.flags.rf, next.pending]).toEqual([before.registers, false, 0]);
      }),
      { numRuns: 1000 },
    );
  });

  it('is not done if a fault stops it: no register moves but DR6 and DR7.GD', () => {
    always(({ met, next }, { registers }) => {
      if (met.retired) return;
      expect(met.value).toBe(0);
      expect(next.registers.db).toEqual(registers.db);
      expect(Number(next.registers.dr7) | DR7_GD).toBe(Number(registers.dr7) | DR7_GD);
    });
  });

  it('meets an exit or an exception, never both, and an exit only of a kind that is asked for', () => {
    always(({ met }, _before, insn, vendor, { intercepts }) => {
      expect(met.exit !== null && met.exception !== null).toBe(false);
      const { dr, db, bp, msr } = intercepts;
      if (met.exit !== null) expect({ DR: dr, DB: db, BP: bp, MSR: msr, AC: false, VC: false, HANG: false }[met.exit]).toBe(true);
      if (met.exception === 'DB') expect(db && !(vendor === 'svm' && insn.kind === 'icebp')).toBe(false);
      if (met.exception === 'BP') expect(intercepts.bp).toBe(false);
    });
  });

  it('has all that DR6 tells of it in its bits, and writes DR6 for no other reason but MOV DR', () => {
    always(({ met, next }, { registers }, insn, vendor) => {
      const isDebug = met.exception === 'DB' || (met.exit === 'DB' && vendor === 'svm');
      if (isDebug) expect((Number(next.registers.dr6) & Number(met.bits)) === Number(met.bits)).toBe(true);
      else if (insn.kind !== 'mov-dr') expect(next.registers.dr6).toBe(registers.dr6);
      if (!isDebug && met.exit !== 'DB') expect(met.bits).toBe(0);
    });
  });

  it('loses nothing that waits: it waits on, or it is told', () => {
    always(({ met, next }, { pending }) => {
      const still = Number(next.pending) | Number(met.bits);
      expect(still & Number(pending)).toBe(Number(pending));
    });
  });

  it('passes an instruction breakpoint by RF, and RF is clear once it is done', () => {
    always(({ next, met }, before, insn, vendor, asked) => {
      if (met.retired) expect(next.flags.rf).toBe(false);
      const passing = runInsn(DEBUG_CPUS[vendor], asked, { ...before, pending: 0, flags: { ...before.flags, rf: true } }, insn);
      if (passing.met.exception === 'DB' && !passing.met.retired) expect(passing.met.bits).toBe(DR6_BD);
    });
  });

  it('lets exactly one instruction pass by RF', () => {
    const at = (rip: U64): DebuggedInsn => ({ kind: 'plain', rip });
    for (const vendor of VENDORS) {
      const first = runInsn(DEBUG_CPUS[vendor], NONE, state({ dr7: DR7.code, rf: true }), at(CODE));
      expect(line(first)).toBe('-, 0xffff0ff0, retired');
      expect(line(runInsn(DEBUG_CPUS[vendor], NONE, first.next, at(CODE)))).toBe('#DB, 0xffff0ff1, not done');
    }
  });

  it('is stepped if it is done under TF, unless it is MOV SS, INT3 or ICEBP', () => {
    always(({ met }, { flags, shadow }, { kind }) => {
      const lost = kind === 'int3' || kind === 'icebp' || (kind === 'mov-ss' && shadow !== 'mov-ss');
      if (met.retired) expect(hasBits(met.bits, DR6_BS)).toBe(flags.tf && !lost);
    });
  });
});
