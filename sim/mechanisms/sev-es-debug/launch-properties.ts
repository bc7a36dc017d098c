/** What must hold of VMs that are launched in the run, whatever their threads do. */
import type { HostThread } from '../../../actors/host/host-env.ts';
import type { Vcpu } from '../../../actors/kvm/guest-program.ts';
import { swapsDebug } from '../../../actors/sev-es-debug/launch-rule.ts';
import type { EsVcpuContext } from '../../../actors/sev-es-debug/launch-vcpu-state.ts';
import type { SevVmContext } from '../../../actors/sev-es-debug/launch-vm.ts';
import type { LaunchedDebugState } from '../../../actors/sev-es-debug/launched-debug.ts';
import { always, alwaysEach, type Property, sometimes } from '../../property.ts';
import { hex } from '../../view.ts';

const SEV = 'kernel arch/x86/kvm/svm/sev.c';
const G = 'domain debug-and-split-lock G';

const ofVcpu = (id: string, source: string, each: (vcpu: { readonly id: string; readonly context: EsVcpuContext }) => string | null) =>
  alwaysEach<EsVcpuContext>(id, { kind: 'esVcpu', source, grade: 'read', each });
const ofVm = (id: string, source: string, each: (vm: { readonly id: string; readonly context: SevVmContext }) => string | null) =>
  alwaysEach<SevVmContext>(id, { kind: 'sevVm', source, grade: 'read', each });

const noStoreToEncrypted = ofVcpu('sev.no-store-to-encrypted-vmsa', `${SEV}, sev_es_sync_vmsa(), sev_es_init_vmcb(); ${G}, I3`, (vcpu) =>
  vcpu.context.storedEncrypted ? `${vcpu.id}: the host stored to a VMSA that is encrypted` : null,
);

const noStoreThroughNull = ofVcpu('sev.no-store-through-null', `${SEV}, sev_es_init_vmcb(); ${G}, 6`, (vcpu) =>
  vcpu.context.storedNull ? `${vcpu.id}: the host stored to its VMSA, and there is none` : null,
);

/** The firmware encrypts what the registers are then; what they were before will not do. */
const vmsaIsCurrent = ofVcpu(
  'sev.vmsa-is-current',
  `${SEV}, sev_es_sync_vmsa(); ${G}, I6`,
  ({ id, context: { stale, vmsa, registers } }) =>
    stale
      ? `${id}: the firmware encrypted registers ${vmsa!.gprs} and segments ${vmsa!.sregs}, while the vCPU had ${registers.gprs} and ${registers.sregs}`
      : null,
);

/** User space was told that it had set registers, and the guest starts with others. */
const launchKeepsRegisters = ofVcpu(
  'sev.launch-keeps-registers',
  `${SEV}, __sev_launch_update_vmsa(); arch/x86/kvm/x86.c, __set_sregs_common(); domain debug-and-split-lock F, VMSA-6, VMSA-8`,
  ({ id, context: { vmsaEncrypted, launching, vmsa, told } }) => {
    if (!vmsaEncrypted || launching || vmsa === null) return null;
    const lost = (['gprs', 'sregs'] as const).find((name) => vmsa[name] !== told[name]);
    return lost === undefined ? null : `${id} starts with ${vmsa[lost]} in its ${lost}, where user space had set ${told[lost]}`;
  },
);

const noEntryInLaunch = ofVcpu('sev.no-vmrun-in-launch', `${SEV}, snp_launch_update_vmsa(); ${G}, 12`, (vcpu) =>
  vcpu.context.enteredInLaunch ? `${vcpu.id}: VMRUN while a launch works on its VMSA` : null,
);

const lbrvIsOn = ofVcpu('sev.lbrv-stays-on', `${SEV}, __sev_launch_update_vmsa(); ${G}, 14`, ({ id, context }) =>
  context.vmsaEncrypted && context.es && !context.launching && context.vmsa !== null && !context.lbrv
    ? `${id} is launched, and LBR virtualization is off`
    : null,
);

const interceptsFollow = ofVcpu('sev.intercepts-follow-features', `${SEV}, sev_es_init_vmcb(); DBG-15; ${G}, 7`, ({ id, context }) => {
  const { vmsa, vmsaEncrypted, launching, intercepts } = context;
  if (!vmsaEncrypted || launching || vmsa === null) return null;
  const expected = !swapsDebug(vmsa.features);
  const [name, isSet] = intercepts.dr7 === expected ? (['#DB', intercepts.db] as const) : (['DR7', intercepts.dr7] as const);
  if (isSet === expected) return null;
  return `${id} has SEV_FEATURES ${hex(vmsa.features)}, and ${name} is ${isSet ? '' : 'not '}intercepted`;
});

/** Whatever KVM asks of guest_state_protected goes wrong where an encrypted VMSA lacks it. */
const encryptedIsProtected = ofVcpu('sev.encrypted-is-protected', `${SEV}, __sev_launch_update_vmsa(), sev_migrate_from()`, (vcpu) =>
  vcpu.context.vmsaEncrypted && !vcpu.context.guestProtected
    ? `${vcpu.id} has an encrypted VMSA, and guest_state_protected is clear`
    : null,
);

/** The guest that the firmware has measured goes where the VMSAs go. */
const vmsaIsMeasured = always('sev.vmsa-is-measured', {
  kinds: ['esVcpu', 'sevVm'],
  source: `${SEV}, sev_migrate_from(), sev->handle; SEV firmware API, "Guest state machine"`,
  grade: 'read',
  check: (world) => {
    const vms = new Map(world.actors<SevVmContext>('sevVm').map(({ id, context }) => [id.slice('sev:'.length), context]));
    const found = world.actors<EsVcpuContext>('esVcpu').find(({ id, context: { vmsa, vmsaEncrypted, launching } }) => {
      const vm = vms.get(id.slice('esv:'.length).replace(/\/.*/, ''));
      if (vmsa === null || !vmsaEncrypted || launching || vm === undefined || vm.dead) return false;
      return !vm.firmware?.measured.some(({ vcpu }) => vcpu !== null);
    });
    return found ? `${found.id} has an encrypted VMSA, and the firmware has measured none of its VM` : null;
  },
});

/** A move has all mutexes of the source's vCPUs, and so does KVM_RUN its own. */
const runningStays = always('sev.running-vcpu-is-not-moved', {
  kinds: ['esVcpu', 'vcpu'],
  source: `${SEV}, sev_vm_move_enc_context_from(), sev_lock_vcpus_for_migration()`,
  grade: 'read',
  check: (world) => {
    const running = new Set(
      world
        .actors<Vcpu>('vcpu')
        .filter(({ context }) => context.mode === 'IN_GUEST_MODE')
        .map(({ id }) => id.slice('vcpu:'.length)),
    );
    const found = world.actors<EsVcpuContext>('esVcpu').find(({ id, context }) => context.dead && running.has(id.slice('esv:'.length)));
    return found ? `${found.id} has gone to another VM while its guest runs` : null;
  },
});

const protectedNotDebugged = always('sev.protected-not-debugged', {
  kinds: ['esVcpu', 'launchedDebug'],
  source: `${SEV}, __sev_launch_update_vmsa(); ${G}, I5`,
  grade: 'read',
  check: (world) => {
    const debugged = new Map(
      world.actors<LaunchedDebugState>('launchedDebug').map(({ id, context }) => [id.slice('kdb:'.length), context.guestDebug]),
    );
    const found = world
      .actors<EsVcpuContext>('esVcpu')
      .find(({ id, context }) => context.vmsaEncrypted && (debugged.get(id.slice('esv:'.length))?.length ?? 0) > 0);
    return found ? `${found.id} is protected, and a debugger is in force` : null;
  },
});

const measuresWhatWasAsked = ofVm('sev.measures-what-was-asked', `${SEV}, sev_es_sync_vmsa(); DBG-13; ${G}, 8`, ({ id, context }) => {
  const other = (context.firmware?.measured ?? []).find(
    (one) => one.vcpu !== null && swapsDebug(one.features) !== swapsDebug(context.asked),
  );
  if (other === undefined || other.vcpu === null) return null;
  return `${id}: the measurement has SEV_FEATURES ${hex(other.features)} for vCPU ${other.vcpu}, where user space asked for ${hex(context.asked)}`;
});

const noHalfEncrypted = ofVm('sev.no-half-encrypted-vm', `${SEV}, sev_launch_update_vmsa(); ${G}, 11`, ({ id, context }) =>
  context.halfEncrypted ? `${id}: the launch has failed behind the first of its VMSAs, and no call can launch the others` : null,
);

const seesEveryVcpu = ofVm('sev.launch-sees-every-vcpu', `${SEV}, kvm_is_vcpu_creation_in_progress(); ${G}, 13`, ({ id, context }) =>
  context.missed ? `${id}: a launch has encrypted all VMSAs but that of a vCPU which was being created` : null,
);

const returnsAsTold = alwaysEach<HostThread>('sev.returns-as-told', {
  kind: 'hostThread',
  source: 'domain debug-and-split-lock A.4, B.3',
  grade: 'read',
  each: ({ id, context: { ioctlReturned } }) =>
    ioctlReturned?.unexpected ? `${id}: ${ioctlReturned.op} returned ${ioctlReturned.result}; its program expects something else` : null,
});

const ended = (id: string, source: string, what: string, holds: (context: EsVcpuContext) => boolean): Property =>
  sometimes(id, {
    kinds: ['esVcpu'],
    source,
    grade: 'read',
    check: (world) => {
      const found = world.actors<EsVcpuContext>('esVcpu').find(({ context }) => holds(context));
      return found ? `${found.id} ${what}` : null;
    },
  });

const launched = ended('sev.vcpu-launched', `${SEV}, __sev_launch_update_vmsa()`, 'is protected', (c) => c.vmsaEncrypted && !c.launching);

const finished = sometimes('sev.launch-finished', {
  kinds: ['sevVm'],
  source: `${SEV}, sev_launch_finish()`,
  grade: 'read',
  check: (world) => {
    const found = world.actors<SevVmContext>('sevVm').find(({ context }) => context.firmware?.state === 'RUNNING');
    return found ? `${found.id} runs, as far as the firmware knows` : null;
  },
});

const moved = sometimes('sev.vm-moved', {
  kinds: ['sevVm'],
  source: `${SEV}, sev_migrate_from()`,
  grade: 'read',
  check: (world) => {
    const found = world.actors<SevVmContext>('sevVm').find(({ context }) => context.dead);
    return found ? `${found.id} has gone to another VM` : null;
  },
});

/** Some ioctl of a launch, or KVM_SET_GUEST_DEBUG, has been refused. */
const refused = sometimes('sev.ioctl-refused', {
  kinds: ['hostThread'],
  source: 'domain debug-and-split-lock B.3',
  grade: 'read',
  check: (world) => {
    const found = world
      .actors<HostThread>('hostThread')
      .find(({ context: { ioctlReturned } }) => ioctlReturned !== undefined && ioctlReturned.result !== 'ok');
    return found ? `${found.id}: ${found.context.ioctlReturned!.op} returned ${found.context.ioctlReturned!.result}` : null;
  },
});

export const sevLaunchProperties: readonly Property[] = [
  noStoreToEncrypted,
  noStoreThroughNull,
  vmsaIsCurrent,
  launchKeepsRegisters,
  noEntryInLaunch,
  lbrvIsOn,
  interceptsFollow,
  encryptedIsProtected,
  vmsaIsMeasured,
  runningStays,
  protectedNotDebugged,
  measuresWhatWasAsked,
  noHalfEncrypted,
  seesEveryVcpu,
  returnsAsTold,
  launched,
  finished,
  moved,
  refused,
];
