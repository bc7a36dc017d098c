/** Every operation that all hosts have, on every architecture and under every preemption model. */
import { describe, expect, it } from 'vitest';
import { PREEMPTION_MODELS } from '../../../events/options.ts';
import type { CREATION_OPERATIONS } from '../../../sim/scenario/creation.ts';
import type { HOST_OPERATIONS } from '../../../sim/scenario/operations.ts';
import { expectReasons, namedIn, refusal } from './combinations.ts';

/**
 * KVM_SET_GUEST_DEBUG is of plain guests: guest-debug and os-lock try it. VMs that are created have
 * tests of their own.
 */
const HOST: Readonly<
  Record<Exclude<keyof typeof HOST_OPERATIONS, 'KVM_SET_GUEST_DEBUG' | keyof typeof CREATION_OPERATIONS>, readonly string[]>
> = {
  KVM_RUN: ['{ vcpu: vm0/0 }', '{ vcpu: vm0/0, reenter: true }'],
  KVM_GET_MP_STATE: ['{ vcpu: vm0/0 }'],
  KVM_SET_MP_STATE: ['{ vcpu: vm0/0 }', '{ vcpu: vm1/0 }'],
  tgkill: ['{ vcpu: vm0/0 }', '{ vcpu: vm1/0 }'],
  madvise: ['{ vm: vm0 }', '{ vm: vm1 }'],
  compute: ['{}', '{ steps: 1 }', '{ steps: 65536 }', '{ steps: endless }'],
  // Thread 2, which nothing else starts.
  pthread_create: ['{ thread: 2 }'],
};
const HOSTS = { amd: ['snp', ', features: [sev-snp]'], intel: ['vmx', ''], arm64: ['arm64', ''] } as const;
const ORDERS = [{ name: 'fifo' }, { name: 'random-uniform', seed: 7 }] as const;

/** Two VMs, of which one halts; a thread does the operation, and a bound one computes. */
const textOf = (arch: keyof typeof HOSTS, operation: string, preemption: string, guest = 'spin', cpu = 1): string => {
  const [type, rest] = HOSTS[arch];
  const ran = operation.includes('KVM_RUN') ? [operation] : ['{ KVM_RUN: { vcpu: vm0/0 } }', operation];
  return [
    'name: tried',
    'summary: Tried',
    `host: { arch: ${arch}, cpus: 2, preemption: ${preemption}${rest} }`,
    `vms: { vm0: { type: ${type}, vcpus: [[{ ${guest}: {} }]] }, vm1: { type: ${type}, vcpus: [[{ hlt: {} }]] } }`,
    'processes:',
    `  qemu0: { threads: [${[...ran, ...(operation.includes('thread: 2') ? ['{ compute: {} }'] : [])].map((op) => `[${op}]`).join(', ')}] }`,
    '  qemu1: { threads: [[{ KVM_RUN: { vcpu: vm1/0 } }]] }',
    `  rest: { cpu: ${cpu}, threads: [[{ compute: { steps: endless } }]] }`,
  ].join('\n');
};

describe('an operation of every host', () => {
  it.each(namedIn(HOST))('runs on every architecture under every preemption model: %s', (operation) => {
    const said = (['amd', 'intel', 'arm64'] as const).flatMap((arch) =>
      PREEMPTION_MODELS.flatMap((preemption, model) =>
        ['spin', 'compute', 'hlt'].map((guest, at) =>
          refusal(textOf(arch, operation, preemption, guest), { orders: [ORDERS[(model + at) % ORDERS.length]!] }),
        ),
      ),
    );
    expect(new Set(said)).toEqual(new Set([null]));
  });

  it.each([
    ['{ madvise: { vm: vm9 } }', 1, /^found "vm9"; expected a VM of the scenario/],
    ['{ compute: { steps: 0 } }', 1, /^found 0; expected an integer from 1 to 65536/],
    ['{ compute: { steps: 65537 } }', 1, /^found 65537; expected an integer from 1 to 65536/],
    ['{ compute: {} }', 2, /^found 2; expected a pCPU of the host/],
  ] as const)('is refused with a reason: %s, with the other thread on CPU %i', (operation, cpu, why) => {
    const said = refusal(textOf('amd', operation, 'full', 'hlt', cpu));
    expect(said).toMatch(why);
    expectReasons([said]);
  });
});
