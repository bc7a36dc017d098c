/**
 * What split-lock detection fills of KVM on VMX: the setting that goes to the guest and back, exits
 * for MSR_TEST_CTRL, #AC and bus locks, and the ioctls that reach the same MSR.
 *
 * @see kernel arch/x86/kvm/vmx/vmx.c, handle_exception_nmi(), vmx_guest_inject_ac(), vmx_set_msr()
 */

import { type ActorId, outgoing } from '../../events/event.ts';
import type { U64 } from '../../events/u64.ts';
import type { ExceptionInfoOf } from '../../events/vmx.ts';
import { fatalSignalPending, type HostEnv, type HostItem, type HostLocals, type HostThread, host, kernelSource } from '../host/host-env.ts';
import { exitInfo, vcpuOf } from '../kvm/kvm-env.ts';
import type { KvmParts, VcpuIoctl } from '../kvm/slots.ts';
import { otherwise } from '../path/path.ts';
import { exceptionInfo } from '../vmx/vmx.ts';
import { isChecked } from './account.ts';
import { SLEEP_TIMER } from './delayed-work.ts';
import { emulatePath } from './emulator.ts';
import { vmptrld } from './resume.ts';
import type { SldFacts } from './sld-facts.ts';
import { lookAtVmx, msrOpOf, prepareSwitchToGuest, prepareSwitchToHost, vcpuPutVmx, vmxGetMsr, vmxSetMsr } from './virt.ts';
import { callsAgain, vmmLoop } from './vmm.ts';
import { splitLockWarn } from './warn.ts';

const { path, step, call, when, note } = host;

declare module '../host/host-env.ts' {
  interface HostLocals {
    /** Whether #AC belongs to the guest. */
    readonly inject?: boolean | undefined;
    /** KVM_RUN_X86_BUS_LOCK is set in kvm_run. */
    readonly busLock?: true | undefined;
  }
  interface HostThread {
    /** What the last KVM_GET_MSRS or KVM_SET_MSRS gave. */
    readonly ioctl?: U64 | 'ok' | 'EINVAL' | undefined;
    /** What a KVM_SET_MSRS that succeeded has written, until it drops the vCPU's mutex. */
    readonly msrSet?: { readonly vcpu: ActorId; readonly value: U64 } | undefined;
    /** What a KVM_GET_MSRS that succeeded has read, until it drops the vCPU's mutex. */
    readonly msrGot?: { readonly vcpu: ActorId; readonly value: U64 } | undefined;
  }
}

const toGuest = (env: HostEnv, t: HostThread, exception: 'AC' | 'GP' | null, value: U64 | null) =>
  outgoing(vcpuOf(env, t).id, { type: 'vmx.complete', exception, value });
/**
 * The vCPU takes note of what became of its instruction; its next step comes with the next entry.
 */
const GUEST_NOTES = { 'guest.ran': () => ({}) } as const;

/** WRMSR and RDMSR of the guest: the value, or #GP. */
const msrExit = (env: HostEnv, facts: SldFacts, kind: 'MSR_WRITE' | 'MSR_READ') =>
  path(
    kind === 'MSR_WRITE' ? 'kvm_emulate_wrmsr' : 'kvm_emulate_rdmsr',
    kernelSource('arch/x86/kvm/x86.c, kvm_emulate_wrmsr(), kvm_emulate_rdmsr()'),
    [
      kind === 'MSR_WRITE'
        ? call(vmxSetMsr(env, facts, {}), (_t, l) => ({ msr: exitInfo(l, 'MSR_WRITE').value }))
        : call(vmxGetMsr(env, facts)),
      step('kvm_complete_insn_gp', {
        send: (t, l) => toGuest(env, t, l.failed === true ? 'GP' : null, l.failed === true ? null : (l.msr ?? null)),
        answers: GUEST_NOTES,
      }),
    ],
    { locals: ['failed', 'msr'] },
  );

/**
 * vmx_guest_inject_ac(), with the series' rule for guests that have the bit set.
 * @see domain C.4, C.5; SLD-14 to SLD-18
 */
function isGuests(facts: SldFacts, exit: ExceptionInfoOf['AC'], guestOn: boolean): boolean {
  if (!facts.hasFeature) return true;
  if (facts.options['kvm.acInjection'] === 'analyse') return !exit.locked || guestOn;
  return isChecked(exit.context) || guestOn;
}

/** #AC of the guest: injected, or taken by the host as the split lock of its own task. */
const handleAc = (env: HostEnv, facts: SldFacts): readonly HostItem[] => [
  lookAtVmx(env, facts, 'msr_test_ctrl'),
  step('vmx_guest_inject_ac', {
    local: (_t, l) => ({ inject: isGuests(facts, exceptionInfo(l, 'AC'), l.guestOn === true) }),
  }),
  when(
    [(_t, l) => l.inject === true, [step('kvm_queue_exception_e', { send: (t) => toGuest(env, t, 'AC', null), answers: GUEST_NOTES })]],
    [
      otherwise,
      [
        step('handle_guest_split_lock', {
          set: () => ({ splitter: true as const }),
          ...(facts.exitTimerMs !== null && { send: () => outgoing(SLEEP_TIMER, { type: 'timer.elapse' }) }),
        }),
        ...(facts.state === 'warn'
          ? [splitLockWarn(facts, (t) => vcpuOf(env, t).id)]
          : [
              step('force_sig_fault', {
                set: () => ({ signal: { signal: 'SIGBUS' as const, pfn: null } }),
                local: () => ({ returns: true }),
              }),
            ]),
      ],
    ],
  ),
];

const emulate = (env: HostEnv, facts: SldFacts) =>
  emulatePath(env, facts, step('kvm_skip_emulated_instruction', { send: (t) => toGuest(env, t, null, null), answers: GUEST_NOTES }));

/** vmx_handle_exit() tells user space of a bus lock, whatever else the exit was for. */
const handleBusLock = path('handle_bus_lock_vmexit', kernelSource('arch/x86/kvm/vmx/vmx.c, handle_bus_lock_vmexit(), vmx_handle_exit()'), [
  step('bus_lock_detected', { local: () => ({ busLock: true as const, returns: true }) }),
]);

/** Why user space runs the vCPU again, if it does. */
function runsAgain(t: HostThread, { exit, busLock }: HostLocals): HostLocals['runsAgain'] {
  if (fatalSignalPending(t) || exit?.reason === 'SHUTDOWN') return undefined;
  if (busLock === true) return 'KVM_EXIT_X86_BUS_LOCK';
  return t.sigpending === true ? 'EINTR' : undefined;
}

/**
 * KVM_SET_MSRS and KVM_GET_MSRS of MSR_TEST_CTRL: the host's access to the guest's value, under the
 * vCPU's mutex.
 */
function msrIoctl(facts: SldFacts, name: 'KVM_SET_MSRS' | 'KVM_GET_MSRS'): VcpuIoctl {
  const isSet = name === 'KVM_SET_MSRS';
  const given = (env: HostEnv, t: HostThread) => {
    const op = msrOpOf(env, t);
    return { msr: op.op === 'KVM_SET_MSRS' ? op.value : 0 };
  };
  return {
    ...kernelSource('arch/x86/kvm/x86.c, msr_io(); host_initiated'),
    locals: ['failed', 'msr'],
    items: (env) => [
      isSet ? call(vmxSetMsr(env, facts, { hostInitiated: true }), (t) => given(env, t)) : call(vmxGetMsr(env, facts)),
      step('copy_to_user', {
        set: (t, l) => ({
          ioctl: l.failed === true ? ('EINVAL' as const) : isSet ? ('ok' as const) : (l.msr ?? 0),
          ...(l.failed !== true &&
            (isSet
              ? { msrSet: { vcpu: vcpuOf(env, t).id, value: given(env, t).msr } }
              : { msrGot: { vcpu: vcpuOf(env, t).id, value: l.msr ?? 0 } })),
        }),
      }),
    ],
    unlocked: () => (isSet ? { msrSet: undefined } : { msrGot: undefined }),
  };
}

export const sldKvm = (facts: SldFacts): KvmParts => ({
  beforeEntry: { items: (env) => [call(prepareSwitchToGuest(env, facts))] },
  put: { order: 10, items: (env) => [call(prepareSwitchToHost(env, facts))] },
  putting: { send: (env, t) => [vcpuPutVmx(env, t)] },
  ...(facts.resumes && { load: { order: 10, items: () => [vmptrld(facts)] } }),
  exits: {
    MSR_WRITE: (env) => [call(msrExit(env, facts, 'MSR_WRITE'))],
    EPT_MISCONFIG: (env) => [call(emulate(env, facts))],
    BUS_LOCK: () => [call(handleBusLock)],
    MSR_READ: (env) => [call(msrExit(env, facts, 'MSR_READ'))],
  },
  exceptions: { AC: { items: (env) => handleAc(env, facts), locals: ['loaded', 'saved', 'msr', 'guestOn', 'inject'] } },
  turnLocals: ['busLock'],
  ...(callsAgain(facts) && {
    leaveToUser: { order: 10, items: () => [note((t, l) => ({ runsAgain: runsAgain(t, l) }))] },
    userLoop: vmmLoop(facts),
  }),
  vcpuIoctls: { KVM_SET_MSRS: msrIoctl(facts, 'KVM_SET_MSRS'), KVM_GET_MSRS: msrIoctl(facts, 'KVM_GET_MSRS') },
});
