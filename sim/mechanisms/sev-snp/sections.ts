/** What SEV-SNP adds to a scenario file: `firmware`, and of each VM its ASID and its pages. */
import { z } from 'zod';
import { REGION_FRAMES } from '../../../events/sev-snp/rmp.ts';
import { GUEST_STATES, type SnpGuestState } from '../../../events/sev-snp/snp-command.ts';
import { GFN, integer, PFN, strict } from '../../scenario/fields.ts';
import type { Section, VmSetting } from '../../scenario/section.ts';
import { MEMORY, type MemorySetup } from './memory-map.ts';

const PAGES_MAX = 4096;
const ASID_MAX = 0xffff;

/**
 * A guest page at the start: `shared` with the host, or assigned to the guest; `guest-invalid` is
 * not validated. An `alias` has the frame of another page of the guest, and no RMP entry of its
 * own: a host that attacks can move the frame there. `moved`: it has done so.
 */
export interface PageSetup {
  readonly gfn: number;
  readonly pfn: number;
  readonly state: 'shared' | 'guest-invalid' | 'guest-valid' | 'vmsa' | 'alias' | 'moved';
  /** It is one 2M entry, of which this many frames are modelled. */
  readonly frames?: number;
}

/** It has the frame of another page. */
export const isAlias = ({ state }: PageSetup): boolean => state === 'alias' || state === 'moved';

/** The frames of a page, with the GFN of each: one, or those of a 2M entry that are modelled. */
export const framesOf = ({ gfn, pfn, frames = 1 }: PageSetup): readonly { readonly gfn: number; readonly pfn: number }[] =>
  Array.from({ length: frames }, (_, i) => ({ gfn: gfn + i, pfn: pfn + i }));

/**
 * A page that the firmware or the host owns at the start. `reserved`: the e820 tables reserve it,
 * and the firmware makes it HV-Fixed, from version 1.52 on.
 */
export interface FirmwarePageSetup {
  readonly pfn: number;
  readonly state: 'hypervisor' | 'firmware' | 'reclaim' | 'iommu' | 'reserved';
}

/** A guest context that the firmware has at the start. */
export interface FirmwareGuestSetup {
  /** Of the context page. */
  readonly pfn: number;
  readonly state: SnpGuestState;
  /** Absent: not activated. */
  readonly asid?: number;
}

export interface FirmwareSetup {
  readonly state: 'UNINIT' | 'INIT';
  readonly pages: readonly FirmwarePageSetup[];
  readonly guests?: readonly FirmwareGuestSetup[];
  /** How many ASIDs the host has for guests with encrypted registers. */
  readonly asids?: number;
  /** The frame of the driver's command buffer; that of the backup is behind it. */
  readonly commandBuffer?: number;
  readonly memory?: MemorySetup;
}

interface WrittenFirmware {
  readonly state: FirmwareSetup['state'];
  readonly pages?: readonly FirmwarePageSetup[];
  readonly guests?: readonly FirmwareGuestSetup[];
  readonly asids?: number;
  readonly commandBuffer?: number;
  readonly memory?: MemorySetup;
}

declare module '../../../events/options.ts' {
  interface VmSettings {
    readonly asid: number;
    readonly pages: readonly PageSetup[];
    readonly vmpls: readonly number[];
    readonly vmcbs: readonly number[];
    readonly keptOn: readonly number[];
  }
}
declare module '../../scenario/types.ts' {
  interface ScenarioSections {
    readonly firmware: WrittenFirmware;
  }
  interface ResolvedSections {
    readonly firmware: FirmwareSetup;
  }
}

/** The VM type whose guests are launched by the firmware. */
export const SNP_VM = 'snp';
/** A VM without memory encryption. */
export const SVM_VM = 'svm';

const STATE = z.enum(['UNINIT', 'INIT']);
const FIRMWARE_PAGES = z
  .array(strict({ pfn: PFN, state: z.enum(['hypervisor', 'firmware', 'reclaim', 'iommu', 'reserved']) }))
  .max(PAGES_MAX);

const FIRMWARE_GUESTS = z
  .array(strict({ pfn: PFN, state: z.enum(GUEST_STATES), asid: integer(1, ASID_MAX).exactOptional() }))
  .max(PAGES_MAX)
  .describe('Guest contexts that the firmware has at the start, by the page of each.');

const ASIDS = integer(1, ASID_MAX).describe('How many ASIDs `asid-new` can give. Default: 1.');

const COMMAND_BUFFER = PFN.describe("The frame of the driver's command buffer, for `legacy-command`; that of the backup is the next one.");

const firmware: Section<WrittenFirmware, FirmwareSetup> = {
  description: 'The security processor at the start. Default: INIT if there is a VM, else UNINIT.',
  written: strict({
    state: STATE,
    pages: FIRMWARE_PAGES.exactOptional(),
    guests: FIRMWARE_GUESTS.exactOptional(),
    asids: ASIDS.exactOptional(),
    commandBuffer: COMMAND_BUFFER.exactOptional(),
    memory: MEMORY.exactOptional(),
  }),
  resolved: strict({
    state: STATE,
    pages: FIRMWARE_PAGES,
    guests: FIRMWARE_GUESTS.exactOptional(),
    asids: ASIDS.exactOptional(),
    commandBuffer: COMMAND_BUFFER.exactOptional(),
    memory: MEMORY.exactOptional(),
  }),
  resolve: (written, { vms = {} }) => {
    const launches = Object.values(vms).some(({ type }) => type === SNP_VM);
    return {
      state: written?.state ?? (launches ? 'INIT' : 'UNINIT'),
      pages: written?.pages ?? [],
      ...(written?.memory && { memory: written.memory }),
      ...(written?.guests && { guests: written.guests }),
      ...(written?.asids && { asids: written.asids }),
      ...(written?.commandBuffer !== undefined && { commandBuffer: written.commandBuffer }),
    };
  },
};

export const SECTIONS = { firmware };

/** Frames of the driver's two command buffers; none where commands do not nest. */
export const commandBuffers = (setup: FirmwareSetup | undefined): readonly number[] =>
  setup?.commandBuffer === undefined ? [] : [setup.commandBuffer, setup.commandBuffer + 1];

const asid: VmSetting<number> = {
  schema: integer(1, ASID_MAX).describe("Default: the VM's place in `vms`, from 1."),
  default: (place) => place,
};

const PAGE = strict({
  gfn: GFN,
  pfn: PFN,
  state: z
    .enum(['shared', 'guest-invalid', 'guest-valid', 'vmsa', 'alias', 'moved'])
    .describe('alias: it has the frame of another page, for a host that moves frames (make-private); moved: the host has moved it there.'),
  frames: integer(2, REGION_FRAMES)
    .describe('The page is one 2M entry, of which the run has this many 4K frames from the head on; a real one has 512.')
    .exactOptional(),
});
const pages: VmSetting<readonly PageSetup[]> = {
  schema: z.array(PAGE).max(PAGES_MAX).describe('Every page that an SNP VM uses, as it is when the run starts.'),
  default: () => [],
};

const vmpls: VmSetting<readonly number[]> = {
  schema: z
    .array(integer(0, 3))
    .describe('The VMPL of the VMSA of each vCPU, in their order. Default: 0, of those that are not named as well.'),
};

const vmcbs: VmSetting<readonly number[]> = {
  schema: z
    .array(PFN)
    .max(PAGES_MAX)
    .describe('Of each vCPU the first of the two frames from which KVM takes its VMCB. Without it VMCBs have no frames.'),
};

const CPUS_MAX = 1024;
const keptOn: VmSetting<readonly number[]> = {
  schema: z
    .array(integer(0, CPUS_MAX - 1))
    .max(CPUS_MAX)
    .describe('CPUs whose TLB has all pages of the guest as private ones when the run starts, where host.options has `rmp.tlb: stale`.'),
};

export const VM_SETTINGS = { asid, pages, vmpls, vmcbs, keptOn };

/** What every VM of a host with SEV-SNP has: both settings have defaults. */
export const snpSettingsOf = (vm: { readonly settings?: object }) =>
  vm.settings as {
    readonly asid: number;
    readonly pages: readonly PageSetup[];
    readonly vmpls?: readonly number[];
    readonly vmcbs?: readonly number[];
    readonly keptOn?: readonly number[];
  };
