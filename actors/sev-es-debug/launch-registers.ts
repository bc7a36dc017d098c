/**
 * The ioctls on a vCPU's registers around its launch, what KVM_SET_GUEST_DEBUG and KVM_RUN ask
 * before they do anything, and VMRUN's look at the VMSA.
 *
 * @see kernel arch/x86/kvm/x86.c, kvm_arch_vcpu_ioctl_set_regs(), __set_sregs_common(),
 * kvm_arch_vcpu_ioctl_set_guest_debug(); APM vol. 2, "VMRUN"; domain debug-and-split-lock B.3
 */
import { outgoing } from '../../events/event.ts';
import { REGISTER_IOCTLS, type RegisterIoctl, type SevVmFacts } from '../../events/sev-es-debug/launch.ts';
import { type HostEnv, type HostItem, type HostLocals, type HostThread, host, kernelSource, opOf } from '../host/host-env.ts';
import { vcpuOf } from '../kvm/kvm-env.ts';
import type { KvmParts, SlotItems } from '../kvm/slots.ts';
import { lockMutex, unlockMutex, vcpuLoad, vcpuPut } from '../kvm/vcpu-load.ts';
import { errnoLocal, fdgetVcpu, ioctlPath, isBad, isLaunchedInRun, returned, sevOf, toEsv } from './launch-env.ts';
import type { Operations } from './launch-ioctls.ts';
import { swapsDebug } from './launch-rule.ts';

const { step, call, when, note, leavePath } = host;
const X86 = (functions: string) => kernelSource(`arch/x86/kvm/x86.c, ${functions}`);

/** The function of each ioctl. */
const FUNCTIONS: Readonly<Record<RegisterIoctl, string>> = {
  KVM_SET_REGS: 'kvm_arch_vcpu_ioctl_set_regs',
  KVM_SET_SREGS: 'kvm_arch_vcpu_ioctl_set_sregs',
  KVM_GET_XCRS: 'kvm_vcpu_ioctl_x86_get_xcrs',
  KVM_SET_FPU: 'kvm_arch_vcpu_ioctl_set_fpu',
  KVM_SET_XSAVE: 'kvm_vcpu_ioctl_x86_set_xsave',
  KVM_SET_DEBUGCTL: 'svm_set_msr',
};

const idOf = (env: HostEnv) => (t: HostThread) => vcpuOf(env, t).id;

const registerOperation = (env: HostEnv, ioctl: RegisterIoctl): readonly [string, HostItem] => {
  const value = (t: HostThread): number => {
    const op = opOf(env, t);
    return 'value' in op && typeof op.value === 'number' ? op.value : 0;
  };
  const name = FUNCTIONS[ioctl];
  const items = [
    call(lockMutex(env)),
    note(() => ({ granted: undefined })),
    call(vcpuLoad(env)),
    step(name, {
      send: (t) => toEsv(idOf(env)(t), { type: 'esv.registers', ioctl, value: value(t) }),
      answers: { 'esv.done': errnoLocal },
    }),
    call(vcpuPut(env)),
    unlockMutex(env),
  ];
  return [ioctl, call(ioctlPath(env, ioctl, X86(`${name}()`), { begin: fdgetVcpu(idOf(env)), items }))];
};

export const registerOperations = (env: HostEnv): Operations => REGISTER_IOCTLS.map((ioctl) => registerOperation(env, ioctl));

const inRun = (env: HostEnv) => (t: HostThread) => isLaunchedInRun(env, vcpuOf(env, t).vm);

/**
 * What may refuse an ioctl of any mechanism: the thread keeps the errno, and the ioctl ends by what
 * `ends` sets.
 */
const refusing = (
  env: HostEnv,
  name: string,
  asks: (t: HostThread, l: HostLocals) => boolean,
  ask: HostItem,
  ends: Partial<HostLocals> = { refused: true },
): readonly HostItem[] => [
  when([
    asks,
    [
      ask,
      when([
        isBad,
        [
          step(name, {
            ns: 5,
            set: (t, l) => returned(env, t, l.launchErrno),
            local: () => ({ ...ends, launchErrno: undefined }),
          }),
        ],
      ]),
    ],
  ]),
];

const ORDER = 40;

/** KVM_SET_GUEST_DEBUG: D2. */
const debugTest: SlotItems = {
  order: ORDER,
  locals: ['launchErrno'],
  items: (env) =>
    refusing(
      env,
      'return_einval',
      (t) => inRun(env)(t) && opOf(env, t).op === 'KVM_SET_GUEST_DEBUG',
      step('guest_state_protected_test', {
        ...X86('kvm_arch_vcpu_ioctl_set_guest_debug()'),
        send: (t) => toEsv(idOf(env)(t), { type: 'esv.debug?' }),
        answers: { 'esv.done': errnoLocal },
      }),
    ),
};

/**
 * KVM_RUN before its first turn. What KVM believes of the VM stays as it is read here until the end
 * of KVM_RUN: whatever changes it takes the mutex of the vCPU.
 */
const preRun: SlotItems = {
  order: ORDER,
  locals: ['launchErrno', 'notRun', 'sevEs', 'guestAt'],
  items: (env) =>
    refusing(
      env,
      'pre_run_failed',
      (t, l) => inRun(env)(t) && l.notRun !== true,
      step('svm_vcpu_pre_run', {
        ...kernelSource('arch/x86/kvm/svm/svm.c, svm_vcpu_pre_run(), need_init'),
        send: (t) => outgoing(sevOf(vcpuOf(env, t).vm), { type: 'sev.facts?' }),
        answers: { 'sev.facts': (facts) => ({ sevEs: believedOf(facts), launchErrno: facts.needsInit ? 'EINVAL' : undefined }) },
      }),
      { refused: true, notRun: true },
    ),
};

const believedOf = ({ active, vmType, features }: SevVmFacts): HostLocals['sevEs'] =>
  active ? { vmsaFeatures: swapsDebug(features) ? ['debug-swap'] : [], isSnp: vmType === 'snp' } : undefined;

/** VMRUN fails on a VMSA that is not encrypted, or that is the firmware's. */
const vmrunTest: SlotItems = {
  order: ORDER,
  locals: ['vmsaSwaps'],
  items: (env) => [
    when([
      inRun(env),
      [
        step('VMRUN_read_vmsa', {
          source: 'APM vol. 2, "VMRUN", "Encrypted register state"',
          grade: 'inferred',
          send: (t) => toEsv(idOf(env)(t), { type: 'esv.enter?', cpu: t.cpu! }),
          answers: {
            'esv.entered': ({ runs, debugSwap, guest }, t) => ({
              vmsaSwaps: runs ? debugSwap : undefined,
              guestAt: guest === null || guest === idOf(env)(t) ? undefined : guest,
            }),
          },
        }),
        when([(_t, l) => l.vmsaSwaps === undefined, [note(() => ({ exit: { reason: 'INVALID', info: null } })), leavePath]]),
      ],
    ]),
  ],
};

export const launchKvm: KvmParts = {
  ioctlEntry: { order: ORDER, locals: ['launchErrno'], items: (env) => refusing(env, 'return_errno', inRun(env), fdgetVcpu(idOf(env))) },
  ioctlLocked: debugTest,
  beforeRun: preRun,
  entry: vmrunTest,
};
