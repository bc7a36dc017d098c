/** Where a race comes into KVM_RUN, and what of it takes part: hooks, requests, paths, switches. */
import { describe, expect, it } from 'vitest';
import { type HostEnv, type HostPath, host } from '../../../../actors/host/host-env.ts';
import { requestHandler } from '../../../../actors/kvm/kit-exits.ts';
import { vcpu } from '../../../../actors/kvm/kit-here.ts';
import { request } from '../../../../actors/kvm/kit-requests.ts';
import { patched } from '../../../../actors/path/patch.ts';
import type { Item } from '../../../../actors/path/path.ts';
import { race } from '../../../../sim/host/race.ts';
import { hooksOf } from '../../../../sim/host/race-hooks.ts';
import { VENDORS } from '../../../../sim/host/vendors.ts';
import type { ResolvedScenario } from '../../../../sim/scenario/types.ts';
import { ARCHES, step, TEST } from './kvm-raced.ts';

const { path } = host;
const names = (items: readonly Item<never, never, never>[] | HostPath['items']): readonly string[] =>
  items.flatMap((item) => (item.kind === 'step' ? [item.name] : []));

describe.each(ARCHES)('hooks on %s', (arch) => {
  const hook = (name: string) => () => [step(name)];
  const patches = hooksOf({ onLoad: hook('load'), onPut: hook('put'), onEntry: hook('entry'), onExit: hook('exit') }, arch);
  const walked = (name: string, ...items: readonly string[]) =>
    names(
      patched(
        path(
          name,
          { source: TEST, grade: 'decision' },
          items.map((one) => step(one)),
        ),
        patches,
      ).items,
    );
  it.each(['vcpu_load', 'kvm_sched_in'])('stand behind the load: %s', (name) =>
    expect(walked(name, 'before', 'kvm_arch_vcpu_load', 'behind')).toEqual(['before', 'kvm_arch_vcpu_load', 'load', 'behind']),
  );
  it.each(['vcpu_put', 'kvm_sched_out'])('stand before the put: %s', (name) =>
    expect(walked(name, 'before', 'kvm_arch_vcpu_put', 'behind')).toEqual(['before', 'put', 'kvm_arch_vcpu_put', 'behind']),
  );
  it('stand around the guest', () => expect(walked(VENDORS[arch].worldSwitch.name, 'VMRUN')).toEqual(['entry', 'VMRUN', 'exit']));
});

describe('a request is taken before anything is done about it', () => {
  it('by who runs the vCPU: one that is made while its handler runs is handled again', () => {
    const [taken, handled] = requestHandler('KVM_REQ_TEST', TEST, () => [step('handles')])({} as HostEnv);
    expect([taken, handled]).toMatchObject([{ name: 'kvm_clear_request' }, { kind: 'call', path: { name: 'KVM_REQ_TEST' } }]);
  });
  it('by kvm_check_request()', () => {
    const [, found] = request('KVM_REQ_TEST').check([step('handles')], { at: vcpu('vm0/0') });
    expect(found?.kind === 'when' && names(found.cases[0]![1])).toEqual(['kvm_clear_request', 'handles']);
  });
});

describe('what a race declares', () => {
  const made = race({
    name: 'switched',
    arches: ['amd'],
    options: { switched: ['off', 'on'] },
    requests: { KVM_REQ_TEST: { source: TEST, does: () => [] } },
    paths: { vcpu_run: (one) => one },
    guestPaths: { guest: (one) => one },
  });
  const on = (switched: string) => ({ host: { arch: 'amd', options: { switched } }, vms: [] }) as unknown as ResolvedScenario;
  it('takes part where it is on', () => {
    expect(Object.keys(made.kvm!(on('on')).requests!)).toEqual(['KVM_REQ_TEST']);
    expect(Object.keys(made.patch!(on('on')).paths!)).toEqual(['vcpu_run', 'guest']);
  });
  it('does not where it is off', () => {
    expect(made.kvm!(on('off')).requests).toEqual({});
    expect(made.patch!(on('off'))).toEqual({});
  });
});
