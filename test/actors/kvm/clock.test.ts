/**
 * R6 of a host with an unstable TSC: each load asks for a clock update, which takes a mutex of the
 * VM. A vCPU thread can sleep there, and a host of preemption voluntary reschedules.
 * @see kernel arch/x86/kvm/x86.c, kvm_arch_vcpu_load(), kvm_guest_time_update();
 * arch/x86/kvm/hyperv.c, kvm_hv_setup_tsc_page()
 */
import { describe, expect, it } from 'vitest';
import type { HostThread } from '../../../actors/host/host-env.ts';
import type { MutexContext } from '../../../actors/host/kernel-objects.ts';
import type { Vcpu } from '../../../actors/kvm/guest-program.ts';
import { topologyOf } from '../../../sim/host/topology.ts';
import type { ResolvedScenario, Scenario } from '../../../sim/scenario/types.ts';
import { intel } from '../../claims/split-lock/intel.ts';
import * as w from '../../claims/world.ts';
import { microSteps, type Played, play } from '../../sim/play.ts';
import { choose, finish, type Line, type Scene, steer, to, until } from '../../sim/steer.ts';
import { Given } from '../given.ts';

type Host = Partial<Scenario['host']>;
const UNSTABLE = { tsc: 'unstable' } as const;
const HV_LOCK = 'mutex:hv_lock/vm0';
const OTHER = 'thread:qemu0/vcpu1';
const UPDATE = 'kvm_guest_time_update.kvm_hv_setup_tsc_page';
const LOCK = `${UPDATE}.mutex_lock`;

/** A VM whose guests write a port, for which KVM_RUN ends; a thread has a vCPU each. */
const guests = (count: number, threads: Parameters<typeof w.world>[1], host: Host): ResolvedScenario =>
  w.world(
    { vm0: { type: 'svm', vcpus: Array.from({ length: count }, () => [{ out: { port: 0x10 } }]) } },
    threads,
    {},
    {
      host: { arch: 'amd', features: [], ...host },
    },
  );
/** One pCPU, on which another thread waits while the vCPU's runs. */
const shared = (host: Host) => guests(1, { netd: [[{ compute: {} }]], qemu0: [[w.run()]] }, { cpus: 1, ...host });
/** Two vCPUs of a VM, each with a pCPU. */
const pair = (host: Host) => guests(2, { qemu0: [[w.run()], [w.run('vm0/1')]] }, host);

/** Micro-steps of KVM_RUN from one on, without the functions around them. */
const walk = (played: Played, from: string, thread = w.VCPU): string[] => {
  const names = microSteps(played, thread).map((name) =>
    name.replace(/^main\.KVM_RUN\./, '').replace(/^vcpu_enter_guest\.kvm_check_requests\./, ''),
  );
  return names.slice(names.findIndex((name) => name.endsWith(from)));
};
const count = (names: readonly string[], end: string): number => names.filter((name) => name.endsWith(end)).length;

/** Plays until the last line is told, and looks. */
function seen<T>(scenario: ResolvedScenario, lines: readonly Line[], look: (scene: Scene) => T): T {
  let found: { readonly value: T } | undefined;
  const last = until(w.VCPU, 'a look', (scene) => {
    found = { value: look(scene) };
    return true;
  });
  play(scenario, steer(...lines, last), undefined, () => found !== undefined);
  return found!.value;
}

describe.each(['6.1', '6.12'] as const)('R6 of a host of Linux %s with an unstable TSC', (kernel) => {
  const host = { kernel, ...UNSTABLE };

  it('updates the clock of the guest under hv_lock, once for a load', () => {
    const played = play(pair(host), steer(finish(w.VCPU)));
    expect(walk(played, 'test').slice(0, 8)).toEqual([
      'test',
      'kvm_gen_kvmclock_update',
      'test',
      'kvm_guest_time_update.kvm_check_request',
      `${LOCK}.trylock`,
      `${UPDATE}.mutex_unlock`,
      'test',
      'vcpu_enter_guest.preempt_disable',
    ]);
    expect(count(walk(played, 'test'), 'mutex_lock.trylock')).toBe(1);
  });

  it('lets a vCPU thread sleep while another of its VM has hv_lock, and wakes it', () => {
    const busy = [to(w.VCPU, `${UPDATE}.mutex_unlock`), to(OTHER, `${LOCK}.schedule`)];
    expect(seen(pair(host), busy, (scene) => scene.context<MutexContext>(HV_LOCK))).toEqual({ owner: w.VCPU, waiters: [OTHER] });
    const played = play(pair(host), steer(...busy, to(OTHER, `${LOCK}.trylock_or_handoff`), finish(w.VCPU), finish(OTHER)));
    expect(count(walk(played, 'test', OTHER), 'mutex_lock.schedule')).toBe(1);
    expect(played.context<MutexContext>(HV_LOCK)).toEqual({ owner: null, waiters: [] });
  });

  it('asks again at the load after that sleep, for which R10 gives the first entry up or R6 updates once more', () => {
    const busy = [to(w.VCPU, `${UPDATE}.mutex_unlock`), to(OTHER, `${LOCK}.trylock_or_handoff`)];
    const played = play(pair(host), steer(...busy, finish(w.VCPU), finish(OTHER)));
    expect(count(walk(played, 'test', OTHER), 'kvm_gen_kvmclock_update')).toBe(2);
  });
});

describe('a thread that waits for hv_lock', () => {
  it('is not woken by a signal that user space waits for, as one in kvm_vcpu_block() is', () => {
    const asleep = [to(w.VCPU, `${UPDATE}.mutex_unlock`), to(OTHER, `${LOCK}.trylock_or_handoff`)];
    const context = seen(pair(UNSTABLE), asleep, (scene) => scene.context<HostThread>(OTHER));
    expect(context.frames.code?.granted).toBe(false);
    const machine = topologyOf(pair(UNSTABLE)).machines.hostThread!;
    const { state } = Given.start(machine, topologyOf(pair(UNSTABLE)).actors.find(({ id }) => id === OTHER)!.input);
    const wakes = (thread: HostThread) =>
      Given.standing(machine, state, thread)
        .when({ type: 'process.signal', from: 'thread:qemu0/vcpu0' })
        .sent.flatMap(({ event }) => (event.type === 'signal.sent' ? [event.wakes] : []));
    const blocked = { ...context, frames: { ...context.frames, code: { ...context.frames.code, sleep: true } } };
    expect([wakes(context), wakes(blocked)]).toEqual([[false], [true]]);
  });
});

describe('a load on a host with an unstable TSC', () => {
  const REQUEST = 'KVM_REQ_GLOBAL_CLOCK_UPDATE';
  const requests = (scene: Scene) => scene.context<Vcpu>(w.GUEST).requests;

  it('leaves a request of the vCPU behind, and without it there is none', () => {
    const loaded = [to(w.VCPU, 'vcpu_load.put_cpu')];
    expect(seen(shared(UNSTABLE), loaded, requests)).toEqual([REQUEST]);
    expect(seen(shared({}), loaded, requests)).toEqual([]);
  });

  it('is the one in kvm_sched_in() too, so that a preemption costs an update', () => {
    const story = [to(w.VCPU, 'vcpu_enter_guest.preempt_disable'), choose('preempt(pcpu:0)'), finish(w.NETD), finish(w.VCPU)];
    const updates = (host: Host) => count(walk(play(shared(host), steer(to(w.VCPU, 'main.start'), ...story)), 'test'), 'kvm_check_request');
    expect([updates(UNSTABLE), updates({ tsc: 'stable' })]).toEqual([2, 0]);
  });

  it('asks on Intel hosts as well', () => {
    const scenario = intel({ guest: [{ 'rdmsr-test-ctrl': {} }], host: UNSTABLE });
    expect(count(walk(play(scenario, { name: 'fifo' }), 'test'), 'kvm_gen_kvmclock_update')).toBeGreaterThan(0);
  });
});

describe('a host of preemption voluntary', () => {
  const preempted = (host: Host, point: string) => () =>
    play(shared({ preemption: 'voluntary', ...host }), steer(to(w.VCPU, 'main.start'), to(w.VCPU, point), choose('preempt(pcpu:0)')));

  it('reschedules a vCPU thread where it takes hv_lock, and nowhere else in R6', () => {
    expect(preempted(UNSTABLE, `${LOCK}.trylock`)).not.toThrow();
    for (const point of ['kvm_check_requests.test', 'kvm_gen_kvmclock_update', `${UPDATE}.mutex_unlock`])
      expect(preempted(UNSTABLE, point), point).toThrow('preempt(pcpu:0): nothing does it');
  });
});

describe('a host that says nothing of its TSC', () => {
  it.each([{}, { tsc: 'stable' as const }])('has no hv_lock and no step of the clock: %j', (host) => {
    const { actors, machines } = topologyOf(pair(host));
    expect(actors.map(({ id }) => id)).not.toContain(HV_LOCK);
    expect(JSON.stringify(machines.hostThread!.config.states)).not.toMatch(/clock|tsc_page/);
    expect(pair(host).host).not.toHaveProperty('tsc');
    expect(JSON.stringify(topologyOf(pair(UNSTABLE)).machines.hostThread!.config.states)).toMatch(/kvm_gen_kvmclock_update/);
  });
});
