/**
 * OSL-10 to OSL-14: what reset, migration and the VMM make of the lock.
 * @see domain debug-and-split-lock D.5, F
 */
import assert from 'node:assert/strict';
import type { MechanismOptions } from '../../../events/options.ts';
import type { GuestStep } from '../../../sim/scenario/program.ts';
import type { KernelVersion } from '../../../sim/scenario/types.ts';
import { breaks, type Claim, keeps } from '../claim.ts';
import * as w from './arm64.ts';

/** Old and new model, as the kernel presets them. */
const KERNELS: readonly KernelVersion[] = ['6.12', '6.14'];
const LOCKED = 'oslock-under-lock';
const holds = { source: 'domain debug-and-split-lock F', verdict: 'holds' } as const;
const pause: GuestStep = { pause: {} };
type Reset = MechanismOptions['kvm.oslsrReset'];

/** What the guest meets when it has come from such a kernel to one with this reset value. */
const moved = (kernel: KernelVersion, from: 'emulated' | 'ignored', reset: Reset, program: readonly GuestStep[], mutant?: string) =>
  w.runGuest([...w.armed, ...program], { kernel, migratesFrom: from, options: { 'kvm.oslsrReset': reset }, mutant });

export const OSL_MIGRATION_CLAIMS: readonly Claim[] = [
  {
    ...holds,
    id: 'OSL-10',
    says: 'the lock is on out of a cold reset by the architecture (0xA), and off by mainline (0x8)',
    shows: [
      keeps('oslock-reset', 'mainline', 'armdbg.off-out-of-reset', 'oslock-reset-locked'),
      keeps('oslock-reset', 'mainline-owner', 'armdbg.off-out-of-reset', 'oslock-reset-locked'),
    ],
    mutants: ['oslock-reset-locked'],
    check: (mutant) => {
      for (const kernel of ['6.12', '6.14'] as const) {
        const read = (reset: Reset) =>
          w.lastRead(w.runGuest([w.mrs('oslsr_el1')], { kernel, options: { 'kvm.oslsrReset': reset }, mutant }));
        assert.deepEqual([read('architecture'), read('mainline')], [0xa, 0x8]);
      }
    },
  },
  {
    ...holds,
    id: 'OSL-11',
    says: 'a guest from a kernel that does not list OSLSR gets the reset value: blocked by the architecture’s, unlocked by mainline’s',
    shows: [
      keeps('oslock-old-to-new', 'mainline', 'oslock.lock-survives-migration', 'oslock-reset-locked'),
      breaks('oslock-old-to-new', 'architecture', 'oslock.lock-survives-migration', 'oslock-old-lists'),
      breaks('oslock-old-to-new-locked', 'mainline', 'oslock.no-exception-under-lock', 'oslock-reset-locked'),
    ],
    not: 'that the lock stays until a reboot: the guest may clear it by OSLAR_EL1, which the check shows',
    mutants: ['oslock-reset-locked', 'oslock-old-lists'],
    check: (mutant) => {
      for (const kernel of KERNELS) {
        const blocked = moved(kernel, 'ignored', 'architecture', [pause, w.atBreakpoint, w.clearLock, w.atBreakpoint], mutant);
        assert.deepEqual(w.met(blocked), ['nothing', 'breakpoint to EL1']);
        assert.deepEqual(w.met(moved(kernel, 'ignored', 'mainline', [pause, w.atBreakpoint], mutant)), ['breakpoint to EL1']);
        assert.deepEqual(w.met(moved(kernel, 'ignored', 'mainline', [w.setLock, pause, w.atBreakpoint], mutant)), ['breakpoint to EL1']);
      }
    },
  },
  {
    ...holds,
    id: 'OSL-12',
    says: 'between kernels that list OSLSR the lock survives a migration',
    shows: [
      keeps('oslock-new-to-new', 'mainline', 'armdbg.lock-same-after-migration', 'oslock-never-lists'),
      keeps('oslock-new-to-new', 'mainline-owner', 'armdbg.lock-same-after-migration', 'oslock-never-lists'),
      keeps('oslock-new-to-new', 'architecture', 'armdbg.lock-same-after-migration', 'oslock-never-lists'),
    ],
    mutants: ['oslock-never-lists'],
    check: (mutant) => {
      for (const kernel of KERNELS) {
        for (const reset of ['mainline', 'architecture'] as const) {
          const locked = moved(kernel, 'emulated', reset, [w.setLock, pause, w.atBreakpoint, w.mrs('oslsr_el1')], mutant);
          assert.deepEqual([w.met(locked), w.lastRead(locked)], [['nothing'], 0xa]);
          const open = moved(kernel, 'emulated', reset, [w.clearLock, pause, w.atBreakpoint, w.mrs('oslsr_el1')], mutant);
          assert.deepEqual([w.met(open), w.lastRead(open)], [['breakpoint to EL1'], 0x8]);
        }
      }
    },
  },
  {
    ...holds,
    id: 'OSL-13',
    says: 'an older kernel ignores OSLAR and shows 0x8, and mainline’s reset value keeps that so after a migration',
    shows: [
      keeps('oslock-old-ignores', 'mainline', 'armdbg.lock-same-after-migration', 'oslock-old-locks', 'oslock-reset-locked'),
      breaks('oslock-read-back', 'ignored', 'oslock.lock-reads-back', 'oslock-old-locks'),
    ],
    mutants: ['oslock-old-locks', 'oslock-reset-locked'],
    check: (mutant) => {
      for (const kernel of KERNELS) {
        const program = [...w.armed, w.setLock, w.mrs('oslsr_el1'), w.atBreakpoint];
        const old = w.runGuest(program, { kernel, options: { 'kvm.osLock': 'ignored' }, mutant });
        assert.deepEqual([w.lastRead(old), w.met(old)], [0x8, ['breakpoint to EL1']]);
        const after = moved(kernel, 'ignored', 'mainline', [w.setLock, pause, w.mrs('oslsr_el1'), w.atBreakpoint], mutant);
        assert.deepEqual([w.lastRead(after), w.met(after)], [0x8, ['breakpoint to EL1']]);
      }
    },
  },
  {
    ...holds,
    id: 'OSL-14',
    says: 'KVM does not help to inject a debug exception: user space writes the registers, or nothing comes',
    shows: [
      keeps(LOCKED, 'mainline', 'armdbg.kvm-injects-nothing', 'oslock-kvm-injects'),
      keeps(LOCKED, 'owner', 'armdbg.kvm-injects-nothing', 'oslock-kvm-injects'),
    ],
    mutants: ['oslock-kvm-injects'],
    check: (mutant) => {
      const known = w.runGuest([w.atBreakpoint, w.mrs('oslsr_el1')], { before: [w.debug({ hw: true })], mutant });
      assert.deepEqual([w.met(known), w.injected(known)], [['breakpoint to EL2'], []]);
      const byHand = w.runGuest([w.atBreakpoint], { before: [w.debug({ hw: true, known: false })], mutant });
      assert.deepEqual([w.injected(byHand), byHand.delivered('arm.inject').map(({ peer }) => peer)], [['breakpoint'], ['thread:qemu0/0']]);
    },
  },
];
