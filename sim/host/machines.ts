/** The machines of a scenario, by kind: those of every host, of mechanisms and of primitives. */
import type { AnyStateMachine } from 'xstate';
import type { Completion } from '../../actors/host/completion.ts';
import { hostProcessMachine } from '../../actors/host/host-process.ts';
import { hostSchedulerMachine } from '../../actors/host/host-scheduler.ts';
import { hostThreadMachine } from '../../actors/host/host-thread.ts';
import { loopMachine, mutexMachine } from '../../actors/host/kernel-objects.ts';
import { pcpuMachine } from '../../actors/host/pcpu.ts';
import { storeBufferMachine } from '../../actors/host/store-buffer.ts';
import type { GuestImage } from '../../actors/kvm/guest-program.ts';
import type { VmFacts } from '../../actors/kvm/kvm-env.ts';
import { vcpuMachine } from '../../actors/kvm/vcpu.ts';
import { vmMachine } from '../../actors/kvm/vm.ts';
import type { HostOp, Program } from '../../events/program.ts';
import type { ResolvedScenario } from '../scenario/types.ts';
import { guestEnvOf, hostEnvOf } from './host-code.ts';
import { type Mechanism, MechanismError } from './mechanism.ts';
import { patchMachines, pathPatchesOf, refuseUnknownPaths } from './patches.ts';
import { amongMechanisms, mechanismsOf, originOf, patchesOf } from './registry.ts';
import { machinesOf as machinesOfParts, type partsIn } from './used-parts.ts';

/** Devices of the host whose completion interrupts a CPU. */
const completionsOf = ({ host }: ResolvedScenario): readonly Completion[] =>
  mechanismsOf(host.arch).flatMap(({ completions = [] }) => completions);

/** The machine of each kind, with the paths that the scenario's options choose. */
export function machinesOf(
  scenario: ResolvedScenario,
  used: ReturnType<typeof partsIn>,
  parts: { programs: readonly Program<HostOp>[]; images: readonly GuestImage[]; vms: Readonly<Record<string, VmFacts>> },
): { machines: Record<string, AnyStateMachine>; origins: Record<string, string> } {
  const changes = patchesOf(scenario);
  const code = { ...parts, patches: pathPatchesOf(changes), uses: new Set(used.map(({ part }) => part)) };
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
    storeBuffer: storeBufferMachine,
  };
  const origins = addMachines(
    machines,
    scenario,
    (mechanism) => machinesOfParts(used, mechanism, env),
    new Set(used.map(({ part }) => part.kind)),
  );
  patchMachines(machines, changes, scenario);
  return { machines, origins };
}

/**
 * Adds the machines of objects that threads ask, and those of mechanisms. Returns which of the
 * user's own mechanisms brought each kind.
 */
function addMachines(
  machines: Record<string, AnyStateMachine>,
  scenario: ResolvedScenario,
  ofParts: (mechanism: Mechanism) => Readonly<Record<string, AnyStateMachine>>,
  used: ReadonlySet<string>,
): Record<string, string> {
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
    kinds: one.arches.includes(scenario.host.arch) ? { ...one.machines?.(scenario), ...ofParts(one) } : {},
  }));
  for (const { name, origin, kinds } of sets) {
    for (const [kind, machine] of Object.entries(kinds)) {
      if (Object.hasOwn(machines, kind))
        throw new MechanismError(
          used.has(kind)
            ? `${origin ?? name}: uses: a primitive is called ${kind}, as are actors of ${owners[kind] ?? 'every host'}; expected another name`
            : `${origin ?? name}: machines(): ${kind} is there already, from ${owners[kind] ?? 'every host'}; patch().machines changes a machine`,
        );
      machines[kind] = machine;
      owners[kind] = name;
      if (origin !== null) origins[kind] = origin;
    }
  }
  return origins;
}
