/**
 * A preemption that is an offer finds what a tick finds that sets need_resched first; a guest is
 * preempted in guest mode under both.
 */
import { describe, expect, it } from 'vitest';
import type { Ticks } from '../../events/options.ts';
import { compareVariant } from '../../sim/explore/compare.ts';
import { finish } from '../../sim/explore/turns.ts';
import type { ResolvedScenario } from '../../sim/scenario/types.ts';
import * as w from '../claims/world.ts';
import { microSteps, play, SHIPPED, shipped } from '../sim/play.ts';
import { choose, steer, to, finish as toEnd } from '../sim/steer.ts';

const ticking = (scenario: ResolvedScenario, ticks: Ticks): ResolvedScenario => ({ ...scenario, host: { ...scenario.host, ticks } });

/** Verdict and outcomes over all schedules. */
function found(scenario: ResolvedScenario) {
  const { exhausted, verdict, exploration, outcomes } = finish(compareVariant(scenario, { maxStates: 1_000_000 }));
  const ranges = Object.fromEntries(Object.entries(outcomes).map(([name, { reachable, inAll }]) => [name, { reachable, inAll }]));
  return { exhausted, verdict, broken: exploration.violations.map(({ property }) => property).sort(), ranges };
}

const small = SHIPPED.filter(
  ({ name, variant }) => name === 'rmpadjust-vs-rmpupdate' || (name === 'vmsa-in-use-kick' && variant === 'no-kick'),
);

describe('ticks: direct', () => {
  it.each(small)('finds of $name $variant what ticks: pending finds', ({ name, variant }) => {
    const direct = found(ticking(shipped(name, variant), 'direct'));
    expect(direct.exhausted).toBe(true);
    expect(direct).toEqual(found(ticking(shipped(name, variant), 'pending')));
  });

  it('preempts a guest in guest mode: #VMEXIT(INTR), the tick, then another task', () => {
    const host = { arch: 'amd', cpus: 1, features: ['sev-snp'] } as const;
    const scenario = w.oneGuest([w.page('shared')], [{ spin: {} }], { netd: [[w.dmaWrite()]] }, {}, { host });
    const inGuest = to(w.VCPU, 'svm_vcpu_run.guest');
    const played = play(scenario, steer(inGuest, choose('preempt(pcpu:0)'), to(w.NETD, 'start'), toEnd(w.NETD), toEnd(w.VCPU)));
    expect(w.exits(played)).toEqual(['SHUTDOWN']);
    expect(played.delivered('cpu.interrupt')).toHaveLength(1);
    const exit = microSteps(played, w.VCPU).map((name) => name.split('.').at(-1)!);
    const left = exit.indexOf('VMEXIT');
    expect(exit.slice(left, left + 7)).toEqual([
      'VMEXIT',
      'OUTSIDE_GUEST_MODE',
      'local_irq_enable',
      'preempt_enable',
      'kvm_arch_vcpu_put',
      'kvm_arch_vcpu_load',
      'handle_external_interrupt',
    ]);
    const daemon = played.records.findIndex(({ actor, type }) => actor === w.NETD && type === 'step');
    const goesOn = played.records.findIndex(({ actor, type }) => actor === w.GUEST && type === 'guest.interrupted');
    expect(daemon).toBeGreaterThan(0);
    expect(goesOn).toBeGreaterThan(daemon);
  });
});
