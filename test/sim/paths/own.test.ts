/** What of a search is told first: all that a module of the user's own has put into the paths. */
import { describe, expect, it } from 'vitest';
import { host } from '../../../actors/host/host-env.ts';
import { cell } from '../../../actors/kit/cell.ts';
import { kthread } from '../../../actors/kit/kthread.ts';
import { resolved } from '../../../api/scenario.ts';
import { holeLines } from '../../../cli/holes.ts';
import { expectPaths } from '../../../cli/search/line-coverage.ts';
import { itemOf } from '../../../sim/explore/covered/chart.ts';
import { race } from '../../../sim/host/race.ts';
import { register } from '../../../sim/host/registry.ts';
import { topologyOf } from '../../../sim/host/topology.ts';
import { ownIn } from '../../../sim/paths/own.ts';
import type { Scenario } from '../../../sim/scenario/types.ts';

const flag = cell('flag', { x: 0 });
const set = (as: string) => flag.store('x', 1, { as });
const MINE = race({
  name: 'mine',
  arches: ['amd'],
  uses: [flag, kthread('worker', () => [set('work')])],
  operations: {
    'set-flag': { summary: 's', source: 'a test', does: () => [set('set')] },
    'look-twice': { summary: 's', source: 'a test', does: () => [set('look'), host.when([() => true, [set('again')]])] },
  },
  requests: { KVM_REQ_MINE: { source: 'a test', does: () => [set('requested')] } },
  onLoad: () => [set('loaded')],
});
const SCENARIO = {
  name: 'mine',
  summary: 's',
  host: { arch: 'amd', cpus: 1 },
  vms: { vm0: { type: 'svm', vcpus: [[{ hlt: {} }]] } },
  processes: { p: { threads: [[{ 'set-flag': {} }, { 'look-twice': {} }], [{ KVM_RUN: { vcpu: 'vm0/0' } }]] } },
} as unknown as Scenario;

const RUN = 'main.KVM_RUN';
const CHECKS = `${RUN}.vcpu_enter_guest.kvm_check_requests`;

describe('what is the user’s own', () => {
  const undo = register(MINE, { file: 'mine.js', sha256: '0'.repeat(64) });
  const scenario = resolved(SCENARIO, {});
  const isOwn = ownIn(scenario, topologyOf(scenario));
  const refusals = ['main.set_flag', 'set_flag', CHECKS, 'main.set_flags'].flatMap((name) => {
    try {
      expectPaths([name], scenario);
      return [];
    } catch (error) {
      return [(error as Error).message];
    }
  });
  undo();

  it('is a path of --coverage by the name that is printed, too', () => {
    expect(refusals).toEqual([expect.stringMatching(/^--coverage: found "main\.set_flags"; expected the name of a path of mine /)]);
  });

  it.each([
    ['an operation', 'hostThread', 'main.set_flag.set', true],
    ['what the program does behind it', 'hostThread', 'main.set_flag.set -> main.do_exit', false],
    ['a branch of its own', 'hostThread', 'main.look_twice.look -> main.look_twice.again', true],
    ['the way past it', 'hostThread', 'main.look_twice.look -> main.do_exit', true],
    ['what the program does behind that', 'hostThread', 'main.look_twice.again -> main.do_exit', false],
    ['a request', 'hostThread', `${CHECKS}.KVM_REQ_MINE.requested`, true],
    ['a hook', 'hostThread', `${RUN}.vcpu_load.loaded`, true],
    ['a thread', 'worker', 'kthread.threadfn.work', true],
    ['the operation that no program has', 'hostThread', 'set-flag', true],
    ['the check of requests of KVM', 'hostThread', CHECKS, false],
    ['the step that a hook stands behind', 'hostThread', `${RUN}.vcpu_load.kvm_arch_vcpu_load`, false],
    ['the memory of a cell', 'flag', 'memory', false],
  ])('%s: %s %s', (_, kind, name, own) => expect(isOwn({ kind, name })).toBe(own));

  it('is told before all others, and never cut', () => {
    const holes = ['a', 'b', 'set_flag'].flatMap((path, most) =>
      Array.from({ length: 10 }, (_, i) =>
        itemOf({ kind: 'hostThread', what: 'branch', name: `main.${path}${i}.x` }, `main.${path}${i}`),
      ).slice(most),
    );
    const lines = holeLines({ items: new Map(), taken: new Set(), holes }, ({ name }) => name.includes('set_flag'));
    expect(lines).toEqual([
      ...Array.from({ length: 8 }, (_, i) => `  yours: main.set_flag${i + 2}: 1 branch`),
      '  … and at 19 more places; --json lists all',
    ]);
  });
});
