/**
 * Exits to user space and pauses of a vCPU on every host, under every option and with every other
 * mechanism of the host: each runs, or the scenario is refused with a reason.
 */
import { describe, expect, it } from 'vitest';
import { PREEMPTION_MODELS } from '../../../events/options.ts';
import { SPLIT_LOCK_OPTIONS } from '../../../events/split-lock/sld-options.ts';
import { USER_VMM_OPTIONS } from '../../../events/user-vmm/user-vmm.ts';
import type { USER_VMM_HOST_OPERATIONS } from '../../../sim/mechanisms/user-vmm/operations.ts';
import type { CREATION_OPERATIONS } from '../../../sim/scenario/creation.ts';
import type { GUEST_OPERATIONS, HOST_OPERATIONS } from '../../../sim/scenario/operations.ts';
import { expectReasons, namedIn, othersIn, refusal, settingsOf } from './combinations.ts';

const ARCHES = ['amd', 'intel', 'arm64'] as const;
type Arch = (typeof ARCHES)[number];
const TYPES: Readonly<Record<Arch, string>> = { amd: 'svm', intel: 'vmx', arm64: 'arm64' };
const VCPU = 'vcpu: vm0/0';
const GUEST: Readonly<Record<keyof typeof GUEST_OPERATIONS, readonly string[]>> = {
  spin: ['{}'],
  touch: ['{}'],
  intercept: ['{ name: cpuid }'],
  compute: ['{}'],
  hlt: ['{}'],
  out: ['{ port: 0 }', '{ port: 65535 }'],
  in: ['{ port: 0x10 }'],
  mmio: ['{ gpa: 0 }', '{ gpa: 0xfee00000, write: true }', '{ gpa: 0xfffffffffffff, write: false }'],
  'debug-exit': ['{}'],
};
type Tries =
  | Exclude<keyof typeof HOST_OPERATIONS, 'KVM_SET_GUEST_DEBUG' | 'pthread_create' | keyof typeof CREATION_OPERATIONS>
  | keyof typeof USER_VMM_HOST_OPERATIONS;
/** Others are tried by guest-debug and os-lock, and with what every host does. */
const HOST: Readonly<Record<Tries, readonly string[]>> = {
  KVM_RUN: [`{ ${VCPU} }`, `{ ${VCPU}, reenter: true }`, `{ ${VCPU}, reenter: false }`],
  madvise: ['{ vm: vm0 }'],
  tgkill: [`{ ${VCPU} }`],
  'store-immediate-exit': [`{ ${VCPU} }`],
  compute: ['{}', '{ steps: 1 }'],
  KVM_GET_MP_STATE: [`{ ${VCPU} }`],
  KVM_SET_MP_STATE: [`{ ${VCPU} }`],
  'pause-vcpu': [`{ ${VCPU} }`],
  'resume-vcpu': [`{ ${VCPU} }`],
};
const GUEST_OPS = namedIn(GUEST);
/** In order, and at random: a pause comes before or after what the guest does. */
const WALK = { orders: [{ name: 'fifo' }, { name: 'random-uniform', seed: 1 }], stepsMax: 400 } as const;
const modelAt = (at: number) => PREEMPTION_MODELS[at % PREEMPTION_MODELS.length];
const PAUSES = `{ pause-vcpu: { ${VCPU} } }, { KVM_GET_MP_STATE: { ${VCPU} } }, { resume-vcpu: { ${VCPU} } }`;

interface Tried {
  readonly arch: Arch;
  readonly guest?: string;
  readonly run?: string;
  readonly others?: readonly string[];
  readonly options?: string;
  readonly host?: string;
  readonly vm?: string;
}
const textOf = ({
  arch,
  guest = '{ hlt: {} }',
  run = `{ KVM_RUN: { ${VCPU}, reenter: true } }`,
  others = [],
  options = '',
  host = '',
  vm = '',
}: Tried) =>
  [
    'name: tried',
    'summary: Tried',
    `host: { arch: ${arch}, cpus: 2, options: { ${options} }${host} }`,
    `vms: { vm0: { type: ${TYPES[arch]}, options: { ${vm} }, vcpus: [[${guest}]] } }`,
    `processes: { vmm: { threads: [${[run, ...others].map((ops) => `[${ops}]`).join(', ')}] } }`,
    'allow: [spurious-exit, interrupt]',
    'properties: { always: [user-exit.*], eventually: [kick.*] }',
  ].join('\n');
/** Ports, exits that x86 resolves and a debugger's stop are not of arm64 under these words. */
const isThere =
  (arch: Arch) =>
  (op: string): boolean =>
    arch !== 'arm64' || !/^\{ (?:out|in|debug-exit|touch|intercept):/.test(op);
const tried = (one: Tried): string | null => refusal(textOf(one), WALK);

describe.each(ARCHES)('on %s', (arch) => {
  const runs = HOST.KVM_RUN.map((given) => `{ KVM_RUN: ${given} }`);

  it.each(GUEST_OPS)('a guest of every VMM does it, or it is refused: %s', (op) => {
    // KVM_RUN of a guest that has ended is refused on arm64.
    const again = arch === 'arm64' ? [] : runs.map((run) => tried({ arch, guest: op, run: `${run}, ${run}` }));
    const said = [...runs.map((run) => tried({ arch, guest: `${op}, ${op}`, run })), ...again];
    expectReasons(said);
    expect([...new Set(said.map((why) => why === null))]).toEqual([isThere(arch)(op)]);
  });

  it.each(namedIn(HOST))('a thread does it beside or behind KVM_RUN, or it is refused: %s', (op) => {
    const said = [
      tried({ arch, run: op, others: ['{ KVM_RUN: { vcpu: vm0/0 } }'] }),
      tried({ arch, others: [op] }),
      tried({ arch, run: `${runs[1]}, ${op}` }),
    ];
    expectReasons(said);
    expect(op.includes('KVM_RUN') || said.includes(null)).toBe(true);
  });

  it.each(settingsOf(USER_VMM_OPTIONS))('a vCPU is paused whatever its guest does, with %s', (options) => {
    const guests = GUEST_OPS.filter(isThere(arch));
    const said = guests.map((guest, at) => tried({ arch, guest, others: [PAUSES], options, host: `, preemption: ${modelAt(at)}` }));
    expect(said.filter((why) => why !== null)).toEqual([]);
  });

  it.each(['kernel', 'userspace'])('a guest halts with its APIC in %s, or it is refused', (irqchip) => {
    const said = tried({ arch, vm: `irqchip: ${irqchip}`, others: [PAUSES] });
    expect(said === null).toBe(!(arch === 'arm64' && irqchip === 'userspace'));
    expectReasons([said]);
  });
});

describe('a VMM of Intel hosts that has other reasons to run again', () => {
  const both = othersIn({ 'vmm.exitTimer': SPLIT_LOCK_OPTIONS['vmm.exitTimer'], 'kvm.busLockExit': SPLIT_LOCK_OPTIONS['kvm.busLockExit'] });

  it.each(both)('answers those too, with %s', (options) => {
    const host = ', features: [split-lock-detect, bus-lock-detect]';
    const guests = [...GUEST_OPS, '{ split-lock: { cpl: 3 } }, { out: { port: 1 } }'];
    const said = guests.flatMap((guest) => [[PAUSES], []].map((others) => tried({ arch: 'intel', guest, others, options, host })));
    expect(said.filter((why) => why !== null)).toEqual([]);
  });
});
