/**
 * The enable rule of debug exceptions, over its whole input table, compared with the table of the
 * architecture written out by hand.
 */
import { describe, expect, it } from 'vitest';
import {
  type DebugControl,
  debugExceptionsEnabled,
  debugTarget,
  firstDebugException,
  MDSCR,
  OSLSR,
  takesDebugException,
} from '../../../actors/os-lock/arm-debug-rule.ts';
import type { DebugException } from '../../../events/os-lock/arm-debug.ts';
import type { ExceptionLevel } from '../../../events/os-lock/sysregs.ts';

const BOTH = [false, true] as const;
const LEVELS: readonly ExceptionLevel[] = [0, 1, 2];
const KINDS: readonly DebugException[] = ['breakpoint', 'watchpoint', 'vector-catch', 'step', 'brk'];

/** Every state of everything that the rule looks at. */
const TABLE: readonly DebugControl[] = BOTH.flatMap((osLock) =>
  BOTH.flatMap((doubleLock) =>
    BOTH.flatMap((routeToEl2) =>
      LEVELS.flatMap((el) =>
        BOTH.flatMap((d) =>
          BOTH.flatMap((ss) =>
            Array.from({ length: 8 }, (_, bits) => ({
              osLock,
              doubleLock,
              routeToEl2,
              pstate: { el, d, ss },
              mdscr: (bits & 1 ? MDSCR.SS : 0) | (bits & 2 ? MDSCR.KDE : 0) | (bits & 4 ? MDSCR.MDE : 0),
            })),
          ),
        ),
      ),
    ),
  ),
);

/**
 * Current level and route, and what they ask of KDE and PSTATE.D where no lock is held: domain D.1,
 * "target EL above current, or KDE=1 and PSTATE.D=0".
 */
const ASKS: Readonly<Record<string, 'always' | 'kde-and-not-d' | 'never'>> = {
  '0 to 1': 'always',
  '1 to 1': 'kde-and-not-d',
  '2 to 1': 'never',
  '0 to 2': 'always',
  '1 to 2': 'always',
  '2 to 2': 'kde-and-not-d',
};

const expected = (kind: DebugException, { osLock, doubleLock, routeToEl2, pstate, mdscr }: DebugControl): boolean => {
  if (kind === 'brk') return true;
  if (osLock || doubleLock) return false;
  // AArch32: only EL0 and EL1 have it, and neither KDE nor PSTATE.D is asked.
  if (kind === 'vector-catch') return pstate.el < 2 && Math.floor(Number(mdscr) / 0x8000) % 2 === 1;
  if (Math.floor(Number(mdscr) / (kind === 'step' ? 0x1 : 0x8000)) % 2 === 0) return false;
  const ask = ASKS[`${pstate.el} to ${routeToEl2 ? 2 : 1}`]!;
  return ask === 'always' || (ask === 'kde-and-not-d' && Math.floor(Number(mdscr) / 0x2000) % 2 === 1 && !pstate.d);
};

describe('the enable rule of debug exceptions', () => {
  it('has 768 rows', () => {
    expect(TABLE).toHaveLength(768);
    expect(new Set(TABLE.map((row) => JSON.stringify(row))).size).toBe(768);
  });

  it.each(KINDS)('decides each row as the architecture does: %s', (kind) => {
    expect(TABLE.filter((row) => takesDebugException(kind, row) !== expected(kind, row))).toEqual([]);
  });

  it('blocks all but breakpoint instructions under either lock, at every level, to every target', () => {
    const locked = TABLE.filter(({ osLock, doubleLock }) => osLock || doubleLock);
    expect(locked).toHaveLength(576);
    expect(locked.filter(debugExceptionsEnabled)).toEqual([]);
    expect(locked.filter((row) => !takesDebugException('brk', row))).toEqual([]);
  });

  it('goes to EL2 where it is routed there, or taken there', () => {
    expect(TABLE.filter((row) => (debugTarget(row) === 2) !== (row.routeToEl2 || row.pstate.el === 2))).toEqual([]);
  });

  it('needs each of its inputs', () => {
    const differs = (change: (row: DebugControl) => DebugControl, kind: DebugException) =>
      TABLE.some((row) => takesDebugException(kind, row) !== takesDebugException(kind, change(row)));
    const flip = (bit: number) => (row: DebugControl) => ({ ...row, mdscr: Number(row.mdscr) ^ bit });
    expect(differs((row) => ({ ...row, osLock: !row.osLock }), 'step')).toBe(true);
    expect(differs((row) => ({ ...row, doubleLock: !row.doubleLock }), 'watchpoint')).toBe(true);
    expect(differs((row) => ({ ...row, routeToEl2: !row.routeToEl2 }), 'breakpoint')).toBe(true);
    expect(differs((row) => ({ ...row, pstate: { ...row.pstate, d: !row.pstate.d } }), 'breakpoint')).toBe(true);
    expect(differs((row) => ({ ...row, pstate: { ...row.pstate, el: 0 } }), 'breakpoint')).toBe(true);
    expect(differs(flip(MDSCR.KDE), 'breakpoint')).toBe(true);
    expect(differs(flip(MDSCR.MDE), 'watchpoint')).toBe(true);
    expect(differs(flip(MDSCR.SS), 'step')).toBe(true);
    expect([differs(flip(MDSCR.SS), 'breakpoint'), differs(flip(MDSCR.MDE), 'step')]).toEqual([false, false]);
    expect([differs(flip(MDSCR.MDE), 'vector-catch'), differs((row) => ({ ...row, osLock: !row.osLock }), 'vector-catch')]).toEqual([
      true,
      true,
    ]);
    const unmasked = (row: DebugControl) => ({ ...row, pstate: { ...row.pstate, d: !row.pstate.d } });
    expect([differs(flip(MDSCR.KDE), 'vector-catch'), differs(unmasked, 'vector-catch')]).toEqual([false, false]);
  });

  it('has OSLSR as the architecture has it: 0x8 unlocked, 0xA locked', () => {
    expect([OSLSR.OSLM, OSLSR.OSLM | OSLSR.OSLK]).toEqual([0x8, 0xa]);
  });
});

describe('the first debug exception of an instruction', () => {
  const insns = BOTH.flatMap((breakpoint) =>
    BOTH.flatMap((watchpoint) => BOTH.flatMap((vector) => BOTH.map((brk) => ({ breakpoint, watchpoint, vector, brk })))),
  );

  it('is one that the rule lets through, and none comes where the rule lets none through', () => {
    for (const row of TABLE) {
      for (const insn of insns) {
        const first = firstDebugException(insn, row);
        if (first !== null) expect(takesDebugException(first, row)).toBe(true);
        const some =
          insn.brk ||
          takesDebugException('step', row) ||
          (insn.breakpoint && takesDebugException('breakpoint', row)) ||
          (insn.vector && takesDebugException('vector-catch', row)) ||
          (insn.watchpoint && takesDebugException('watchpoint', row));
        expect(first !== null).toBe(some);
      }
    }
  });

  it('is a pending step before a breakpoint, and a breakpoint before a step that is not pending', () => {
    const control = { osLock: false, doubleLock: false, routeToEl2: false, mdscr: MDSCR.SS | MDSCR.MDE };
    const insn = { breakpoint: true, watchpoint: true, vector: true, brk: true };
    expect(firstDebugException(insn, { ...control, pstate: { el: 0, d: false, ss: false } })).toBe('step');
    expect(firstDebugException(insn, { ...control, pstate: { el: 0, d: false, ss: true } })).toBe('breakpoint');
    const stepping = { ...control, pstate: { el: 0, d: false, ss: true } } as const;
    expect(firstDebugException({ ...insn, breakpoint: false }, stepping)).toBe('vector-catch');
    expect(firstDebugException({ ...insn, breakpoint: false, vector: false }, stepping)).toBe('brk');
  });
});
