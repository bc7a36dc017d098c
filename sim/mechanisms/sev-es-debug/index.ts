/**
 * SEV-ES on AMD hosts: guests with encrypted registers, and what the world switch does to the
 * host's and the guest's debug state.
 *
 * @see docs/mechanisms/sev-es-debug.md; domain debug-and-split-lock A
 */

import { kdbOf } from '../../../actors/guest-debug/vcpu-debug.ts';
import { hostPatch } from '../../../actors/host/host-env.ts';
import { hasStep, replaceStep } from '../../../actors/path/patch.ts';
import { type HostSaveAreaInput, hostSaveAreaMachine, hsaveOf } from '../../../actors/sev-es-debug/host-save-area.ts';
import { launchedDebugMachine } from '../../../actors/sev-es-debug/launched-debug.ts';
import { protectedDebugMachine } from '../../../actors/sev-es-debug/protected-debug.ts';
import { sevEsKvm } from '../../../actors/sev-es-debug/sev-es-kvm.ts';
import { VC_DB_GUEST } from '../../../actors/sev-es-debug/vc-db.ts';
import { vcDr7Guest } from '../../../actors/sev-es-debug/vc-dr7.ts';
import { HOST_SAVE_AREA_EVENTS } from '../../../events/sev-es-debug/host-save-area.ts';
import { SEV_ES_OPTIONS } from '../../../events/sev-es-debug/sev-es-debug.ts';
import type { Mechanism } from '../../host/mechanism.ts';
import type { ResolvedScenario } from '../../scenario/types.ts';
import type { ActorSpec } from '../../store.ts';
import { designOf } from '../guest-debug/design.ts';
import type { EncryptedGuests } from '../guest-debug/encrypted.ts';
import { armsHost, debugs } from '../guest-debug/index.ts';
import { launchOf } from '../sev-snp/launch-sections.ts';
import { checks, PRESETS } from './checks.ts';
import {
  FEATURES,
  featuresOf,
  initFeatures,
  isFromStart,
  launchedDebug,
  protectedDebug,
  runsSevEs,
  sevEsDesign,
  sevFeaturesOf,
  switchDesign,
} from './design.ts';
import { joined } from './joined.ts';
import { sevLaunch } from './launch.ts';
import { isInRun } from './launch-sections.ts';
import { sevEsMutants } from './mutants.ts';
import { sevEsProperties } from './properties.ts';
import { isEncrypted, SEV_ES_VM, VM_SETTINGS } from './sections.ts';

/** A host save area for each CPU. */
const actors = (scenario: ResolvedScenario): readonly ActorSpec[] =>
  runsSevEs(scenario)
    ? [
        ...Array.from({ length: scenario.host.cpus }, (_, cpu) => ({
          id: hsaveOf(`pcpu:${cpu}`),
          kind: 'hostSaveArea',
          input: { debugs: debugs(scenario) ? `pcpu:${cpu}` : null, breakpoints: armsHost(scenario) } satisfies HostSaveAreaInput,
        })),
        ...(debugs(scenario) ? encryptedVcpus(scenario) : []),
      ]
    : [];

/** KVM's debug half of each vCPU with encrypted registers. */
const encryptedVcpus = (scenario: ResolvedScenario): readonly ActorSpec[] =>
  scenario.vms
    .filter((vm) => isEncrypted(vm.type))
    .flatMap((vm) =>
      vm.vcpus.map((_, vcpu) => ({
        id: kdbOf(`vcpu:${vm.id}/${vcpu}`),
        ...(isInRun(vm) ? { kind: 'launchedDebug', input: null } : { kind: 'protectedDebug', input: protectedDebug(scenario, vm) }),
      })),
    );

/** Every guest has DebugSwap, as far as KVM knows, and KVM leaves the host's registers to it. */
const trustsHardware = (scenario: ResolvedScenario): boolean =>
  runsSevEs(scenario) && scenario.vms.every((vm) => isFromStart(vm) && protectedDebug(scenario, vm).trustsHardware);

/** R14 leaves what the hardware is to bring back. */
const leftToHardware = hostPatch((vcpuEnterGuest) =>
  hasStep(vcpuEnterGuest, 'hw_breakpoint_restore') ? replaceStep(vcpuEnterGuest, 'hw_breakpoint_restore', () => []) : vcpuEnterGuest,
);

type Presets = NonNullable<Mechanism['presets']>;

/** The presets of both parts. */
const presetsOf = (switched: Presets, launched: Presets): Presets => {
  const kernels = [...new Set([...Object.keys(switched), ...Object.keys(launched)])] as (keyof Presets)[];
  return Object.fromEntries(kernels.map((kernel) => [kernel, { ...switched[kernel], ...launched[kernel] }]));
};

export const sevEsDebug: Mechanism = {
  name: 'sev-es-debug',
  arches: ['amd'],
  options: { ...SEV_ES_OPTIONS, ...sevLaunch.options },
  presets: presetsOf(PRESETS, sevLaunch.presets),
  features: FEATURES,
  vmTypes: [SEV_ES_VM],
  vmSettings: { ...VM_SETTINGS, ...sevLaunch.vmSettings },
  hostOperations: sevLaunch.hostOperations,
  properties: [...sevEsProperties, ...sevLaunch.properties],
  catalogue: { ...HOST_SAVE_AREA_EVENTS, ...sevLaunch.catalogue },
  checks,
  structureChecks: sevLaunch.structureChecks,
  creates: sevLaunch.creates,
  host: sevLaunch.host,
  kvm: (scenario) => joined(runsSevEs(scenario) ? sevEsKvm(sevEsDesign(scenario)) : {}, sevLaunch.kvm(scenario)),
  actors: (scenario) => [...actors(scenario), ...sevLaunch.actors(scenario)],
  perCpu: ['hostSaveArea'],
  machines: (scenario): ReturnType<NonNullable<Mechanism['machines']>> =>
    runsSevEs(scenario)
      ? {
          hostSaveArea: hostSaveAreaMachine(switchDesign(scenario)),
          ...(debugs(scenario) && {
            protectedDebug: protectedDebugMachine(),
            launchedDebug: launchedDebugMachine(designOf(scenario), launchedDebug(scenario)),
          }),
          ...sevLaunch.machines(scenario),
        }
      : sevLaunch.machines(scenario),
  guest: ({ host: { options } }) => ({
    ...vcDr7Guest(options['guest.vcDr7']),
    ...(options['sev.interceptedDb'] === 'vc' && VC_DB_GUEST),
  }),
  patch: (scenario) => (trustsHardware(scenario) ? { paths: { vcpu_enter_guest: [leftToHardware] } } : {}),
  vm: (scenario, vm) => {
    if (isInRun(vm)) return { facts: { launchedAs: vm.type, ...(launchOf(vm) && { sevFeatures: initFeatures(scenario, vm) }) } };
    if (!runsSevEs(scenario) || !isFromStart(vm)) return {};
    const { believed, held } = featuresOf(scenario, vm);
    const sevEs = { vmsaFeatures: believed, guestFeatures: held, isSnp: vm.type !== SEV_ES_VM };
    return { facts: { sevEs, ...(launchOf(vm) && { sevFeatures: sevFeaturesOf(believed) }) } };
  },
  mutants: { ...sevEsMutants, ...sevLaunch.mutants },
};

/** What guest debugging has to know of them. */
export const SEV_ES_GUESTS: EncryptedGuests = {
  has: isEncrypted,
  launchedInRun: isInRun,
  // WRMSR is an NAE event of theirs, which no fastpath takes.
  lacks: ['ac-loop', 'wrmsr-fastpath'],
};
