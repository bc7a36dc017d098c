/**
 * Vocabulary of the host's own mappings: how the kernel's direct map, or a process, maps the 2 MiB
 * around a frame.
 */
import type { ActorId, Delivery, EventOf } from '../event.ts';
import { REGION_FRAMES } from './rmp.ts';

/** Options about them, in SEV_SNP_OPTIONS. */
export const HOST_MAP_OPTIONS = {
  /**
   * What rmpupdate() does about the kernel's direct map of a frame: nothing; it splits a larger
   * mapping before RMPUPDATE of 4K (series v4, and 6.9 and later), or only after it; or it takes
   * the frame out when a guest gets it, and puts it back when it is shared again (series v5).
   * @see domain snp d.4; SNP-43; h, R12
   */
  'kvm.directMap': ['untouched', 'split', 'split-after', 'remove'],
  /**
   * What processes map guest memory with: transparent huge pages, which can be split, or hugetlbfs.
   * @see domain snp d.2
   */
  'kvm.memoryBacking': ['thp', 'hugetlbfs'],
} as const;

/** What is asked of a mapping of 2 MiB. */
export type HostMapEvent = EventOf<{
  /**
   * W1 to W3: a store, translated here and then checked by the RMP. `user`: of a process. `n`: as
   * that of rmp.hostWrite.
   */
  'hostmap.write': { pfn: number; user?: true; n?: number };
  /** lookup_address(): what the page table says now. */
  'hostmap.lookup': { pfn: number };
  /** set_memory_4k(), __split_huge_pmd(). */
  'hostmap.split': { pfn: number };
  /** set_direct_map_invalid_noflush() and set_direct_map_default_noflush(), of one frame. */
  'hostmap.remove': { pfn: number };
  'hostmap.restore': { pfn: number };
  /** The whole mapping goes, as by madvise(MADV_DONTNEED); a fault brings it back. */
  'hostmap.zap': { pfn: number };
  'hostmap.faultIn': { pfn: number };
}>;

export type HostMapAnswer = EventOf<{
  /** `huge`: by one entry of 2M. */
  'hostmap.entry': { present: boolean; huge: boolean };
}>;

declare module '../index.ts' {
  interface ThreadEventsOf {
    hostMap: HostMapAnswer;
  }
}

export const HOST_MAP_EVENTS = {
  'hostmap.write': 'bus',
  'hostmap.lookup': 'bus',
  'hostmap.split': 'bus',
  'hostmap.remove': 'bus',
  'hostmap.restore': 'bus',
  'hostmap.zap': 'bus',
  'hostmap.faultIn': 'bus',
  'hostmap.entry': 'bus',
} as const satisfies Record<(HostMapEvent | HostMapAnswer)['type'], Delivery>;

/** Whose mapping it is: of the kernel, or of a process by its name. */
export const DIRECT_MAP = 'kernel';
export const mapId = (owner: string, pfn: number): ActorId => `hostmap:${owner}/0x${(pfn - (pfn % REGION_FRAMES)).toString(16)}`;
