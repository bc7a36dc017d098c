/** What a patch of a path gets besides the path: that from which the walker's machine is made. */
import { afterEach, describe, expect, it } from 'vitest';
import { type HostEnv, host, opOf as hostOpOf, hostPatch } from '../../actors/host/host-env.ts';
import { type GuestEnv, guest, guestPatch, opOf } from '../../actors/kvm/guest-program.ts';
import { vcpuOf } from '../../actors/kvm/kvm-env.ts';
import { run } from '../../api/index.ts';
import type { Mechanism } from '../../sim/host/mechanism.ts';
import { register } from '../../sim/host/registry.ts';

const SCENARIO = `name: env
summary: A guest that halts
host: { arch: intel, cpus: 1 }
vms: { vm0: { type: vmx, vcpus: [[{ hlt: {} }]] } }
processes: { vmm: { threads: [[{ KVM_RUN: { vcpu: vm0/0 } }]] } }
`;

let undo = (): void => {};
afterEach(() => undo());

/** Runs the scenario with a mechanism of the user's own, and gives what broke. */
function broken(patch: NonNullable<Mechanism['patch']>): unknown {
  undo = register({ name: 'env', arches: ['intel'], patch }, { file: 'env.js', sha256: '0'.repeat(64) });
  return run(SCENARIO).violation;
}
const expectSame = (found: unknown, expected: unknown): object => {
  if (found !== expected) throw new Error(`found ${found}; expected ${expected}`);
  return {};
};

describe('a patch of a path', () => {
  it('of host threads gets their environment, which tells vCPU and operation of a thread', () => {
    const seen: HostEnv[] = [];
    const patch = hostPatch((path, env) => {
      seen.push(env);
      const look = host.step('look', { set: (t) => expectSame(`${vcpuOf(env, t).id} ${hostOpOf(env, t).op}`, 'vcpu:vm0/0 KVM_RUN') });
      return { ...path, items: [look, ...path.items] };
    });
    expect(broken(() => ({ paths: { KVM_RUN: [patch] } }))).toBeNull();
    expect(seen[0]!.options).toHaveProperty(['host.sld']);
    expect(seen[0]!.patches.KVM_RUN).toHaveLength(1);
  });

  it('of guests gets theirs', () => {
    const seen: GuestEnv[] = [];
    const patch = guestPatch((path, env) => {
      seen.push(env);
      const look = guest.step('look', { set: (v) => expectSame(opOf(env, v).op, 'hlt') });
      return { ...path, items: [look, ...path.items] };
    });
    expect(broken(() => ({ paths: { guest: [patch] } }))).toBeNull();
    expect(seen[0]!.images.map(({ program }) => program.ops[0]!.op)).toEqual(['hlt']);
  });

  it('gets it where one patch calls another', () => {
    const inner = hostPatch((path, env) => ({ ...path, items: [host.step(`of_${env.programs.length}`), ...path.items] }));
    const outer = hostPatch((path, env) => inner(path, env));
    const names: string[] = [];
    const last = hostPatch((path) => {
      names.push(...path.items.flatMap((item) => (item.kind === 'step' ? [item.name] : [])));
      return path;
    });
    expect(broken(() => ({ paths: { KVM_RUN: [outer, last] } }))).toBeNull();
    expect(names).toContain('of_1');
  });
});
