/**
 * arm64 guest debugging under the OS Lock: the run loop of KVM on arm64, debug registers,
 * KVM_SET_GUEST_DEBUG, migration, and the designs that patch v2, mainline and its successors chose.
 *
 * @see docs/mechanisms/os-lock.md; domain debug-and-split-lock D
 */
import { z } from 'zod';
import { armCpuDebugMachine } from '../../../actors/os-lock/arm-cpu-debug.ts';
import { armGuestParts } from '../../../actors/os-lock/arm-guest.ts';
import type { GuestDebugView } from '../../../actors/os-lock/arm-guest-account.ts';
import { armHostOperations } from '../../../actors/os-lock/arm-ioctls.ts';
import { armDebugKvm } from '../../../actors/os-lock/arm-kvm.ts';
import { armOf, armVcpuMachine, debugOf, destinationOf } from '../../../actors/os-lock/arm-vcpu.ts';
import { type ArmVcpuInput, GUEST_PSTATE } from '../../../actors/os-lock/arm-vcpu-state.ts';
import type { ActorId } from '../../../events/event.ts';
import { ARM_DEBUG_EVENTS } from '../../../events/os-lock/arm-debug.ts';
import type { Mechanism } from '../../host/mechanism.ts';
import { type Path, type PathIssue, shown } from '../../scenario/issues.ts';
import { operationsIn, type Structure } from '../../scenario/lowered.ts';
import { X86_FIELDS } from '../../scenario/set-guest-debug.ts';
import type { ResolvedScenario, ResolvedVm, Scenario } from '../../scenario/types.ts';
import type { ActorSpec } from '../../store.ts';
import { designOf, OS_LOCK_OPTIONS } from './design.ts';
import { osLockMutants } from './mutants.ts';
import { OS_LOCK_GUEST_OPERATIONS, OS_LOCK_HOST_OPERATIONS } from './operations.ts';
import { osLockOutcomes, osLockProperties } from './properties.ts';
import { registerProperties } from './register-properties.ts';
import { pausesAgain, runsTheSource, runsWhenOff } from './runs.ts';
import { tooWide } from './widths.ts';

declare module '../../../events/options.ts' {
  interface VmSettings {
    readonly osLock: 'emulated' | 'ignored';
  }
}

/** Whether the host's kernel knows the lock; a VM may come from one that does not. */
const knowsLock = ({ host }: ResolvedScenario) => host.options['kvm.osLock'] !== 'ignored';
const inputOf = (scenario: ResolvedScenario, vm: ResolvedVm): ArmVcpuInput => ({
  knowsLock: knowsLock(scenario) && vm.settings?.osLock !== 'ignored',
});

const vcpuIds = (scenario: ResolvedScenario): readonly { readonly vm: ResolvedVm; readonly vcpu: number; readonly id: ActorId }[] =>
  scenario.vms.flatMap((vm) => vm.vcpus.map((_, vcpu) => ({ vm, vcpu, id: `vcpu:${vm.id}/${vcpu}` })));
const isMigrated = ({ processes }: ResolvedScenario, vm: string, vcpu: number) =>
  processes.some(({ threads }) =>
    threads.some(({ program }) => program.ops.some((op) => op.op === 'migrate' && op.vm === vm && op.vcpu === vcpu)),
  );

/** The debug registers of each CPU, and KVM's copy of each vCPU: two of one that migrates. */
const actors = (scenario: ResolvedScenario): readonly ActorSpec[] => [
  ...Array.from({ length: scenario.host.cpus }, (_, cpu) => ({ id: debugOf(`pcpu:${cpu}`), kind: 'armCpuDebug', input: null })),
  ...vcpuIds(scenario).flatMap(({ vm, vcpu, id }) => [
    { id: armOf(id), kind: 'armVcpu', input: inputOf(scenario, vm) },
    ...(isMigrated(scenario, vm.id, vcpu)
      ? [{ id: destinationOf(armOf(id)), kind: 'armVcpu', input: { knowsLock: knowsLock(scenario) } }]
      : []),
  ]),
];

/** Off out of reset, as mainline documents; a kernel without the emulation has no lock. */
const viewOf = (scenario: ResolvedScenario, vm: ResolvedVm, vcpu: number): GuestDebugView => ({
  kvm: armOf(`vcpu:${vm.id}/${vcpu}`),
  locked: inputOf(scenario, vm).knowsLock && scenario.host.options['kvm.oslsrReset'] === 'architecture',
  mdscr: 0,
  bcr: 0,
  wcr: 0,
  pstate: GUEST_PSTATE,
  taken: null,
  skipped: false,
  lost: null,
  stolen: null,
  read: null,
  undefined: null,
});

/** vCPUs that ioctls name and the scenario lacks, and operations that nothing would answer. */
function checks({ host, vms = {}, processes = {} }: Scenario): readonly PathIssue[] {
  if (host.arch !== 'arm64') return [];
  const known = Object.entries(vms).flatMap(([id, { vcpus }]) => vcpus.map((_, index) => `${id}/${index}`));
  const issues: PathIssue[] = [];
  const unknown = (step: object, path: Path): void => {
    const [name, args] = Object.entries(step)[0] as [string, { readonly vcpu?: unknown; readonly do?: readonly object[] }];
    if (name === 'repeat') {
      for (const [index, inner] of (args.do ?? []).entries()) unknown(inner, [...path, name, 'do', index]);
      return;
    }
    const { vcpu } = args;
    const foreign = name === 'KVM_SET_GUEST_DEBUG' ? Object.keys(args).find((key) => X86_FIELDS.includes(key)) : undefined;
    if (foreign)
      issues.push({ path: [...path, name, foreign], message: `found ${foreign}, of x86 hosts; expected hw, step, sw, enable or known` });
    if (name === 'KVM_RUN' || typeof vcpu !== 'string' || vcpu.startsWith('$') || known.includes(vcpu)) return;
    issues.push({ path: [...path, name, 'vcpu'], message: `found ${shown(vcpu)}; expected a vCPU of the scenario` });
  };
  for (const [id, { threads }] of Object.entries(processes)) {
    for (const [thread, steps] of threads.entries()) {
      for (const [index, step] of steps.entries()) unknown(step, ['processes', id, 'threads', thread, index]);
    }
  }
  return issues;
}

/** Whether two operations are of one vCPU. */
const ofOne = (one: object, other: object): boolean =>
  'vcpu' in one && 'vcpu' in other && 'vm' in one && 'vm' in other && one.vm === other.vm && one.vcpu === other.vcpu;

/** Operations of a vCPU at its destination, where no thread migrates it. */
function neverMigrated({ vms, processes }: Structure): PathIssue[] {
  const hosts = processes.flatMap(({ threads }) => threads.flatMap(({ program }) => [...operationsIn(program)]));
  const migrates = hosts.filter(({ op }) => op.op === 'migrate').map(({ op }) => op);
  const guests = vms.flatMap(({ id, vcpus }) =>
    vcpus.flatMap((program, vcpu) => [...operationsIn(program)].map(({ op, path }) => ({ op: { op: op.op, vm: id, vcpu }, path }))),
  );
  return [...hosts, ...guests]
    .filter(({ op }) => (op.op === 'incoming' || op.op === 'pause') && !migrates.some((other) => ofOne(op, other)))
    .map(({ op, path }) => {
      const { vm, vcpu } = op as { readonly vm: string; readonly vcpu: number };
      const name = `${vm}/${vcpu}`;
      return { path, message: `found ${op.op}, and no migrate of ${name}; expected a thread with migrate: { vcpu: ${name} }` };
    });
}

export const osLock: Mechanism = {
  name: 'os-lock',
  arches: ['arm64'],
  options: OS_LOCK_OPTIONS,
  presets: { '6.14': { 'kvm.armDebug': 'owner' } },
  vmTypes: ['arm64'],
  vmSettings: {
    osLock: {
      schema: z
        .enum(['emulated', 'ignored'])
        .describe('Whether the kernel that the VM begins on emulates the OS Lock; those before February 2022 do not.'),
    },
  },
  guestOperations: OS_LOCK_GUEST_OPERATIONS,
  hostOperations: OS_LOCK_HOST_OPERATIONS,
  properties: [...osLockProperties, ...registerProperties],
  outcomes: osLockOutcomes,
  catalogue: ARM_DEBUG_EVENTS,
  checks,
  structureChecks: (structure) => [
    ...neverMigrated(structure),
    ...pausesAgain(structure),
    ...runsWhenOff(structure),
    ...runsTheSource(structure),
    ...tooWide(structure),
  ],
  host: () => ({ operations: armHostOperations }),
  kvm: ({ host: { options } }) => armDebugKvm(options),
  guest: () => armGuestParts,
  actors,
  perCpu: ['armCpuDebug'],
  machines: (scenario) => ({ armCpuDebug: armCpuDebugMachine, armVcpu: armVcpuMachine(designOf(scenario)) }),
  vcpu: (scenario, vm, vcpu) => ({ arm: viewOf(scenario, vm, vcpu) }),
  mutants: osLockMutants,
};
