/**
 * LAUNCH_UPDATE_VMSA, and the part of SNP_LAUNCH_FINISH that is the same: for each vCPU that is
 * online the checks, the sync of its registers into the VMSA, and the firmware that encrypts the
 * page in place while the thread sleeps (U0 to U8).
 *
 * @see kernel arch/x86/kvm/svm/sev.c, sev_launch_update_vmsa(), __sev_launch_update_vmsa(),
 * sev_es_sync_vmsa(), snp_launch_update_vmsa(); domain debug-and-split-lock B.5, B.6
 */
import { type ActorId, outgoing } from '../../events/event.ts';
import type { LaunchErrno, SevVmFacts } from '../../events/sev-es-debug/launch.ts';
import { withoutBits } from '../../events/u64.ts';
import { DR7_FIXED_1 } from '../guest-debug/debug-bits.ts';
import { kdbOf } from '../guest-debug/vcpu-debug.ts';
import { type HostEnv, type HostItem, type HostLocals, type HostPath, type HostThread, host } from '../host/host-env.ts';
import { vmOf } from '../kvm/kvm-env.ts';
import { errnoLocal, esvOf, isBad, isGood, lockPath, SEV, toEsv, toSev, unlockStep } from './launch-env.ts';
import { issueForGuest, memEncIoctl, testVm } from './launch-ioctls.ts';
import { launchable } from './launch-rule.ts';
import { finishPages, updateVmsaPage } from './snp-launch.ts';
import { ofPages } from './snp-launch-commands.ts';

const { path, step, call, loop, when, note, leaveLoop } = host;

/** One of the two commands. */
interface Command {
  readonly kind: 'sev-es' | 'snp';
  readonly lock: 'lock-all' | 'one-by-one' | 'none';
}

const onlineOf = (l: HostLocals): readonly number[] => l.launchFacts!.online;
const isLast = (_t: HostThread, l: HostLocals): boolean => l.launchAt! >= onlineOf(l).length;
/** The vCPU that the loop has come to. */
const vcpuAt = (env: HostEnv, t: HostThread, l: HostLocals): ActorId => env.vms[vmOf(env, t)]!.vcpus[onlineOf(l)[l.launchAt!]!]!;
const mutexAt =
  (env: HostEnv) =>
  (t: HostThread, l: HostLocals): ActorId =>
    `mutex:${vcpuAt(env, t, l)}`;

/** kvm_for_each_vcpu(); ends where something goes wrong. */
const forEachVcpu = (items: readonly HostItem[]): readonly HostItem[] => [
  note(() => ({ launchAt: 0 })),
  loop(
    when([isLast, [leaveLoop]], [isBad, [leaveLoop]]),
    ...items,
    note((_t, l) => ({ launchAt: l.launchAt! + 1 })),
  ),
];

/** U2 and U3: vcpu->guest_debug, guest_state_protected, and DR7 in the VMCB. */
const check = (env: HostEnv, debugs: boolean): HostPath =>
  path('pre_encryption_checks', SEV('__sev_launch_update_vmsa(), sev_es_sync_vmsa()'), [
    ...(debugs
      ? [
          step('guest_debug', {
            send: (t, l) => outgoing(kdbOf(vcpuAt(env, t, l)), { type: 'kdb.debugged?' }),
            answers: {
              'kdb.debugged': ({ guestDebug, dr7 }) => ({ launchDebugged: { guestDebug, dr7: withoutBits(dr7, DR7_FIXED_1) !== 0 } }),
            },
          }),
        ]
      : []),
    step('guest_state_protected_test', {
      send: (t, l) => toEsv(vcpuAt(env, t, l), { type: 'esv.check?', ...(l.launchDebugged ?? { guestDebug: false, dr7: false }) }),
      answers: {
        'esv.checked': ({ errno, sanitizes }) => ({ ...errnoLocal({ errno }), launchSanitizes: sanitizes, launchDebugged: undefined }),
      },
    }),
  ]);

/** V4: what a debugger has set is taken back. */
const sanitize = (env: HostEnv): HostItem =>
  when([
    (_t, l) => l.launchSanitizes === true,
    [
      step('sanitize_guest_debug', {
        source: 'domain debug-and-split-lock B.4, V4',
        grade: 'decision',
        send: (t, l) => outgoing(kdbOf(vcpuAt(env, t, l)), { type: 'kdb.setGuestDebug', flags: [], db: [0, 0, 0, 0], dr7: 0 }),
        answers: { 'kdb.guestDebugSet': () => ({}) },
      }),
    ],
  ]);

/** U4 and U5. */
const sync = (env: HostEnv): readonly HostItem[] => [
  step('memcpy_save', { send: (t, l) => toEsv(vcpuAt(env, t, l), { type: 'esv.syncSave' }) }),
  step('sync_registers', {
    send: (t, l) => toEsv(vcpuAt(env, t, l), { type: 'esv.syncRegisters', features: l.launchFacts!.features }),
  }),
  step('clflush_cache_range'),
];

/** U7: guest_state_protected, and LBR virtualization where the design has it there. */
function protect(env: HostEnv): readonly HostItem[] {
  const order = env.options['sev.lbrvOrder'];
  const protectStep = (last: boolean) =>
    step('guest_state_protected', { send: (t, l) => toEsv(vcpuAt(env, t, l), { type: 'esv.protect', last }) });
  const lbrvStep = (last: boolean) =>
    step('svm_enable_lbrv', { send: (t, l) => toEsv(vcpuAt(env, t, l), { type: 'esv.enableLbrv', last }) });
  if (order === 'at-reset') return [protectStep(true)];
  return order === 'after-protected' ? [protectStep(false), lbrvStep(true)] : [lbrvStep(false), protectStep(true)];
}

const failStep = (env: HostEnv, name: string): HostItem =>
  step(name, { send: (t, l) => toEsv(vcpuAt(env, t, l), { type: 'esv.failLaunch' }) });

/** U2 to U7 of one vCPU. */
function updateOne(env: HostEnv, { kind }: Command, debugs: boolean): HostPath {
  const page = (t: HostThread, l: HostLocals): ActorId => esvOf(vcpuAt(env, t, l));
  const encrypt: readonly HostItem[] =
    kind === 'snp'
      ? [
          step('rmp_make_private', { send: (t, l) => toEsv(vcpuAt(env, t, l), { type: 'esv.toFirmware' }) }),
          ...ofPages(
            env,
            updateVmsaPage(
              env,
              (_t, l) => onlineOf(l)[l.launchAt!]!,
              step('vmsa_encrypted', {
                ns: 5,
                send: (t, l) => outgoing(page(t, l), { type: 'esv.encrypt' }),
                answers: { 'esv.encrypted': () => ({}) },
              }),
            ),
            issueForGuest(env, 'SNP_LAUNCH_UPDATE', page),
          ),
        ]
      : [
          when(
            [(_t, l) => l.launchFacts!.started, issueForGuest(env, 'LAUNCH_UPDATE_VMSA', page)],
            [() => true, [note(() => ({ launchErrno: 'EBADF' }))]],
          ),
        ];
  const encrypted = [
    ...(debugs && env.options['sev.guestDebug'] === 'sanitize' ? [sanitize(env)] : []),
    ...sync(env),
    ...encrypt,
    when([isGood, protect(env)], [() => true, [failStep(env, kind === 'snp' ? 'snp_page_reclaim' : 'launch_failed')]]),
  ];
  const checks = env.options['sev.launchCheck'] === 'each-vcpu' ? [call(check(env, debugs)), when([isGood, encrypted])] : encrypted;
  return path('__sev_launch_update_vmsa', SEV('__sev_launch_update_vmsa(), snp_launch_update_vmsa()'), checks);
}

const lockVcpu = (env: HostEnv, name: string): HostItem => call(lockPath(name, mutexAt(env)));

/** U1, U8 and what stands between them. */
function updateAll(env: HostEnv, command: Command, debugs: boolean): readonly HostItem[] {
  const { lock } = command;
  const oneLock = (name: string, items: readonly HostItem[]): readonly HostItem[] =>
    lock === 'one-by-one' ? [lockVcpu(env, `mutex_lock_${name}`), ...items, unlockStep(`mutex_unlock_${name}`, mutexAt(env))] : items;
  const checkedFirst = env.options['sev.launchCheck'] === 'all-first' ? forEachVcpu(oneLock('checked', [call(check(env, debugs))])) : [];
  const updates = [...checkedFirst, when([isGood, forEachVcpu(oneLock('vcpu', [call(updateOne(env, command, debugs))]))])];
  if (lock !== 'lock-all') return updates;
  const unlockAll = loop(
    when([isLast, [leaveLoop]]),
    unlockStep('kvm_unlock_all_vcpus', mutexAt(env)),
    note((_t, l) => ({ launchAt: l.launchAt! + 1 })),
  );
  return [...forEachVcpu([lockVcpu(env, 'kvm_lock_all_vcpus')]), ...updates, note(() => ({ launchAt: 0 })), unlockAll];
}

/** kvm_is_vcpu_creation_in_progress(). */
const isBeingCreated = ({ created, online }: SevVmFacts): boolean => created !== online.length;

const creationErrno = (env: HostEnv, facts: SevVmFacts): LaunchErrno | null =>
  env.options['sev.creationCheck'] === 'busy' && isBeingCreated(facts) ? 'EBUSY' : null;

/** The VMSAs of all vCPUs, and what the VM knows of it afterwards. */
const updateVmsas = (env: HostEnv, command: Command, debugs: boolean): readonly HostItem[] => [
  ...updateAll(env, command, debugs),
  step('vmsas_done', { ns: 5, send: (t, l) => toSev(env, t, { type: 'sev.vmsasDone', failed: l.launchErrno !== undefined }) }),
];

const launchUpdateVmsa = (env: HostEnv, debugs: boolean): HostPath =>
  path('sev_launch_update_vmsa', SEV('sev_launch_update_vmsa()'), [
    testVm(env, 'sev_es_guest', (facts) => launchable(env.options, 'sev', facts) ?? creationErrno(env, facts)),
    when([isGood, updateVmsas(env, { kind: 'sev-es', lock: env.options['sev.launchLock'] }, debugs)]),
  ]);

const snpLaunchFinish = (env: HostEnv, debugs: boolean): HostPath =>
  path('snp_launch_finish', SEV('snp_launch_finish(), snp_launch_update_vmsa()'), [
    testVm(
      env,
      'sev_snp_guest',
      (facts) => launchable(env.options, 'snp', facts) ?? (facts.started ? creationErrno(env, facts) : 'EINVAL'),
    ),
    when([
      isGood,
      [
        ...updateVmsas(env, { kind: 'snp', lock: env.options['sev.snpFinishLock'] }, debugs),
        when([isGood, ofPages(env, finishPages(env), issueForGuest(env, 'SNP_LAUNCH_FINISH'))]),
      ],
    ]),
  ]);

/** `debugs`: some thread debugs a vCPU, so that there is something to look for. */
export const vmsaOperations = (env: HostEnv, debugs: boolean) => [
  memEncIoctl(env, 'KVM_SEV_LAUNCH_UPDATE_VMSA', [call(launchUpdateVmsa(env, debugs))]),
  memEncIoctl(env, 'KVM_SEV_SNP_LAUNCH_FINISH', [call(snpLaunchFinish(env, debugs))]),
];
