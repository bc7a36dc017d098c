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
  /** snp_leak_pages(): the frame is never given back. */
  'pages.leak': { pfn: number };
  /** A nested mapping of this size begins at the page. */
  'pages.map': { gfn: number; size: '4K' | '2M' };
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
 * The answer to `pages.lock` and `pages.beginPsc`. A refused thread is woken when a page is let go.
 */
export type VmPagesAnswer = EventOf<{ 'pages.granted': { granted: boolean }; 'pages.jumpTableIs': { gpa: number } }>;

declare module '../index.ts' {
  interface ThreadEventsOf {
    vmPages: VmPagesAnswer;
  }
}

export const VM_PAGES_EVENTS = {
  'pages.lock': 'bus',
  'pages.unlock': 'bus',
  'pages.beginPsc': 'bus',
  'pages.endPsc': 'bus',
  'pages.granted': 'bus',
  'pages.leak': 'bus',
  'pages.free': 'bus',
  'pages.jumpTable': 'bus',
  'pages.jumpTableIs': 'bus',
  'pages.map': 'bus',
  'guest.validated': 'bus',
  'guest.stored': 'bus',
  'guest.loaded': 'bus',
  'guest.notValidated': 'bus',
} as const satisfies Record<(VmPagesEvent | VmPagesAnswer)['type'], Delivery>;
