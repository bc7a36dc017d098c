/**
 * The pieces of the mechanism that launch VMs in the run: options and presets, operations, the
 * actors of each such VM and of its vCPUs, what a scenario with them must have.
 */

import { kdbOf } from '../../../actors/guest-debug/vcpu-debug.ts';
import type { HostParts } from '../../../actors/host/host-env.ts';
import { esvOf, kvmLockOf, sevOf } from '../../../actors/sev-es-debug/launch-env.ts';
import { launchOperations } from '../../../actors/sev-es-debug/launch-ioctls.ts';
import { moveOperations } from '../../../actors/sev-es-debug/launch-move.ts';
import { launchKvm, registerOperations } from '../../../actors/sev-es-debug/launch-registers.ts';
import type { InterceptDesign } from '../../../actors/sev-es-debug/launch-rule.ts';
import { esVcpuMachine } from '../../../actors/sev-es-debug/launch-vcpu.ts';
import type { EsVcpuInput } from '../../../actors/sev-es-debug/launch-vcpu-state.ts';
import { sevVmMachine } from '../../../actors/sev-es-debug/launch-vm.ts';
import { vmsaOperations } from '../../../actors/sev-es-debug/launch-vmsa.ts';
import {
  IOCTL_RESULTS,
  KVM_VM_TYPES,
  type LaunchDesign,
  SEV_LAUNCH_EVENTS,
  SEV_LAUNCH_OPTIONS,
} from '../../../events/sev-es-debug/launch.ts';
import type { Mechanism } from '../../host/mechanism.ts';
import { type Path, type PathIssue, unknownName } from '../../scenario/issues.ts';
import { allOperations, type LoweredVm, type Structure } from '../../scenario/lowered.ts';
import type { ResolvedScenario } from '../../scenario/types.ts';
import type { ActorSpec } from '../../store.ts';
import { debugs } from '../guest-debug/index.ts';
import { launchPfns } from '../sev-snp/launch-facts.ts';
import { pspActors, usesPsp } from '../sev-snp/psp-topology.ts';
import { offeredFeatures, sevFeaturesOf } from './design.ts';
import { sevLaunchMutants } from './launch-mutants.ts';
import { SEV_LAUNCH_OPERATIONS } from './launch-operations.ts';
import { sevLaunchProperties } from './launch-properties.ts';
import { isInRun, LAUNCH_SETTINGS } from './launch-sections.ts';
import { isEncrypted } from './sections.ts';
import { snpLaunchMutants } from './snp-launch-mutants.ts';
import { snpLaunchProperties } from './snp-launch-properties.ts';

/** What kernels before the newest do. @see kernel arch/x86/kvm/svm/sev.c of 6.1, 6.6, 6.12 */
const OLD = {
  'sev.launchLock': 'one-by-one',
  'sev.snpFinishLock': 'none',
  'sev.creationCheck': 'unchecked',
} as const;
const OLDEST = {
  ...OLD,
  'sev.vmTypes': 'legacy',
  'sev.syncCheck': 'unchecked',
  'sev.lbrvOrder': 'at-reset',
  // svm_vcpu_create() calls fpstate_set_confidential().
  'sev.guestFpu': 'not-allocated',
} as const;

const vmsInRun = ({ vms }: ResolvedScenario) => vms.filter(isInRun);
const launches = (scenario: ResolvedScenario): boolean => vmsInRun(scenario).length > 0;

/** Whether a debugger may be there when a VM is launched. */
const hasDebugger = ({ processes }: ResolvedScenario): boolean =>
  processes.some(({ threads }) => threads.some(({ program }) => program.ops.some(({ op }) => op === 'KVM_SET_GUEST_DEBUG')));

/** sev_supported_vmsa_features. */
const offeredBits = ({ host }: ResolvedScenario): number => sevFeaturesOf(offeredFeatures(host));

const designOf = ({ host: { options } }: ResolvedScenario): LaunchDesign & InterceptDesign => options;

/** What such a VM lacks: features in the file. */
const ownIssues = ({ id, settings, settingsPath }: LoweredVm): readonly PathIssue[] =>
  (['vmsaFeatures', 'guestVmsaFeatures', ...(launchPfns({ settings }).length > 0 ? [] : (['launch'] as const))] as const)
    .filter((name) => Object.hasOwn(settings, name))
    .map((name) => ({
      path: [...settingsPath, name],
      message: `found ${name}; expected none: KVM_SEV_INIT2 of a thread says what ${id} has`,
    }));

const oneOf = (value: string | undefined, known: readonly string[], field: 'type' | 'returns', path: Path): PathIssue[] =>
  value === undefined || known.includes(value)
    ? []
    : [{ path: [...path, field], message: unknownName(value, field === 'type' ? 'a KVM type' : 'a result of an ioctl', [...known]) }];

/**
 * Operations of a launch name VMs that are launched in the run, and such VMs are of a type that has
 * a launch.
 */
function structureChecks(structure: Structure): readonly PathIssue[] {
  const inRun = new Set(structure.vms.filter(isInRun).map(({ id }) => id));
  const types = structure.vms.flatMap((vm): PathIssue[] =>
    isInRun(vm) && !isEncrypted(vm.type)
      ? [
          {
            path: [...vm.settingsPath, 'launched'],
            message: `found a VM of type ${vm.type}; expected type sev-es or snp: it has no launch`,
          },
        ]
      : [],
  );
  const early = structure.vms.flatMap((vm): PathIssue[] =>
    !isInRun(vm) && launchPfns(vm).length > 0
      ? [
          {
            path: [...vm.settingsPath, 'launch', 'context'],
            message: `found the page of a guest context; expected options: { launched: false } of ${vm.id}, or no context`,
          },
        ]
      : [],
  );
  const all = structure.vms.map(({ id }) => id);
  const names = [...allOperations(structure)].flatMap(({ op, path }): PathIssue[] => {
    if (op.op === 'KVM_CREATE_VCPU' && op.emfile && inRun.has(op.vm))
      return [{ path: [...path, 'emfile'], message: `found emfile; expected none: descriptors of ${op.vm} do not run out` }];
    if ((op.op === 'KVM_CREATE_VM' || op.op === 'KVM_CREATE_VCPU') && inRun.has(op.vm))
      return [...oneOf(op.returns, IOCTL_RESULTS, 'returns', path), ...('type' in op ? oneOf(op.type, KVM_VM_TYPES, 'type', path) : [])];
    if (!Object.hasOwn(SEV_LAUNCH_OPERATIONS, op.op)) return [];
    const other = (vm: string, field: string): PathIssue[] =>
      inRun.has(vm)
        ? []
        : [{ path: [...path, field], message: `found ${op.op} of ${vm}; expected a VM with options: { launched: false }` }];
    // A stranger in `vm` is a mistake of every operation.
    const own = 'vm' in op && all.includes(op.vm) ? other(op.vm, 'vcpu' in op ? 'vcpu' : 'vm') : [];
    if (!('from' in op)) return own;
    const source = all.includes(op.from)
      ? other(op.from, 'from')
      : [{ path: [...path, 'from'], message: unknownName(op.from, 'a VM of the scenario', all) }];
    return [...own, ...source];
  });
  return [...types, ...early, ...structure.vms.filter(isInRun).flatMap(ownIssues), ...names];
}

const hostParts = (scenario: ResolvedScenario): HostParts =>
  launches(scenario)
    ? {
        operations: (env) => [
          ...launchOperations(env),
          ...vmsaOperations(env, hasDebugger(scenario)),
          ...registerOperations(env),
          ...moveOperations(env),
        ],
      }
    : {};

/** Of each VM that is launched in the run; the firmware, if SEV-SNP has not brought it. */
const actors = (scenario: ResolvedScenario): readonly ActorSpec[] =>
  launches(scenario)
    ? [
        ...vmsInRun(scenario).flatMap((vm): readonly ActorSpec[] => [
          { id: sevOf(vm.id), kind: 'sevVm', input: null },
          { id: kvmLockOf(vm.id), kind: 'mutex', input: null },
          ...vm.vcpus.map((_, vcpu) => ({ id: esvOf(`vcpu:${vm.id}/${vcpu}`), kind: 'esVcpu', input: esVcpuOf(scenario, vm.id, vcpu) })),
        ]),
        ...(usesPsp(scenario) ? [] : pspActors(scenario, 'INIT')),
      ]
    : [];

const esVcpuOf = (scenario: ResolvedScenario, vm: string, vcpu: number): EsVcpuInput => ({
  vcpu,
  id: `vcpu:${vm}/${vcpu}`,
  debugHalf: debugs(scenario) ? kdbOf(`vcpu:${vm}/${vcpu}`) : null,
});

const machines = (scenario: ResolvedScenario): ReturnType<NonNullable<Mechanism['machines']>> =>
  launches(scenario)
    ? {
        sevVm: sevVmMachine({ design: designOf(scenario), features: scenario.host.features, offered: offeredBits(scenario) }),
        esVcpu: esVcpuMachine(designOf(scenario)),
      }
    : {};

/** The mechanism's index spreads these. */
export const sevLaunch = {
  options: SEV_LAUNCH_OPTIONS,
  presets: { '6.1': OLDEST, '6.6': { ...OLDEST, 'sev.vmsaFeatures': 'all-supported' }, '6.12': OLD, '6.14': OLD },
  vmSettings: LAUNCH_SETTINGS,
  hostOperations: SEV_LAUNCH_OPERATIONS,
  properties: [...sevLaunchProperties, ...snpLaunchProperties],
  mutants: { ...sevLaunchMutants, ...snpLaunchMutants },
  catalogue: SEV_LAUNCH_EVENTS,
  structureChecks,
  creates: { options: ['{ launched: false }'], has: isInRun },
  host: hostParts,
  kvm: (scenario: ResolvedScenario) => (launches(scenario) ? launchKvm : {}),
  actors,
  machines,
} as const;
