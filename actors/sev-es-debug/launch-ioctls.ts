/**
 * The ioctls that create a VM and its vCPUs, and those of KVM_MEMORY_ENCRYPT_OP for the VM as a
 * whole: initialization, and the commands of a launch but for its VMSAs.
 *
 * @see kernel virt/kvm/kvm_main.c, kvm_vm_ioctl_create_vcpu(); arch/x86/kvm/svm/sev.c,
 * sev_mem_enc_ioctl(); SEV firmware API, "Guest launch"
 */
import type { ActorId } from '../../events/event.ts';
import type { InitIoctl, KvmVmType, LaunchErrno, SevVmFacts } from '../../events/sev-es-debug/launch.ts';
import type { PspGuestCommand } from '../../events/sev-snp/psp.ts';
import {
  type HostEnv,
  type HostItem,
  type HostLocals,
  type HostPath,
  type HostThread,
  host,
  kernelSource,
  opOf,
} from '../host/host-env.ts';
import { vcpuOf, vmOf } from '../kvm/kvm-env.ts';
import { issueCommand, lockSevCmd, unlockSevCmd } from '../sev-snp/sev-command.ts';
import { errnoOfCommand } from '../sev-snp/sev-dead.ts';
import {
  errnoLocal,
  factsOf,
  fdgetVm,
  ioctlPath,
  isBad,
  isGood,
  kvmLockOf,
  lockPath,
  SEV,
  sevOf,
  toEsv,
  toSev,
  unlockStep,
} from './launch-env.ts';
import { type LaunchKind, launchable } from './launch-rule.ts';
import { startPages, updatePages } from './snp-launch.ts';
import { launchesPages, ofPages } from './snp-launch-commands.ts';

const { path, step, call, when, note } = host;
const KVM_MAIN = kernelSource('virt/kvm/kvm_main.c, kvm_vm_ioctl_create_vcpu()');

/** Operations by name: what carries each out. */
export type Operations = readonly (readonly [string, HostItem])[];

const lockKvm = (env: HostEnv): HostItem => call(lockPath('mutex_lock_kvm', (t) => kvmLockOf(vmOf(env, t))));
const unlockKvm = (env: HostEnv): HostItem => unlockStep('mutex_unlock_kvm', (t) => kvmLockOf(vmOf(env, t)));

/** sev_mem_enc_ioctl(): kvm->lock around the command. */
export const memEncIoctl = (env: HostEnv, name: string, items: readonly HostItem[]): readonly [string, HostItem] => [
  name,
  call(
    ioctlPath(env, name, SEV('sev_mem_enc_ioctl()'), {
      begin: fdgetVm(env),
      items: [lockKvm(env), ...items, unlockKvm(env)],
    }),
  ),
];

/** What a command looks at first. */
export const testVm = (env: HostEnv, name: string, errnoOf: (facts: SevVmFacts) => LaunchErrno | null): HostItem =>
  step(name, {
    send: (t) => toSev(env, t, { type: 'sev.facts?' }),
    answers: { 'sev.facts': (e) => ({ launchFacts: factsOf(e), ...errnoLocal({ errno: errnoOf(e) }) }) },
  });

/** One command of the guest to the firmware, one at a time; -EIO if the firmware refuses. */
export const issueForGuest = (
  env: HostEnv,
  command: PspGuestCommand,
  page: (t: HostThread, l: HostLocals) => ActorId | null = () => null,
): readonly HostItem[] => [
  call(
    path(
      'sev_issue_cmd',
      SEV('sev_issue_cmd(), __sev_issue_cmd()'),
      [
        ...lockSevCmd(),
        note(() => ({ granted: undefined })),
        call(
          issueCommand(env, '__sev_do_cmd_locked', (t, l) => ({ command, pfn: 0, guest: { id: sevOf(vmOf(env, t)), page: page(t, l) } })),
        ),
        unlockSevCmd(),
      ],
      { locals: ['granted'] },
    ),
  ),
  note((t, l) => (l.failed === true ? { failed: undefined, launchErrno: errnoOfCommand(t) } : { failed: undefined })),
];

/** Before LAUNCH_START sev->fd is 0: no descriptor of /dev/sev. */
const needsDevice =
  (env: HostEnv, kind: LaunchKind) =>
  (facts: SevVmFacts): LaunchErrno | null =>
    launchable(env.options, kind, facts) ?? (facts.started ? null : 'EBADF');

/** A command that the firmware alone has an opinion on. */
const passedOn = (env: HostEnv, ioctl: string, name: string, command: PspGuestCommand): readonly [string, HostItem] =>
  memEncIoctl(env, ioctl, [
    call(path(name, SEV(`${name}()`), [testVm(env, 'sev_guest', needsDevice(env, 'sev')), when([isGood, issueForGuest(env, command)])])),
  ]);

const launchStart = (env: HostEnv): HostPath =>
  path('sev_launch_start', SEV('sev_launch_start(), sev_bind_asid()'), [
    testVm(env, 'sev_guest', (facts) => launchable(env.options, 'sev', facts)),
    when([
      isGood,
      [
        ...issueForGuest(env, 'LAUNCH_START'),
        when([isGood, [step('sev_bind_asid', { send: (t) => toSev(env, t, { type: 'sev.bind' }) })]]),
      ],
    ]),
  ]);
const snpLaunchUpdate = (env: HostEnv): HostPath =>
  path('snp_launch_update_checks', SEV('snp_launch_update()'), [
    testVm(env, 'sev_snp_guest', (facts) => (launchable(env.options, 'snp', facts) !== null || !facts.started ? 'EINVAL' : null)),
    when([isGood, [call(updatePages(env))]]),
  ]);
const snpLaunchStart = (env: HostEnv): HostPath =>
  path('snp_launch_start', SEV('snp_launch_start(), snp_context_create(), snp_bind_asid()'), [
    testVm(env, 'sev_snp_guest', (facts) => launchable(env.options, 'snp', facts) ?? (facts.started ? 'EINVAL' : null)),
    when([
      isGood,
      [
        ...ofPages(env, startPages(env), issueForGuest(env, 'SNP_LAUNCH_START')),
        when([isGood, [step('snp_bind_asid', { send: (t) => toSev(env, t, { type: 'sev.bind' }) })]]),
      ],
    ]),
  ]);

const init = (env: HostEnv, ioctl: InitIoctl, name: string): readonly [string, HostItem] =>
  memEncIoctl(env, ioctl, [
    step(name, {
      ...SEV(`${name}(), __sev_guest_init()`),
      send: (t) => {
        const op = opOf(env, t);
        return toSev(env, t, { type: 'sev.init', ioctl, features: op.op === 'KVM_SEV_INIT2' ? (op.features ?? 0) : 0 });
      },
      answers: { 'sev.done': errnoLocal },
    }),
  ]);

/** KVM_CREATE_VM: the one ioctl that needs no descriptor of a VM. */
const createVm = (env: HostEnv): readonly [string, HostItem] => [
  'KVM_CREATE_VM',
  call(
    ioctlPath(env, 'KVM_CREATE_VM', kernelSource('virt/kvm/kvm_main.c, kvm_dev_ioctl_create_vm()'), {
      begin: step('kvm_create_vm', {
        send: (t) => {
          const op = opOf(env, t);
          return toSev(env, t, {
            type: 'sev.create',
            vmType: op.op === 'KVM_CREATE_VM' && op.type !== undefined ? (op.type as KvmVmType) : typeOf(env, t),
          });
        },
        answers: { 'sev.done': errnoLocal },
      }),
      items: [],
    }),
  ),
];
/** That of the VM in the scenario. */
const typeOf = (env: HostEnv, t: HostThread) => env.vms[vmOf(env, t)]!.launchedAs!;

/**
 * kvm_vm_ioctl_create_vcpu(): kvm->lock is dropped while the vCPU is made, so that created_vcpus
 * and online_vcpus differ.
 */
const createVcpu = (env: HostEnv): readonly [string, HostItem] => {
  const id = (t: HostThread) => vcpuOf(env, t).id;
  const numberOf = (t: HostThread): number => {
    const op = opOf(env, t);
    return 'vcpu' in op ? op.vcpu : 0;
  };
  const making: readonly HostItem[] = [
    lockKvm(env),
    step('created_vcpus', {
      send: (t) => toSev(env, t, { type: 'sev.countVcpu' }),
      answers: { 'sev.facts': (e) => ({ launchFacts: factsOf(e) }) },
    }),
    unlockKvm(env),
    step('kvm_arch_vcpu_create', {
      send: (t, l) => {
        const { vmType, active, features } = l.launchFacts!;
        return toEsv(id(t), { type: 'esv.create', vmType, es: active, features });
      },
    }),
  ];
  const showing: readonly HostItem[] = [
    call(lockPath('mutex_lock_kvm_again', (t) => kvmLockOf(vmOf(env, t)))),
    step('online_vcpus', {
      send: (t) => toSev(env, t, { type: 'sev.putOnline', vcpu: numberOf(t), id: id(t).replace(/^vcpu:/, 'esv:') }),
      answers: { 'sev.done': errnoLocal },
    }),
    when([isBad, [step('vcpu_decrement', { send: (t) => toSev(env, t, { type: 'sev.uncountVcpu' }) })]]),
    unlockStep('mutex_unlock_kvm_again', (t) => kvmLockOf(vmOf(env, t))),
  ];
  return ['KVM_CREATE_VCPU', call(ioctlPath(env, 'KVM_CREATE_VCPU', KVM_MAIN, { begin: fdgetVm(env), items: [...making, ...showing] }))];
};

export const launchOperations = (env: HostEnv): Operations => [
  createVm(env),
  createVcpu(env),
  init(env, 'KVM_SEV_INIT2', 'sev_guest_init2'),
  init(env, 'KVM_SEV_ES_INIT', 'sev_guest_init'),
  memEncIoctl(env, 'KVM_SEV_LAUNCH_START', [call(launchStart(env))]),
  passedOn(env, 'KVM_SEV_LAUNCH_UPDATE_DATA', 'sev_launch_update_data', 'LAUNCH_UPDATE_DATA'),
  passedOn(env, 'KVM_SEV_LAUNCH_MEASURE', 'sev_launch_measure', 'LAUNCH_MEASURE'),
  passedOn(env, 'KVM_SEV_LAUNCH_FINISH', 'sev_launch_finish', 'LAUNCH_FINISH'),
  memEncIoctl(env, 'KVM_SEV_SNP_LAUNCH_START', [call(snpLaunchStart(env))]),
  ...(launchesPages(env) ? [memEncIoctl(env, 'KVM_SEV_SNP_LAUNCH_UPDATE', [call(snpLaunchUpdate(env))])] : []),
];
