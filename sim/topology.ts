/** From a resolved scenario to the actors of a run: who exists, in which slot, with which machine and input. */
import type { AnyStateMachine } from 'xstate';
import { hostProcessMachine } from '../actors/host-process.ts';
import { hostSchedulerMachine } from '../actors/host-scheduler.ts';
import { hostThreadMachine } from '../actors/host-thread.ts';
import { loopMachine, mutexMachine } from '../actors/kernel-objects.ts';
import type { HostEnv, VmFacts } from '../actors/paths/env.ts';
import type { GuestEnv, GuestImage } from '../actors/paths/guest.ts';
import { SEV_CMD_MUTEX } from '../actors/paths/sev-command.ts';
import { pcpuMachine } from '../actors/pcpu.ts';
import { pspMachine } from '../actors/psp.ts';
import { HYPERVISOR_PAGE } from '../actors/rmp-check.ts';
import { rmpRegionMachine } from '../actors/rmp-region.ts';
import { vcpuMachine } from '../actors/vcpu.ts';
import { vmMachine } from '../actors/vm.ts';
import type { ActorId } from '../events/event.ts';
import { CATALOGUE } from '../events/index.ts';
import type { HostOp, Program } from '../events/program.ts';
import { type RmpEntry, regionOf } from '../events/rmp.ts';
import { canonical } from './canonical.ts';
import { MechanismError } from './mechanism.ts';
import { models } from './models/index.ts';
import type { ModelModule } from './models.ts';
import { patchMachines, pathPatchesOf, refuseUnknownPaths } from './patches.ts';
import { mechanisms, mechanismsOf, originOf, patchesOf } from './registry.ts';
import type { PageSetup, ResolvedScenario, ResolvedVm } from './scenario/types.ts';
import type { ActorSpec, Topology } from './store.ts';

const cpuId = (index: number): ActorId => `pcpu:${index}`;
const vcpuId = (vm: string, index: number): ActorId => `vcpu:${vm}/${index}`;
const threadId = (hostProcess: string, thread: string): ActorId => `thread:${hostProcess}/${thread}`;

interface Thread {
  readonly id: ActorId;
  readonly process: ActorId;
  readonly program: Program<HostOp>;
}

const threadsOf = (scenario: ResolvedScenario): readonly Thread[] =>
  scenario.processes.flatMap(({ id, threads }) =>
    threads.map((thread) => ({ id: threadId(id, thread.id), process: `process:${id}`, program: thread.program })),
  );

const factsOf = (vm: ResolvedVm): VmFacts => {
  const vmsas = vm.pages.filter((page) => page.state === 'vmsa').map((page) => page.pfn);
  return {
    id: `vm:${vm.id}`,
    asid: vm.asid,
    frames: framesOf(vm),
    vcpus: vm.vcpus.map((_, index) => vcpuId(vm.id, index)),
    vmsas: vm.vcpus.map((_, index) => vmsas[index] ?? null),
  };
};
const framesOf = (vm: ResolvedVm) => Object.fromEntries(vm.pages.map((page) => [page.gfn, page.pfn]));

/** Numbers values by content, so that equal ones share a number. */
class Numbering<V> {
  readonly values: V[] = [];
  readonly #ids = new Map<string, number>();
  of(value: V): number {
    const text = canonical(value);
    const id = this.#ids.get(text) ?? this.values.push(value) - 1;
    this.#ids.set(text, id);
    return id;
  }
}

/**
 * The actors of a scenario, and machines whose paths follow its options. Slots are in this order: pCPUs, scheduler, threads,
 * processes, vCPUs, VMs, RMP regions, PSP, mutexes, loop counters.
 */
export function topologyOf(scenario: ResolvedScenario): Topology {
  const own = models().find(({ name }) => name === scenario.model);
  if (own) return modelTopology(own, scenario);
  const programs = new Numbering<Program<HostOp>>();
  const images = new Numbering<GuestImage>();
  const threads = threadsOf(scenario);
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
      },
    })),
    ...processesOf(scenario),
    ...scenario.vms.flatMap((vm) => vcpusOf(scenario, vm, images)),
    ...scenario.vms.map((vm) => ({ id: `vm:${vm.id}`, kind: 'vm', input: { believes: validatedIn(vm) } })),
    ...regionsOf(scenario),
    ...pspOf(scenario),
    ...mechanismsOf(scenario.host.arch).flatMap((mechanism) => mechanism.actors?.(scenario) ?? []),
    ...scenario.vms.flatMap((vm) => vm.vcpus.map((_, i) => ({ id: `mutex:${vcpuId(vm.id, i)}`, kind: 'mutex', input: null }))),
    ...loopsOf(scenario, threads),
  ];
  const { machines, origins } = machinesOf(scenario, { programs: programs.values, images: images.values });
  return { actors, machines, origins, catalogue: catalogueOf(scenario) };
}

/** A model that is not the host's, with the mechanism that brings it. */
function modelTopology(model: ModelModule, scenario: ResolvedScenario): Topology {
  const owner = mechanisms().find((mechanism) => mechanism.models?.includes(model));
  const origin = owner ? originOf(owner) : null;
  const topology = model.topology(scenario);
  return origin === null
    ? topology
    : { ...topology, origins: Object.fromEntries(Object.keys(topology.machines).map((kind) => [kind, origin])) };
}

/** Flags that every task has from the start. */
const flagsOf = (scenario: ResolvedScenario): readonly string[] =>
  mechanismsOf(scenario.host.arch)
    .flatMap((mechanism) => mechanism.taskFlags?.(scenario) ?? [])
    .sort();

const catalogueOf = ({ host }: ResolvedScenario): Topology['catalogue'] =>
  Object.assign({}, CATALOGUE, ...mechanismsOf(host.arch).map(({ catalogue }) => catalogue ?? {}));

/** The machine of each kind, with the paths that the scenario's options choose. */
function machinesOf(
  scenario: ResolvedScenario,
  parts: { programs: readonly Program<HostOp>[]; images: readonly GuestImage[] },
): { machines: Record<string, AnyStateMachine>; origins: Record<string, string> } {
  const vms = Object.fromEntries(scenario.vms.map((vm) => [vm.id, factsOf(vm)]));
  const here = mechanismsOf(scenario.host.arch);
  const changes = patchesOf(scenario);
  const patches = pathPatchesOf(changes);
  const env: HostEnv = {
    options: scenario.host.options,
    vms,
    settings: Object.fromEntries(scenario.vms.map((vm) => [vm.id, vm.settings ?? {}])),
    programs: parts.programs,
    parts: here.flatMap((mechanism) => mechanism.host?.(scenario) ?? []),
    patches,
  };
  const guest: GuestEnv = { images: parts.images, parts: here.flatMap((mechanism) => mechanism.guest?.(scenario) ?? []), patches };
  refuseUnknownPaths(changes, env, guest);
  const machines: Record<string, AnyStateMachine> = {
    pcpu: pcpuMachine,
    hostScheduler: hostSchedulerMachine,
    hostThread: hostThreadMachine(env),
    hostProcess: hostProcessMachine,
    vcpu: vcpuMachine(guest),
    vm: vmMachine,
    rmpRegion: rmpRegionMachine,
    psp: pspMachine,
    mutex: mutexMachine,
    loop: loopMachine,
  };
  const origins: Record<string, string> = {};
  for (const mechanism of here) {
    const origin = originOf(mechanism);
    for (const [kind, machine] of Object.entries(mechanism.machines?.(scenario) ?? {})) {
      if (Object.hasOwn(machines, kind))
        throw new MechanismError(`${origin ?? mechanism.name}: machines(): ${kind} is there already; patch().machines changes a machine`);
      machines[kind] = machine;
      if (origin !== null) origins[kind] = origin;
    }
  }
  patchMachines(machines, changes, scenario);
  return { machines, origins };
}

/** Threads start queued, one CPU after the other. */
function cpusOf(scenario: ResolvedScenario, threads: readonly Thread[]): ActorSpec[] {
  const { host, allow } = scenario;
  const coreOf = mechanismsOf(host.arch).find(({ core }) => core !== undefined)?.core;
  const flags = flagsOf(scenario);
  const bound: Readonly<Record<ActorId, ActorId>> = Object.assign(
    {},
    ...mechanismsOf(host.arch).map((mechanism) => mechanism.kernelThreads?.(scenario) ?? {}),
  );
  const cpus = Array.from({ length: host.cpus }, (_, index) => cpuId(index));
  const queued = Object.fromEntries(
    cpus.map((cpu, index) => [
      cpu,
      threads
        .filter((_, i) => i % host.cpus === index)
        .map((thread) => thread.id)
        .sort(),
    ]),
  );
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
    { id: 'sched', kind: 'hostScheduler', input: { cpus, queued, ...(Object.keys(bound).length > 0 && { bound }) } },
  ];
}

const processesOf = (scenario: ResolvedScenario): ActorSpec[] =>
  scenario.processes.map(({ id, threads }) => {
    const vms = threads.flatMap(({ program }) => program.ops.flatMap((op) => (op.op === 'KVM_RUN' ? [op.vm] : [])));
    const ids = threads.map((thread) => threadId(id, thread.id)).sort();
    return { id: `process:${id}`, kind: 'hostProcess', input: { threads: ids, vms: [...new Set(vms)] } };
  });

/** GFNs that a guest has validated when a run starts. */
const validatedIn = (vm: ResolvedVm): number[] =>
  vm.pages
    .filter((page) => page.state === 'guest-valid')
    .map((page) => page.gfn)
    .sort((a, b) => a - b);

function vcpusOf(scenario: ResolvedScenario, vm: ResolvedVm, images: Numbering<GuestImage>): ActorSpec[] {
  return vm.vcpus.map((program, index) => {
    const runs = (thread: Thread) => thread.program.ops.some((op) => op.op === 'KVM_RUN' && op.vm === vm.id && op.vcpu === index);
    const thread = threadsOf(scenario).find(runs);
    if (!thread) throw new Error(`no thread runs ${vcpuId(vm.id, index)}`);
    const image = images.of({ vm: `vm:${vm.id}`, program, asid: vm.asid, pages: framesOf(vm) });
    const loops = program.loops.length ? `loop:${vcpuId(vm.id, index)}` : null;
    const added = Object.assign(
      {},
      ...mechanismsOf(scenario.host.arch).map((mechanism) => mechanism.vcpu?.(scenario, vm, index) ?? {}),
    ) as object;
    return {
      id: vcpuId(vm.id, index),
      kind: 'vcpu',
      input: { thread: thread.id, image, loops, interrupts: scenario.allow.includes('interrupt'), ...added },
    };
  });
}

const pageEntry = (vm: ResolvedVm, { gfn, state }: PageSetup): RmpEntry =>
  state === 'shared'
    ? HYPERVISOR_PAGE
    : {
        assigned: true,
        pageSize: '4K',
        immutable: false,
        asid: vm.asid,
        gfn,
        validated: state !== 'guest-invalid',
        vmsa: state === 'vmsa',
      };
const FIRMWARE_ENTRIES = {
  hypervisor: HYPERVISOR_PAGE,
  firmware: { ...HYPERVISOR_PAGE, assigned: true, immutable: true },
  reclaim: { ...HYPERVISOR_PAGE, assigned: true },
} as const;

/** One region for every 2 MiB that the scenario touches; only the frames it names have entries. */
function regionsOf(scenario: ResolvedScenario): ActorSpec[] {
  const entries: [number, RmpEntry][] = [
    ...scenario.vms.flatMap((vm) => vm.pages.map((page): [number, RmpEntry] => [page.pfn, pageEntry(vm, page)])),
    ...scenario.firmware.pages.map(({ pfn, state }): [number, RmpEntry] => [pfn, FIRMWARE_ENTRIES[state]]),
  ];
  const regions = [...new Set(entries.map(([pfn]) => regionOf(pfn)))];
  return regions.map((id) => ({
    id,
    kind: 'rmpRegion',
    input: {
      entries: Object.fromEntries(entries.filter(([pfn]) => regionOf(pfn) === id)),
      contention: scenario.host.options['rmp.contention'],
    },
  }));
}

const usesPsp = ({ processes, firmware }: ResolvedScenario) =>
  firmware.pages.length > 0 ||
  processes.some(({ threads }) => threads.some(({ program }) => program.ops.some((op) => op.op === 'sev-command')));
const pspOf = (scenario: ResolvedScenario): ActorSpec[] =>
  usesPsp(scenario)
    ? [
        { id: 'psp', kind: 'psp', input: { state: scenario.firmware.state, errors: scenario.allow.includes('psp-error') } },
        { id: SEV_CMD_MUTEX, kind: 'mutex', input: null },
      ]
    : [];

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
