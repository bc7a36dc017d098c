/**
 * The rules of a launch as functions: what each ioctl answers before and behind the encryption of a
 * vCPU's registers, by the type of the VM and the design of the host; and what the firmware does
 * about a command.
 *
 * @see domain debug-and-split-lock A.4, A.5, B.2 to B.4; kernel arch/x86/kvm/svm/sev.c,
 * __sev_guest_init(), sev_es_sync_vmsa(), sev_check_source_vcpus(); arch/x86/kvm/x86.c,
 * kvm_arch_vcpu_ioctl_set_guest_debug(), __set_sregs_common()
 */
import type { HostOptions } from '../../events/options.ts';
import type {
  FirmwareGuest,
  InitIoctl,
  KvmVmType,
  LaunchDesign,
  LaunchErrno,
  LaunchRegisters,
  Measured,
  RegisterIoctl,
  VmsaContent,
} from '../../events/sev-es-debug/launch.ts';
import type { PspGuestCommand } from '../../events/sev-snp/psp.ts';
import { SEV_FEATURES } from '../sev-snp/firmware/sev-features.ts';

/** SVM_SEV_FEAT_DEBUG_SWAP, and what KVM puts there itself for a SNP VM. */
export const { debugSwap: DEBUG_SWAP, snpActive: SNP_ACTIVE } = SEV_FEATURES;

/** What a rule about registers has to know of a vCPU and its VM. */
export interface Protection {
  readonly vmType: KvmVmType;
  /** sev_es_guest(). */
  readonly es: boolean;
  /** vcpu->arch.guest_state_protected, and whether the VMSA is encrypted in fact. */
  readonly guestProtected: boolean;
  readonly encrypted: boolean;
}

/** kvm->arch.has_protected_state: VM types that say what they are. */
export const hasProtectedState = (vmType: KvmVmType): boolean => vmType === 'sev-es' || vmType === 'snp';

/** Where KVM keeps a register of the guest: in the VMSA that it builds, or in the GHCB. */
export const vmsaTarget = ({ encrypted }: Pick<Protection, 'encrypted'>): 'VMSA' | 'GHCB' => (encrypted ? 'GHCB' : 'VMSA');

/**
 * need_init of a VM that has just been created: it says a type whose guests are encrypted, and
 * KVM_SEV_INIT2 has not made it one. An intra-host move does not clear it.
 * @see kernel arch/x86/kvm/svm/svm.c, svm_vm_init(), svm_vcpu_pre_run()
 */
export const needsInit = (vmType: KvmVmType): boolean => vmType !== 'default';

/** The feature of the host that a VM type needs. */
const NEEDS: Readonly<Record<Exclude<KvmVmType, 'default'>, string>> = { 'sev-es': 'sev-es', snp: 'sev-snp' };

/** What KVM_CREATE_VM answers. @see kernel arch/x86/kvm/x86.c, kvm_is_vm_type_supported() */
export function createVm(design: LaunchDesign, features: readonly string[], vmType: KvmVmType): LaunchErrno | null {
  if (vmType === 'default') return null;
  return design['sev.vmTypes'] === 'legacy' || !features.includes(NEEDS[vmType]) ? 'EINVAL' : null;
}

/** What a VM is before it is made an encrypted one. */
export interface Uninitialized {
  readonly vmType: KvmVmType;
  readonly active: boolean;
  readonly created: number;
  /** sev_supported_vmsa_features. */
  readonly offered: number;
}

/** KVM_SEV_INIT2 and KVM_SEV_ES_INIT; null: the VM is an encrypted one from now on. */
export function sevInit(
  design: LaunchDesign,
  { vmType, active, created, offered }: Uninitialized,
  { ioctl, features }: { readonly ioctl: InitIoctl; readonly features: number },
): LaunchErrno | null {
  const isLegacy = ioctl === 'KVM_SEV_ES_INIT';
  // Once it is an SNP guest, commands older than SNP_LAUNCH_START are refused.
  if (active && vmType === 'snp') return 'EPERM';
  // An ioctl that the kernel does not know is EINVAL as well.
  if (!isLegacy && design['sev.vmTypes'] === 'legacy') return 'EINVAL';
  if (isLegacy !== (vmType === 'default')) return 'EINVAL';
  if (created > 0) return 'EINVAL';
  if ((features & ~offered) !== 0) return 'EINVAL';
  // The old function has an answer of its own.
  if (active) return design['sev.vmTypes'] === 'legacy' ? 'EBUSY' : 'EINVAL';
  return null;
}

/** kvm_sev_info.vmsa_features behind it. */
export const vmsaFeaturesOf = (
  design: LaunchDesign,
  { vmType, offered }: Pick<Uninitialized, 'vmType' | 'offered'>,
  asked: number,
): number => (design['sev.vmsaFeatures'] === 'all-supported' ? offered : asked) | (vmType === 'snp' ? SNP_ACTIVE : 0);

/** guest_state_protected of a vCPU that has just been created. */
export const protectedFromStart = (design: LaunchDesign, es: boolean): boolean => es && design['sev.guestDebug'] === 'protected-from-start';

/** KVM_SET_GUEST_DEBUG. */
export function setGuestDebug(design: LaunchDesign, { es, guestProtected }: Protection): LaunchErrno | null {
  if (design['sev.guestDebug'] === 'allow-debug-op') return es ? 'EINVAL' : null;
  return guestProtected ? 'EINVAL' : null;
}

const FPU: readonly RegisterIoctl[] = ['KVM_SET_FPU', 'KVM_SET_XSAVE'];

/** Whether KVM keeps its hands off what this ioctl reads or writes. */
function isKept(design: LaunchDesign, ioctl: RegisterIoctl, at: Protection): boolean {
  if (FPU.includes(ioctl) && at.es && design['sev.guestFpu'] === 'not-allocated') return true;
  if (ioctl === 'KVM_SET_SREGS' && design['sev.sregsKey'] === 'guest-state-protected') return at.guestProtected;
  return vmsaTarget(at) === 'GHCB';
}

/**
 * An ioctl on registers. `ignored`: it returns 0 and the guest sees nothing of it. Designs of the
 * thread are older than VM types that say what they are: with `protected-from-start` and without an
 * FPU nothing is refused that the kernel of that time only ignored.
 */
export function registerIoctl(design: LaunchDesign, ioctl: RegisterIoctl, at: Protection): 'done' | 'ignored' | 'EINVAL' {
  if (!isKept(design, ioctl, at)) return 'done';
  // SNP_LAUNCH_FINISH makes no FPU state confidential: KVM stores it where no guest looks.
  if (FPU.includes(ioctl) && at.vmType === 'snp' && design['sev.guestFpu'] === 'confidential-at-launch') return 'ignored';
  return hasProtectedState(at.vmType) && at.encrypted ? 'EINVAL' : 'ignored';
}

/** What LAUNCH_UPDATE_VMSA finds of a debugger. */
export interface Debugged {
  /** vcpu->guest_debug is not 0. */
  readonly guestDebug: boolean;
  /** DR7 in the VMCB has other bits than DR7_FIXED_1. */
  readonly dr7: boolean;
}

/**
 * The checks of __sev_launch_update_vmsa() and sev_es_sync_vmsa(). `sanitizes`: what a debugger has
 * set is taken back first.
 */
export function updateVmsa(
  design: LaunchDesign,
  { encrypted }: Pick<Protection, 'encrypted'>,
  { guestDebug, dr7 }: Debugged,
): { readonly errno: LaunchErrno | null; readonly sanitizes: boolean } {
  const isRefused = { errno: 'EINVAL', sanitizes: false } as const;
  if (encrypted && design['sev.syncCheck'] === 'protected') return isRefused;
  if (design['sev.guestDebug'] === 'sanitize') return { errno: null, sanitizes: guestDebug || dr7 };
  const looks = design['sev.guestDebug'] === 'reject-launch';
  return dr7 || (guestDebug && looks) ? isRefused : { errno: null, sanitizes: false };
}

/** What commands of a launch need a VM to be. */
export type LaunchKind = 'sev' | 'snp';

/** sev_mem_enc_ioctl() and the first test of a command. */
export function launchable(
  design: LaunchDesign,
  kind: LaunchKind,
  { vmType, active }: { readonly vmType: KvmVmType; readonly active: boolean },
): LaunchErrno | null {
  const isSnp = active && vmType === 'snp';
  // An ioctl that the kernel does not know.
  if (kind === 'snp' && design['sev.vmTypes'] === 'legacy') return 'EINVAL';
  if (kind === 'snp') return isSnp ? null : 'ENOTTY';
  if (isSnp) return 'EPERM';
  return active ? null : 'ENOTTY';
}

/** One side of an intra-host move. */
export interface Mover {
  readonly vmType: KvmVmType;
  readonly active: boolean;
  readonly created: number;
  readonly online: readonly number[];
}

/**
 * What the file of the source is refused for, and sev_lock_two_vms() before it looks at anything. A
 * dead source goes on: it is no encrypted guest, which is another test's to say.
 */
export const sourceErrno = (fd: LaunchErrno | null, isDestination: boolean): LaunchErrno | null =>
  fd === 'EBADF' ? fd : isDestination ? 'EINVAL' : null;

/** sev_vm_move_enc_context_from(): what it asks of both VMs once it has locked them. */
export const moveBegins = (to: Mover, from: Mover): LaunchErrno | null =>
  to.vmType !== from.vmType || to.active || !from.active ? 'EINVAL' : null;

/** sev_check_source_vcpus(). */
export function moveVcpus(to: Mover, from: Mover, isProtected: (vcpu: number) => boolean): LaunchErrno | null {
  if (from.created !== from.online.length || to.created !== to.online.length) return 'EBUSY';
  if (from.online.length !== to.online.length) return 'EINVAL';
  return from.online.every(isProtected) ? null : 'EINVAL';
}

/** Whether a VMSA with these features has the debug registers swapped. */
export const swapsDebug = (features: number): boolean => (features & DEBUG_SWAP) !== 0;

/** What a host keeps intercepting of guests with DebugSwap. */
export type InterceptDesign = Partial<Pick<HostOptions, 'kvm.dr7Intercept' | 'kvm.dbIntercept'>>;

/** sev_es_init_vmcb(): what of DR7 and #DB exits, by the features that KVM believes in. */
export const interceptsOf = (features: number, design: InterceptDesign = {}): { readonly dr7: boolean; readonly db: boolean } => ({
  dr7: !swapsDebug(features) || design['kvm.dr7Intercept'] === 'kept',
  db: !swapsDebug(features) || design['kvm.dbIntercept'] === 'kept',
});

/**
 * What the sync copies behind the VMCB's save area. A VM type that says what it is has the FPU's
 * state as well.
 * @see kernel arch/x86/kvm/svm/sev.c, sev_es_sync_vmsa(), KVM_X86_DEFAULT_VM
 */
const syncedRegisters = (
  { registers: { gprs, fpu }, vmType }: { readonly registers: LaunchRegisters; readonly vmType: KvmVmType },
  features: number,
): Partial<VmsaContent> => ({ gprs, features, ...(vmType !== 'default' && { fpu }) });

/** The rules by which a vCPU goes; a mutant changes one. */
export const LAUNCH_RULES = { interceptsOf, protectedFromStart, registerIoctl, setGuestDebug, syncedRegisters, updateVmsa };
export type LaunchRules = typeof LAUNCH_RULES;

/** Where the firmware wants a guest for a command, and where the command brings it. */
const STATES: Readonly<Record<PspGuestCommand, readonly [from: FirmwareGuest['state'] | null, to: FirmwareGuest['state']]>> = {
  LAUNCH_START: [null, 'LUPDATE'],
  LAUNCH_UPDATE_DATA: ['LUPDATE', 'LUPDATE'],
  LAUNCH_UPDATE_VMSA: ['LUPDATE', 'LUPDATE'],
  LAUNCH_MEASURE: ['LUPDATE', 'LSECRET'],
  LAUNCH_FINISH: ['LSECRET', 'RUNNING'],
  SNP_LAUNCH_START: [null, 'LUPDATE'],
  SNP_LAUNCH_UPDATE: ['LUPDATE', 'LUPDATE'],
  SNP_LAUNCH_FINISH: ['LUPDATE', 'RUNNING'],
};

/** Whether the firmware executes the command; else INVALID_GUEST_STATE. */
export const isInState = (guest: FirmwareGuest | null, command: PspGuestCommand): boolean => (guest?.state ?? null) === STATES[command][0];

/** The guest behind a command that the firmware executes. */
export const executed = (guest: FirmwareGuest | null, command: PspGuestCommand, measured: Measured | null = null): FirmwareGuest => ({
  state: STATES[command][1],
  measured: [...(guest?.measured ?? []), ...(measured === null ? [] : [measured])],
});
