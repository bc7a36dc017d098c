/**
 * SLD-1 to SLD-23: split-lock detection under VMX, design v8 unless said.
 * @see domain debug-and-split-lock F
 */
import assert from 'node:assert/strict';
import { type Claim, keeps } from '../claim.ts';
import * as w from './intel.ts';
import { SLD_DESIGN_CLAIMS } from './sld-designs.ts';

const F = 'domain debug-and-split-lock F';
const RACE = 'sld-wrmsr-preempted';
const GUESTS = 'sld-guest-test-ctrl';
const holds = { source: F, verdict: 'holds' } as const;
const BOTH = ['sld.host-setting-kept', 'sld.msr-matches-task'];

const ofTheMsr: readonly Claim[] = [
  {
    ...holds,
    id: 'SLD-1',
    says: 'TIF_SLD set means: detection is off for this task, and on again for the next',
    shows: [keeps('sld-warn-preempted', 'gen1-atomic', 'sld.msr-matches-task', 'sld-warn-without-flag')],
    mutants: ['sld-warn-without-flag'],
    check: (mutant) => {
      const played = w.inOrder({ guest: [w.rdmsr], others: { app: [w.splits, w.compute] }, mutant });
      const app = w.thread(played, 'thread:app/0');
      assert.deepEqual([app.tif, app.splitter], [['TIF_SLD'], true]);
      assert.equal(w.sld(played), true);
    },
  },
  {
    ...holds,
    id: 'SLD-2',
    says: 'an update writes MSR and flag if they are not there yet, and nothing else',
    shows: [keeps(RACE, 'v8', 'sld.msr-matches-task', 'sld-flagless')],
    why: 'that nothing else is written shows in the messages of a run, which no property sees: `worldswitch run sld-wrmsr-preempted` and `show --step`',
    mutants: ['sld-update-always'],
    check: (mutant) => {
      // Loaded with 0, then 0, on, on, off: only the changes are written, and the host's setting at
      // the end.
      const played = w.inOrder({ guest: [w.wrmsr(0), w.wrmsr(w.BIT), w.wrmsr(w.BIT), w.wrmsr(0)], mutant });
      assert.deepEqual(w.msrWrites(played), [false, true, false, true]);
      assert.deepEqual([w.thread(played).tif, w.sld(played)], [undefined, true]);
    },
  },
  {
    ...holds,
    id: 'SLD-3',
    says: 'an update does nothing in fatal mode, in off mode, or for a guest without the feature',
    shows: [
      keeps(GUESTS, 'fatal', 'sld.msr-as-booted', 'sld-update-always'),
      keeps(GUESTS, 'off', 'sld.msr-as-booted', 'sld-update-always'),
      keeps(GUESTS, 'warn', 'sld.msr-as-booted', 'sld-update-always'),
    ],
    mutants: ['sld-update-always'],
    check: (mutant) => {
      const guest = [w.wrmsr(0)];
      const fatal = w.inOrder({ guest, options: { 'host.sld': 'fatal' }, mutant });
      const off = w.inOrder({ guest, options: { 'host.sld': 'off' }, mutant });
      const without = w.inOrder({ guest, exposed: false, mutant });
      assert.deepEqual([fatal, off, without].map(w.msrWrites), [[], [], []]);
    },
  },
  {
    ...holds,
    id: 'SLD-4',
    says: "the first load records the host's setting before it changes anything, also that of a task that split a lock",
    shows: [keeps(GUESTS, 'warn', 'sld.msr-as-booted', 'sld-save-late', 'sld-save-nothing')],
    why: 'a task that split a lock and finds detection on again is detected more often than is due, and no property objects to that',
    mutants: ['sld-save-late', 'sld-save-nothing'],
    check: (mutant) => {
      const guest = [w.wrmsr(w.BIT)];
      assert.deepEqual(w.saves(w.inOrder({ guest, mutant })), [true]);
      assert.deepEqual(w.saves(w.inOrder({ guest, vmm: [w.splits, w.run], mutant })), [false]);
    },
  },
  {
    ...holds,
    id: 'SLD-5',
    says: 'a put, explicit or at sched_out, brings MSR and flag back before the switch compares flags',
    shows: [keeps(RACE, 'v8', 'sld.host-setting-kept', 'sld-no-restore', 'sld-save-nothing')],
    mutants: ['sld-no-restore', 'sld-save-nothing'],
    check: (mutant) => assert.deepEqual(w.broken(w.shippedAs(RACE, 'v8', mutant)), []),
  },
  {
    ...holds,
    id: 'SLD-7',
    says: "k exits load once and put once, and the MSR holds the guest's value in between",
    shows: [
      keeps(GUESTS, 'warn', 'sld.msr-as-booted', 'sld-never-loaded'),
      keeps(GUESTS, 'warn', 'sld.setting-stays', 'sld-put-at-exit', 'sld-load-at-entry'),
      keeps('sld-put-once', 'mainline', 'sld.setting-stays', 'sld-put-at-exit', 'sld-load-at-entry'),
    ],
    mutants: ['sld-never-loaded', 'sld-put-at-exit', 'sld-load-at-entry'],
    check: (mutant) => {
      const played = w.inOrder({ guest: [w.rdmsr, w.rdmsr, w.rdmsr], mutant });
      const counted = ['save_host_sld', 'clear_guest_state_loaded', 'VMEXIT'].map((name) => w.times(played, name));
      assert.deepEqual(counted, [1, 1, 4]);
      assert.deepEqual(w.msrWrites(played), [false, true]);
    },
  },
  {
    ...holds,
    id: 'SLD-9',
    says: 'a write with bits outside the valid set fails and changes nothing; without the feature only 0 is valid',
    shows: [keeps(GUESTS, 'warn', 'sld.only-valid-bits', 'sld-any-bits'), keeps(GUESTS, 'warn', 'sld.invalid-write-faults', 'sld-no-gp')],
    mutants: ['sld-any-bits', 'sld-no-gp'],
    check: (mutant) => {
      const written = (exposed: boolean, value: number) => {
        const played = w.inOrder({ guest: [w.wrmsr(value)], exposed, mutant });
        return [w.outcome(played), w.vmx(played).testCtrl];
      };
      assert.deepEqual(written(true, w.BIT), ['ran', w.BIT]);
      assert.deepEqual(written(true, 0), ['ran', 0]);
      assert.deepEqual(written(true, w.BIT + 1), ['GP', 0]);
      assert.deepEqual(written(false, 0), ['ran', 0]);
      assert.deepEqual(written(false, w.BIT), ['GP', 0]);
    },
  },
  {
    ...holds,
    id: 'SLD-10',
    says: 'a write of a loaded vCPU shows at once in MSR and flag, one of a vCPU that is not loaded at the next load',
    shows: [
      keeps(GUESTS, 'warn', 'sld.setting-stays', 'sld-store-only'),
      keeps(GUESTS, 'warn', 'sld.guest-runs-its-setting', 'sld-no-load'),
      keeps(GUESTS, 'warn', 'sld.write-is-kept', 'sld-write-dropped'),
      keeps(GUESTS, 'warn', 'sld.reads-back', 'sld-reads-zero'),
    ],
    mutants: ['sld-store-only', 'sld-no-load', 'sld-write-dropped', 'sld-reads-zero'],
    check: (mutant) => {
      const loaded = w.inOrder({ guest: [w.wrmsr(w.BIT), w.wrmsr(0)], mutant });
      assert.deepEqual(w.msrWrites(loaded), [false, true, false, true]);
      const before = w.inOrder({ guest: [w.rdmsr], vmm: [w.setMsr(w.BIT), w.run], mutant });
      assert.deepEqual([w.guest(before).readback, w.msrWrites(before)], [w.BIT, []]);
    },
  },
  {
    ...holds,
    id: 'SLD-11',
    says: 'an ioctl may write the MSR, and finds guest state not loaded',
    shows: [keeps(GUESTS, 'warn', 'sld.ioctl-takes-effect', 'sld-deaf-ioctl')],
    mutants: ['sld-deaf-ioctl'],
    check: (mutant) => {
      const played = w.inOrder({ guest: [w.rdmsr], vmm: [w.setMsr(w.BIT), w.getMsr, w.run], mutant });
      assert.deepEqual([w.thread(played, 'thread:qemu0/0').ioctl, w.guest(played).readback], [w.BIT, w.BIT]);
      const fields = played.delivered('vmx.fields').map(({ payload }) => (payload as unknown as { readonly loaded: boolean }).loaded);
      // Two looks of each ioctl: at the MSR, and at its own put.
      assert.deepEqual(fields.slice(0, 4), [false, false, false, false]);
    },
  },
];

const races: readonly Claim[] = [
  {
    ...holds,
    id: 'SLD-6',
    says: 'because MSR and flag agree, the switch gives the next task its setting even without a put at sched_out',
    shows: [keeps(RACE, 'v8', 'sld.msr-matches-task', 'sld-flagless')],
    mutants: ['sld-flagless'],
    check: (mutant) => assert.deepEqual(w.broken(w.shippedAs(RACE, 'v8', mutant ?? 'sld-flag-only')), []),
  },
  {
    ...holds,
    id: 'SLD-8',
    says: 'refuted: put is not preemptible, and would do no harm in the order of v8 if it were; it does once loaded or the notifier goes first',
    verdict: 'refuted',
    shows: [keeps(RACE, 'v8', 'sld.msr-matches-task', 'sld-put-loaded-first', 'sld-put-notifier-first')],
    mutants: ['sld-put-loaded-first', 'sld-put-notifier-first'],
    check: (mutant) => assert.deepEqual(w.broken(w.shippedAs(RACE, 'v8', mutant ?? 'sld-put-preemptible')), []),
  },
  {
    ...holds,
    id: 'SLD-12',
    says: "without preempt_disable() around test and toggle the host's setting is lost, and MSR and flag agree all the same",
    shows: [keeps(RACE, 'v8', 'sld.host-setting-kept', 'sld-unguarded-wrmsr', 'sld-unguarded-test')],
    mutants: ['sld-unguarded-wrmsr', 'sld-unguarded-test'],
    check: (mutant) => {
      assert.deepEqual(w.broken(w.shippedAs(RACE, 'v8', mutant)), []);
      assert.deepEqual(w.broken(w.shippedAs(RACE, 'v8-toggle-only')), ['sld.host-setting-kept']);
      assert.deepEqual(w.broken(w.shippedAs(RACE, 'v8-no-guard')), BOTH);
    },
  },
];

export const SLD_CLAIMS: readonly Claim[] = [...ofTheMsr, ...races, ...SLD_DESIGN_CLAIMS].sort(
  (a, b) => Number(a.id.slice(4)) - Number(b.id.slice(4)),
);
