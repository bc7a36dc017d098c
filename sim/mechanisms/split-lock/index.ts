/**
 * Split-lock detection on Intel hosts: MSR_TEST_CTRL of a core, #AC of host and guests, and the
 * designs that would have let guests have the bit. docs/mechanisms/split-lock.md explains it.
 */

import { z } from 'zod';
import type { SplitLockAccount } from '../../../actors/split-lock/account.ts';
import { busLockTrap } from '../../../actors/split-lock/bus-lock.ts';
import { MEMORY_BUS, memoryBusMachine, RATELIMIT, ratelimitMachine } from '../../../actors/split-lock/bus-lock-limit.ts';
import { clockMachine } from '../../../actors/split-lock/clock.ts';
import { coreMachine } from '../../../actors/split-lock/core.ts';
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
} from '../../../actors/split-lock/delayed-work.ts';
import { FREEZER, freezerMachine } from '../../../actors/split-lock/freezer.ts';
import { cpuOfflinePath, pinStep } from '../../../actors/split-lock/hotplug.ts';
import { kworkerMachine } from '../../../actors/split-lock/kworker.ts';
import { refrigeratorPath, resumePath } from '../../../actors/split-lock/resume.ts';
import { coreOf, type SldFacts, warnsByWork } from '../../../actors/split-lock/sld-facts.ts';
import { isPositive } from '../../../actors/split-lock/sld-flag.ts';
import { guestOperationsOf } from '../../../actors/split-lock/sld-guest.ts';
import { sldKvm } from '../../../actors/split-lock/sld-kvm.ts';
import { splitLineMachine } from '../../../actors/split-lock/split-line.ts';
import { vcpuVmxMachine } from '../../../actors/split-lock/vcpu-vmx.ts';
import { excAlignmentCheck, splitLockPath, sysctlStep } from '../../../actors/split-lock/warn.ts';
import { SPLIT_LOCK_OPTIONS } from '../../../events/split-lock/sld-options.ts';
import { SPLIT_LOCK_EVENTS } from '../../../events/split-lock/split-lock.ts';
import type { Mechanism } from '../../host/mechanism.ts';
import type { ResolvedScenario } from '../../scenario/types.ts';
import type { ActorSpec } from '../../store.ts';
import { busLocksPaid, busLockTaken } from './bus-lock-properties.ts';
import { checks, offlineChecks, PRESETS } from './checks.ts';
import { detectionReturns, noUpdateLost, oneCoreAtATime, semaphoreKept } from './gen2-properties.ts';
import { guestGetsItsAc, guestTakesAc, hostPolicyKept } from './guest-properties.ts';
import {
  flagOnlyWhereDetected,
  guestRunsItsSetting,
  invalidWriteFaults,
  ioctlTakesEffect,
  msrAsBooted,
  onlyValidBits,
  readsBack,
  settingStays,
  writeIsKept,
} from './msr-properties.ts';
import { MUTANTS, patchOf } from './mutants.ts';
import { GUEST_OPERATIONS, HOST_OPERATIONS } from './operations.ts';
import { splitLockOutcomes } from './outcomes.ts';
import { guestGetsThrough, splitterGetsThrough, timerInWarning, trapsAgain, trapsOnce } from './progress-properties.ts';
import {
  guestKeptItsAc,
  guestRuns,
  hostSettingKept,
  kernelGsBaseRestored,
  msrMatchesTask,
  noHostOops,
  putAtEachSwitch,
  putOnce,
  vmptrldRuns,
} from './properties.ts';
import { offlineWithWork, scheduledOut, twoAtOnce } from './race-properties.ts';

declare module '../../../events/options.ts' {
  interface VmSettings {
    readonly splitLockDetect: boolean;
  }
}

const EXIT_TIMER_MS = { none: null, '1ms': 1, '20ms': 20 } as const;
const FEATURE = 'split-lock-detect';
const BUS_FEATURE = 'bus-lock-detect';

/** Whether a host program has an operation of this name. */
const hasOp = ({ processes }: ResolvedScenario, name: string): boolean =>
  processes.some(({ threads }) => threads.some(({ program }) => program.ops.some(({ op }) => op === name)));

/** What the host's settings come to. */
function factsOf(scenario: ResolvedScenario): SldFacts {
  const { host, vms } = scenario;
  const { options, smt, features } = host;
  const state = features.includes(FEATURE) ? options['host.sld'] : 'off';
  const countsBusLocks = features.includes(BUS_FEATURE);
  // bus_lock_init(): where #AC tells of split locks, #DB is not armed.
  const armsDb = countsBusLocks && state !== 'warn' && state !== 'fatal';
  const mayExpose = state === 'fatal' ? options['kvm.sldVirt'] === 'v10' || !smt : state === 'warn' && !smt;
  const isOffered =
    options['kvm.sldVirt'] !== 'none' && (mayExpose || (options['kvm.sldExpose'] === 'always' && (state === 'warn' || state === 'fatal')));
  const refused = vms.filter(({ settings }) => settings?.splitLockDetect === false).map(({ id }) => id);
  return {
    state,
    busLock: armsDb && options['host.sld'] !== 'off' ? options['host.sld'] : null,
    countsBusLocks,
    resumes: hasOp(scenario, 'resume'),
    hasFeature: features.includes(FEATURE),
    bootSld: state === 'warn' || state === 'fatal',
    warn: options['host.sldWarn'],
    flag: options['host.sldFlag'],
    smt,
    exitTimerMs: EXIT_TIMER_MS[options['vmm.exitTimer']],
    options,
    isExposed: (vm) => isOffered && !refused.includes(vm),
  };
}

/** Workers by id, each on its CPU; only generation 2 of the warning has any. */
function workersOf(scenario: ResolvedScenario): Readonly<Record<string, string>> {
  if (!warnsByWork(factsOf(scenario))) return {};
  const cpus = Array.from({ length: scenario.host.cpus }, (_, index) => `pcpu:${index}`);
  return Object.fromEntries(cpus.map((cpu) => [workerOf(cpu), cpu]));
}
const gen2Actors = (scenario: ResolvedScenario): ActorSpec[] => [
  { id: WORKQUEUE, kind: 'workqueue', input: { cpus: Object.values(workersOf(scenario)).sort() } },
  { id: SEMAPHORE, kind: 'semaphore', input: null },
];

/** The kernel registers the sysctl under every policy; it is there where anything looks at it. */
const sysctlActors = (scenario: ResolvedScenario, workers: number): ActorSpec[] =>
  workers > 0 || hasOp(scenario, 'sysctl')
    ? [{ id: SYSCTL, kind: 'sysctl', input: { mitigate: scenario.host.options['host.sldMitigate'] === 'on' } }]
    : [];

/** Where there is more than one kind of timer, what is due first matters. */
function timersOf({ exitTimerMs, busLock }: SldFacts, workers: number): ActorSpec[] {
  if (exitTimerMs !== null) return [{ id: SLEEP_TIMER, kind: 'clock', input: null }];
  return workers > 0 || busLock === 'ratelimit' ? [{ id: SLEEP_TIMER, kind: 'sleepTimer', input: null }] : [];
}

const busActors = ({ busLock, countsBusLocks, options }: SldFacts): ActorSpec[] => [
  ...(countsBusLocks ? [{ id: MEMORY_BUS, kind: 'memoryBus', input: null }] : []),
  ...(busLock === 'ratelimit' ? [{ id: RATELIMIT, kind: 'ratelimit', input: { burst: Number(options['host.sldRatelimit']) } }] : []),
];

function actorsOf(scenario: ResolvedScenario): ActorSpec[] {
  const facts = factsOf(scenario);
  const cpus = Array.from({ length: scenario.host.cpus }, (_, index) => `pcpu:${index}`);
  const cores = [...new Set(cpus.map((cpu) => coreOf(facts, cpu)))];
  const workers = Object.keys(workersOf(scenario)).map((id) => ({ id, kind: 'kworker', input: null }));
  return [
    ...workers,
    ...(workers.length === 0 ? [] : gen2Actors(scenario)),
    ...sysctlActors(scenario, workers.length),
    ...timersOf(facts, workers.length),
    ...busActors(facts),
    ...cores.map((id) => ({ id, kind: 'core', input: { bootSld: facts.bootSld, flag: facts.flag, ...(facts.resumes && { vmx: [] }) } })),
    ...(facts.resumes ? [{ id: FREEZER, kind: 'freezer', input: null }] : []),
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

export const splitLock: Mechanism = {
  name: 'split-lock',
  arches: ['intel'],
  options: SPLIT_LOCK_OPTIONS,
  presets: PRESETS,
  features: [FEATURE, BUS_FEATURE],
  vmTypes: ['vmx'],
  vmSettings: {
    splitLockDetect: {
      schema: z.boolean().describe('Whether the VMM gives the guest split-lock detection where KVM offers it. Default true.'),
    },
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
    busLocksPaid,
    busLockTaken,
    putOnce,
    putAtEachSwitch,
    vmptrldRuns,
    guestRuns,
    detectionReturns,
    semaphoreKept,
    oneCoreAtATime,
    noUpdateLost,
    trapsOnce,
    trapsAgain,
    splitterGetsThrough,
    guestGetsThrough,
    timerInWarning,
    scheduledOut,
    twoAtOnce,
    offlineWithWork,
    guestGetsItsAc,
    hostPolicyKept,
    guestTakesAc,
    onlyValidBits,
    msrAsBooted,
    guestRunsItsSetting,
    settingStays,
    writeIsKept,
    invalidWriteFaults,
    readsBack,
    ioctlTakesEffect,
    flagOnlyWhereDetected,
  ],
  catalogue: SPLIT_LOCK_EVENTS,
  checks,
  structureChecks: offlineChecks,
  host: (scenario) => {
    const facts = factsOf(scenario);
    return {
      operations: (env) => [
        ['pin', pinStep],
        ['sysctl', sysctlStep(env)],
        ['cpu-offline', { kind: 'call', path: cpuOfflinePath(env, facts) }],
        ['resume', { kind: 'call', path: resumePath(facts, scenario.host.cpus) }],
        ['frozen', { kind: 'call', path: refrigeratorPath }],
        ['split-lock', { kind: 'call', path: splitLockPath(env, facts) }],
      ],
      faults: { '#AC': (env) => [{ kind: 'call', path: excAlignmentCheck(env, facts) }], '#DB.BLD': () => busLockTrap(facts) },
    };
  },
  kvm: (scenario) => sldKvm(factsOf(scenario)),
  guest: (scenario) => {
    const facts = factsOf(scenario);
    return { operations: (env) => guestOperationsOf(env, facts) };
  },
  sets: ['core.guestGs', 'core.vmx', 'workqueue.cpus', 'workqueue.idle', 'semaphore.waiters', 'freezer.waiters', 'memoryBus.unpaid'],
  perCpu: ['core', 'kworker'],
  vcpu: (scenario, vm) => ({ splitLock: accountFor(scenario, vm.id) }),
  core: (scenario, cpu) => coreOf({ smt: scenario.host.smt }, `pcpu:${cpu}`),
  taskFlags: ({ host }) => (isPositive(host.options['host.sldFlag']) ? [host.options['host.sldFlag']] : []),
  actors: actorsOf,
  kernelThreads: workersOf,
  machines: (scenario) => ({
    core: coreMachine,
    vcpuVmx: vcpuVmxMachine,
    kworker: kworkerMachine(factsOf(scenario)),
    workqueue: workqueueMachine,
    semaphore: semaphoreMachine,
    sysctl: sysctlMachine,
    sleepTimer: sleepTimerMachine,
    clock: clockMachine,
    freezer: freezerMachine,
    memoryBus: memoryBusMachine,
    ratelimit: ratelimitMachine,
    splitLine: splitLineMachine,
  }),
  patch: patchOf,
  mutants: MUTANTS,
};
