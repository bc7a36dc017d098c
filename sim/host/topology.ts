/**
 * From a resolved scenario to the actors of a run: who exists, in which slot, with which machine
 * and input.
 */
import { storeBufferOf } from '../../actors/host/store-buffer.ts';
import { hvLockId } from '../../actors/kvm/clock.ts';
import type { GuestImage } from '../../actors/kvm/guest-program.ts';
import type { VmFacts } from '../../actors/kvm/kvm-env.ts';
import type { ActorId } from '../../events/event.ts';
import { CATALOGUE } from '../../events/index.ts';
import type { GuestOp, HostOp, Program } from '../../events/program.ts';
import { models } from '../models/index.ts';
import { withMonitors } from '../monitors/lineup.ts';
import type { ResolvedScenario, ResolvedVm } from '../scenario/types.ts';
import type { ActorSpec, Topology } from '../store.ts';
import { interchangeableIn } from './interchangeable.ts';
import { machinesOf } from './machines.ts';
import { merged } from './merged.ts';
import { modelTopology } from './model-topology.ts';
import { Numbering } from './numbering.ts';
import { checkedTopology } from './own-topology.ts';
import { mechanismsOf } from './registry.ts';
import { runnerOf } from './runner.ts';
import { processesOf, queuedOn, type Thread, threadsOf } from './threads.ts';
import { actorsOf, type HostSide, hostSideOf, partsIn, perCpuOf, setsOf } from './used-parts.ts';

const cpuId = (index: number): ActorId => `pcpu:${index}`;
const vcpuId = (vm: string, index: number): ActorId => `vcpu:${vm}/${index}`;

/** Every program of a scenario, with the actor that walks it. */
export const programsIn = (
  scenario: ResolvedScenario,
): readonly { readonly actor: ActorId; readonly program: Program<HostOp | GuestOp> }[] => [
  ...threadsOf(scenario).map(({ id, program }) => ({ actor: id, program })),
  ...scenario.vms.flatMap((vm) => vm.vcpus.map((program, index) => ({ actor: vcpuId(vm.id, index), program }))),
];

/** What paths know of each VM. */
type Facts = Readonly<Record<string, VmFacts>>;

/** What paths know of a VM. A mechanism gives the facts that it declares. */
function factsOf(scenario: ResolvedScenario, vm: ResolvedVm): VmFacts {
  const own = {
    id: `vm:${vm.id}`,
    vcpus: vm.vcpus.map((_, index) => vcpuId(vm.id, index)),
    threads: vm.vcpus.map((_, index) => runnerOf(scenario, vm.id, index)),
  };
  const here = mechanismsOf(scenario.host.arch);
  return merged('the fact of a VM', own, here, (mechanism) => mechanism.vm?.(scenario, vm).facts) as unknown as VmFacts;
}

const isAbsent = (scenario: ResolvedScenario, vm: ResolvedVm): boolean =>
  mechanismsOf(scenario.host.arch).some((mechanism) => mechanism.vm?.(scenario, vm).absent === true);

/** Fields of what every host has, whose lists are sets. */
const SETS: readonly string[] = [
  'hostScheduler.cpus',
  'hostScheduler.rq',
  'hostScheduler.stopped',
  'hostScheduler.wokenEarly',
  'rq.waiting.threads',
  'pcpu.peers',
  'pcpu.waiting',
  'pcpu.calls',
  'hostProcess.threads',
  'hostProcess.unborn',
  'mutex.waiters',
  'vm.mmuReaders',
];

/**
 * The actors of a scenario, and machines whose paths follow its options. Slots are in this order:
 * pCPUs, scheduler, threads, processes, vCPUs, VMs, those of mechanisms and of the primitives that
 * these use, store buffers, mutexes of vCPUs and of VMs, loop counters, monitors of properties.
 */
export function topologyOf(scenario: ResolvedScenario): Topology {
  return withMonitors(bareTopologyOf(scenario), scenario);
}

/** The same without the monitors of its properties. */
function bareTopologyOf(scenario: ResolvedScenario): Topology {
  const own = models().find(({ name }) => name === scenario.model);
  if (own) return modelTopology(own, scenario);
  const programs = new Numbering<Program<HostOp>>();
  const images = new Numbering<GuestImage>();
  const threads = threadsOf(scenario);
  const facts: Facts = Object.fromEntries(scenario.vms.map((vm) => [vm.id, factsOf(scenario, vm)]));
  const flags = flagsOf(scenario);
  const used = partsIn(scenario);
  const actors: ActorSpec[] = [
    ...cpusOf(scenario, threads, hostSideOf(used, scenario)),
    ...threads.map((thread) => ({
      id: thread.id,
      kind: 'hostThread',
      input: {
        process: thread.process,
        program: programs.of(thread.program),
        loops: thread.program.loops.length ? `loop:${thread.id}` : null,
        ...(flags.length > 0 && { tif: flags }),
        ...(thread.unborn && { unborn: true }),
      },
    })),
    ...processesOf(scenario),
    ...scenario.vms.flatMap((vm) => vcpusOf(scenario, { vm, facts: facts[vm.id]!, images })),
    ...scenario.vms.map((vm) => ({ id: `vm:${vm.id}`, kind: 'vm', input: isAbsent(scenario, vm) ? { absent: true } : null })),
    ...mechanismsOf(scenario.host.arch).flatMap((mechanism) => mechanism.actors?.(scenario) ?? []),
    ...actorsOf(used, scenario),
    ...storeBuffersOf(scenario),
    ...scenario.vms.flatMap((vm) => vm.vcpus.map((_, i) => ({ id: `mutex:${vcpuId(vm.id, i)}`, kind: 'mutex', input: null }))),
    ...(scenario.host.tsc === 'unstable' ? scenario.vms.map(({ id }) => ({ id: hvLockId(id), kind: 'mutex', input: null })) : []),
    ...loopsOf(scenario, threads),
  ];
  const { machines, origins } = machinesOf(scenario, used, { programs: programs.values, images: images.values, vms: facts });
  const mechanisms = mechanismsOf(scenario.host.arch);
  const perCpu = ['storeBuffer', ...mechanisms.flatMap((mechanism) => mechanism.perCpu ?? []), ...perCpuOf(used)];
  const sets = [...SETS, ...mechanisms.flatMap((mechanism) => mechanism.sets ?? []), ...setsOf(used)];
  const interchangeable = interchangeableIn(actors, perCpu);
  return checkedTopology(
    { actors, machines, origins, catalogue: catalogueOf(scenario), sets, interchangeable },
    'what the mechanisms of the host bring',
  );
}

/** Flags that every task has from the start. */
const flagsOf = (scenario: ResolvedScenario): readonly string[] =>
  mechanismsOf(scenario.host.arch)
    .flatMap((mechanism) => mechanism.taskFlags?.(scenario) ?? [])
    .sort();

const catalogueOf = ({ host }: ResolvedScenario): Topology['catalogue'] =>
  Object.assign({}, CATALOGUE, ...mechanismsOf(host.arch).map(({ catalogue }) => catalogue ?? {}));

function cpusOf(scenario: ResolvedScenario, threads: readonly Thread[], parts: HostSide): ActorSpec[] {
  const { host, allow } = scenario;
  // At most one: the registry refuses a second mechanism that gives a core.
  const coreOf = mechanismsOf(host.arch).find(({ core }) => core !== undefined)?.core;
  const flags = flagsOf(scenario);
  const cpus = Array.from({ length: host.cpus }, (_, index) => cpuId(index));
  const queued = queuedOn(cpus, threads);
  const own: Readonly<Record<ActorId, ActorId>> = Object.assign(
    {},
    ...mechanismsOf(host.arch).map((mechanism) => mechanism.kernelThreads?.(scenario) ?? {}),
  );
  const asleep = { ...own, ...parts.asleep };
  const bound = {
    ...own,
    ...parts.bound,
    ...Object.fromEntries(threads.flatMap(({ id, cpu }) => (cpu === undefined ? [] : [[id, cpus[cpu]!]]))),
  };
  const some = (map: object): boolean => Object.keys(map).length > 0;
  return [
    ...cpus.map((id, index) => ({
      id,
      kind: 'pcpu',
      input: {
        peers: cpus.filter((other) => other !== id),
        preemption: host.preemption,
        ticks: host.ticks,
        interrupts: allow.includes('interrupt'),
        spuriousExits: allow.includes('spurious-exit'),
        waiting: queued[id],
        ...(coreOf && { core: coreOf(scenario, index) }),
        ...(flags.length > 0 && { idleTif: flags }),
        ...(isTso(scenario) && { storeBuffer: storeBufferOf(id) }),
        ...(some(parts.handlersOf(index)) && { handlers: parts.handlersOf(index) }),
        ...(parts.softirqs.length > 0 && { softirqs: parts.softirqs }),
      },
    })),
    { id: 'sched', kind: 'hostScheduler', input: { cpus, queued, ...(some(asleep) && { asleep }), ...(some(bound) && { bound }) } },
  ];
}

const isTso = ({ host }: ResolvedScenario): boolean => host.options.memory === 'tso';
const storeBuffersOf = (scenario: ResolvedScenario): ActorSpec[] =>
  isTso(scenario)
    ? Array.from({ length: scenario.host.cpus }, (_, i) => ({ id: storeBufferOf(cpuId(i)), kind: 'storeBuffer', input: null }))
    : [];

/** A VM, what is known of it, and what all its vCPUs run. */
interface Guests {
  readonly vm: ResolvedVm;
  readonly facts: VmFacts;
  readonly images: Numbering<GuestImage>;
}

function vcpusOf(scenario: ResolvedScenario, { vm, facts, images }: Guests): ActorSpec[] {
  return vm.vcpus.map((program, index) => {
    const image = images.of({ vm: facts, program }, { vm: vm.id, program });
    const loops = program.loops.length ? `loop:${vcpuId(vm.id, index)}` : null;
    const own = { thread: facts.threads[index] ?? null, image, loops, interrupts: scenario.allow.includes('interrupt') };
    const here = mechanismsOf(scenario.host.arch);
    const input = merged('the field of a vCPU', own, here, (mechanism) => mechanism.vcpu?.(scenario, vm, index));
    return {
      id: vcpuId(vm.id, index),
      kind: 'vcpu',
      input,
    };
  });
}

const loopsOf = (scenario: ResolvedScenario, threads: readonly Thread[]): ActorSpec[] => [
  ...threads
    .filter(({ program }) => program.loops.length > 0)
    .map(({ id, program }) => ({ id: `loop:${id}`, kind: 'loop', input: { times: program.loops } })),
  ...scenario.vms.flatMap((vm) =>
    vm.vcpus.flatMap((program, i) =>
      program.loops.length ? [{ id: `loop:${vcpuId(vm.id, i)}`, kind: 'loop', input: { times: program.loops } }] : [],
    ),
  ),
];
