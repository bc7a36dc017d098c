/** The world switch of SEV-ES in the run loop: small hosts, with each store left out. */
import { describe, expect, it } from 'vitest';
import { filledBy, type RegisterName } from '../../actors/sev-es-debug/swap-types.ts';
import { found, world } from './worlds.ts';

const KERNELS = ['6.1', '6.6', '6.12', '6.14'] as const;
const GUEST = [{ touch: {} }, { hlt: {} }];
const ALWAYS = { always: ['sev-es.host-registers'] };
const FEATURES = ['sev', 'sev-es', 'debug-swap', 'no-nested-data-bp', 'virt-tsc-aux'];
const mutantOf = (name: RegisterName): string => `sev-es-forgets-${name.toLowerCase().replaceAll('_', '-')}`;

describe.each(KERNELS)('an SEV-ES guest on kernel %s', (kernel) => {
  it.each([[[]], [['debug-swap']]] as const)('leaves the host its registers, with the features %j', (vmsaFeatures) => {
    const searched = () =>
      world({
        host: { kernel, features: kernel === '6.1' ? FEATURES.slice(0, -1) : FEATURES },
        vm: { options: { vmsaFeatures } },
        guest: GUEST,
        properties: ALWAYS,
      });
    if (kernel === '6.1' && vmsaFeatures.length > 0) expect(searched).toThrow('found "debug-swap"; expected none on kernel 6.1');
    else expect(found(searched()).broken).toEqual([]);
  });
});

it('takes turns with a plain guest on one CPU, and the host has its registers behind both', () => {
  const others = { vm1: { type: 'svm', vcpus: [[{ hlt: {} }]] } };
  const searched = (mutant?: string) => world({ guest: [{ hlt: {} }], others, properties: ALWAYS, mutant });
  expect(found(searched()).broken).toEqual([]);
  expect(found(searched('sev-es-forgets-fs')).messages[0]).toBe(
    'pcpu:0: the host finds in FS what the save area held that was never filled',
  );
});

describe('DBG-21: a store of DR0 to DR3 that KVM leaves out', () => {
  it.each([0, 1, 2, 3] as const)('loses the breakpoint in DR%i of a host that leaves it to the hardware', (slot) => {
    const searched = (mutant?: string) =>
      world({
        host: { features: FEATURES, options: { 'kvm.saveDebug': 'if-possible', 'kvm.hostBreakpoints': 'left-to-hardware' } },
        vm: { options: { vmsaFeatures: ['debug-swap'] } },
        guest: [{ hlt: {} }],
        threads: [[{ 'perf-breakpoint': { cpu: 0, slot, address: 0x1000 } }]],
        properties: { always: ['debug.host-registers-are-the-copy'] },
        mutant,
      });
    expect(found(searched()).broken).toEqual([]);
    expect(found(searched(`sev-es-forgets-dr${slot}`)).messages).toEqual([`DR${slot} of pcpu:0 is 0x0; perf watches 0x1000`]);
  });
});

describe('DBG-21: a store that KVM leaves out', () => {
  // DR0 to DR3 are not stored by the newest kernel: R14 writes them.
  const stored = filledBy('vmsave', 'kvm', 'kvm-debug', 'vmenter', 'at-enable').filter((name) => !/^DR[0-3]$/.test(name));

  it.each(stored)('loses the host %s', (name) => {
    const searched = world({
      host: { features: FEATURES, preemption: 'none' },
      vm: { options: { vmsaFeatures: ['debug-swap'] } },
      guest: [{ hlt: {} }],
      properties: ALWAYS,
      mutant: mutantOf(name),
    });
    const { broken, messages } = found(searched);
    expect(broken).toEqual(['sev-es.host-registers']);
    expect(messages[0]).toBe(`pcpu:0: the host finds in ${name} what the save area held that was never filled`);
  });
});

it('leaves the host its breakpoint beside an SNP guest that asks for nothing', () => {
  const searched = world({
    host: { features: [...FEATURES, 'sev-snp'] },
    vm: { type: 'snp' },
    guest: [{ 'mov-to-dr': { dr: 0, value: 0x5000 } }],
    threads: [[{ 'perf-breakpoint': { cpu: 0, address: 0x1000, length: 16 } }]],
    properties: { always: ['debug.host-registers-are-the-copy', 'sev-es.host-registers'] },
  });
  expect(found(searched).broken).toEqual([]);
});
