/**
 * What the paths of SEV-SNP share: their locals, what they know of a VM's memory without asking,
 * and the way to an RMP entry.
 */
import { type ActorId, type Outgoing, outgoing } from '../../events/event.ts';
import { type RmpRequest, type RmpResult, type RmpUpdate, regionOf } from '../../events/sev-snp/rmp.ts';
import type { SnpIdBlock, SnpLaunchPage } from '../../events/sev-snp/snp-command.ts';
import { type HostEnv, type HostThread, opOf } from '../host/host-env.ts';
import type { Source } from '../path/path.ts';

/** What the ioctls of a launch take of the VM. */
export interface SnpLaunchFacts {
  /** PFN of the page that the firmware makes the guest context. */
  readonly context: number;
  readonly policy: number;
  /** Pages of SNP_LAUNCH_UPDATE by GFN. */
  readonly pages: Readonly<Record<number, SnpLaunchPage>>;
  /** EAX of CPUID function 1, and where each vCPU begins. */
  readonly signature: number;
  readonly eips: readonly number[];
  readonly idBlock?: SnpIdBlock;
}

declare module '../kvm/kvm-env.ts' {
  interface VmFacts {
    /** The actor that keeps track of its pages. */
    readonly pages: ActorId;
    readonly asid: number;
    /** PFN by GFN. */
    readonly frames: Readonly<Record<number, number>>;
    /** PFN of the VMSA of each vCPU; null where the scenario does not track it. */
    readonly vmsas: readonly (number | null)[];
    /** PFN of the VMCB of each vCPU, where the scenario tracks them. */
    readonly vmcbs?: readonly number[];
    /** Whether it has pages that are 2M entries, or that the host can make one of. */
    readonly huge: boolean;
    /** Whether its private pages lie in a guest_memfd. */
    readonly unmapped: boolean;
    /** Of the VMSA of each vCPU. */
    readonly vmpls: readonly number[];
    /** Whether it is a guest of SEV-SNP. */
    readonly isSnp: boolean;
    /** GFNs of the pages that it uses as GHCBs. */
    readonly ghcbs: readonly number[];
    /** Whether KVM keeps track of what its vCPUs do with their GHCBs. */
    readonly hasSevEsState: boolean;
    /** The nested page table of an SNP guest, where the host lets translations go stale. */
    readonly npt?: ActorId;
    /** PFNs whose contents the run has, as a guest looks at them. */
    readonly lookedAt: readonly number[];
    /** The host mappings of the scenario that are actors, of all VMs. */
    readonly hostMaps?: readonly ActorId[];
    /** Bits of SEV_FEATURES that another mechanism gives to VMSAs that a launch measures. */
    readonly sevFeatures?: number;
    /** Of an SNP VM that threads launch with its pages. */
    readonly snpLaunch?: SnpLaunchFacts;
  }
}
declare module '../host/host-env.ts' {
  interface HostLocals {
    readonly pfn?: number | undefined;
    readonly gfn?: number | undefined;
    readonly vm?: string | undefined;
    readonly update?: RmpUpdate | undefined;
    readonly result?: RmpResult | undefined;
    /** The auto-share handler has failed and tries again. */
    readonly retrying?: boolean | undefined;
    readonly fault?: boolean | undefined;
    /** Of the #PF that is handled. */
    readonly errorCode?: number | undefined;
    /** This thread keeps the vCPU whose VMSA it wants out of guest mode. */
    readonly blocked?: boolean | undefined;
    /** Whether the fault came from the kernel's own store. */
    readonly kernel?: boolean | undefined;
    readonly verdict?: 'retry' | 'skip' | 'signal' | undefined;
    readonly assigned?: boolean | undefined;
    /** The frame lies in a 2M entry, as the head said when it was read. */
    readonly huge?: boolean | undefined;
    /** A load has given ciphertext; the IOMMU has dropped DMA. */
    readonly ciphertext?: boolean | undefined;
    readonly dropped?: boolean | undefined;
    /** What a host mapping of the frame was when it was looked at. */
    readonly mapPresent?: boolean | undefined;
    readonly mapHuge?: boolean | undefined;
    /** How often rmpupdate() has failed, where it counts. */
    readonly tries?: number | undefined;
    readonly asid?: number | undefined;
    readonly vmsa?: boolean | undefined;
    /** Present where the entry that was looked at is immutable. */
    readonly immutable?: true | undefined;
    readonly stores?: number | undefined;
    readonly vmsaCheck?: 'ok' | 'invalid' | 'locked' | undefined;
    /**
     * Whether SNP firmware is initialized, so that pages it writes must be in the Firmware state.
     */
    readonly initialized?: boolean | undefined;
    /** What the firmware of policy P6 said of a page that is to come back. */
    readonly uvAnswer?: 'ok' | 'refused' | 'absent' | undefined;
  }
}

/** To the region that holds the entry of the PFN in question. @public */
export const toRmp = (event: RmpRequest): Outgoing => outgoing(regionOf(event.pfn), event);

/** The frame behind a guest page, or an error that names both. */
export function frameOf(env: HostEnv, vm: string, gfn: number): number {
  const pfn = env.vms[vm]?.frames[gfn];
  if (pfn === undefined) throw new Error(`${vm} has no page at GFN 0x${gfn.toString(16)}`);
  return pfn;
}

/** Whether a 2M entry can be there at all: of a page that has `frames`. */
export const hasHuge = (env: HostEnv): boolean => Object.values(env.vms).some(({ huge }) => huge);

/** The VM whose guest pages carry this ASID. */
export const vmOfAsid = (env: HostEnv, asid: number): string | undefined =>
  Object.keys(env.vms).find((name) => env.vms[name]!.asid === asid);

/** ASID and VMSA of the vCPU that the thread's ioctl is for. */
export function vmsaOf(env: HostEnv, thread: HostThread): { readonly asid: number; readonly vmsa: number | null } {
  const op = opOf(env, thread);
  if (!('vcpu' in op)) throw new Error(`${op.op} names no vCPU`);
  const { asid, vmsas } = env.vms[op.vm]!;
  return { asid, vmsa: vmsas[op.vcpu] ?? null };
}

/** The VMCB of that vCPU. */
export function vmcbOf(env: HostEnv, thread: HostThread): number | undefined {
  const op = opOf(env, thread);
  if (!('vcpu' in op)) throw new Error(`${op.op} names no vCPU`);
  return env.vms[op.vm]!.vmcbs?.[op.vcpu];
}

/** Where the micro-steps of domain snp b.5 come from: hardware does not document them. */
export const MICRO_STEPS: Source = { source: 'domain snp b.5; APM vol. 3 for the instruction', grade: 'decision' };
