/**
 * The lost kick on hosts of AMD and Intel, and what notices each mutant of the mechanism: all
 * schedules.
 */
import { describe, expect, it } from 'vitest';
import { explore } from '../../../sim/explore/explore.ts';
import { finish } from '../../../sim/explore/turns.ts';
import { userVmm } from '../../../sim/mechanisms/user-vmm/index.ts';
import { knownProperties } from '../../../sim/properties/index.ts';
import { loadScenario } from '../../../sim/scenario/load.ts';
import { resolveScenario } from '../../../sim/scenario/resolve.ts';
import type { ResolvedScenario } from '../../../sim/scenario/types.ts';
import { fileOf } from '../../sim/play.ts';

const AMD = fileOf('scenarios/user-vmm/lost-kick.yaml');
const HOSTS = {
  amd: AMD,
  intel: AMD.replace('arch: amd', 'arch: intel')
    .replace('type: svm', 'type: vmx')
    .replace(/uncovered:[\s\S]*$/, ''),
} as const;
/** A guest that reads a port, and a VMM that does it. */
const READS = [
  'name: reads',
  'summary: Reads a port',
  'host: { arch: amd, cpus: 1 }',
  'vms: { vm0: { type: svm, vcpus: [[{ in: { port: 0x10 } }, { mmio: { gpa: 0xfee00000 } }]] } }',
  'processes: { vmm: { threads: [[{ KVM_RUN: { vcpu: vm0/0, reenter: true } }]] } }',
  'properties: { always: [user-exit.*] }',
].join('\n');

const resolvedOf = (text: string, rest: { readonly variant?: string; readonly mutant?: string } = {}): ResolvedScenario =>
  resolveScenario(loadScenario(text, `${/name: (\S+)/.exec(text)![1]}.yaml`, knownProperties()), {
    ...rest,
    knownProperties: knownProperties(),
  });
const broken = (scenario: ResolvedScenario): readonly string[] => {
  const { violations, exhausted } = finish(explore({ scenario, maxStates: 1_000_000 }));
  expect(exhausted).toBe(true);
  return violations.map(({ property }) => property);
};

const MUTEX = ['kick.ioctl-gets-mutex'];

describe('a VMM of Intel hosts', () => {
  it.each([
    ['lost', MUTEX],
    ['look-again', []],
    ['signal-mask', []],
  ] as const)('loses a kick as one of AMD does, and by nothing else: %s', (variant, expected) => {
    expect(broken(resolvedOf(HOSTS.intel, { variant }))).toEqual(expected);
  });
});

/** What each mutant breaks, and where. */
const SEEN: readonly (readonly [mutant: string, text: string, variant: string | undefined, breaks: readonly string[]])[] = [
  ['kick-without-immediate-exit', HOSTS.amd, 'look-again', MUTEX],
  ['kick-without-signal', HOSTS.amd, 'signal-mask', MUTEX],
  ['run-reads-no-immediate-exit', HOSTS.amd, 'look-again', MUTEX],
  ['io-left-open', READS, undefined, ['user-exit.completed-before-entry']],
];

describe('a mutant of user-vmm', () => {
  it.each(SEEN)('is noticed: %s', (mutant, text, variant, breaks) => {
    expect(broken(resolvedOf(text, { mutant, ...(variant !== undefined && { variant }) }))).toEqual(breaks);
  });

  it('is noticed, each of them', () => {
    expect(SEEN.map(([mutant]) => mutant).sort()).toEqual(Object.keys(userVmm.mutants ?? {}).sort());
  });

  it('breaks what holds without it', () => {
    expect(broken(resolvedOf(READS))).toEqual([]);
  });
});
