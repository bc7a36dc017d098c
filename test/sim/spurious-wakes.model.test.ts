/**
 * Each wait of the model, with wake-ups for nothing at every point at which a thread sleeps: no
 * actor comes into a state into which it does not come without them, and no verdict changes.
 */
import { afterAll, describe, expect, it } from 'vitest';
import { type AnyStateMachine, createMachine, enqueueActions } from 'xstate';
import type { SchedulerContext } from '../../actors/host/host-scheduler.ts';
import { outgoing } from '../../events/event.ts';
import { Explorer } from '../../sim/explore/breadth/explorer.ts';
import { finish } from '../../sim/explore/turns.ts';
import { register } from '../../sim/host/registry.ts';
import { knownProperties } from '../../sim/properties/index.ts';
import { loadScenario } from '../../sim/scenario/load.ts';
import type { ResolvedScenario } from '../../sim/scenario/types.ts';
import { spokenWorlds } from '../actors/kit/spoken.ts';
import { spokenWaits } from '../actors/kit/spoken-waits.ts';
import { projectFiles, textOf } from '../house/source.ts';
import { engineOf, microSteps, play, resolved, seeds, shipped } from './play.ts';

const text = (name: string, ...lines: readonly string[]): ResolvedScenario =>
  resolved(loadScenario([`name: ${name}`, 'summary: A wait', ...lines].join('\n'), `${name}.yaml`, knownProperties()));
const host = (arch: string, cpus: number, rest: string): string => `host: { arch: ${arch}, cpus: ${cpus}, preemption: none, ${rest} }`;
const AMD = 'features: [sev, sev-es, sev-snp]';
const PAGE = 'options: { pages: [{ gfn: 0x5, pfn: 0x1005, state: shared }] }';
const intel = (options: string): string => host('intel', 1, `features: [split-lock-detect, bus-lock-detect], options: { ${options} }`);

/** Primitives of modules, whose threads sleep. */
const kit = spokenWorlds();
const waits = spokenWaits();
afterAll(() => {
  kit.end();
  waits.end();
});
const ofKit = (...names: readonly string[]): readonly ResolvedScenario[] =>
  [...kit.worlds, ...waits.worlds].flatMap(([, scenario]) => (names.some((name) => scenario.name.endsWith(`-${name}`)) ? [scenario] : []));

/** Worlds in which threads sleep, by the file of the path in which they do. */
const WORLDS: Readonly<Record<string, readonly ResolvedScenario[]>> = {
  'actors/sev-snp/sev-command.ts': [
    text(
      'command',
      host('amd', 1, AMD),
      'processes: { a: { threads: [[{ sev-command: { command: SNP_DF_FLUSH } }], [{ sev-command: { command: SNP_DF_FLUSH } }]] } }',
      'firmware: { state: INIT }',
      'properties: { always: [psp.command-awaited] }',
    ),
  ],
  'actors/sev-snp/map-lock.ts': [
    text(
      'map-lock',
      host('amd', 2, `${AMD}, options: { kvm.mapLock: kernel }`),
      `vms: { vm0: { type: snp, ${PAGE}, vcpus: [[{ psc: { gfn: 0x5, to: private } }]] } }`,
      'processes: { a: { threads: [[{ KVM_RUN: { vcpu: vm0/0 } }], [{ kvm-write-guest: { vm: vm0, gfn: 0x5 } }]] } }',
      'properties: { always: [rmp.host-panic] }',
    ),
  ],
  'actors/sev-snp/gmem-prepare.ts': [
    text(
      'folio-lock',
      host('amd', 2, AMD),
      `vms: { vm0: { type: snp, ${PAGE}, vcpus: [] } }`,
      'processes: { a: { threads: [[{ pre-fault: { vm: vm0, gfn: 0x5 } }], [{ pre-fault: { vm: vm0, gfn: 0x5 } }]] } }',
      'properties: { always: [rmp.host-panic] }',
    ),
  ],
  'actors/host/task-state.ts': ofKit('completions', 'queues'),
  'actors/kit/queued.ts': ofKit('rwsems', 'semaphores'),
  'actors/kit/rcu.ts': ofKit('readers'),
  'actors/kit/mutex.ts': [
    text(
      'vmsa-mutex',
      host('amd', 2, AMD),
      'vms: { vm0: { type: snp, options: { pages: [{ gfn: 7, pfn: 0x1007, state: vmsa }, { gfn: 8, pfn: 0x1008, state: vmsa }, { gfn: 9, pfn: 0x1009, state: shared }], ghcbs: [{ gfn: 9, vcpu: 0 }] }, vcpus: [[{ ap-destroy: { ghcb: 9, apicId: 1 } }], [{ compute: {} }]] } }',
      'processes: { a: { threads: [[{ KVM_RUN: { vcpu: vm0/0 } }], [{ KVM_RUN: { vcpu: vm0/1 } }]] } }',
      'properties: { always: [ghcb.refusal-changes-nothing] }',
    ),
    text(
      'asid-locks',
      host('amd', 2, AMD),
      'processes: { a: { threads: [[{ asid-new: {} }], [{ asid-new: {} }]] } }',
      'firmware: { state: INIT, asids: 2 }',
      'properties: { always: [psp.asid-recycled] }',
    ),
    text(
      'kvm-lock',
      host('amd', 2, AMD),
      'vms: { vm0: { type: sev-es, options: { launched: false }, vcpus: [[{ touch: {} }]] } }',
      'processes: { a: { threads: [[{ KVM_CREATE_VM: { vm: vm0 } }, { KVM_SEV_INIT2: { vm: vm0 } }], [{ KVM_CREATE_VCPU: { vcpu: vm0/0 } }, { KVM_RUN: { vcpu: vm0/0 } }]] } }',
      'properties: { always: [sev.protected-not-debugged] }',
    ),
    text(
      'vcpu-mutex',
      'host: { arch: intel, cpus: 1, preemption: full, options: { host.sld: off } }',
      'vms: { vm0: { type: vmx, vcpus: [[{ rdmsr-test-ctrl: {} }]] } }',
      'processes: { a: { threads: [[{ KVM_RUN: { vcpu: vm0/0 } }], [{ KVM_GET_MSRS: { vcpu: vm0/0 } }]] } }',
    ),
    text(
      'hv-lock',
      'host: { arch: amd, cpus: 2, preemption: none, tsc: unstable }',
      'vms: { vm0: { type: svm, vcpus: [[{ hlt: {} }], [{ hlt: {} }]] } }',
      'processes: { a: { threads: [[{ KVM_RUN: { vcpu: vm0/0 } }], [{ KVM_RUN: { vcpu: vm0/1 } }]] } }',
    ),
  ],
  'actors/kvm/block.ts': [
    text(
      'halt',
      host('amd', 1, AMD),
      `vms: { vm0: { type: snp, ${PAGE}, vcpus: [[{ hlt: {} }, { read: { gfn: 0x5, private: false } }]] } }`,
      'processes: { a: { threads: [[{ KVM_RUN: { vcpu: vm0/0 } }]] } }',
    ),
    text(
      'halt-interrupted',
      host('amd', 1, AMD),
      `vms: { vm0: { type: snp, ${PAGE}, vcpus: [[{ hlt: {} }, { hlt: {} }, { read: { gfn: 0x5, private: false } }]] } }`,
      'processes: { a: { threads: [[{ KVM_RUN: { vcpu: vm0/0 } }]] } }',
      'allow: [interrupt]',
    ),
    shipped('vmsa-in-use-kick', 'kick-and-block'),
  ],
  'actors/split-lock/warn-by-work.ts': [
    // Sleeps of any length: where a clock tells how long, the sleeper asks it what is left.
    text('warn', intel('host.sldWarn: gen2'), 'processes: { a: { threads: [[{ split-lock: {} }], [{ split-lock: {} }]] } }'),
  ],
  'actors/split-lock/kworker.ts': [
    text('worker', intel('host.sldWarn: gen2, host.sldMitigate: off'), 'processes: { a: { threads: [[{ split-lock: {} }]] } }'),
  ],
  'actors/split-lock/bus-lock.ts': [
    text(
      'limit',
      intel('host.sld: ratelimit'),
      'processes: { a: { threads: [[{ split-lock: {} }, { split-lock: {} }, { split-lock: {} }]] } }',
    ),
  ],
  'actors/split-lock/resume.ts': [
    text('frozen', intel('host.sld: off'), 'processes: { a: { threads: [[{ resume: {} }], [{ frozen: {} }, { compute: {} }]] } }'),
  ],
};

interface Woken extends SchedulerContext {
  /** Each is woken for nothing once, at any time. */
  readonly forNothing?: readonly string[];
}

/** A scheduler that wakes any thread that sleeps. */
function wakesForNothing(machine: AnyStateMachine): AnyStateMachine {
  const { up } = machine.config.states as Readonly<
    Record<'up', { readonly on: object; readonly meta: { readonly offers: (c: Woken) => object[] } }>
  >;
  const wakes = ({ asleep, forNothing = [] }: Woken) =>
    Object.keys(asleep)
      .filter((thread) => !forNothing.includes(thread))
      .map((thread) => ({ type: 'wake-for-nothing', thread }));
  const meta = { offers: (c: Woken) => [...up.meta.offers(c), ...wakes(c)] };
  const states = { up: { ...up, meta, on: { ...up.on, 'wake-for-nothing': { actions: 'wakeForNothing' } } } };
  const wakeForNothing = enqueueActions(({ context, event, enqueue }) => {
    const { thread } = event as unknown as { readonly thread: string };
    const { forNothing = [], rq, ...c } = context as Woken;
    const { [thread]: cpu, ...asleep } = c.asleep;
    const threads = [...rq[cpu!]!, thread].sort();
    enqueue.assign({ asleep, rq: { ...rq, [cpu!]: threads }, forNothing: [...forNothing, thread].sort() } as never);
    enqueue.emit(outgoing(cpu!, { type: 'rq.waiting', threads }) as never);
  });
  const { implementations } = machine;
  return createMachine({ ...machine.config, states } as never).provide({
    ...implementations,
    actions: { ...implementations.actions, wakeForNothing },
  } as never) as AnyStateMachine;
}

/** What a search says: what breaks, and the states of all actors but those that only schedule. */
function searched(scenario: ResolvedScenario) {
  const explorer = new Explorer({ scenario, budget: { states: 1_500_000 } });
  const { findings, limit, states } = finish(explorer.run());
  const { engine } = explorer.world;
  const reached = engine.store.kinds.flatMap(({ name, index, locals }) =>
    engine.reachedLocals(index).flatMap((local) => {
      const { value, context } = locals.values[local]!;
      if (name === 'pcpu' || name === 'hostScheduler') return [];
      const isTask = name === 'hostThread' || name === 'kworker';
      return [
        `${name} ${JSON.stringify(isTask ? [(value as { readonly code: unknown }).code, (context as { readonly pc: number }).pc] : [value, context])}`,
      ];
    }),
  );
  return { broken: findings.map(({ property }) => property).sort(), limit, states, reached: new Set(reached) };
}

function searchedWithWakes(scenario: ResolvedScenario) {
  const undo = register({
    name: 'wakes',
    arches: ['amd', 'intel', 'arm64'],
    catalogue: { 'wake-for-nothing': 'offer' },
    patch: () => ({ machines: { hostScheduler: wakesForNothing } }),
  });
  try {
    return searched(scenario);
  } finally {
    undo();
  }
}

const cases = Object.entries(WORLDS).flatMap(([file, worlds]) => worlds.map((scenario) => ({ file, name: scenario.name, scenario })));

describe('a wait', () => {
  it('stands in each file in which a thread goes to sleep', () => {
    const sleeping = projectFiles().filter(
      (file) =>
        file.startsWith('actors/') &&
        /sleeps: true[ ,}]|\b(?:goToSleep|sleepUntil|untilGranted)\(/.test(textOf(file).replaceAll('\n', ' ')),
    );
    const general = (file: string): boolean => file.startsWith('actors/path/') || file === 'actors/host/sleeping.ts';
    expect(Object.keys(WORLDS).sort()).toEqual(sleeping.filter((file) => !general(file)).sort());
  });

  it.each(cases)('of $file is not ended by a wake-up for nothing: $name', ({ scenario }) => {
    const plain = searched(scenario);
    const woken = searchedWithWakes(scenario);
    expect([plain.limit, woken.limit]).toEqual([null, null]);
    expect(woken.states).toBeGreaterThan(plain.states);
    expect(woken.broken).toEqual(plain.broken);
    expect([...woken.reached].filter((state) => !plain.reached.has(state))).toEqual([]);
  });
});

describe('a vCPU in its HLT', () => {
  // The second vCPU splits a lock, so that time passes, and the timer of each VMM thread fires.
  const scenario = text(
    'halt-signalled',
    'host: { arch: intel, cpus: 2, preemption: full, features: [split-lock-detect], options: { vmm.exitTimer: 1ms } }',
    'vms: { vm0: { type: vmx, vcpus: [[{ hlt: {} }, { rdmsr-test-ctrl: {} }], [{ split-lock: { cpl: 3 } }, { split-lock: { cpl: 3 } }]] } }',
    'processes: { a: { threads: [[{ KVM_RUN: { vcpu: vm0/0 } }], [{ KVM_RUN: { vcpu: vm0/1 } }]] } }',
  );
  const engine = engineOf(scenario, 'memo');
  const runs = seeds(20).map((seed) => play(scenario, seed, engine, ({ sequencer }) => sequencer.step >= 1200));
  const pathsOf = (run: (typeof runs)[number]) => microSteps(run, 'thread:a/vcpu0');

  it('is still halted when a signal has ended KVM_RUN and user space calls it again', () => {
    expect(runs.some((run) => pathsOf(run).some((step) => step.includes('vcpu_block.kvm_vcpu_halt.kvm_vcpu_block.')))).toBe(true);
    for (const run of runs) expect(run.context<{ readonly pc: number }>('vcpu:vm0/0').pc).toBeLessThan(2);
  });
});
