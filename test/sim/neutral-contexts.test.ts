/**
 * What every host has keeps no trace of a mechanism that the host does not have: the contexts of
 * `vm` and `vcpu`.
 */
import { describe, expect, it } from 'vitest';
import { topologyOf } from '../../sim/host/topology.ts';
import { type Played, play, shipped } from './play.ts';

const VM = ['dead', 'mmuLock'];
const VCPU = [
  ...['asking', 'blockedUntil', 'cpu', 'frames', 'image', 'interrupted', 'interrupts', 'loops', 'mode', 'pc', 'requests'],
  'thread',
];

/**
 * The keys of all contexts that actors of a kind come into, other than those that the host's own
 * mechanism declares.
 */
function keysOf({ records }: Played, kind: string, own: readonly string[]): string[][] {
  const seen = records.flatMap(({ actor, kind: record, payload }) =>
    record === 'change' && actor.startsWith(`${kind}:`) ? [Object.keys(payload.context as object).filter((key) => !own.includes(key))] : [],
  );
  return [...new Set(seen.map((keys) => keys.sort().join(' ')))].map((keys) => keys.split(' '));
}

describe.each([
  ['intel', 'sld-guest-test-ctrl', ['exception', 'readback', 'splitLock']],
  ['arm64', 'oslock-brk', ['arm']],
  ['amd', 'rmp-churn', ['lost']],
] as const)('on %s', (arch, name, own) => {
  const scenario = shipped(name);
  const played = play(scenario, { name: 'random-uniform', seed: 3 });

  it('a VM and a vCPU have the fields of every host, besides those of the own mechanism', () => {
    expect(scenario.host.arch).toBe(arch);
    expect(keysOf(played, 'vm', [])).toEqual([VM]);
    expect(keysOf(played, 'vcpu', own)).toEqual([VCPU]);
  });

  it('only SNP guests have an actor for their pages', () => {
    const { actors, machines } = topologyOf(scenario);
    const pages = actors.filter(({ kind }) => kind === 'vmPages').map(({ id }) => id);
    expect(pages).toEqual(scenario.vms.flatMap(({ id, type }) => (type === 'snp' ? [`pages:${id}`] : [])));
    expect(machines.vmPages !== undefined).toBe(arch === 'amd');
  });
});
