/**
 * VMs, vCPUs, threads and devices that come into being in a run and go: what their users meet, and
 * what is told of mistakes.
 */
import { describe, expect, it } from 'vitest';
import type { HostThread } from '../../actors/host/host-env.ts';
import type { KvmVmContext } from '../../actors/lifecycle/kvm-vm.ts';
import type { NotifierContext } from '../../actors/lifecycle/mmu-notifier-list.ts';
import { Explorer } from '../../sim/explore/breadth/explorer.ts';
import { finish as searched } from '../../sim/explore/turns.ts';
import { loadScenario } from '../../sim/scenario/load.ts';
import { resolveScenario } from '../../sim/scenario/resolve.ts';
import type { ResolvedScenario } from '../../sim/scenario/types.ts';
import { KNOWN, microSteps, outcomeOf, type Played, play, resolved, seeds, source } from '../sim/play.ts';

const FIFO = { name: 'fifo' } as const;

/** A scenario of one process with these threads; two CPUs. */
const textOf = (threads: readonly string[], options: string, vcpus = '[]', rest = ''): string =>
  [
    'name: tried',
    'summary: Tried',
    'host: { arch: intel, cpus: 2, preemption: none }',
    `vms: { vm0: { type: vmx, ${options === '' ? '' : `options: { ${options} }, `}vcpus: [${vcpus}] } }`,
    `processes: { vmm: { threads: [${threads.map((thread) => `[${thread}]`).join(', ')}] } }`,
    `properties: { always: [object.use-after-free, lifecycle.online-before-entry, lifecycle.returns-as-expected] }`,
    rest,
  ].join('\n');
const of = (...args: Parameters<typeof textOf>): ResolvedScenario => resolved(loadScenario(textOf(...args), 'tried.yaml', KNOWN));
/** What is wrong with such a file. */
function mistakes(...args: Parameters<typeof textOf>): string[] {
  try {
    of(...args);
  } catch (error) {
    return (error as { readonly issues: readonly { readonly message: string }[] }).issues.map(({ message }) => message);
  }
  return [];
}
const RUN = '{ KVM_RUN: { vcpu: vm0/0 } }';
const CREATE = '{ KVM_CREATE_VCPU: { vcpu: vm0/0, returns: ok } }';
const kvm = (played: Played) => played.context<KvmVmContext>('kvmvm:vm0');
const lastNames = (played: Played, thread: string) => microSteps(played, thread).map((name) => name.split('.').at(-1)!);

const explored = (scenario: ResolvedScenario) => searched(new Explorer({ scenario, budget: { states: 100_000 } }).run());

describe('a thread', () => {
  it('is not there before another one starts it, and runs its program then', () => {
    const started = of(['{ compute: { steps: 3 } }, { pthread_create: { thread: 1 } }', '{ compute: {} }'], '', '');
    const played = play(started, FIFO);
    expect(played.context<{ threads: readonly string[] }>('process:vmm').threads).toEqual([]);
    expect(lastNames(played, 'thread:vmm/1')).toEqual(['start', 'compute_for', 'fetch', 'do_exit']);
    const order = played.records.flatMap(({ kind, type, actor }) => (kind === 'deliver' && type === 'step' ? [actor] : []));
    expect(order.indexOf('thread:vmm/1')).toBeGreaterThan(order.lastIndexOf('thread:vmm/0') - 4);
  });

  it('is at rest while it is not there: a run without it is over, and no deadlock', () => {
    const either = '{ choose: { of: [[], [{ pthread_create: { thread: 1 } }]] } }';
    const played = play(of([either, '{ compute: {} }'], '', ''), FIFO);
    expect(played.end).toMatchObject({ ended: 'done', violation: null });
    expect(played.context<HostThread>('thread:vmm/1').unborn).toBe(true);
  });

  it('is started once: to start it again fails, and nothing breaks in any order', () => {
    const twice = '{ repeat: { times: 2, do: [{ pthread_create: { thread: 1 } }] } }';
    const report = explored(of([twice, '{ compute: {} }'], '', ''));
    expect([report.limit, report.findings]).toEqual([null, []]);
    expect(report.states).toBeGreaterThan(40);
  });

  it('of which no other one starts it is refused in a circle, and so is one that is not there', () => {
    const start = (thread: number) => `{ pthread_create: { thread: ${thread} } }`;
    expect(mistakes([start(1), start(0)], '', '')).toEqual([
      'found thread 0 of vmm, which only threads start that are not started; expected pthread_create in one that is',
      'found thread 1 of vmm, which only threads start that are not started; expected pthread_create in one that is',
    ]);
    expect(mistakes([start(2)], '', '')).toEqual(['found 2; expected a thread of vmm: an integer from 0 to 0']);
  });
});

describe('a vCPU', () => {
  it('that no thread runs needs no KVM_RUN if its program is empty; its VM can be told all the same', () => {
    const played = play(of(['{ madvise: { vm: vm0 } }'], ''), FIFO);
    expect(played.end).toMatchObject({ ended: 'done', violation: null });
    expect(lastNames(played, 'thread:vmm/0').filter((name) => name === 'kvm_make_vcpu_request')).toHaveLength(0 + 1);
  });

  it('that no thread runs gets no signal, and has no program', () => {
    expect(mistakes(['{ tgkill: { vcpu: vm0/0 } }'], '')).toEqual(['found "vm0/0"; expected a vCPU that a thread runs']);
    expect(mistakes(['{ pause-vcpu: { vcpu: vm0/0 } }'], '')).toEqual(['found "vm0/0"; expected one that a thread runs']);
    expect(mistakes(['{ compute: {} }'], '', '[{ hlt: {} }]')).toEqual([
      'found no thread that runs vm0/0; expected one whose program has KVM_RUN: { vcpu: vm0/0 }, or an empty program',
    ]);
  });

  it('that is not there has no descriptor: KVM_RUN fails with EBADF, and the run goes on', () => {
    const played = play(of([`${RUN}, ${CREATE}, ${RUN}`], 'onlineVcpus: 0'), FIFO);
    expect(played.end).toMatchObject({ ended: 'done', violation: null });
    const runs = lastNames(played, 'thread:vmm/vcpu0').filter(
      (name) => name === 'fdget' || name === 'fdput' || name === 'vmx_vcpu_enter_exit',
    );
    expect(runs.slice(0, 2)).toEqual(['fdget', 'fdget']);
    expect(played.delivered('vmexit')).toHaveLength(1);
    expect(kvm(played)).toMatchObject({ online: 1, created: 1, users: 2, array: [0] });
  });

  it('is created once, and keeps its place in vcpu_array by the order of creation', () => {
    const create = (vcpu: number, returns: string) => `{ KVM_CREATE_VCPU: { vcpu: vm0/${vcpu}, returns: ${returns} } }`;
    const played = play(of([[create(1, 'ok'), create(0, 'ok'), create(1, 'EEXIST')].join(', ')], 'onlineVcpus: 0', '[], []'), FIFO);
    expect(played.end).toMatchObject({ ended: 'done', violation: null });
    expect(kvm(played)).toMatchObject({ online: 2, created: 2, users: 3, array: [1, 0] });
  });

  it('leaves nothing behind where no descriptor is left for it', () => {
    const fails = '{ KVM_CREATE_VCPU: { vcpu: vm0/0, emfile: true, returns: EMFILE } }';
    const played = play(of([`${fails}, ${fails}, ${CREATE}`], 'onlineVcpus: 0'), FIFO);
    expect(played.end).toMatchObject({ ended: 'done', violation: null });
    expect(kvm(played)).toMatchObject({ online: 1, created: 1, users: 2, array: [0] });
  });

  it('that another result is expected of is told', () => {
    const played = play(of([CREATE.replace('ok', 'EEXIST')], 'onlineVcpus: 0'), FIFO);
    expect(played.end.violation?.message).toBe('thread:vmm/0: KVM_CREATE_VCPU returned ok; its program expects EEXIST');
  });
});

describe('a VM', () => {
  const CREATE_VM = '{ KVM_CREATE_VM: { vm: vm0, returns: ok } }';

  it('goes with the last of its descriptors, in whatever order they are closed', () => {
    const closes = ['{ close: { vm: vm0 } }', '{ close: { vcpu: vm0/0 } }'];
    for (const order of [closes, [...closes].reverse()]) {
      const played = play(of([[CREATE_VM, CREATE, ...order].join(', ')], 'createdInRun: true'), FIFO);
      expect(played.end).toMatchObject({ ended: 'done', violation: null });
      expect(lastNames(played, 'thread:vmm/0').filter((name) => name === 'kvm_vcpu_destroy')).toHaveLength(1);
      for (const id of ['kvmvm:vm0', 'vm:vm0', 'vcpu:vm0/0']) expect(played.context(id)).toMatchObject({ absent: true });
      expect(played.context<NotifierContext>('mn:vm0')).toEqual({ registered: false, running: 0 });
    }
  });

  it('can be created again when it is gone, and not before', () => {
    const again = CREATE_VM.replace('ok', 'EMFILE');
    const played = play(of([[CREATE_VM, again, '{ close: { vm: vm0 } }', CREATE_VM, CREATE].join(', ')], 'createdInRun: true'), FIFO);
    expect(played.end).toMatchObject({ ended: 'done', violation: null });
    expect(kvm(played)).toMatchObject({ online: 1, users: 2 });
  });

  it('is held by KVM_RUN of a vCPU whose descriptors are closed meanwhile', () => {
    const closes = '{ close: { vm: vm0 } }, { close: { vcpu: vm0/0 } }';
    const report = explored(of([RUN, closes], 'onlineVcpus: 1'));
    expect([report.limit, report.findings]).toEqual([null, []]);
  });

  it('that is not there is not called by an invalidation', () => {
    const played = play(of([`{ madvise: { vm: vm0 } }, ${CREATE_VM}, { madvise: { vm: vm0 } }`], 'createdInRun: true'), FIFO);
    expect(played.end).toMatchObject({ ended: 'done', violation: null });
    expect(lastNames(played, 'thread:vmm/0').filter((name) => name === 'kvm_unmap_gfn_range')).toHaveLength(1);
  });
});

describe('what a file says of things that come and go', () => {
  it.each([
    [
      'a VM that is there',
      ['{ KVM_CREATE_VM: { vm: vm0 } }'],
      '',
      'found KVM_CREATE_VM of vm0; expected a VM with options: { createdInRun: true } or { onlineVcpus: 0 }: this one is there from the start',
    ],
    [
      'a vCPU that is there',
      [CREATE],
      '',
      'found KVM_CREATE_VCPU of vm0; expected a VM with options: { createdInRun: true } or { onlineVcpus: 0 }: this one is there from the start',
    ],
    ['too many', ['{ compute: {} }'], 'onlineVcpus: 2', 'found 2; expected at most 1: vm0 has no more vCPUs'],
    [
      'vCPUs of nothing',
      ['{ compute: {} }'],
      'createdInRun: true, onlineVcpus: 1',
      'found 1; expected none: vm0 has no vCPU before KVM_CREATE_VM',
    ],
    [
      'no slot',
      ['{ KVM_CREATE_DEVICE: { vm: vm0, device: 1 } }'],
      'deviceSlots: 1',
      'found device 1, and 1 deviceSlots of vm0; expected options: { deviceSlots: 2 } or more',
    ],
    [
      'a close of what stays',
      ['{ close: { vm: vm0 } }'],
      '',
      'found close, and no VM that comes and goes; expected vm0 with options such as { onlineVcpus: 1 }',
    ],
  ])('tells of %s', (_what, threads, options, message) => {
    expect(mistakes(threads, options)).toEqual([message]);
  });

  it('tells of a result that there is not, and of a type', () => {
    expect(mistakes([CREATE.replace('ok', 'EIO')], 'onlineVcpus: 0')).toEqual([
      'found "EIO"; expected a result of a creation ("ok", "EBADF", "EEXIST", "EMFILE")',
    ]);
    expect(mistakes(['{ KVM_CREATE_VM: { vm: vm0, type: default } }'], 'createdInRun: true')).toEqual([
      'found a type; expected none: vm0 is of type vmx',
    ]);
  });

  it('closes one thing at a time', () => {
    const [message] = mistakes(['{ close: { vm: vm0, vcpu: vm0/0 } }'], 'onlineVcpus: 1');
    expect(message).toContain('expected the one thing whose descriptor is closed');
  });

  it('has one way of creation', () => {
    const text = textOf(['{ compute: {} }'], '')
      .replace('intel', 'amd, features: [sev, sev-es]')
      .replace(
        /vms: .*/,
        'vms: { vm0: { type: sev-es, options: { launched: false }, vcpus: [[]] }, vm1: { type: svm, options: { createdInRun: true }, vcpus: [[]] } }',
      );
    expect(() => loadScenario(text, 'tried.yaml', KNOWN)).toThrow(
      /found VMs that sev-es-debug and lifecycle create; expected one way of creation/,
    );
  });
});

describe('each mutant', () => {
  it.each([
    ['vcpu-comes-online', 'under-mutex', 'vcpu-mutex-not-held', 'lifecycle.online-before-entry'],
    ['vcpu-comes-online', 'under-mutex', 'run-without-descriptor', 'object.use-after-free'],
    ['device-fd-closed', 'before-fd', 'vcpu-holds-no-vm', 'object.use-after-free'],
    ['device-fd-closed', 'before-fd', 'destroy-leaves-notifier', 'object.use-after-free'],
  ])('of %s is noticed: %s, %s', (name, variant, mutant, property) => {
    const changed = resolveScenario(source(name), { variant, mutant, knownProperties: KNOWN });
    const isBroken = seeds(20).some((seed) => outcomeOf(changed, seed).end.violation?.property === property);
    expect(
      isBroken ||
        explored(changed)
          .findings.map((found) => found.property)
          .includes(property),
    ).toBe(true);
  });
});
