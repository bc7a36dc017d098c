/**
 * Vocabulary between the threads and vCPUs of an SNP guest and the actor that keeps track of the
 * guest's pages.
 */
import type { Delivery, EventOf } from '../event.ts';
import type { Loaded } from './contents.ts';

export type VmPagesEvent = EventOf<{
  /**
   * Map lock: hold the page in its present state while it is mapped.
   * @see domain snp d, P3 and P4
   */
  'pages.lock': { gfn: number };
  'pages.unlock': { gfn: number };
  /** A page-state change waits until no thread holds the page, and keeps new holders out. */
  'pages.beginPsc': { gfn: number };
  'pages.endPsc': { gfn: number };
  /**
   * guest_memfd: folio_lock(), by the first page of the folio. `takes`: the frame that the folio
   * has for the page that is wanted, taken from the allocator if it is free.
   */
  'pages.lockFolio': { gfn: number; takes: number };
  'pages.unlockFolio': { gfn: number };
  /**
   * SRCU of patch 39: a reader enters and leaves; a page-state change waits for the readers that
   * were there when it asked first, and for no other.
   */
  'pages.readLock': object;
  'pages.readUnlock': object;
  'pages.synchronize': object;
  /** guest_memfd: kvm_mem_is_private(), and KVM_SET_MEMORY_ATTRIBUTES. */
  'pages.private?': { gfn: number };
  'pages.setPrivate': { gfn: number; private: boolean };
  /** guest_memfd: a store of the host through a mapping of user space. */
  'pages.hostStore': { gfn: number };
  /** guest_memfd, from a vCPU: the nested walk of an access with this C-bit. */
  'guest.walk': { gfn: number; private: boolean };
  /** snp_leak_pages(): the frame is never given back. */
  'pages.leak': { pfn: number };
  /** A nested mapping of this size begins at the page, and KVM has found an entry of `entry`. */
  'pages.map': { gfn: number; size: '4K' | '2M'; entry: '4K' | '2M' };
  /** The frame goes back to the allocator. */
  'pages.free': { pfn: number };
  /** From a vCPU: the guest has executed PVALIDATE, and knows it on all its vCPUs. */
  'guest.validated': { gfn: number; validated: boolean };
  /** From a vCPU: #VC 0x404 on this page. */
  'guest.notValidated': { gfn: number };
  /** From the region of a frame: what a vCPU has stored to a private page, and what it loads. */
  'guest.stored': { gfn: number; content: Loaded };
  'guest.loaded': { gfn: number; content: Loaded };
  /** ap_jump_table of the VM, which a guest sets and gets. */
  'pages.jumpTable': { set?: number };
}>;

/**
 * The answer to `pages.lock`, `pages.beginPsc`, `pages.lockFolio` and `pages.synchronize`. A
 * refused thread is woken when a page, or a folio, is let go.
 */
export type VmPagesAnswer = EventOf<{
  'pages.granted': { granted: boolean };
  'pages.jumpTableIs': { gpa: number };
  'pages.private': { private: boolean };
  /** `reached`: there is a page behind the mapping, which is a shared one. */
  'pages.hostStored': { reached: boolean };
}>;
/** The answer to `guest.walk`: whether the page has the state that the C-bit asks for. */
type VmPagesGuestAnswer = EventOf<{ 'pages.walked': { maps: boolean } }>;

declare module '../index.ts' {
  interface ThreadEventsOf {
    vmPages: VmPagesAnswer;
  }
  interface GuestEventsOf {
    vmPages: VmPagesGuestAnswer;
  }
}

export const VM_PAGES_EVENTS = {
  'pages.lock': 'bus',
  'pages.unlock': 'bus',
  'pages.beginPsc': 'bus',
  'pages.endPsc': 'bus',
  'pages.lockFolio': 'bus',
  'pages.unlockFolio': 'bus',
  'pages.granted': 'bus',
  'pages.readLock': 'bus',
  'pages.readUnlock': 'bus',
  'pages.synchronize': 'bus',
  'pages.private?': 'bus',
  'pages.private': 'bus',
  'pages.setPrivate': 'bus',
  'pages.hostStore': 'bus',
  'pages.hostStored': 'bus',
  'guest.walk': 'bus',
  'pages.walked': 'bus',
  'pages.leak': 'bus',
  'pages.free': 'bus',
  'pages.jumpTable': 'bus',
  'pages.jumpTableIs': 'bus',
  'pages.map': 'bus',
  'guest.validated': 'bus',
  'guest.stored': 'bus',
  'guest.loaded': 'bus',
  'guest.notValidated': 'bus',
} as const satisfies Record<(VmPagesEvent | VmPagesAnswer | VmPagesGuestAnswer)['type'], Delivery>;
