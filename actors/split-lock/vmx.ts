/**
 * The VMX half of the run loop: into guest mode and back, exits for MSR_TEST_CTRL and #AC, and the ioctls that reach the same MSR.
 *
 * @see kernel arch/x86/kvm/vmx/vmx.c, vmx_vcpu_run(), handle_exception_nmi(), vmx_guest_inject_ac()
 */
import { type ActorId, outgoing } from '../../events/event.ts';
import type { VmxExit } from '../../events/split-lock/split-lock.ts';
import {
  fatalSignalPending,
  type HostEnv,
  type HostItem,
  type HostLocals,
  type HostThread,
  host,
  kernelSource,
  vcpuOf,
} from '../host/host-env.ts';
import { lockMutex, type Vendor, vcpuLoad, vcpuPut } from '../kvm/kvm-run.ts';
import { otherwise } from '../path/path.ts';
import { isChecked } from './account.ts';
import { SLEEP_TIMER } from './delayed-work.ts';
import { emulatePath } from './emulator.ts';
import { vmptrld } from './resume.ts';
import type { SldFacts } from './sld-facts.ts';
import { lookAtVmx, msrOpOf, prepareSwitchToGuest, prepareSwitchToHost, vmxGetMsr, vmxSetMsr } from './virt.ts';
import { callsAgain } from './vmm.ts';
import { splitLockWarn } from './warn.ts';

const { path, step, call, loop, when, note, leaveLoop } = host;

declare module '../host/host-env.ts' {
  interface HostLocals {
    readonly vmx?: VmxExit | undefined;
    /** Whether #AC belongs to the guest. */
    readonly inject?: boolean | undefined;
    /** KVM_RUN_X86_BUS_LOCK is set in kvm_run. */
    readonly busLock?: true | undefined;
    /** KVM_RUN returns to user space. */
    readonly returns?: boolean | undefined;
  }
  interface HostThread {
    /** What the last KVM_GET_MSRS or KVM_SET_MSRS gave. */
    readonly ioctl?: number | 'ok' | 'EINVAL' | undefined;
    /** What a KVM_SET_MSRS that succeeded has written, until it drops the vCPU's mutex. */
    readonly msrSet?: { readonly vcpu: ActorId; readonly value: number } | undefined;
  }
}

const toGuest = (env: HostEnv, t: HostThread, exception: 'AC' | 'GP' | null, value: number | null) =>
  outgoing(vcpuOf(env, t).id, { type: 'vmx.complete', exception, value });
/** The vCPU takes note of what became of its instruction; its next step comes with the next entry. */
const GUEST_NOTES = { 'guest.ran': () => ({}) } as const;

/** R12: entry, guest, exit. */
const vmxVcpuRun = (env: HostEnv) =>
  path(
    'vmx_vcpu_run',
    kernelSource('arch/x86/kvm/vmx/vmx.c, vmx_vcpu_run(); Intel SDM vol. 3, "VM entries", "VM exits"'),
    [
      step('VMRESUME', { mode: 'guest', ns: 500 }),
      loop(
        step('guest', {
          idles: true,
          send: (t) => outgoing(vcpuOf(env, t).id, { type: 'guest.step' }),
          answers: {
            'guest.ran': () => ({}),
            vmexit: (e) => ({ exit: e.reason }),
            'vmx.exit': (e) => ({ vmx: e.exit }),
          },
          wakes: { 'cpu.interrupt': () => ({ exit: 'INTR' as const }) },
        }),
        when([(_t, l) => l.exit !== undefined || l.vmx !== undefined, [leaveLoop]]),
      ),
      step('VMEXIT', { inside: true, mode: 'kernel', ns: 800 }),
    ],
    { requires: 'N' },
  );

/** WRMSR and RDMSR of the guest: the value, or #GP. */
const msrExit = (env: HostEnv, facts: SldFacts, kind: 'MSR_WRITE' | 'MSR_READ') =>
  path(
    kind === 'MSR_WRITE' ? 'kvm_emulate_wrmsr' : 'kvm_emulate_rdmsr',
    kernelSource('arch/x86/kvm/x86.c, kvm_emulate_wrmsr(), kvm_emulate_rdmsr()'),
    [
      kind === 'MSR_WRITE'
        ? call(vmxSetMsr(env, facts), (_t, l) => ({ msr: l.vmx?.reason === 'MSR_WRITE' ? l.vmx.value : 0 }))
        : call(vmxGetMsr(env, facts)),
      step('kvm_complete_insn_gp', {
        send: (t, l) => toGuest(env, t, l.failed === true ? 'GP' : null, l.failed === true ? null : (l.msr ?? null)),
        answers: GUEST_NOTES,
      }),
    ],
    { locals: ['failed', 'msr'] },
  );

type ExceptionExit = Extract<VmxExit, { readonly reason: 'EXCEPTION_NMI' }>;

/** vmx_guest_inject_ac(), with the series' rule for guests that have the bit set. @see domain C.4, C.5; SLD-14 to SLD-18 */
function isGuests(facts: SldFacts, exit: ExceptionExit, guestOn: boolean): boolean {
  if (!facts.hasFeature) return true;
  if (facts.options['kvm.acInjection'] === 'analyse') return !exit.locked || guestOn;
  return isChecked(exit.context) || guestOn;
}

/** #AC of the guest: injected, or taken by the host as the split lock of its own task. */
const handleExceptionNmi = (env: HostEnv, facts: SldFacts) =>
  path(
    'handle_exception_nmi',
    kernelSource('arch/x86/kvm/vmx/vmx.c, handle_exception_nmi(); arch/x86/kernel/cpu/intel.c, handle_guest_split_lock()'),
    [
      lookAtVmx(env, facts, 'msr_test_ctrl'),
      step('vmx_guest_inject_ac', {
        local: (_t, l) => ({ inject: l.vmx?.reason === 'EXCEPTION_NMI' && isGuests(facts, l.vmx, l.guestOn === true) }),
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
              ? [splitLockWarn(facts)]
              : [
                  step('force_sig_fault', {
                    set: () => ({ signal: { signal: 'SIGBUS' as const, pfn: null } }),
                    local: () => ({ returns: true }),
                  }),
                ]),
          ],
        ],
      ),
    ],
    { locals: ['loaded', 'saved', 'msr', 'guestOn', 'inject'] },
  );

const emulate = (env: HostEnv, facts: SldFacts) =>
  emulatePath(env, facts, step('kvm_skip_emulated_instruction', { send: (t) => toGuest(env, t, null, null), answers: GUEST_NOTES }));

/** vmx_handle_exit() tells user space of a bus lock, whatever else the exit was for. */
const handleBusLock = path('handle_bus_lock_vmexit', kernelSource('arch/x86/kvm/vmx/vmx.c, handle_bus_lock_vmexit(), vmx_handle_exit()'), [
  step('bus_lock_detected', { local: () => ({ busLock: true as const }) }),
]);

/** Why user space runs the vCPU again, if it does. */
function runsAgain(t: HostThread, { exit, busLock }: HostLocals): HostLocals['runsAgain'] {
  if (fatalSignalPending(t) || exit === 'SHUTDOWN') return undefined;
  if (busLock === true) return 'KVM_EXIT_X86_BUS_LOCK';
  return t.sigpending === true ? 'EINTR' : undefined;
}

/** VMX, where the run skeleton asks for it. */
export const vmxVendor = (env: HostEnv, facts: SldFacts): Vendor => ({
  prepare: [call(prepareSwitchToGuest(env, facts))],
  run: vmxVcpuRun(env),
  exits: [
    [(_t, l) => l.vmx?.reason === 'MSR_WRITE', [call(msrExit(env, facts, 'MSR_WRITE'))]],
    [(_t, l) => l.vmx?.reason === 'EPT_MISCONFIG', [call(emulate(env, facts))]],
    [(_t, l) => l.vmx?.reason === 'BUS_LOCK', [call(handleBusLock), when([(_t, l) => l.busLock === true, [leaveLoop]])]],
    [(_t, l) => l.vmx?.reason === 'MSR_READ', [call(msrExit(env, facts, 'MSR_READ'))]],
    [
      (_t, l) => l.vmx?.reason === 'EXCEPTION_NMI',
      [call(handleExceptionNmi(env, facts)), when([(_t, l) => l.returns === true, [leaveLoop]])],
    ],
  ],
  exitLocals: ['vmx', 'returns', 'busLock'],
  put: [call(prepareSwitchToHost(env, facts))],
  ...(facts.resumes && { load: [vmptrld(facts)] }),
  ...(callsAgain(facts) && { leave: [note((t, l) => ({ runsAgain: runsAgain(t, l) }))] }),
});

/** KVM_SET_MSRS and KVM_GET_MSRS of MSR_TEST_CTRL: the host's access to the guest's value, under the vCPU's mutex. */
export function msrIoctlPath(env: HostEnv, facts: SldFacts, name: 'KVM_SET_MSRS' | 'KVM_GET_MSRS') {
  const result = step('copy_to_user', {
    set: (t, l) => ({
      ioctl: l.failed === true ? ('EINVAL' as const) : name === 'KVM_GET_MSRS' ? (l.msr ?? 0) : ('ok' as const),
      ...(name === 'KVM_SET_MSRS' && l.failed !== true && { msrSet: { vcpu: vcpuOf(env, t).id, value: given(t).msr } }),
    }),
  });
  const given = (t: HostThread) => {
    const op = msrOpOf(env, t);
    return { msr: op.op === 'KVM_SET_MSRS' ? op.value : 0 };
  };
  const access: HostItem = name === 'KVM_SET_MSRS' ? call(vmxSetMsr(env, facts), given) : call(vmxGetMsr(env, facts));
  return path(
    name,
    kernelSource('arch/x86/kvm/x86.c, msr_io(); host_initiated'),
    [
      step('ioctl', { mode: 'kernel' }),
      call(lockMutex(env)),
      call(vcpuLoad(env, vmxVendor(env, facts))),
      access,
      result,
      call(vcpuPut(env, vmxVendor(env, facts))),
      step('mutex_unlock', {
        send: (t) => outgoing(`mutex:${vcpuOf(env, t).id}`, { type: 'mutex.unlock' }),
        set: () => ({ msrSet: undefined }),
      }),
      step('sysret', { mode: 'user' }),
    ],
    { locals: ['failed', 'msr'] },
  );
}
