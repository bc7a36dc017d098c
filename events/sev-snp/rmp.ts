/**
 * Messages between the actor that executes an RMP instruction or a checked access, and the RMP
 * region it targets.
 */
import type { ActorId, Delivery, EventOf } from '../event.ts';

/** Frames of one 2 MiB region. */
export const REGION_FRAMES = 512;

/** Read 1, write 2, execute in user mode 4, in supervisor mode 8, for each VMPL. @public */
export type RmpPerms = readonly [number, number, number, number];

/**
 * The fields of an RMP entry this model keeps. `perms` stands there once RMPADJUST has changed it:
 * without it VMPL 0 has all permissions and the others none, as RMPUPDATE leaves them.
 * @see domain snp a.2; APM vol. 2, "Reverse Map Table"
 * @public
 */
export interface RmpEntry {
  readonly assigned: boolean;
  readonly pageSize: '4K' | '2M';
  readonly immutable: boolean;
  readonly asid: number;
  readonly gfn: number;
  readonly validated: boolean;
  readonly vmsa: boolean;
  readonly perms?: RmpPerms;
}

/** The operand of RMPUPDATE. @public */
export interface RmpUpdate {
  readonly assigned: boolean;
  readonly pageSize: '4K' | '2M';
  readonly immutable: boolean;
  readonly asid: number;
  readonly gfn: number;
}

/** What RMPQUERY tells of a page: its size, the permissions of the VMPL, the VMSA bit. */
export interface RmpQueried {
  readonly pageSize: '4K' | '2M';
  readonly perms: number;
  readonly vmsa: boolean;
}

/** Result codes in EAX keep the manual's spelling. @see domain snp b.2 */
export const RMP_RESULTS = {
  SUCCESS: 0,
  FAIL_INPUT: 1,
  FAIL_PERMISSION: 2,
  FAIL_INUSE: 3,
  FAIL_OVERLAP: 4,
  FAIL_SIZEMISMATCH: 6,
} as const;
/** What RMPUPDATE and its kin answer. @public */
export type RmpResult = keyof typeof RMP_RESULTS;

/** An access of a guest as the nested walk sees it. */
export interface GuestAccess {
  readonly pfn: number;
  readonly asid: number;
  readonly gfn: number;
  /** The C-bit. */
  readonly private: boolean;
  readonly write: boolean;
  /** Of the vCPU's VMSA; absent at VMPL 0. */
  readonly vmpl?: number;
}

/** Whose permissions RMPADJUST changes, and to what; without `perms` they stay as they are. */
export interface RmpAdjust {
  readonly vmpl: number;
  readonly perms?: number;
}

declare module '../kvm.ts' {
  interface ExitInfoOf {
    /**
     * Nested page fault: EXITINFO1 and the page of EXITINFO2. The bits are in error-code.ts.
     * @see APM vol. 2, "Nested Page Faults"; domain snp c
     */
    readonly NPF: { readonly gfn: number; readonly errorCode: number };
    /** The same exit for a mapping that was removed, where a host tracks them. */
    readonly NPF_UNMAPPED: { readonly gfn: number; readonly errorCode: number };
  }
  interface VcpuRequests {
    /** Not the kernel's: the "do not enter" request of domain snp d.3. */
    readonly KVM_REQ_BLOCK_ENTRY: true;
  }
}
declare module '../svm.ts' {
  interface NaeInfoOf {
    /** Page state change. @see GHCB specification, "SNP Page State Change" */
    readonly PSC: { readonly gfn: number; readonly to: 'private' | 'shared' };
  }
}

/**
 * The store is operation `n` of `by`, or of who sends the access; or the load is looked at. The
 * actor of the guest's pages, `tell`, is told.
 */
export interface AccessContent {
  readonly n: number;
  readonly tell: ActorId;
  readonly by?: ActorId;
}

/** What is asked of a region of the RMP. @public */
export type RmpRequest = EventOf<{
  /**
   * Takes the lock of one entry for the length of one instruction. `smash`: for PSMASH, which has
   * one code alone for a lock that is held. `wide`: for an instruction of 2M, which holds all
   * entries of the region.
   */
  'rmp.lock': { pfn: number; smash?: true; wide?: true };
  'rmp.unlock': { pfn: number };
  /** By the holder: RMPUPDATE's checks of the entry and its region. */
  'rmp.checkUpdate': { pfn: number } & RmpUpdate;
  'rmp.writeUpdate': { pfn: number } & RmpUpdate;
  /** By the holder of the head: PSMASH checks, writes the slots behind the head, and the head. */
  'rmp.checkSmash': { pfn: number };
  'rmp.smashTails': { pfn: number };
  'rmp.smashHead': { pfn: number };
  /**
   * By the holder: PVALIDATE (`validated`) and RMPADJUST (`adjust`) check and write. Without `size`
   * they are of 4K, without `current`, the VMPL of the caller, at VMPL 0.
   */
  'rmp.checkGuest': {
    pfn: number;
    asid: number;
    gfn: number;
    size?: '2M';
    current?: number;
    validated?: boolean;
    adjust?: RmpAdjust;
  };
  'rmp.writeValidated': { pfn: number; validated: boolean };
  'rmp.writeVmsa': { pfn: number; vmsa: boolean; current?: number; adjust?: RmpAdjust };
  /** RMPQUERY, which takes no lock. Without `current` at VMPL 0. */
  'rmp.query': { pfn: number; asid: number; gfn: number; vmpl: number; current?: number };
  /** RMPREAD, or a read of the table: no lock, no side effect. */
  'rmp.read': { pfn: number };
  /**
   * A host store, of the kernel unless `user`: the check and the store are one thing. It is by a
   * mapping of 4K unless `huge`. `by`: the thread, where a mapping passes its store on. `n`: the
   * number of the operation, where the run has the contents of the page.
   */
  'rmp.hostWrite': { pfn: number; user?: true; huge?: true; by?: ActorId; n?: number };
  /** A host load, which is never refused. */
  'rmp.hostRead': { pfn: number };
  /** DMA of a device, which the IOMMU checks. */
  'rmp.deviceWrite': { pfn: number };
  /**
   * `kept`: by a translation that a CPU keeps, which is not checked again; the answer goes to `by`.
   */
  'rmp.guestAccess': GuestAccess & { readonly kept?: true; readonly by?: ActorId; readonly content?: AccessContent };
  /** VMRUN marks the VMSA as in use; #VMEXIT clears the mark. */
  'rmp.enter': { pfn: number; asid: number };
  'rmp.leave': { pfn: number };
  /** VMRUN marks the VMCB, of any VM, as in use; `rmp.leave` clears that mark too. */
  'rmp.use': { pfn: number };
  /** The PSP, between two instructions: PAGE_RECLAIM, and the check of a page it will write. */
  'rmp.reclaim': { pfn: number };
  /** The same for other commands: a look at an entry, and what a command makes of it. */
  'rmp.inspect': { pfn: number };
  'rmp.firmware': { pfn: number; change: Partial<RmpEntry> };
  /** Zeros, or INIT_RMP, reach the region of this frame: all its pages are the hypervisor's. */
  'rmp.clear': { pfn: number };
  /**
   * The firmware gives up a page of the IOMMU: to Reclaim, or, before 1.53, to the hypervisor
   * without counting it.
   */
  'rmp.release': { pfn: number; reclaim: boolean };
  /** The firmware of policy P6: the page goes to the host with its hash kept, and comes back. */
  'rmp.export': { pfn: number };
  'rmp.import': { pfn: number };
}>;

/**
 * What an access met. `npf`: #VMEXIT(NPF) with the RMP bit. `vmpl`: with that of permissions as
 * well. `vc`: #VC 0x404 inside the guest. `unmapped`: #VMEXIT(NPF) for a mapping that was removed.
 */
export type AccessOutcome = 'ok' | 'npf' | 'vmpl' | 'vc' | 'unmapped';

export type RmpAnswer = EventOf<{
  /** `contended`: another instruction holds the lock; `result` says how that shows. */
  'rmp.locked': { result: RmpResult };
  /** `carryFlag`: the carry flag of PVALIDATE. `gp`: #GP, for the caller's VMPL. */
  'rmp.checked': { result: RmpResult; fault: boolean; entry: RmpEntry; carryFlag?: true; gp?: true };
  /** `queryOut` where there is neither a fault nor a failure. */
  'rmp.queried': { result: RmpResult; fault: boolean; queryOut?: RmpQueried };
  /** `huge` where the head says that the frame lies in a 2M entry. */
  'rmp.entry': { entry: RmpEntry; inUse: boolean; huge?: true };
  /** `errorCode` of #PF where there is a fault. */
  'rmp.hostWritten': { fault: boolean; errorCode?: number };
  'rmp.hostLoaded': { ciphertext: boolean };
  /** `dropped`: the IOMMU has logged an event, and the page is as it was. */
  'rmp.deviceWritten': { dropped: boolean };
  'rmp.accessed': { outcome: AccessOutcome };
  /** `locked`: an instruction holds the entry; VMRUN waits. */
  'rmp.entered': { outcome: 'ok' | 'invalid' | 'locked' };
  /** `locked`: an instruction holds the entry; the firmware asks again. */
  'rmp.reclaimed': { outcome: 'ok' | 'locked' | 'refused' };
  'rmp.inspected': { pfn: number; entry: RmpEntry; locked: boolean };
  'rmp.exported': { outcome: 'ok' | 'locked' };
  /** `refused`: the page is not what it was. `absent`: it is not one that went out. */
  'rmp.imported': { outcome: 'ok' | 'refused' | 'absent' };
}>;

declare module '../index.ts' {
  interface ThreadEventsOf {
    rmp: RmpAnswer;
  }
  interface GuestEventsOf {
    rmp: RmpAnswer;
  }
}

export const RMP_EVENTS = {
  'rmp.lock': 'bus',
  'rmp.unlock': 'bus',
  'rmp.checkUpdate': 'bus',
  'rmp.writeUpdate': 'bus',
  'rmp.checkSmash': 'bus',
  'rmp.smashTails': 'bus',
  'rmp.smashHead': 'bus',
  'rmp.checkGuest': 'bus',
  'rmp.writeValidated': 'bus',
  'rmp.writeVmsa': 'bus',
  'rmp.query': 'bus',
  'rmp.read': 'bus',
  'rmp.hostWrite': 'bus',
  'rmp.hostRead': 'bus',
  'rmp.deviceWrite': 'bus',
  'rmp.guestAccess': 'bus',
  'rmp.enter': 'bus',
  'rmp.leave': 'bus',
  'rmp.use': 'bus',
  'rmp.reclaim': 'bus',
  'rmp.inspect': 'bus',
  'rmp.firmware': 'bus',
  'rmp.clear': 'bus',
  'rmp.release': 'bus',
  'rmp.locked': 'bus',
  'rmp.checked': 'bus',
  'rmp.queried': 'bus',
  'rmp.entry': 'bus',
  'rmp.hostWritten': 'bus',
  'rmp.hostLoaded': 'bus',
  'rmp.deviceWritten': 'bus',
  'rmp.accessed': 'bus',
  'rmp.entered': 'bus',
  'rmp.reclaimed': 'bus',
  'rmp.inspected': 'bus',
  'rmp.export': 'bus',
  'rmp.exported': 'bus',
  'rmp.import': 'bus',
  'rmp.imported': 'bus',
} as const satisfies Record<(RmpRequest | RmpAnswer)['type'], Delivery>;

/** The region that holds a frame's entry. */
export const regionOf = (pfn: number): ActorId => `rmp:0x${(pfn - (pfn % REGION_FRAMES)).toString(16)}`;
