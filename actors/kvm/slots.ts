/**
 * The named slots of KVM that mechanisms fill. A sequence slot holds items of several mechanisms,
 * in the order that they declare; a keyed slot holds one handler for each key. The run loop
 * (`kvm-run.ts`) says where each slot stands, by step of the skeleton R1 to R21.
 */
import type { Outgoing } from '../../events/event.ts';
import type { ExitReason, RequestFlags, VcpuRequest } from '../../events/kvm.ts';
import { didYouMean } from '../../events/nearest.ts';
import { type HostEnv, type HostItem, type HostLocals, type HostThread, host } from '../host/host-env.ts';
import { filling } from '../path/filled.ts';
import type { Source } from '../path/path.ts';
import { byKey, inOrder, SlotError } from './slot-order.ts';
import type { UserLoop } from './vmm.ts';

type LocalName = keyof HostLocals & string;
type Items = (env: HostEnv) => readonly HostItem[];

/** What a mechanism puts into a sequence slot. @public */
export interface SlotItems {
  /**
   * Lower comes first. Needed where two mechanisms claim the slot: each then has an order of its
   * own.
   */
  readonly order?: number;
  readonly items: Items;
  /** Locals of the items, which die at the end of the path that the slot stands in. */
  readonly locals?: readonly LocalName[];
}

/**
 * Messages that go out within the micro-step of an instruction: what the processor does as a part
 * of it.
 * @public
 */
export interface WithinStep {
  readonly order?: number;
  readonly send: (env: HostEnv, thread: HostThread, locals: HostLocals) => readonly Outgoing[];
}

/**
 * An ioctl on a vCPU: what it does between the vCPU's mutex and, where the vendor loads the vCPU
 * for it, load and put.
 * @public
 */
export interface VcpuIoctl extends Source {
  readonly items: Items;
  readonly locals?: readonly LocalName[];
  /** Fields of the thread that change when the mutex is dropped. */
  readonly unlocked?: () => Partial<HostThread>;
  /** Fields of the thread that change on the way to user mode, such as errno. */
  readonly returns?: (t: HostThread, l: HostLocals) => Partial<HostThread>;
}

/** An ioctl on a VM. @public */
export type VmIoctl = Omit<VcpuIoctl, 'unlocked'>;

/** Sequence slots of items, by name. @public */
export interface Sequences {
  /**
   * An ioctl on a vCPU, KVM_RUN as well, before its mutex: whether there is such a vCPU. Items that
   * set `refused` end it.
   */
  readonly ioctlEntry: SlotItems;
  /** An ioctl on a vCPU, KVM_RUN as well, on its way out, whether it was refused or not. */
  readonly ioctlExit: SlotItems;
  /**
   * kvm_for_each_vcpu(), before each turn: leaves in `vcpu` which one is next; where none is left,
   * how many the VM has. Without items `vcpu` counts from 0 up.
   */
  readonly eachVcpu: SlotItems;
  /**
   * An invalidation of a guest's memory, before it calls the MMU notifier of the VM: items that set
   * `refused` keep it from that. And behind the call, if it was made.
   */
  readonly notifierCall: SlotItems;
  readonly notifierReturn: SlotItems;
  /** An ioctl on a vCPU but KVM_RUN, under the mutex. Items that set `refused` end it. */
  readonly ioctlLocked: SlotItems;
  /** KVM_RUN under the mutex, before R2: what it reads of kvm_run. */
  readonly beforeLoad: SlotItems;
  /**
   * KVM_RUN behind complete_userspace_io, before its first turn. Items that set `notRun` end it
   * without an entry.
   */
  readonly beforeRun: SlotItems;
  /** R4 and S5, after kvm_arch_vcpu_load(). */
  readonly load: SlotItems;
  /** R19 and S2, before kvm_arch_vcpu_put(). */
  readonly put: SlotItems;
  /** R6, behind the requests: events that the entry delivers. */
  readonly injection: SlotItems;
  /** R10 has found work: what was injected is injected again. */
  readonly cancel: SlotItems;
  /** R8, prepare_switch_to_guest(): preemption is off. */
  readonly beforeEntry: SlotItems;
  /** R11: the guest's debug registers. Interrupts are off from here to `restore`. */
  readonly beforeGuest: SlotItems;
  /**
   * R12, just before the instruction that enters the guest. Items that set `exit` and leave the
   * path keep the guest out.
   */
  readonly entry: SlotItems;
  /** R12, just behind the exit. */
  readonly afterExit: SlotItems;
  /** R13: what the guest left in registers. */
  readonly afterGuest: SlotItems;
  /** R14: registers of the host, such as its breakpoints. */
  readonly restore: SlotItems;
  /** R17, before the handler of the exit. Items that set `returns` keep it from it. */
  readonly beforeHandler: SlotItems;
  /** What KVM_RUN leaves for user space, before R19. */
  readonly leaveToUser: SlotItems;
}

/** Sequence slots of messages, by name. @public */
export interface Instructions {
  /** VMRUN, VMRESUME, ERET. */
  readonly entering: WithinStep;
  /** #VMEXIT, or the exception to EL2. */
  readonly leaving: WithinStep;
  /** R19 and S2, kvm_arch_vcpu_put(). */
  readonly putting: WithinStep;
}

/** Keyed slots; a vendor that has one of its own declares it here. @public */
export interface Keyed {
  /**
   * R17, by exit reason: each that a guest can cause has a handler, or stands in `toUser`. A
   * handler ends KVM_RUN by setting `returns`.
   */
  readonly exits: Readonly<Partial<Record<ExitReason, Items>>>;
  /**
   * R6, by request; the request stays until something clears it. A handler ends KVM_RUN by setting
   * `returns` and leaving the loop.
   */
  readonly requests: Readonly<Partial<Record<VcpuRequest, Items>>>;
  /**
   * What KVM_REQUEST_* flags a request has; one that is not there has none. They count where it is
   * made of all vCPUs of a VM.
   */
  readonly requestFlags: Readonly<Partial<Record<VcpuRequest, RequestFlags>>>;
  readonly vcpuIoctls: Readonly<Record<string, VcpuIoctl>>;
  readonly vmIoctls: Readonly<Record<string, VmIoctl>>;
}

/** What a mechanism adds to KVM. @public */
export interface KvmParts extends Partial<Sequences>, Partial<Instructions>, Partial<Keyed> {
  readonly userLoop?: UserLoop;
  /**
   * Locals in which its items keep what they know of one turn of the run loop; they die before the
   * next entry.
   */
  readonly turnLocals?: readonly LocalName[];
  /** Guests have instructions of several micro-steps, inside which they exit. */
  readonly hasInsns?: true;
  /** Exits that KVM leaves to user space: KVM_RUN ends. */
  readonly toUser?: readonly ExitReason[];
}

/** The parts of one mechanism, with its name. @public */
export type Owned = { readonly owner: string; readonly parts: KvmParts };

const SEQUENCES: readonly string[] = [
  ...([
    'ioctlEntry',
    'ioctlExit',
    'eachVcpu',
    'notifierCall',
    'notifierReturn',
    'ioctlLocked',
    'beforeLoad',
    'beforeRun',
    'load',
    'put',
    'injection',
    'cancel',
    'beforeEntry',
    'beforeGuest',
    'entry',
    'afterExit',
    'afterGuest',
    'restore',
    'beforeHandler',
    'leaveToUser',
  ] satisfies (keyof Sequences)[]),
  ...(['entering', 'leaving', 'putting'] satisfies (keyof Instructions)[]),
];
const KEYED: readonly string[] = ['exits', 'requests', 'requestFlags', 'vcpuIoctls', 'vmIoctls'];
const OTHERS: readonly string[] = ['userLoop', 'turnLocals', 'hasInsns', 'toUser'];

/** A handler whose items are marked: the handler itself gives them, or its `items` do. */
function withMark(handler: unknown, slot: string, owner: string): unknown {
  if (typeof handler === 'function') return (env: HostEnv) => filling((handler as Items)(env), { slot, owner });
  const { items } = (handler ?? {}) as { readonly items?: Items };
  return items ? { ...(handler as object), items: (env: HostEnv) => filling(items(env), { slot, owner }) } : handler;
}

/** All slots of a host, filled. @public */
export class Slots {
  readonly #owned: readonly Owned[];

  /**
   * @param keyed keyed slots of the vendor's own
   * @throws SlotError if two claim one place, or a slot is claimed that there is not
   */
  constructor(owned: readonly Owned[], keyed: readonly string[] = []) {
    this.#owned = owned;
    const names = [...SEQUENCES, ...KEYED, ...keyed, ...OTHERS];
    for (const { owner, parts } of owned) {
      const unknown = Object.keys(parts).find((name) => !names.includes(name));
      if (parts.userLoop !== undefined && typeof parts.userLoop.reactions !== 'function')
        throw new SlotError(`${owner}: kvm().userLoop: expected a map with reactions(), by the end of KVM_RUN`);
      if (unknown !== undefined) throw new SlotError(`${owner}: kvm().${unknown}: expected a slot of this host: ${names.join(', ')}`);
    }
    for (const slot of SEQUENCES) this.#inOrder(slot as keyof Sequences);
    for (const slot of [...KEYED, ...keyed]) byKey(slot, owned);
  }

  /** The items of a sequence slot. */
  items(slot: keyof Sequences, env: HostEnv): readonly HostItem[] {
    return this.#inOrder(slot).flatMap(({ items, owner }) => filling(items(env), { slot, owner }));
  }

  /** Whether anything stands in a sequence slot. */
  hasItems(slot: keyof Sequences): boolean {
    return this.#inOrder(slot).length > 0;
  }

  /** The items of a slot that may refuse, and what is walked unless one of them does. */
  unlessRefused(slot: 'ioctlEntry' | 'ioctlLocked' | 'notifierCall', env: HostEnv, items: readonly HostItem[]): readonly HostItem[] {
    const before = this.items(slot, env);
    return before.length === 0 ? items : [...before, host.when([(_t, l) => l.refused !== true, items])];
  }

  /** The locals of those items. */
  locals(...slots: readonly (keyof Sequences)[]): readonly LocalName[] {
    return slots.flatMap((slot) => this.#inOrder(slot).flatMap(({ locals = [] }) => locals));
  }

  /** Locals of one turn of the run loop. */
  turnLocals(): readonly LocalName[] {
    return this.#owned.flatMap(({ parts }) => parts.turnLocals ?? []);
  }

  /** What goes out within an instruction's step. */
  messages(slot: keyof Instructions, env: HostEnv, thread: HostThread, locals: HostLocals): readonly Outgoing[] {
    return inOrder(slot, this.#owned, (parts) => parts[slot]).flatMap(({ send }) => send(env, thread, locals));
  }

  /** Handlers of a keyed slot, by key, in the order in which mechanisms are registered. */
  keyed<K extends keyof Keyed>(slot: K): Keyed[K] {
    return byKey(slot, this.#owned, (handler, key, owner) => withMark(handler, `${slot}.${key}`, owner)) as Keyed[K];
  }

  get hasInsns(): boolean {
    return this.#owned.some(({ parts }) => parts.hasInsns === true);
  }

  /** Whether an exit is one of those that KVM leaves to user space as they are. */
  leavesTo(reason: ExitReason): boolean {
    return this.#owned.some(({ parts }) => parts.toUser?.includes(reason) === true);
  }

  /**
   * Whether user space has to see the exit.
   * @throws SlotError if neither a handler nor user space takes it
   */
  isToUser(reason: ExitReason, env: HostEnv): boolean {
    return this.leavesTo(reason) || this.refuse('exits', reason, env, `, or toUser with it where KVM_RUN ends`);
  }

  /**
   * What a guest or a thread has caused, and no handler of a keyed slot takes: KVM_RUN would end,
   * or go on without end, without a word.
   * @throws SlotError
   */
  refuse(slot: keyof Keyed, key: string, { vendor }: HostEnv, orElse = ''): never {
    const taken = this.#owned.flatMap(({ owner, parts }) => Object.keys(parts[slot] ?? {}).map((name) => ({ owner, name })));
    const names = taken.map(({ name }) => name);
    throw new SlotError(
      `${key} on ${vendor.name}: no handler of the slot ${slot} takes it; expected kvm().${slot}.${key} of a mechanism${orElse}${didYouMean(key, names)}; taken are ${taken.map(({ owner, name }) => `${name} (${owner})`).join(', ') || 'none'}`,
    );
  }

  /** What mechanisms add to the VMM's loop, in the order in which they are registered. */
  userLoops(): readonly UserLoop[] {
    return this.#owned.flatMap(({ parts }) => parts.userLoop ?? []);
  }

  #inOrder(slot: keyof Sequences): readonly (SlotItems & Pick<Owned, 'owner'>)[] {
    return inOrder(slot, this.#owned, (parts, owner) => parts[slot] && { ...parts[slot], owner });
  }
}

declare module '../host/host-env.ts' {
  interface HostEnv {
    readonly slots: Slots;
  }
}
