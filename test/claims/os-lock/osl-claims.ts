/**
 * OSL-1 to OSL-14: the arm64 OS Lock, in the old model and in the owner model.
 * @see domain debug-and-split-lock F
 */
import assert from 'node:assert/strict';
import type { GuestStep } from '../../../sim/scenario/program.ts';
import type { KernelVersion } from '../../../sim/scenario/types.ts';
import { breaks, type Claim, keeps } from '../claim.ts';
import * as w from './arm64.ts';
import { OSL_MIGRATION_CLAIMS } from './osl-migration.ts';

const F = 'domain debug-and-split-lock F';
const LOCKED = 'oslock-under-lock';
const holds = { source: F, verdict: 'holds' } as const;

const READ_BACK = 'oslock-read-back';
/** Registers that do not read back what was written. */
const CONSTANT = [
  'oslock-constant-mdscr-el1',
  'oslock-constant-dbgbcr0-el1',
  'oslock-constant-dbgwcr0-el1',
  'oslock-constant-dbgvcr',
] as const;
const EVERY_KIND = 'oslock-every-kind';
/** Locks that forget one kind of exception, and those that forget one level. */
const FORGOTTEN = ['oslock-step-stays', 'oslock-breakpoint-stays', 'oslock-watchpoint-stays', 'oslock-vector-stays'] as const;
const LEVELS = ['oslock-open-at-el0', 'oslock-open-at-el1'] as const;

/** Old and new model, as the kernel presets them. */
const KERNELS: readonly KernelVersion[] = ['6.12', '6.14'];
const HITS: readonly (readonly [string, GuestStep])[] = [
  ['breakpoint', w.atBreakpoint],
  ['watchpoint', w.atWatchpoint],
  ['vector-catch', w.atVector],
  ['step', w.insn],
];

/**
 * Whether the lock blocks what a guest has armed for itself, at a level, while no debugger is
 * there.
 */
function suppresses(mutant: string | undefined, kernel: KernelVersion, el: 0 | 1): void {
  for (const [kind, hit] of HITS) {
    const armed = [...w.armed, ...(kind === 'step' ? [w.msr('mdscr_el1', w.KDE | w.SS)] : [])];
    const there: GuestStep = { eret: { el, ss: true } };
    const open = w.met(w.runGuest([...armed, there, hit], { kernel, mutant }));
    const locked = w.met(w.runGuest([...armed, w.setLock, there, hit], { kernel, mutant }));
    assert.deepEqual([open, locked], [[`${kind} to EL1`], ['nothing']], `${kind} at EL${el} on ${kernel}`);
  }
}

const whileLocked: readonly Claim[] = [
  {
    ...holds,
    id: 'OSL-1',
    says: 'under the lock breakpoint, watchpoint, vector catch and software step are suppressed at every level of the guest',
    shows: [
      keeps('oslock-oslar-reload', 'atomic', 'oslock.no-exception-under-lock', 'oslock-wrong-bit', 'oslock-no-reload'),
      keeps(EVERY_KIND, 'each-entry', 'oslock.no-exception-under-lock', ...FORGOTTEN, ...LEVELS),
      keeps(EVERY_KIND, 'owner', 'oslock.no-exception-under-lock', ...FORGOTTEN, ...LEVELS),
    ],
    mutants: ['oslock-wrong-bit', 'oslock-no-reload', ...FORGOTTEN, 'oslock-open-at-el1'],
    check: (mutant) => {
      for (const kernel of KERNELS) for (const el of [0, 1] as const) suppresses(mutant, kernel, el);
    },
  },
  {
    ...holds,
    id: 'OSL-2',
    says: 'under the lock BRK is taken to EL1 without an exit; patch v2 exits to EL2 and steps over it',
    shows: [
      keeps(LOCKED, 'mainline', 'armdbg.tde-only-for-debugger', 'oslock-lock-routes'),
      keeps(LOCKED, 'owner', 'armdbg.tde-only-for-debugger', 'oslock-lock-routes'),
      breaks('oslock-brk', 'patch-v2', 'oslock.brk-reaches-guest', 'oslock-wrong-bit'),
    ],
    mutants: ['oslock-lock-routes'],
    check: (mutant) => {
      for (const kernel of KERNELS) {
        const played = w.runGuest([w.setLock, w.brk], { kernel, mutant });
        assert.deepEqual([w.met(played), w.debugExits(played)], [['brk to EL1'], 0]);
      }
      const v2 = w.runGuest([w.setLock, w.brk, w.mrs('oslsr_el1')], { options: { 'kvm.osLock': 'patch-v2' }, mutant });
      assert.deepEqual([w.met(v2), w.skips(v2), w.injected(v2)], [['brk to EL2'], 1, []]);
    },
  },
  {
    ...holds,
    id: 'OSL-3',
    says: 'emulated, the lock leaves the host its debug exceptions while the guest runs; in the CPU itself it blocks them',
    shows: [keeps('oslock-physical', 'emulated', 'oslock.debugger-sees-its-events', 'oslock-physical')],
    mutants: ['oslock-physical'],
    check: (mutant) => {
      const debugged = { before: [w.debug({ hw: true })], mutant };
      const physical = { ...debugged, options: { 'kvm.osLock': 'physical' } } as const;
      assert.deepEqual(w.met(w.runGuest([w.setLock, w.atBreakpoint], debugged)), ['breakpoint to EL2']);
      assert.deepEqual(w.met(w.runGuest([w.setLock, w.atBreakpoint], physical)), ['nothing']);
      assert.deepEqual(w.met(w.runGuest([w.atBreakpoint], physical)), ['breakpoint to EL2']);
    },
  },
  {
    ...holds,
    id: 'OSL-4',
    says: 'under the lock MDE and SS are 0 at each entry, and the guest reads what it wrote',
    shows: [
      keeps('oslock-fast-path', 'handle-exit', 'oslock.guest-mdscr-kept', 'oslock-no-restore'),
      keeps(READ_BACK, 'each-entry', 'oslock.guest-mdscr-kept', ...CONSTANT),
      keeps(READ_BACK, 'owner', 'oslock.guest-mdscr-kept', ...CONSTANT),
      keeps(LOCKED, 'mainline', 'armdbg.step-as-asked', 'oslock-step-stays'),
      keeps(LOCKED, 'owner', 'armdbg.step-as-asked', 'oslock-step-stays'),
      keeps(LOCKED, 'mainline', 'armdbg.mde-off-under-lock', 'oslock-open-at-el1'),
      keeps(LOCKED, 'owner', 'armdbg.mde-off-under-lock', 'oslock-open-at-el1'),
    ],
    mutants: ['oslock-no-restore', 'oslock-constant-mdscr-el1', 'oslock-step-stays', 'oslock-open-at-el1'],
    check: (mutant) => {
      const all = w.MDE | w.KDE | w.SS;
      for (const kernel of KERNELS) {
        const locked = w.runGuest([w.msr('mdscr_el1', all), w.setLock, w.mrs('mdscr_el1')], { kernel, mutant });
        assert.equal(w.lastEntry(locked).mdscr & (w.MDE | w.SS), 0);
        assert.equal(w.lastRead(locked), all);
        const again = w.runGuest([w.msr('mdscr_el1', all), w.setLock, w.clearLock, w.mrs('mdscr_el1')], { kernel, mutant });
        assert.equal(w.lastRead(again), all);
      }
    },
  },
  {
    ...holds,
    id: 'OSL-5',
    says: 'the lock sets MDCR_EL2.TDE in patch v2; in mainline only a debugger does',
    shows: [
      keeps(LOCKED, 'mainline', 'armdbg.tde-only-for-debugger', 'oslock-lock-routes'),
      keeps(LOCKED, 'owner', 'armdbg.tde-only-for-debugger', 'oslock-lock-routes'),
      keeps(LOCKED, 'mainline', 'armdbg.tde-under-debugger', 'oslock-debugger-unrouted'),
      keeps(LOCKED, 'owner', 'armdbg.tde-under-debugger', 'oslock-debugger-unrouted'),
      breaks(LOCKED, 'patch-v2', 'armdbg.tde-only-for-debugger', 'oslock-wrong-bit'),
    ],
    mutants: ['oslock-lock-routes', 'oslock-wrong-bit', 'oslock-debugger-unrouted'],
    check: (mutant) => {
      const tde = (rest: w.ArmWorld) => w.lastEntry(w.runGuest([w.setLock, w.mrs('oslsr_el1')], { ...rest, mutant })).traps.tde;
      assert.equal(tde({ options: { 'kvm.osLock': 'patch-v2' } }), true);
      for (const kernel of KERNELS) {
        assert.deepEqual([tde({ kernel }), tde({ kernel, before: [w.debug({ sw: true })] })], [false, true]);
      }
    },
  },
];

const whileDebugged: readonly Claim[] = [
  {
    ...holds,
    id: 'OSL-6',
    says: 'with USE_HW the lock does not clear MDE: events of the debugger still fire',
    shows: [
      keeps('oslock-physical', 'emulated', 'oslock.debugger-sees-its-events', 'oslock-lock-first'),
      keeps(LOCKED, 'owner', 'oslock.debugger-sees-its-events', 'oslock-lock-first'),
    ],
    mutants: ['oslock-lock-first'],
    check: (mutant) => {
      for (const kernel of KERNELS) {
        const played = w.runGuest([w.setLock, w.atBreakpoint], { kernel, before: [w.debug({ hw: true })], mutant });
        assert.deepEqual([w.lastEntry(played).mdscr & w.MDE, w.met(played)], [w.MDE, ['breakpoint to EL2']]);
      }
    },
  },
  {
    ...holds,
    id: 'OSL-7',
    says: 'a VMM that puts an event which is not its own into EL1 passes the lock, unless it looks at OSLK',
    shows: [
      keeps('oslock-vmm-injects', 'looks', 'oslock.no-exception-under-lock', 'oslock-vmm-blind'),
      breaks('oslock-vmm-injects', 'blind', 'oslock.no-exception-under-lock', 'oslock-lock-first'),
    ],
    mutants: ['oslock-vmm-blind'],
    check: (mutant) => {
      const stray = { before: [w.debug({ hw: true, known: false })], mutant };
      const hole = w.runGuest([w.setLock, w.atBreakpoint], stray);
      assert.deepEqual([w.met(hole), w.injected(hole)], [['breakpoint to EL2'], ['breakpoint']]);
      const looks = { ...stray, options: { 'vmm.debugInject': 'unless-locked' } } as const;
      assert.deepEqual(w.injected(w.runGuest([w.setLock, w.atBreakpoint], looks)), []);
      assert.deepEqual(w.injected(w.runGuest([w.atBreakpoint], looks)), ['breakpoint']);
      assert.deepEqual(w.injected(w.runGuest([w.setLock, w.brk], looks)), ['brk']);
    },
  },
  {
    ...holds,
    id: 'OSL-8',
    says: 'under the lock a debugger without USE_HW leaves MDE at 0',
    shows: [
      keeps(LOCKED, 'mainline', 'armdbg.mde-off-under-lock', 'oslock-any-debugger', 'oslock-wrong-bit'),
      keeps(LOCKED, 'owner', 'armdbg.mde-off-under-lock', 'oslock-any-debugger', 'oslock-wrong-bit'),
    ],
    mutants: ['oslock-any-debugger'],
    check: (mutant) => {
      for (const kernel of KERNELS) {
        const played = w.runGuest([...w.armed, w.setLock, w.atBreakpoint], { kernel, before: [w.debug({ sw: true })], mutant });
        assert.deepEqual([w.lastEntry(played).mdscr & w.MDE, w.met(played)], [0, ['nothing']]);
      }
    },
  },
  {
    ...holds,
    id: 'OSL-9',
    says: 'under the lock a single step of user space sets SS, and each instruction exits to the VMM',
    shows: [
      keeps(LOCKED, 'mainline', 'armdbg.step-as-asked', 'oslock-no-step'),
      keeps(LOCKED, 'owner', 'armdbg.step-as-asked', 'oslock-no-step'),
    ],
    why: 'that each instruction exits, and once, is a count of exits: `worldswitch show F` of a run lists them',
    mutants: ['oslock-no-step'],
    check: (mutant) => {
      for (const kernel of KERNELS) {
        const played = w.runGuest([w.setLock, w.insn, w.insn], { kernel, before: [w.debug({ step: true })], mutant });
        assert.equal(w.lastEntry(played).mdscr & w.SS, w.SS);
        assert.deepEqual([w.met(played), w.debugExits(played), w.injected(played)], [['step to EL2', 'step to EL2'], 2, []]);
      }
    },
  },
];

export const OSL_CLAIMS: readonly Claim[] = [...whileLocked, ...whileDebugged, ...OSL_MIGRATION_CLAIMS];
