/** The errnos of a launch: designs, types of VMs and ioctls, against the table of the sources. */
import { describe, expect, it } from 'vitest';
import {
  createVm,
  DEBUG_SWAP,
  executed,
  hasProtectedState,
  interceptsOf,
  isInState,
  launchable,
  moveBegins,
  moveVcpus,
  type Protection,
  protectedFromStart,
  registerIoctl,
  SNP_ACTIVE,
  setGuestDebug,
  sevInit,
  updateVmsa,
  vmsaFeaturesOf,
  vmsaTarget,
} from '../../../actors/sev-es-debug/launch-rule.ts';
import {
  KVM_VM_TYPES,
  type KvmVmType,
  type LaunchDesign,
  REGISTER_IOCTLS,
  type RegisterIoctl,
  SEV_LAUNCH_OPTIONS,
} from '../../../events/sev-es-debug/launch.ts';

/** The newest kernel's, with what a test says. */
const design = (change: Partial<LaunchDesign> = {}): LaunchDesign => ({
  ...(Object.fromEntries(Object.entries(SEV_LAUNCH_OPTIONS).map(([name, [first]]) => [name, first])) as unknown as LaunchDesign),
  ...change,
});
const DESIGNS = SEV_LAUNCH_OPTIONS['sev.guestDebug'];

/** A vCPU as the design leaves it, before or behind its launch. */
const vcpu = (of: LaunchDesign, vmType: KvmVmType, es: boolean, encrypted: boolean): Protection => ({
  vmType,
  es,
  encrypted,
  guestProtected: encrypted || protectedFromStart(of, es),
});

/** VMs by their type and by whether they are SEV-ES guests: `default` is one by KVM_SEV_ES_INIT. */
const VMS: readonly (readonly [vmType: KvmVmType, es: boolean])[] = [
  ['default', false],
  ['default', true],
  ['sev-es', true],
  ['snp', true],
];
const ES_VMS = VMS.filter(([, es]) => es);

describe('KVM_SET_GUEST_DEBUG', () => {
  it('is refused before the launch by V1 and V3, for SEV-ES guests alone', () => {
    for (const guestDebug of DESIGNS)
      for (const [vmType, es] of VMS) {
        const of = design({ 'sev.guestDebug': guestDebug });
        const isRefused = es && (guestDebug === 'allow-debug-op' || guestDebug === 'protected-from-start');
        expect(setGuestDebug(of, vcpu(of, vmType, es, false)), `${guestDebug} ${vmType}`).toBe(isRefused ? 'EINVAL' : null);
      }
  });

  it('is refused behind the launch by every design, whatever the type of the VM', () => {
    for (const guestDebug of DESIGNS)
      for (const [vmType, es] of ES_VMS) {
        const of = design({ 'sev.guestDebug': guestDebug });
        expect(setGuestDebug(of, vcpu(of, vmType, es, true)), `${guestDebug} ${vmType}`).toBe('EINVAL');
      }
  });
});

describe('LAUNCH_UPDATE_VMSA', () => {
  const FLAGS = [false, true].flatMap((guestDebug) => [false, true].map((dr7) => ({ guestDebug, dr7 })));

  it('looks for a debugger as its design says', () => {
    const refused = Object.fromEntries(
      DESIGNS.map((guestDebug) => [
        guestDebug,
        FLAGS.filter((flags) => updateVmsa(design({ 'sev.guestDebug': guestDebug }), { encrypted: false }, flags).errno === 'EINVAL'),
      ]),
    );
    const withDr7 = FLAGS.filter(({ dr7 }) => dr7);
    expect(refused).toEqual({
      'reject-launch': FLAGS.slice(1),
      'allow-debug-op': withDr7,
      'check-protected': withDr7,
      'protected-from-start': withDr7,
      sanitize: [],
    });
  });

  it('takes a debugger away where it sanitizes, and only what there is of one', () => {
    const found = FLAGS.map((flags) => updateVmsa(design({ 'sev.guestDebug': 'sanitize' }), { encrypted: false }, flags).sanitizes);
    expect(found).toEqual([false, true, true, true]);
  });

  it('is refused a second time by a sync that looks, and by no other', () => {
    const undebugged = { guestDebug: false, dr7: false };
    expect(updateVmsa(design(), { encrypted: true }, undebugged).errno).toBe('EINVAL');
    expect(updateVmsa(design({ 'sev.syncCheck': 'unchecked' }), { encrypted: true }, undebugged).errno).toBeNull();
  });

  it.each([
    ['default', false, ['ENOTTY', 'ENOTTY']],
    ['default', true, [null, 'ENOTTY']],
    ['sev-es', true, [null, 'ENOTTY']],
    ['snp', true, ['EPERM', null]],
  ] as const)('and its like, on a VM of type %s that is SEV-ES: %s', (vmType, active, answers) => {
    expect((['sev', 'snp'] as const).map((kind) => launchable(design(), kind, { vmType, active }))).toEqual(answers);
  });

  it('is unknown to kernels before SNP where it is a command of an SNP guest', () => {
    const of = design({ 'sev.vmTypes': 'legacy' });
    const guest = { vmType: 'default', active: true } as const;
    expect((['sev', 'snp'] as const).map((kind) => launchable(of, kind, guest))).toEqual([null, 'EINVAL']);
  });

  it('finds no guest where a VM type is all there is', () => {
    for (const vmType of KVM_VM_TYPES)
      for (const kind of ['sev', 'snp'] as const) expect(launchable(design(), kind, { vmType, active: false })).toBe('ENOTTY');
  });
});

const FPU: readonly RegisterIoctl[] = ['KVM_SET_FPU', 'KVM_SET_XSAVE'];

describe('ioctls on registers', () => {
  it('do what they say before the launch, on every type of VM', () => {
    for (const [vmType, es] of VMS)
      for (const ioctl of REGISTER_IOCTLS) expect(registerIoctl(design(), ioctl, vcpu(design(), vmType, es, false))).toBe('done');
  });

  it('are refused behind it where the VM says by its type that it is protected, but for the FPU of SNP VMs; else ignored', () => {
    for (const [vmType, es] of ES_VMS)
      for (const ioctl of REGISTER_IOCTLS)
        expect(registerIoctl(design(), ioctl, vcpu(design(), vmType, es, true)), `${ioctl} ${vmType}`).toBe(
          hasProtectedState(vmType) && !(vmType === 'snp' && FPU.includes(ioctl)) ? 'EINVAL' : 'ignored',
        );
  });

  it('lose KVM_SET_SREGS alone under V3 whose __set_sregs() asks for guest_state_protected', () => {
    const v3 = (sregsKey: LaunchDesign['sev.sregsKey']) => design({ 'sev.guestDebug': 'protected-from-start', 'sev.sregsKey': sregsKey });
    const lost = (of: LaunchDesign) =>
      REGISTER_IOCTLS.filter((ioctl) => registerIoctl(of, ioctl, vcpu(of, 'sev-es', true, false)) === 'ignored');
    expect(lost(v3('guest-state-protected'))).toEqual(['KVM_SET_SREGS']);
    expect(lost(v3('vmsa-encrypted'))).toEqual([]);
  });

  it('on the FPU do nothing before the launch where there is none, for SEV-ES guests alone', () => {
    const none = design({ 'sev.guestFpu': 'not-allocated' });
    const kept = VMS.map(([vmType, es]) =>
      REGISTER_IOCTLS.filter((ioctl) => registerIoctl(none, ioctl, vcpu(none, vmType, es, false)) !== 'done'),
    );
    expect(kept).toEqual([[], FPU, FPU, FPU]);
  });

  it('reach the VMSA before the launch, and the GHCB behind it', () => {
    expect([vmsaTarget({ encrypted: false }), vmsaTarget({ encrypted: true })]).toEqual(['VMSA', 'GHCB']);
  });
});

describe('the initialization of a VM', () => {
  const fresh = (vmType: KvmVmType) => ({ vmType, active: false, created: 0, offered: DEBUG_SWAP });
  const init2 = (features = 0) => ({ ioctl: 'KVM_SEV_INIT2', features }) as const;
  const esInit = { ioctl: 'KVM_SEV_ES_INIT', features: 0 } as const;

  it('has one ioctl for VM types that say what they are, and another for the default', () => {
    expect(KVM_VM_TYPES.map((vmType) => sevInit(design(), fresh(vmType), init2()))).toEqual(['EINVAL', null, null]);
    expect(KVM_VM_TYPES.map((vmType) => sevInit(design(), fresh(vmType), esInit))).toEqual([null, 'EINVAL', 'EINVAL']);
  });

  it('takes DebugSwap where the host offers it, and no unknown feature', () => {
    const errnos = (features: number) => (['sev-es', 'snp'] as const).map((vmType) => sevInit(design(), fresh(vmType), init2(features)));
    expect(errnos(DEBUG_SWAP)).toEqual([null, null]);
    expect((['sev-es', 'snp'] as const).map((vmType) => sevInit(design(), { ...fresh(vmType), offered: 0 }, init2(DEBUG_SWAP)))).toEqual([
      'EINVAL',
      'EINVAL',
    ]);
    expect(errnos(0x8)).toEqual(['EINVAL', 'EINVAL']);
    expect(errnos(DEBUG_SWAP | 0x8)).toEqual(['EINVAL', 'EINVAL']);
  });

  it('comes before the first vCPU, and once', () => {
    expect(sevInit(design(), { ...fresh('sev-es'), created: 1 }, init2())).toBe('EINVAL');
    expect(sevInit(design(), { ...fresh('sev-es'), active: true }, init2())).toBe('EINVAL');
    expect(sevInit(design(), { ...fresh('snp'), active: true }, init2())).toBe('EPERM');
    const legacy = design({ 'sev.vmTypes': 'legacy' });
    expect(sevInit(legacy, { ...fresh('default'), active: true }, esInit)).toBe('EBUSY');
  });

  it('is that of types that the kernel knows and the host has, which the default is', () => {
    const legacy = design({ 'sev.vmTypes': 'legacy' });
    const made = (of: LaunchDesign, ...features: string[]) => KVM_VM_TYPES.map((vmType) => createVm(of, features, vmType));
    expect(made(legacy, 'sev-es', 'sev-snp')).toEqual([null, 'EINVAL', 'EINVAL']);
    expect(made(design(), 'sev-es')).toEqual([null, null, 'EINVAL']);
    expect(made(design(), 'sev-es', 'sev-snp')).toEqual([null, null, null]);
    expect([sevInit(legacy, fresh('default'), esInit), sevInit(legacy, fresh('default'), init2())]).toEqual([null, 'EINVAL']);
  });

  it('leaves the features that were asked for, unless the host gives all', () => {
    const all = design({ 'sev.vmsaFeatures': 'all-supported' });
    expect([vmsaFeaturesOf(design(), fresh('sev-es'), 0), vmsaFeaturesOf(design(), fresh('snp'), DEBUG_SWAP)]).toEqual([
      0,
      DEBUG_SWAP | SNP_ACTIVE,
    ]);
    expect(vmsaFeaturesOf(all, fresh('default'), 0)).toBe(DEBUG_SWAP);
  });

  it('leaves DR7 and #DB intercepted without DebugSwap', () => {
    expect(interceptsOf(0)).toEqual({ dr7: true, db: true });
    expect(interceptsOf(SNP_ACTIVE)).toEqual({ dr7: true, db: true });
    expect(interceptsOf(DEBUG_SWAP | SNP_ACTIVE)).toEqual({ dr7: false, db: false });
  });
});

describe('an intra-host move', () => {
  const from = { vmType: 'sev-es', active: true, created: 2, online: [0, 1] } as const;
  const to = { ...from, active: false };
  const all = () => true;

  it('goes from an encrypted VM to one of its type that is none yet', () => {
    expect(moveBegins(to, from)).toBeNull();
    expect(moveBegins({ ...to, active: true }, from)).toBe('EINVAL');
    expect(moveBegins(to, { ...from, active: false })).toBe('EINVAL');
    expect(moveBegins({ ...to, vmType: 'default' }, from)).toBe('EINVAL');
  });

  it('asks for as many vCPUs, of which each of the source is protected', () => {
    expect(moveVcpus(to, from, all)).toBeNull();
    expect(moveVcpus({ ...to, online: [0], created: 1 }, from, all)).toBe('EINVAL');
    expect(moveVcpus(to, from, (vcpu) => vcpu === 0)).toBe('EINVAL');
  });

  it('waits for no vCPU that is being created, on either side', () => {
    expect(moveVcpus({ ...to, created: 3 }, from, all)).toBe('EBUSY');
    expect(moveVcpus(to, { ...from, created: 3 }, all)).toBe('EBUSY');
  });
});

describe('the firmware', () => {
  it('takes commands of a launch in their order alone', () => {
    const order = ['LAUNCH_START', 'LAUNCH_UPDATE_DATA', 'LAUNCH_UPDATE_VMSA', 'LAUNCH_MEASURE', 'LAUNCH_FINISH'] as const;
    let guest: ReturnType<typeof executed> | null = null;
    const refused: string[][] = [];
    for (const command of order) {
      refused.push(order.filter((other) => !isInState(guest, other)));
      guest = executed(guest, command);
    }
    refused.push(order.filter((other) => !isInState(guest, other)));
    const updates = ['LAUNCH_START', 'LAUNCH_FINISH'];
    expect(refused).toEqual([order.slice(1), updates, updates, updates, order.slice(0, 4), order]);
  });

  it('finishes an SNP launch without a measurement command', () => {
    const guest = executed(executed(null, 'SNP_LAUNCH_START'), 'SNP_LAUNCH_UPDATE', { vcpu: 0, gprs: 1, sregs: 2, fpu: 3, features: 1 });
    expect(isInState(guest, 'SNP_LAUNCH_FINISH')).toBe(true);
    expect(executed(guest, 'SNP_LAUNCH_FINISH')).toEqual({
      state: 'RUNNING',
      measured: [{ vcpu: 0, gprs: 1, sregs: 2, fpu: 3, features: 1 }],
    });
  });
});
