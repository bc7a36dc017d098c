/**
 * Every operation of split-lock detection under every policy of the host: it runs, or the scenario
 * is refused with a reason.
 */
import { describe, expect, it } from 'vitest';
import { SPLIT_LOCK_OPTIONS } from '../../../events/split-lock/sld-options.ts';
import type { GUEST_OPERATIONS, HOST_OPERATIONS } from '../../../sim/mechanisms/split-lock/operations.ts';
import { knownProperties } from '../../../sim/properties/index.ts';
import { loadScenario } from '../../../sim/scenario/load.ts';
import { resolved } from '../play.ts';
import { expectReasons, namedIn, othersIn, refusal } from './combinations.ts';

const VCPU = 'vcpu: vm0/0';
/** Each operation with its arguments: all kinds of access that its code tells apart. */
const HOST: Readonly<Record<keyof typeof HOST_OPERATIONS, readonly string[]>> = {
  'cpu-offline': ['{ cpu: 0 }', '{ cpu: 1 }'],
  pin: ['{}'],
  resume: ['{}'],
  frozen: ['{} }], [{ resume: {}'],
  sysctl: ['{ splitLockMitigate: false }', '{ splitLockMitigate: true }'],
  'split-lock': ['{}', '{ ac: true }', '{ mode: kernel }'],
  KVM_SET_MSRS: [`{ ${VCPU}, value: 0x20000000 }`, `{ ${VCPU}, value: 0 }`],
  KVM_GET_MSRS: [`{ ${VCPU} }`],
};
const GUEST: Readonly<Record<keyof typeof GUEST_OPERATIONS, readonly string[]>> = {
  'wrmsr-test-ctrl': ['{ value: 0x20000000 }', '{ value: 1 }'],
  'rdmsr-test-ctrl': ['{}'],
  'emulated-increment': ['{}'],
  'split-lock': ['{ cpl: 0 }', '{ cpl: 3, am: true, ac: true }'],
  misaligned: ['{ cpl: 3, am: true, ac: true }', '{ cpl: 0 }'],
};
const FEATURES = ['split-lock-detect', 'bus-lock-detect'];
/** Each policy, and each generation of the warning where there is one. */
const POLICIES = [
  ...SPLIT_LOCK_OPTIONS['host.sld'].map((sld) => `host.sld: ${sld}`),
  ...SPLIT_LOCK_OPTIONS['host.sldWarn'].slice(1).map((warn) => `host.sld: warn, host.sldWarn: ${warn}`),
];
/** One generation that sets a flag, and one that has a work item. */
const FEW = POLICIES.filter((policy) => !/gen2|atomic/.test(policy));
/** All other options, one at a time. */
const OTHERS = othersIn(SPLIT_LOCK_OPTIONS, ['host.sld', 'host.sldWarn']);

/** Threads of an administrator, and a VM with its VMM where a vCPU has to do with it. */
const textOf = (features: string, options: string, threads: string, guest = '{ rdmsr-test-ctrl: {} }'): string =>
  [
    'name: tried',
    'summary: Tried',
    `host: { arch: intel, cpus: 2, preemption: none, features: [${features}], options: { ${options} } }`,
    ...(threads.includes(VCPU) ? [`vms: { vm0: { type: vmx, vcpus: [[${guest}]] } }`] : []),
    `processes: { admin: { threads: [${threads}] } }`,
  ].join('\n');

const RUN = `{ KVM_RUN: { ${VCPU} } }`;
const threadsOf = (operation: string) => (operation.includes(VCPU) ? `[${operation}, ${RUN}]` : `[${operation}]`);
const everywhere = (of: (features: string, options: string) => string) =>
  new Set(FEATURES.flatMap((features) => POLICIES.map((options) => refusal(of(features, options)))));

/** All that a host does and need not be told apart, in threads of their own. */
const TOGETHER = [
  ...[
    '[{ pin: {} }, { split-lock: {} }, { compute: { steps: 1 } }]',
    '[{ sysctl: { splitLockMitigate: false } }, { cpu-offline: { cpu: 1 } }]',
  ],
  ...[`[{ KVM_SET_MSRS: { ${VCPU}, value: 0 } }, { KVM_GET_MSRS: { ${VCPU} } }, ${RUN}]`, '[{ split-lock: { ac: true } }]'],
].join(', ');
const RESUMES = `[{ resume: {} }], [{ frozen: {} }, { cpu-offline: { cpu: 1 } }, { sysctl: { splitLockMitigate: true } }], [${RUN}]`;
const GUEST_TOGETHER =
  '{ wrmsr-test-ctrl: { value: 0 } }, { emulated-increment: {} }, { misaligned: { cpl: 0 } }, { split-lock: { cpl: 0 } }';

describe('an operation of split-lock detection', () => {
  it.each(namedIn(HOST))('of the host runs under every policy of every host: %s', (operation) => {
    expect(everywhere((features, options) => textOf(features, options, threadsOf(operation)))).toEqual(new Set([null]));
  });

  it.each(namedIn(GUEST))('of a guest runs under every policy of every host: %s', (operation) => {
    expect(everywhere((features, options) => textOf(features, options, `[${RUN}]`, operation))).toEqual(new Set([null]));
  });

  it.each(OTHERS)('runs, or is refused with a reason, under every policy with %s', (other) => {
    const said = FEW.flatMap((policy) =>
      [TOGETHER, RESUMES].map((threads) => refusal(textOf(FEATURES.join(', '), `${policy}, ${other}`, threads, GUEST_TOGETHER))),
    );
    expectReasons(said);
    expect(said).toContain(null);
  });

  it('is refused where it takes a CPU offline that is not there, by a parameter too', () => {
    const text = textOf('', 'host.sld: off', '[{ cpu-offline: { cpu: $which } }]');
    const scenario = loadScenario(`${text}\nparams: { which: { type: integer, default: 1 } }`, 'tried.yaml', knownProperties());
    expect(refusal(textOf('', 'host.sld: off', '[{ cpu-offline: { cpu: 2 } }]'))).toBe('found 2; expected 0 to 1: a CPU of the host');
    expect(() => resolved(scenario, undefined, { which: '2' })).toThrow(/found 2; expected 0 to 1/);
  });
});
