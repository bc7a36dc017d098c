/**
 * SLD-13 to SLD-23: whose #AC it is, what fatal mode means for guests, and what the review says of
 * names and order.
 */
import assert from 'node:assert/strict';
import type { HostThread } from '../../../actors/host/host-env.ts';
import type { HostOptions } from '../../../events/options.ts';
import { engineOf, play, seeds } from '../../sim/play.ts';
import { breaks, type Claim, keeps } from '../claim.ts';
import * as w from './intel.ts';

const F = 'domain debug-and-split-lock F';
const AC = 'sld-guest-ac';
const FLAGS = 'sld-flag-names';
const holds = { source: F, verdict: 'holds' } as const;

const fatal: Partial<HostOptions> = { 'host.sld': 'fatal' };
const enable = w.wrmsr(w.BIT);
const seen = (guest: Parameters<typeof w.intel>[0]['guest'], options: Partial<HostOptions>, mutant?: string) =>
  w.outcome(w.inOrder({ guest, options, mutant }));

const ofGuests: readonly Claim[] = [
  {
    ...holds,
    id: 'SLD-13',
    says: 'in fatal mode a guest that writes 0 reads 0, and the MSR stays on',
    shows: [
      keeps('sld-guest-test-ctrl', 'fatal', 'sld.msr-as-booted', 'sld-update-always'),
      keeps('sld-guest-test-ctrl', 'fatal', 'sld.write-is-kept', 'sld-write-dropped'),
      keeps('sld-guest-test-ctrl', 'fatal', 'sld.reads-back', 'sld-reads-set'),
    ],
    mutants: ['sld-update-always', 'sld-write-dropped', 'sld-reads-set'],
    check: (mutant) => {
      const played = w.inOrder({ guest: [enable, w.wrmsr(0), w.rdmsr], options: fatal, mutant });
      assert.deepEqual([w.guest(played).readback, w.sld(played), w.msrWrites(played)], [0, true, []]);
      assert.equal(w.guest(w.inOrder({ guest: [enable, w.rdmsr], options: fatal, mutant })).readback, w.BIT);
    },
  },
  {
    ...holds,
    id: 'SLD-14',
    says: "in fatal mode a split lock of the guest's kernel is SIGBUS for its vCPU thread, or #AC for a guest with the bit set",
    shows: [
      keeps(AC, 'fatal', 'sld.host-policy-kept', 'sld-inject-always'),
      keeps(AC, 'fatal', 'sld.guest-gets-its-ac', 'sld-inject-never'),
    ],
    mutants: ['sld-inject-always', 'sld-inject-never'],
    check: (mutant) => {
      assert.equal(seen([w.splitLock(0)], fatal, mutant), 'SIGBUS');
      assert.equal(seen([enable, w.splitLock(0)], fatal, mutant), 'AC');
    },
  },
  {
    ...holds,
    id: 'SLD-15',
    says: "in fatal mode a split lock of the guest's user code without alignment checking is SIGBUS",
    shows: [keeps(AC, 'fatal', 'sld.host-policy-kept', 'sld-inject-always')],
    mutants: ['sld-inject-always'],
    check: (mutant) => assert.equal(seen([w.splitLock(3)], fatal, mutant), 'SIGBUS'),
  },
  {
    ...holds,
    id: 'SLD-16',
    says: 'with alignment checking in user mode #AC is the guest’s, whatever host and guest have set',
    shows: [
      keeps(AC, 'fatal', 'sld.guest-gets-its-ac', 'sld-inject-never'),
      keeps(AC, 'warn', 'sld.guest-gets-its-ac', 'sld-inject-never'),
    ],
    mutants: ['sld-inject-never'],
    check: (mutant) => {
      for (const state of ['warn', 'fatal'] as const) {
        for (const bit of [0, w.BIT]) {
          for (const access of [w.splitLock(3, true), w.misaligned])
            assert.equal(seen([w.wrmsr(bit), access], { 'host.sld': state }, mutant), 'AC', `${state}, bit ${bit}`);
        }
      }
    },
  },
  {
    ...holds,
    id: 'SLD-17',
    says: 'on a host that does not detect split locks every #AC is the guest’s',
    shows: [keeps(AC, 'off', 'sld.guest-gets-its-ac', 'sld-inject-never')],
    mutants: ['sld-inject-never'],
    check: (mutant) => {
      assert.equal(seen([w.misaligned], { 'host.sld': 'off' }, mutant), 'AC');
      const without = w.inOrder({ guest: [w.misaligned], host: { features: [] }, mutant });
      assert.equal(w.outcome(without), 'AC');
    },
  },
  {
    ...holds,
    id: 'SLD-18',
    says: 'looking for a lock prefix kills a guest that handles its own alignment checks',
    shows: [breaks(AC, 'fatal-analyse', 'sld.guest-gets-its-ac', 'sld-inject-always')],
    mutants: ['sld-inject-always'],
    check: (mutant) => {
      const analyse: Partial<HostOptions> = { ...fatal, 'kvm.acInjection': 'analyse' };
      assert.equal(seen([w.splitLock(3, true)], analyse, mutant), 'SIGBUS');
      assert.equal(seen([w.splitLock(3, true)], fatal, mutant), 'AC');
    },
  },
  {
    ...holds,
    id: 'SLD-19',
    says: 'in fatal mode a guest that leaves the bit alone fares the same, shown the feature or not',
    shows: [
      keeps(AC, 'fatal-hidden', 'sld.host-policy-kept', 'sld-inject-always'),
      keeps(AC, 'fatal-hidden', 'sld.guest-gets-its-ac', 'sld-inject-never'),
    ],
    mutants: ['sld-inject-always', 'sld-inject-never'],
    check: (mutant) => {
      for (const virt of ['none', 'v8'] as const) {
        const options: Partial<HostOptions> = { ...fatal, 'kvm.sldVirt': virt };
        const outcomes = [w.splitLock(0), w.splitLock(3), w.splitLock(3, true)].map((access) => seen([access], options, mutant));
        assert.deepEqual(outcomes, ['SIGBUS', 'SIGBUS', 'AC'], virt);
      }
    },
  },
];

/** Random runs as text, with the flag under one name. */
const tracesOf = (options: Partial<HostOptions>, mutant?: string): readonly string[] => {
  const guest = [w.wrmsr(w.BIT), w.wrmsr(0)];
  const scenario = w.intel({ guest, others: { app: [w.splits, w.compute] }, host: { cpus: 2 }, options, mutant });
  const engine = engineOf(scenario, 'memo');
  return seeds(20).map((seed) => {
    const { records } = play(scenario, seed, engine);
    return records.map(({ step, kind, type, actor }) => `${step} ${kind} ${type} ${actor}`).join('\n');
  });
};

const ofDesigns: readonly Claim[] = [
  {
    ...holds,
    id: 'SLD-20',
    says: 'name and polarity of the flag, and the form in which the host’s setting is saved, change nothing else',
    shows: [
      keeps(FLAGS, 'tif-sld-disabled', 'sld.host-setting-kept', 'sld-save-inverted'),
      keeps(FLAGS, 'tif-sld-enabled', 'sld.host-setting-kept', 'sld-save-inverted'),
      keeps(FLAGS, 'host-tif', 'sld.host-setting-kept', 'sld-save-inverted'),
      keeps(FLAGS, 'host-tif-enabled', 'sld.host-setting-kept', 'sld-save-inverted'),
    ],
    why: 'that nothing at all differs is a comparison of runs; the four variants have as many states as `tif-sld`',
    mutants: ['sld-save-inverted'],
    check: (mutant) => {
      const forms: Partial<HostOptions>[] = [
        { 'host.sldFlag': 'TIF_SLD_DISABLED' },
        { 'host.sldFlag': 'TIF_SLD_ENABLED' },
        { 'kvm.sldSaved': 'host_tif' },
        { 'host.sldFlag': 'TIF_SLD_ENABLED', 'kvm.sldSaved': 'host_tif' },
      ];
      const plain = tracesOf({});
      for (const form of forms) {
        const traces = tracesOf(form, mutant);
        assert.ok(
          traces.every((trace, i) => trace === plain[i]),
          JSON.stringify(form),
        );
      }
    },
  },
  {
    ...holds,
    id: 'SLD-21',
    says: 'a flag that says "enabled" is set for every task where nothing can be detected',
    shows: [breaks(FLAGS, 'off-enabled', 'sld.flag-only-where-detected', 'sld-no-initial-flag')],
    mutants: ['sld-no-initial-flag'],
    check: (mutant) => {
      const flags = (flag: HostOptions['host.sldFlag']) =>
        w
          .inOrder({ guest: [w.rdmsr], options: { 'host.sld': 'off', 'host.sldFlag': flag }, mutant })
          .world.actors<HostThread>('hostThread')
          .map(({ context }) => context.tif);
      assert.deepEqual(flags('TIF_SLD_ENABLED'), [['TIF_SLD_ENABLED']]);
      assert.deepEqual(flags('TIF_SLD_DISABLED'), [undefined]);
    },
  },
  {
    ...holds,
    id: 'SLD-22',
    says: 'put, notifier, preemption on: in this order no put runs twice',
    shows: [
      keeps('sld-put-once', 'v8', 'vmx.put-once', 'sld-put-preemptible', 'kvm-put-enables-early'),
      keeps('sld-put-once', 'v8', 'vmx.put-at-each-switch', 'kvm-notifier-once'),
      keeps('sld-put-once', 'mainline', 'vmx.put-at-each-switch', 'kvm-notifier-once'),
    ],
    mutants: ['sld-put-preemptible', 'kvm-put-enables-early', 'kvm-notifier-once'],
    check: (mutant) => assert.deepEqual(w.broken(w.shippedAs('sld-put-once', 'v8', mutant)), []),
  },
  {
    ...holds,
    id: 'SLD-23',
    says: 'MSR_KERNEL_GS_BASE, deferred in the same way, is the task’s own in user mode',
    shows: [keeps('sld-wrmsr-preempted', 'mainline', 'vmx.kernel-gs-base-restored', 'vmx-gs-base-kept')],
    mutants: ['vmx-gs-base-kept'],
    check: (mutant) => assert.deepEqual(w.broken(w.shippedAs('sld-wrmsr-preempted', 'mainline', mutant)), []),
  },
];

export const SLD_DESIGN_CLAIMS: readonly Claim[] = [...ofGuests, ...ofDesigns];
