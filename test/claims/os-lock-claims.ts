/** The claims of the OS Lock discussion, each a function that fails where the claim does not hold: tests run them, and mutants. */
import { expect } from 'vitest';
import type { MechanismOptions } from '../../events/options.ts';
import type { GuestStep } from '../../sim/scenario/program.ts';
import type { KernelVersion } from '../../sim/scenario/types.ts';
import * as w from './os-lock-world.ts';

/** Old and new model, as the kernel presets them. */
const KERNELS: readonly KernelVersion[] = ['6.12', '6.14'];
const HITS: readonly (readonly [string, GuestStep])[] = [
  ['breakpoint', w.atBreakpoint],
  ['watchpoint', w.atWatchpoint],
  ['step', w.insn],
];
type Claim = (mutant?: string) => void;
type Run = (program: readonly GuestStep[], rest?: w.ArmWorld) => ReturnType<typeof w.runGuest>;
const under =
  (mutant: string | undefined): Run =>
  (program, rest = {}) =>
    w.runGuest(program, { mutant, ...rest });

/** Whether the lock blocks what a guest has armed for itself, at a level, while no debugger is there. */
function suppresses(run: Run, kernel: KernelVersion, el: 0 | 1): void {
  for (const [kind, hit] of HITS) {
    const armed = [...w.armed, ...(kind === 'step' ? [w.msr('mdscr_el1', w.KDE | w.SS)] : [])];
    const there: GuestStep = { eret: { el, ss: true } };
    expect(w.met(run([...armed, there, hit], { kernel })), `${kind} at EL${el}, unlocked`).toEqual([`${kind} to EL1`]);
    expect(w.met(run([...armed, w.setLock, there, hit], { kernel })), `${kind} at EL${el}, locked`).toEqual(['nothing']);
  }
}

const migrated = (run: Run, from: 'emulated' | 'ignored', reset: MechanismOptions['kvm.oslsrReset'], ...program: readonly GuestStep[]) =>
  run(program, { migratesFrom: from, options: { 'kvm.oslsrReset': reset } });
const pause: GuestStep = { pause: {} };

export const CLAIMS: Readonly<Record<string, Claim>> = {
  'OSL-1': (mutant) => {
    for (const kernel of KERNELS) for (const el of [0, 1] as const) suppresses(under(mutant), kernel, el);
  },
  'OSL-2': (mutant) => {
    for (const kernel of KERNELS) {
      const played = under(mutant)([w.setLock, w.brk], { kernel });
      expect([w.met(played), w.debugExits(played)]).toEqual([['brk to EL1'], 0]);
    }
  },
  'OSL-3': (mutant) => {
    const played = under(mutant)([w.setLock, w.atBreakpoint], { before: [w.debug({ hw: true })] });
    expect(w.met(played)).toEqual(['breakpoint to EL2']);
  },
  'OSL-4': (mutant) => {
    for (const kernel of KERNELS) {
      const all = w.MDE | w.KDE | w.SS;
      const played = under(mutant)([w.msr('mdscr_el1', all), w.setLock, w.mrs('mdscr_el1')], { kernel });
      expect(w.lastEntry(played).mdscr & (w.MDE | w.SS)).toBe(0);
      expect(w.reads(played)).toContain(all);
      const again = under(mutant)([w.msr('mdscr_el1', all), w.setLock, w.clearLock, w.mrs('mdscr_el1')], { kernel });
      expect(w.lastRead(again)).toBe(all);
    }
  },
  'OSL-5': (mutant) => {
    const tde = (rest: w.ArmWorld) => w.lastEntry(under(mutant)([w.setLock, w.mrs('oslsr_el1')], rest)).traps.tde;
    expect(tde({ options: { 'kvm.osLock': 'patch-v2' } })).toBe(true);
    for (const kernel of KERNELS) {
      expect(tde({ kernel })).toBe(false);
      expect(tde({ kernel, before: [w.debug({ sw: true })] })).toBe(true);
    }
  },
  'OSL-6': (mutant) => {
    for (const kernel of KERNELS) {
      const played = under(mutant)([w.setLock, w.atBreakpoint], { kernel, before: [w.debug({ hw: true })] });
      expect(w.lastEntry(played).mdscr & w.MDE).toBe(w.MDE);
      expect(w.met(played)).toEqual(['breakpoint to EL2']);
    }
  },
  'OSL-7': (mutant) => {
    const stray = { before: [w.debug({ hw: true, known: false })] };
    const hole = under(mutant)([w.setLock, w.atBreakpoint], stray);
    expect([w.met(hole), w.injected(hole)]).toEqual([['breakpoint to EL2'], ['breakpoint']]);
    const looks = { ...stray, options: { 'vmm.debugInject': 'unless-locked' } as const };
    expect(w.injected(under(mutant)([w.setLock, w.atBreakpoint], looks))).toEqual([]);
    expect(w.injected(under(mutant)([w.atBreakpoint], looks))).toEqual(['breakpoint']);
    expect(w.injected(under(mutant)([w.setLock, w.brk], looks))).toEqual(['brk']);
  },
  'OSL-8': (mutant) => {
    for (const kernel of KERNELS) {
      const played = under(mutant)([...w.armed, w.setLock, w.atBreakpoint], { kernel, before: [w.debug({ sw: true })] });
      expect(w.lastEntry(played).mdscr & w.MDE).toBe(0);
      expect(w.met(played)).toEqual(['nothing']);
    }
  },
  'OSL-9': (mutant) => {
    for (const kernel of KERNELS) {
      const played = under(mutant)([w.setLock, w.insn, w.insn], { kernel, before: [w.debug({ step: true })] });
      expect(w.lastEntry(played).mdscr & w.SS).toBe(w.SS);
      expect([w.met(played), w.debugExits(played), w.injected(played)]).toEqual([['step to EL2', 'step to EL2'], 2, []]);
    }
  },
  'OSL-10': (mutant) => {
    for (const kernel of KERNELS) {
      expect(w.lastRead(under(mutant)([w.mrs('oslsr_el1')], { kernel, options: { 'kvm.oslsrReset': 'architecture' } }))).toBe(0xa);
      expect(w.lastRead(under(mutant)([w.mrs('oslsr_el1')], { kernel }))).toBe(0x8);
    }
  },
  'OSL-11': (mutant) => {
    const run = under(mutant);
    const blocked = migrated(run, 'ignored', 'architecture', ...w.armed, pause, w.atBreakpoint, w.clearLock, w.atBreakpoint);
    expect(w.met(blocked)).toEqual(['nothing', 'breakpoint to EL1']);
    expect(w.met(migrated(run, 'ignored', 'mainline', ...w.armed, pause, w.atBreakpoint))).toEqual(['breakpoint to EL1']);
    expect(w.met(migrated(run, 'ignored', 'mainline', ...w.armed, w.setLock, pause, w.atBreakpoint))).toEqual(['breakpoint to EL1']);
  },
  'OSL-12': (mutant) => {
    for (const reset of ['mainline', 'architecture'] as const) {
      const locked = migrated(under(mutant), 'emulated', reset, ...w.armed, w.setLock, pause, w.atBreakpoint, w.mrs('oslsr_el1'));
      expect([w.met(locked), w.lastRead(locked)]).toEqual([['nothing'], 0xa]);
      const open = migrated(under(mutant), 'emulated', reset, ...w.armed, w.clearLock, pause, w.atBreakpoint, w.mrs('oslsr_el1'));
      expect([w.met(open), w.lastRead(open)]).toEqual([['breakpoint to EL1'], 0x8]);
    }
  },
  'OSL-13': (mutant) => {
    const old = { options: { 'kvm.osLock': 'ignored' } } as const;
    const played = under(mutant)([...w.armed, w.setLock, w.mrs('oslsr_el1'), w.atBreakpoint], old);
    expect([w.lastRead(played), w.met(played)]).toEqual([0x8, ['breakpoint to EL1']]);
    const after = migrated(under(mutant), 'ignored', 'mainline', ...w.armed, w.setLock, pause, w.mrs('oslsr_el1'), w.atBreakpoint);
    expect([w.lastRead(after), w.met(after)]).toEqual([0x8, ['breakpoint to EL1']]);
  },
  'OSL-14': (mutant) => {
    const run = under(mutant);
    const known = run([w.atBreakpoint, w.mrs('oslsr_el1')], { before: [w.debug({ hw: true })] });
    expect([w.met(known), w.injected(known)]).toEqual([['breakpoint to EL2'], []]);
    const byHand = run([w.atBreakpoint], { before: [w.debug({ hw: true, known: false })] });
    expect([w.injected(byHand), byHand.delivered('arm.inject')]).toMatchObject([['breakpoint'], [{ peer: 'thread:qemu0/0' }]]);
  },
};

/** A claim by its id. */
export function claim(id: string, mutant?: string): void {
  const check = CLAIMS[id];
  if (!check) throw new Error(`there is no claim ${id}`);
  check(mutant);
}
