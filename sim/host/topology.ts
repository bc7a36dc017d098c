/**
 * From a resolved scenario to the actors of a run: who exists, in which slot, with which machine
 * and input.
 */
import type { AnyStateMachine } from 'xstate';
import type { Completion } from '../../actors/host/completion.ts';
import { hostProcessMachine } from '../../actors/host/host-process.ts';
import { hostSchedulerMachine } from '../../actors/host/host-scheduler.ts';
import { hostThreadMachine } from '../../actors/host/host-thread.ts';
import { loopMachine, mutexMachine } from '../../actors/host/kernel-objects.ts';
import { pcpuMachine } from '../../actors/host/pcpu.ts';
import { hvLockId } from '../../actors/kvm/clock.ts';
import type { GuestImage } from '../../actors/kvm/guest-program.ts';
import type { VmFacts } from '../../actors/kvm/kvm-env.ts';
import { vcpuMachine } from '../../actors/kvm/vcpu.ts';
import { vmMachine } from '../../actors/kvm/vm.ts';
import type { ActorId } from '../../events/event.ts';
import { CATALOGUE } from '../../events/index.ts';
import type { GuestOp, HostOp, Program } from '../../events/program.ts';
import { models } from '../models/index.ts';
import type { ModelModule } from '../models.ts';
import type { ResolvedScenario, ResolvedVm } from '../scenario/types.ts';
import type { ActorSpec, Topology } from '../store.ts';
import { guestEnvOf, hostEnvOf } from './host-code.ts';
import { interchangeableIn } from './interchangeable.ts';
import { MechanismError } from './mechanism.ts';
import { merged } from './merged.ts';
import { Numbering } from './numbering.ts';
import { checkedTopology } from './own-topology.ts';
import { patchMachines, pathPatchesOf, refuseUnknownPaths } from './patches.ts';
import { amongMechanisms, mechanisms, mechanismsOf, originOf, patchesOf } from './registry.ts';
import { runnerOf } from './runner.ts';
import { processesOf, queuedOn, type Thread, threadsOf } from './threads.ts';

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
 * pCPUs, scheduler, threads, processes, vCPUs, VMs, those of mechanisms, mutexes of vCPUs and
 * of VMs, loop counters.
 */
export function topologyOf(scenario: ResolvedScenario): Topology {
  const own = models().find(({ name }) => name === scenario.model);
  if (own) return modelTopology(own, scenario);
  const programs = new Numbering<Program<HostOp>>();
  const images = new Numbering<GuestImage>();
  const threads = threadsOf(scenario);
  const facts: Facts = Object.fromEntries(scenario.vms.map((vm) => [vm.id, factsOf(scenario, vm)]));
  const flags = flagsOf(scenario);
  const actors: ActorSpec[] = [
    ...cpusOf(scenario, threads),
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
    ...scenario.vms.flatMap((vm) => vm.vcpus.map((_, i) => ({ id: `mutex:${vcpuId(vm.id, i)}`, kind: 'mutex', input: null }))),
    ...(scenario.host.tsc === 'unstable' ? scenario.vms.map(({ id }) => ({ id: hvLockId(id), kind: 'mutex', input: null })) : []),
    ...loopsOf(scenario, threads),
  ];
  const { machines, origins } = machinesOf(scenario, { programs: programs.values, images: images.values, vms: facts });
  const mechanisms = mechanismsOf(scenario.host.arch);
  const perCpu = mechanisms.flatMap((mechanism) => mechanism.perCpu ?? []);
  const sets = [...SETS, ...mechanisms.flatMap((mechanism) => mechanism.sets ?? [])];
  const interchangeable = interchangeableIn(actors, perCpu);
  return checkedTopology(
    { actors, machines, origins, catalogue: catalogueOf(scenario), sets, interchangeable },
    'what the mechanisms of the host bring',
  );
}

/** A model that is not the host's, with the mechanism that brings it. */
function modelTopology(model: ModelModule, scenario: ResolvedScenario): Topology {
  const owner = mechanisms().find((mechanism) => mechanism.models?.includes(model));
  const origin = owner ? originOf(owner) : null;
  const where = `${origin ?? owner?.name ?? 'a program'}: topology() of model ${model.name}`;
  const topology = checkedTopology(madeBy(model, scenario, where), where);
  return origin === null
    ? topology
    : { ...topology, origins: Object.fromEntries(Object.keys(topology.machines).map((kind) => [kind, origin])) };
}

/** What the model answers; what it throws names it. */
function madeBy(model: ModelModule, scenario: ResolvedScenario, where: string): unknown {
  try {
    return model.topology(scenario);
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'Error') throw error;
    throw new MechanismError(`${where} throws: ${error.message}`, { cause: error });
  }
}

/** Flags that every task has from the start. */
const flagsOf = (scenario: ResolvedScenario): readonly string[] =>
  mechanismsOf(scenario.host.arch)
    .flatMap((mechanism) => mechanism.taskFlags?.(scenario) ?? [])
    .sort();

/** Devices of the host whose completion interrupts a CPU. */
const completionsOf = ({ host }: ResolvedScenario): readonly Completion[] =>
  mechanismsOf(host.arch).flatMap(({ completions = [] }) => completions);

const catalogueOf = ({ host }: ResolvedScenario): Topology['catalogue'] =>
  Object.assign({}, CATALOGUE, ...mechanismsOf(host.arch).map(({ catalogue }) => catalogue ?? {}));

/** The machine of each kind, with the paths that the scenario's options choose. */
function machinesOf(
  scenario: ResolvedScenario,
  parts: { programs: readonly Program<HostOp>[]; images: readonly GuestImage[]; vms: Facts },
): { machines: Record<string, AnyStateMachine>; origins: Record<string, string> } {
  const changes = patchesOf(scenario);
  const code = { ...parts, patches: pathPatchesOf(changes) };
  const env = hostEnvOf(scenario, code);
  const guest = guestEnvOf(scenario, code);
  refuseUnknownPaths(changes, env, guest);
  const machines: Record<string, AnyStateMachine> = {
    pcpu: pcpuMachine(completionsOf(scenario)),
    hostScheduler: hostSchedulerMachine,
    hostThread: hostThreadMachine(env),
    hostProcess: hostProcessMachine,
    vcpu: vcpuMachine(guest),
    vm: vmMachine,
  };
  const origins = addMachines(machines, scenario);
  patchMachines(machines, changes, scenario);
  return { machines, origins };
}

/**
 * Adds the machines of objects that threads ask, and those of mechanisms. Returns which of the
 * user's own mechanisms brought each kind.
 */
function addMachines(machines: Record<string, AnyStateMachine>, scenario: ResolvedScenario): Record<string, string> {
  const origins: Record<string, string> = {};
  const owners: Record<string, string> = {};
  const objects = {
    name: 'every host',
    origin: null,
    kinds: { mutex: mutexMachine, loop: loopMachine } as Record<string, AnyStateMachine>,
  };
  const sets = amongMechanisms<{ name: string; origin: string | null; kinds: Record<string, AnyStateMachine> }>(objects, (one) => ({
    name: `mechanism ${one.name}`,
    origin: originOf(one),
    kinds: one.arches.includes(scenario.host.arch) ? { ...one.machines?.(scenario) } : {},
  }));
  for (const { name, origin, kinds } of sets) {
    for (const [kind, machine] of Object.entries(kinds)) {
      if (Object.hasOwn(machines, kind))
        throw new MechanismError(
          `${origin ?? name}: machines(): ${kind} is there already, from ${owners[kind] ?? 'every host'}; patch().machines changes a machine`,
        );
      machines[kind] = machine;
      owners[kind] = name;
      if (origin !== null) origins[kind] = origin;
    }
  }
  return origins;
}

function cpusOf(scenario: ResolvedScenario, threads: readonly Thread[]): ActorSpec[] {
  const { host, allow } = scenario;
  // At most one: the registry refuses a second mechanism that gives a core.
  const coreOf = mechanismsOf(host.arch).find(({ core }) => core !== undefined)?.core;
  const flags = flagsOf(scenario);
  const cpus = Array.from({ length: host.cpus }, (_, index) => cpuId(index));
  const queued = queuedOn(cpus, threads);
  const asleep: Readonly<Record<ActorId, ActorId>> = Object.assign(
    {},
    ...mechanismsOf(host.arch).map((mechanism) => mechanism.kernelThreads?.(scenario) ?? {}),
  );
  const bound = { ...asleep, ...Object.fromEntries(threads.flatMap(({ id, cpu }) => (cpu === undefined ? [] : [[id, cpus[cpu]!]]))) };
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
      },
    })),
    { id: 'sched', kind: 'hostScheduler', input: { cpus, queued, ...(some(asleep) && { asleep }), ...(some(bound) && { bound }) } },
  ];
}

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
