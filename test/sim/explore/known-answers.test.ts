/**
 * The explorer against an oracle that shares only the machines with it: the same states at the same
 * depths, the same transitions.
 */
import { describe, expect, it } from 'vitest';
import type { ResolvedScenario } from '../../../sim/scenario/types.ts';
import { dmaWrite, makeShared, page, psc, rmpadjust, run, vm, world } from '../../claims/world.ts';
import { shipped } from '../play.ts';
import { expectEqual, search } from './equal.ts';
import { firmware } from './firmware.ts';

const SNP = ['sev', 'sev-es', 'sev-snp'] as const;

const SMALL: readonly (readonly [string, ResolvedScenario])[] = [
  [
    'a guest and a daemon on one CPU',
    world(
      { vm0: vm([page('shared')], [psc('private')]) },
      { qemu0: [[run()]], netd: [[dmaWrite(1)]] },
      {},
      { host: { arch: 'amd', cpus: 1, features: SNP }, properties: { always: ['rmp.*'], sometimes: ['rmp.psc-meets-host-write'] } },
    ),
  ],
  [
    'two threads that make one page shared, and a guest that adjusts it, on one CPU',
    world(
      { vm0: vm([page('guest-valid')], [rmpadjust(false)]) },
      { qemu0: [[run()]], gmem: [[makeShared()]], other: [[makeShared()]] },
      {},
      { host: { arch: 'amd', cpus: 1, features: SNP } },
    ),
  ],
  ['the firmware and its interrupts', firmware],
];

const SHIPPED_COUNTS = [
  ['rmpadjust-vs-rmpupdate', 'inuse', 26_580, 63_370],
  ['rmpadjust-vs-rmpupdate', 'overlap-2m', 26_488, 63_280],
  ['vmsa-in-use-kick', 'no-kick', 18_722, 44_648],
] as const;

describe('the explorer', () => {
  it.each(SHIPPED_COUNTS)('finds all states of %s under %s: %i, with %i transitions', (name, variant, states, transitions) => {
    const { report } = expectEqual(shipped(name, variant));
    expect(report).toMatchObject({ states, transitions });
  });

  it.each(SMALL)('finds the states that the oracle finds: %s', (_, scenario) => {
    expectEqual(scenario);
  });

  it.each([
    [2, 1_285, 2_446],
    [3, 20_024, 48_342],
  ])('counts the RMP-lock model with %i vCPUs as other model checkers do', (vcpus, states, transitions) => {
    const { report } = expectEqual(shipped('rmp-lock', undefined, { vcpus: String(vcpus) }));
    expect(report).toMatchObject({ states, transitions });
  });

  it('counts the RMP-lock model with 4 vCPUs as SPIN, Murphi and a hand-packed search do', () => {
    expect(search(shipped('rmp-lock')).report).toMatchObject({ states: 232_105, transitions: 643_436, unchanged: 445_176, reactions: 403 });
  });
});
