/**
 * KVM_CAP_VM_MOVE_ENC_CONTEXT_FROM: an encrypted VM goes from one struct kvm of the host to
 * another.
 *
 * Left out: mirrors, pinned regions, the cgroup of ASIDs.
 *
 * @see kernel arch/x86/kvm/svm/sev.c, sev_vm_move_enc_context_from(), sev_lock_two_vms(),
 * sev_check_source_vcpus(), sev_migrate_from(); domain debug-and-split-lock A.5, B.5
 */
import { type ActorId, outgoing } from '../../events/event.ts';
import type { SevVmEvent, SevVmFacts } from '../../events/sev-es-debug/launch.ts';
import { type HostEnv, type HostItem, type HostLocals, type HostThread, host, kernelSource, opOf } from '../host/host-env.ts';
import { allCpusRequestPath } from '../kvm/kick.ts';
import { vmOf } from '../kvm/kvm-env.ts';
import {
  errnoLocal,
  esvOf,
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
import type { Operations } from './launch-ioctls.ts';
import { moveBegins, moveVcpus, sourceErrno } from './launch-rule.ts';

const { path, step, call, loop, when, note, leaveLoop } = host;

/** The source of the move; the VM of the ioctl is its destination. */
const fromOf = (env: HostEnv, t: HostThread): string => {
  const op = opOf(env, t);
  if (op.op !== 'KVM_CAP_VM_MOVE_ENC_CONTEXT_FROM') throw new Error(`${op.op} moves no VM`);
  return op.from;
};
const toSource = (env: HostEnv, t: HostThread, event: SevVmEvent) => outgoing(sevOf(fromOf(env, t)), event);

/** A VM's side of the move. */
interface Side {
  readonly name: 'destination' | 'source';
  readonly vm: (t: HostThread) => string;
  readonly facts: (l: HostLocals) => SevVmFacts;
}
const sidesOf = (env: HostEnv): readonly [to: Side, from: Side] => [
  { name: 'destination', vm: (t) => vmOf(env, t), facts: (l) => l.launchFacts! },
  { name: 'source', vm: (t) => fromOf(env, t), facts: (l) => l.sourceFacts! },
];

const vcpuAt = (env: HostEnv, side: Side, t: HostThread, l: HostLocals): ActorId =>
  env.vms[side.vm(t)]!.vcpus[side.facts(l).online[l.launchAt!]!]!;

/** kvm_for_each_vcpu() of one side. */
const forEachVcpu = (side: Side, items: readonly HostItem[]): readonly HostItem[] => [
  note(() => ({ launchAt: 0 })),
  loop(
    when([(_t, l) => l.launchAt! >= side.facts(l).online.length, [leaveLoop]]),
    ...items,
    note((_t, l) => ({ launchAt: l.launchAt! + 1 })),
  ),
];

/** sev_lock_two_vms(), as far as it can refuse. */
const begin = (env: HostEnv): readonly HostItem[] => [
  step('migration_in_progress_destination', { send: (t) => toSev(env, t, { type: 'sev.beginMove' }), answers: { 'sev.done': errnoLocal } }),
  when([
    isGood,
    [
      step('migration_in_progress_source', {
        send: (t) => toSource(env, t, { type: 'sev.beginMove' }),
        answers: { 'sev.done': errnoLocal },
      }),
      when([isBad, [step('release_destination', { send: (t) => toSev(env, t, { type: 'sev.endMove' }) })]]),
    ],
  ]),
];

const readFacts = (env: HostEnv): readonly HostItem[] => [
  step('sev_guest', { send: (t) => toSev(env, t, { type: 'sev.facts?' }), answers: { 'sev.facts': (e) => ({ launchFacts: factsOf(e) }) } }),
  step('sev_guest_source', {
    send: (t) => toSource(env, t, { type: 'sev.facts?' }),
    answers: {
      'sev.facts': (e, _t, l) => ({ sourceFacts: factsOf(e), ...errnoLocal({ errno: moveBegins(l.launchFacts!, e) }) }),
    },
  }),
];

/** sev_check_source_vcpus(): each vCPU of the source is asked, behind the counts. */
const checkVcpus = (env: HostEnv): readonly HostItem[] => {
  const [, from] = sidesOf(env);
  const errnoOf = (l: HostLocals, isProtected: (vcpu: number) => boolean) => moveVcpus(l.launchFacts!, l.sourceFacts!, isProtected);
  const refused = (_t: HostThread, l: HostLocals) => ({ launchErrno: errnoOf(l, () => l.moveRefused !== true) ?? undefined });
  return [
    note(() => ({ moveRefused: false })),
    ...forEachVcpu(from, [
      step('guest_state_protected_source', {
        send: (t, l) => toEsv(vcpuAt(env, from, t, l), { type: 'esv.protected?' }),
        answers: { 'esv.protected': ({ guestProtected }, _t, l) => ({ moveRefused: l.moveRefused === true || !guestProtected }) },
      }),
    ]),
    note(refused),
  ];
};

/** sev_migrate_from(). */
function migrate(env: HostEnv): readonly HostItem[] {
  const [to, from] = sidesOf(env);
  const copiesFirst = env.options['sev.moveFeatures'] === 'before-vmcb';
  const initVmcb = (last: boolean): HostItem =>
    step('sev_init_vmcb', {
      ...SEV('sev_init_vmcb(), sev_es_init_vmcb()'),
      send: (t, l) => {
        const { features } = copiesFirst ? l.sourceFacts! : l.launchFacts!;
        return toEsv(vcpuAt(env, to, t, l), { type: 'esv.initVmcb', features, last });
      },
    });
  const transfer = (last: boolean): HostItem =>
    step('transfer_vmsa', {
      send: (t, l) => toEsv(vcpuAt(env, from, t, l), { type: 'esv.give', to: esvOf(vcpuAt(env, to, t, l)), last }),
    });
  const enableLbrv = (last: boolean): HostItem =>
    step('svm_enable_lbrv', {
      source: 'a repair that the search suggests: the launch does the same',
      grade: 'decision',
      send: (t, l) => toEsv(vcpuAt(env, to, t, l), { type: 'esv.enableLbrv', last }),
    });
  const order = env.options['sev.featuresWrite'] === 'init-vmcb-transferred' ? [transfer, initVmcb] : [initVmcb, transfer];
  const steps = env.options['sev.moveLbrv'] === 'switched-on' ? [...order, enableLbrv] : order;
  return [
    step('copy_kvm_sev_info', {
      send: (t) => toSource(env, t, { type: 'sev.give', to: sevOf(vmOf(env, t)), features: copiesFirst }),
    }),
    ...forEachVcpu(
      to,
      steps.map((made, at) => made(at === steps.length - 1)),
    ),
    ...(copiesFirst
      ? []
      : [step('copy_vmsa_features', { send: (t, l) => toSev(env, t, { type: 'sev.setFeatures', features: l.sourceFacts!.features }) })]),
    step('kvm_vm_dead', {
      ...kernelSource('include/linux/kvm_host.h, kvm_vm_dead()'),
      local: (t) => ({ owner: fromOf(env, t) }),
      send: (t) => outgoing(env.vms[fromOf(env, t)]!.id, { type: 'vm.kill', cause: 'dead' }),
    }),
    call(allCpusRequestPath(env, 'KVM_REQ_VM_DEAD')),
    note(() => ({ owner: undefined })),
  ];
}

export function moveOperations(env: HostEnv): Operations {
  const sides = sidesOf(env);
  const [to, from] = sides;
  const lockKvm = ({ name, vm }: Side): HostItem => call(lockPath(`mutex_lock_kvm_${name}`, (t) => kvmLockOf(vm(t))));
  const unlockKvm = ({ name, vm }: Side): HostItem => unlockStep(`mutex_unlock_kvm_${name}`, (t) => kvmLockOf(vm(t)));
  const mutexAt = (side: Side) => (t: HostThread, l: HostLocals) => `mutex:${vcpuAt(env, side, t, l)}`;
  const lockVcpus = (side: Side) => forEachVcpu(side, [call(lockPath(`lock_vcpus_${side.name}`, mutexAt(side)))]);
  const unlockVcpus = (side: Side) => forEachVcpu(side, [unlockStep(`unlock_vcpus_${side.name}`, mutexAt(side))]);
  const locked: readonly HostItem[] = [
    ...readFacts(env),
    when([
      isGood,
      [
        ...sides.flatMap(lockVcpus),
        ...checkVcpus(env),
        when([isGood, [call(path('sev_migrate_from', SEV('sev_migrate_from()'), migrate(env), { locals: ['owner'] }))]]),
        ...[from, to].flatMap(unlockVcpus),
      ],
    ]),
  ];
  const both: readonly HostItem[] = [
    ...begin(env),
    when([
      isGood,
      [
        ...sides.map(lockKvm),
        ...locked,
        ...sides.map(unlockKvm),
        step('release_both', { send: (t) => [toSev(env, t, { type: 'sev.endMove' }), toSource(env, t, { type: 'sev.endMove' })] }),
      ],
    ]),
  ];
  const name = 'KVM_CAP_VM_MOVE_ENC_CONTEXT_FROM';
  const fdSource = step('fdget_source', {
    send: (t) => toSource(env, t, { type: 'sev.fd?' }),
    answers: { 'sev.fd': ({ errno }, t) => errnoLocal({ errno: sourceErrno(errno, vmOf(env, t) === fromOf(env, t)) }) },
  });
  const items = [fdSource, when([isGood, both])];
  return [[name, call(ioctlPath(env, name, SEV('sev_vm_move_enc_context_from()'), { begin: fdgetVm(env), items }))]];
}
