/**
 * Guests that are launched in the run and debug themselves: they are switched as what the launch
 * has made of them, and as what an intra-host move has made of them behind it.
 */
import { describe, expect, it } from 'vitest';
import type { HostThread } from '../../actors/host/host-env.ts';
import type { Vcpu } from '../../actors/kvm/guest-program.ts';
import type { LaunchedDebugState } from '../../actors/sev-es-debug/launched-debug.ts';
import type { MechanismOptions } from '../../events/options.ts';
import { knownProperties } from '../../sim/properties/index.ts';
import { scenario } from '../../sim/scenario/build.ts';
import type { GuestStep, HostStep } from '../../sim/scenario/program.ts';
import { resolveScenario } from '../../sim/scenario/resolve.ts';
import type { Scenario } from '../../sim/scenario/types.ts';
import { play } from '../sim/play.ts';
import { found } from './worlds.ts';

const FEATURES = ['sev', 'sev-es', 'debug-swap', 'no-nested-data-bp'];
const ALWAYS = [
  'sev.returns-as-told',
  'debug.exception-comes',
  'debug.exception-is-due',
  'debug.dr6-tells-the-cause',
  'debug.registers-read-back',
  'sev-es.host-registers',
];
/** It meets a watchpoint, a step, and its own DR0 behind an exit. */
const GUEST: readonly GuestStep[] = [
  { 'mov-to-dr': { dr: 0, value: 0x5000 } },
  { 'mov-to-dr': { dr: 7, value: 0x9_0401 } },
  { insn: { writes: 0x5000 } },
  { popf: { tf: true } },
  { popf: { tf: false } },
  { touch: {} },
  { 'mov-from-dr': { dr: 0 } },
];

const update: readonly HostStep[] = [
  { KVM_CREATE_VCPU: { vcpu: 'vm0/0' } },
  { KVM_SEV_LAUNCH_START: { vm: 'vm0' } },
  { KVM_SEV_LAUNCH_UPDATE_VMSA: { vm: 'vm0', returns: 'ok' } },
];
const launch = (features: number): readonly HostStep[] => [
  { KVM_CREATE_VM: { vm: 'vm0' } },
  { KVM_SEV_INIT2: { vm: 'vm0', features, returns: 'ok' } },
  ...update,
];
/** The old ioctl, by which KVM of 6.6 gives every VM DebugSwap. */
const oldLaunch: readonly HostStep[] = [{ KVM_CREATE_VM: { vm: 'vm0', type: 'default' } }, { KVM_SEV_ES_INIT: { vm: 'vm0' } }, ...update];
const run = (vcpu: string): HostStep => ({ KVM_RUN: { vcpu } });
const destination = (type: 'default' | 'sev-es'): readonly HostStep[] => [
  { KVM_CREATE_VM: { vm: 'vm1', type } },
  { KVM_CREATE_VCPU: { vcpu: 'vm1/0' } },
];
const moveAndRun: readonly HostStep[] = [{ KVM_CAP_VM_MOVE_ENC_CONTEXT_FROM: { vm: 'vm1', from: 'vm0' } }, run('vm1/0')];

interface Launched {
  readonly guest?: readonly GuestStep[];
  readonly program: readonly HostStep[];
  readonly other?: readonly HostStep[];
  readonly moves?: boolean;
  readonly host?: Partial<Scenario['host']>;
  readonly options?: Partial<MechanismOptions>;
  readonly mutant?: string;
}

function world({ guest = GUEST, program, other = [], moves = false, host = {}, options = {}, mutant }: Launched) {
  const vm = { type: 'sev-es', options: { launched: false } };
  const source = scenario({
    name: 'launched-guest',
    summary: 'A guest that is launched in the run',
    host: { arch: 'amd', cpus: 1, preemption: 'none', kernel: '6.14', features: FEATURES, options, ...host },
    // The destination has a program of its own, which would meet #BP.
    vms: { vm0: { ...vm, vcpus: [guest] }, ...(moves && { vm1: { ...vm, vcpus: [[{ int3: {} }]] } }) },
    processes: { qemu0: { threads: [program] }, ...(other.length > 0 && { other: { threads: [other] } }) },
    properties: { always: ALWAYS },
  });
  return resolveScenario(source, { knownProperties: knownProperties(), ...(mutant !== undefined && { mutant }) });
}

const inOrder = (launched: Launched) => play(world(launched), { name: 'fifo' });
const taken = (launched: Launched): number => inOrder(launched).context<Vcpu>('vcpu:vm0/0').debug!.taken;
const broken = (launched: Launched): readonly string[] => found(world(launched)).broken;
const last = (launched: Launched, thread = '0') => inOrder(launched).context<HostThread>(`thread:qemu0/${thread}`).ioctlReturned;
const swapped: Launched = { program: [...launch(0x20), run('vm0/0')] };

describe('DBG-17: a guest that is launched in the run', () => {
  it('with DebugSwap meets what it asks for, between any two instructions descheduled', () => {
    expect(taken(swapped)).toBe(2);
    const [watchpoint, preempted] = [GUEST.slice(0, 3), { other: [{ compute: {} }], host: { preemption: 'full' } } as const];
    expect(broken({ ...swapped, ...preempted, guest: watchpoint })).toEqual([]);
  });

  it('without it arms nothing: MOV DR7 is #VC, and the watchpoint never comes', () => {
    expect(broken({ program: [...launch(0), run('vm0/0')] })).toEqual(['debug.exception-comes']);
  });

  it('is on the CPU what its launch has made of it, mutants as well', () => {
    expect(taken({ ...swapped, mutant: 'sev-intercepts-stay' })).toBe(0);
    const forgotten = inOrder({ ...swapped, mutant: 'sev-sync-forgets-features' });
    expect(forgotten.context<LaunchedDebugState>('kdb:vm0/0').encrypted).toMatchObject({ debugSwap: false, interceptsDr7: false });
    expect(broken({ ...swapped, mutant: 'sev-es-forgets-xcr0' })).toEqual(['sev-es.host-registers']);
  });
});

describe('a guest that moves to another VM of the host', () => {
  /** It has not run before: there is no such vCPU yet where a thread tries. */
  const moved = (type: 'default' | 'sev-es', started: readonly HostStep[]): readonly HostStep[] => [
    run('vm0/0'),
    ...destination(type),
    ...started,
    ...moveAndRun,
  ];
  const old: Launched = { program: moved('default', oldLaunch), moves: true, host: { kernel: '6.6' } };
  /** Another thread stops the guest by a signal, moves it, and goes on with it. */
  const stopped: Launched = {
    ...old,
    program: [...destination('default'), ...oldLaunch, run('vm0/0')],
    other: [{ tgkill: { vcpu: 'vm0/0' } }, ...moveAndRun],
  };

  it('DBG-17: with DebugSwap meets there what it asks for, wherever a signal has stopped it', () => {
    expect(taken(old)).toBe(2);
    expect(broken(stopped)).toEqual([]);
  });

  it('without it loses a #DB that KVM has intercepted and not injected: the queue is not moved', () => {
    const steps: readonly GuestStep[] = [{ popf: { tf: true } }, { popf: { tf: false } }];
    const without = { kernel: '6.6', features: ['sev', 'sev-es'] } as const;
    expect(broken({ ...stopped, guest: steps, host: without })).toEqual(['debug.exception-comes']);
    expect(broken({ ...old, guest: steps, host: without })).toEqual([]);
  });

  it('DBG-15: ends itself at MOV DR7 where the destination has forgotten the features', () => {
    const forgets = inOrder({ ...old, options: { 'sev.moveFeatures': 'after-vmcb' } });
    expect(forgets.delivered('vmexit').at(-1)!.payload).toMatchObject({ reason: 'VMGEXIT', info: { nae: 'TERMINATE' } });
  });

  it('never runs where its VM says an encrypted type: the move leaves need_init set', () => {
    const typed: Launched = { program: moved('sev-es', launch(0x20)), moves: true };
    expect([last(typed, 'vcpu0'), inOrder(typed).delivered('vmexit')]).toEqual([{ op: 'KVM_RUN', result: 'EINVAL' }, []]);
  });
});

describe('KVM_RUN of a VM that says an encrypted type', () => {
  it('is refused before KVM_SEV_INIT2, and not behind it', () => {
    const made: readonly HostStep[] = [{ KVM_CREATE_VM: { vm: 'vm0' } }, { KVM_CREATE_VCPU: { vcpu: 'vm0/0' } }];
    expect(last({ program: [...made, run('vm0/0')] })).toEqual({ op: 'KVM_RUN', result: 'EINVAL' });
    expect(last(swapped)).toEqual({ op: 'KVM_SEV_LAUNCH_UPDATE_VMSA', result: 'ok' });
  });
});
