/**
 * Split-lock detection on Intel hosts: MSR_TEST_CTRL of a core, #AC of host and guests, and the designs that would have let guests have
 * the bit. docs/mechanisms/split-lock.md explains it.
 */

import { z } from 'zod';
import { coreMachine } from '../../../actors/core.ts';
import {
  SEMAPHORE,
  SLEEP_TIMER,
  SYSCTL,
  semaphoreMachine,
  sleepTimerMachine,
  sysctlMachine,
  WORKQUEUE,
  workerOf,
  workqueueMachine,
} from '../../../actors/delayed-work.ts';
import { kworkerMachine } from '../../../actors/kworker.ts';
import type { HostEnv } from '../../../actors/paths/env.ts';
import { kvmRunPath, schedOutPath } from '../../../actors/paths/kvm-run.ts';
import type { SplitLockAccount } from '../../../actors/paths/split-lock/account.ts';
import { coreOf, type SldFacts } from '../../../actors/paths/split-lock/facts.ts';
import { isPositive } from '../../../actors/paths/split-lock/flag.ts';
import { guestOperationsOf } from '../../../actors/paths/split-lock/guest.ts';
import { cpuOfflinePath } from '../../../actors/paths/split-lock/hotplug.ts';
import { msrIoctlPath, vmxVendor } from '../../../actors/paths/split-lock/vmx.ts';
import { computeStep, splitLockPath, sysctlStep } from '../../../actors/paths/split-lock/warn.ts';
import { splitLineMachine } from '../../../actors/split-line.ts';
import { vcpuVmxMachine } from '../../../actors/vcpu-vmx.ts';
import { SPLIT_LOCK_EVENTS, SPLIT_LOCK_OPTIONS } from '../../../events/split-lock.ts';
import type { Mechanism } from '../../mechanism.ts';
import type { ResolvedScenario } from '../../scenario/types.ts';
import type { ActorSpec } from '../../store.ts';
import { checks, PRESETS } from './checks.ts';
import { detectionReturns, noUpdateLost, semaphoreKept } from './gen2-properties.ts';
import { guestGetsItsAc, guestTakesAc, hostPolicyKept } from './guest-properties.ts';
import { flagOnlyWhereDetected, guestRunsItsSetting, ioctlTakesEffect, msrAsBooted, onlyValidBits } from './msr-properties.ts';
import { MUTANTS, patchOf } from './mutants.ts';
import { GUEST_OPERATIONS, HOST_OPERATIONS } from './operations.ts';
import { splitLockOutcomes } from './outcomes.ts';
import { guestKeptItsAc, hostSettingKept, kernelGsBaseRestored, msrMatchesTask, noHostOops } from './properties.ts';
import { offlineWithWork, scheduledOut, twoAtOnce } from './race-properties.ts';

const FEATURE = 'split-lock-detect';

/** What the host's settings come to. */
function factsOf({ host, vms }: ResolvedScenario): SldFacts {
  const { options, smt, features } = host;
  const state = features.includes(FEATURE) ? options['host.sld'] : 'off';
  const mayExpose = state === 'fatal' ? options['kvm.sldVirt'] === 'v10' || !smt : state === 'warn' && !smt;
  const isOffered =
    options['kvm.sldVirt'] !== 'none' && (mayExpose || (options['kvm.sldExpose'] === 'always' && (state === 'warn' || state === 'fatal')));
  const refused = vms.filter(({ settings }) => settings?.splitLockDetect === false).map(({ id }) => id);
  return {
    state,
    hasFeature: state === 'warn' || state === 'fatal',
    warn: options['host.sldWarn'],
    flag: options['host.sldFlag'],
    smt,
    options,
    isExposed: (vm) => isOffered && !refused.includes(vm),
  };
}

/** Workers by id, each on its CPU; only generation 2 of the warning has any. */
function workersOf(scenario: ResolvedScenario): Readonly<Record<string, string>> {
  const { state, warn } = factsOf(scenario);
  if (state !== 'warn' || !warn.startsWith('gen2')) return {};
  const cpus = Array.from({ length: scenario.host.cpus }, (_, index) => `pcpu:${index}`);
  return Object.fromEntries(cpus.map((cpu) => [workerOf(cpu), cpu]));
}
const gen2Actors = (scenario: ResolvedScenario): ActorSpec[] => [
  { id: WORKQUEUE, kind: 'workqueue', input: { cpus: Object.values(workersOf(scenario)).sort() } },
  { id: SEMAPHORE, kind: 'semaphore', input: null },
  { id: SYSCTL, kind: 'sysctl', input: { mitigate: scenario.host.options['host.sldMitigate'] === 'on' } },
  { id: SLEEP_TIMER, kind: 'sleepTimer', input: null },
];

function actorsOf(scenario: ResolvedScenario): ActorSpec[] {
  const facts = factsOf(scenario);
  const cpus = Array.from({ length: scenario.host.cpus }, (_, index) => `pcpu:${index}`);
  const cores = [...new Set(cpus.map((cpu) => coreOf(facts, cpu)))];
  const workers = Object.keys(workersOf(scenario)).map((id) => ({ id, kind: 'kworker', input: null }));
  const bootSld = facts.state === 'warn' || facts.state === 'fatal';
  return [
    ...workers,
    ...(workers.length === 0 ? [] : gen2Actors(scenario)),
    ...cores.map((id) => ({ id, kind: 'core', input: { bootSld, flag: facts.flag } })),
    ...scenario.vms
      .filter(({ vcpus }) => vcpus.some(({ ops }) => ops.some(({ op }) => op === 'emulated-increment')))
      .map(({ id }) => ({ id: `line:${id}`, kind: 'splitLine', input: null })),
    ...scenario.vms.flatMap(({ id, vcpus }) => vcpus.map((_, index) => ({ id: `vmx:${id}/${index}`, kind: 'vcpuVmx', input: null }))),
  ];
}

/** A guest that has done nothing yet. */
function accountFor(scenario: ResolvedScenario, vm: string): SplitLockAccount {
  const { state, isExposed } = factsOf(scenario);
  return { host: state, given: isExposed(vm), bit: false, met: null };
}

const put = (env: HostEnv, facts: SldFacts) => vmxVendor(env, facts).put;

export const splitLock: Mechanism = {
  name: 'split-lock',
  arches: ['intel'],
  options: SPLIT_LOCK_OPTIONS,
  presets: PRESETS,
  features: [FEATURE],
  vmTypes: ['vmx'],
  vmSettings: {
    splitLockDetect: z.boolean().describe('Whether the VMM gives the guest split-lock detection where KVM offers it. Default true.'),
  },
  guestOperations: GUEST_OPERATIONS,
  hostOperations: HOST_OPERATIONS,
  outcomes: splitLockOutcomes,
  properties: [
    msrMatchesTask,
    hostSettingKept,
    noHostOops,
    guestKeptItsAc,
    kernelGsBaseRestored,
    detectionReturns,
    semaphoreKept,
    noUpdateLost,
    scheduledOut,
    twoAtOnce,
    offlineWithWork,
    guestGetsItsAc,
    hostPolicyKept,
    guestTakesAc,
    onlyValidBits,
    msrAsBooted,
    guestRunsItsSetting,
    ioctlTakesEffect,
    flagOnlyWhereDetected,
  ],
  catalogue: SPLIT_LOCK_EVENTS,
  checks,
  host: (scenario) => {
    const facts = factsOf(scenario);
    return {
      operations: (env) => [
        ['compute', computeStep],
        ['sysctl', sysctlStep(env)],
        ['cpu-offline', { kind: 'call', path: cpuOfflinePath(env, facts) }],
        ['split-lock', { kind: 'call', path: splitLockPath(env, facts) }],
        ['KVM_SET_MSRS', { kind: 'call', path: msrIoctlPath(env, facts, 'KVM_SET_MSRS') }],
        ['KVM_GET_MSRS', { kind: 'call', path: msrIoctlPath(env, facts, 'KVM_GET_MSRS') }],
      ],
      kvmRun: (env) => kvmRunPath(env, vmxVendor(env, facts)),
      schedOut: (env) => schedOutPath(put(env, facts)),
    };
  },
  guest: (scenario) => {
    const facts = factsOf(scenario);
    return { operations: (env) => guestOperationsOf(env, facts) };
  },
  vcpu: (scenario, vm) => ({ splitLock: accountFor(scenario, vm.id) }),
  core: (scenario, cpu) => coreOf({ smt: scenario.host.smt }, `pcpu:${cpu}`),
  taskFlags: ({ host }) => (isPositive(host.options['host.sldFlag']) ? [host.options['host.sldFlag']] : []),
  actors: actorsOf,
  kernelThreads: workersOf,
  machines: (scenario) => ({
    core: coreMachine,
    vcpuVmx: vcpuVmxMachine,
    kworker: kworkerMachine(factsOf(scenario), scenario.host.options),
    workqueue: workqueueMachine,
    semaphore: semaphoreMachine,
    sysctl: sysctlMachine,
    sleepTimer: sleepTimerMachine,
    splitLine: splitLineMachine,
  }),
  patch: patchOf,
  mutants: MUTANTS,
};
