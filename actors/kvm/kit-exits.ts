/**
 * What handlers of exits, requests and ioctls of a race are made of: the declared items as a
 * function of their own, and what stands around it in KVM.
 */
import { outgoing } from '../../events/event.ts';
import {
  fatalSignalPending,
  type HostEnv,
  type HostItem,
  type HostLocals,
  type HostPath,
  type HostThread,
  host,
} from '../host/host-env.ts';
import { ERRNO, returned } from '../kit/errno.ts';
import { fn } from '../kit/fn.ts';
import type { Source } from '../path/path.ts';
import { thisVcpu } from './kit-here.ts';
import { request } from './kit-requests.ts';
import { guestOf } from './kvm-env.ts';
import type { KvmParts, VcpuIoctl } from './slots.ts';
import type { UserLoop } from './vmm.ts';

const { step, call, when, note, leaveLoop } = host;

/** An exit that user space sees: its name, and what the guest has said with it. */
export interface UserSeen {
  readonly name: string;
  readonly info: Readonly<Record<string, unknown>>;
}

declare module '../host/host-env.ts' {
  interface HostLocals {
    /** kvm_run->exit_reason, where a race has something to do about it in user space. */
    readonly userSeen?: UserSeen | undefined;
  }
}

/**
 * KVM_RUN ends when the handler is over: of an exit or of a request.
 * @public
 */
export const toUserSpace: HostItem = note(() => ({ returns: true }));

const callUnlessEmpty = (made: HostPath): readonly HostItem[] => (made.items.length === 0 ? [] : [call(made)]);

/** R6: kvm_check_request() has found it, and taken it. */
export const requestHandler =
  (name: string, source: string | Source, does: (env: HostEnv) => readonly HostItem[]) =>
  (env: HostEnv): readonly HostItem[] => [
    request(name).clear({ at: thisVcpu(env) }),
    ...callUnlessEmpty(fn(name, source, does(env))),
    when([(_t: HostThread, l: HostLocals) => l.returns === true, [leaveLoop]]),
  ];

/** kvm_skip_emulated_instruction(): the guest goes on behind it. */
const skip = (env: HostEnv): HostItem =>
  step('kvm_skip_emulated_instruction', {
    send: (t, l) => outgoing(guestOf(env, t, l), { type: 'guest.skipInsn' }),
    answers: { 'guest.ran': () => ({}) },
  });

/** An exit, as its handler sees it. */
export interface ExitHandler {
  /** Of the function, and of what user space sees. */
  readonly name: string;
  readonly source: string | Source;
  readonly items: readonly HostItem[];
  /** KVM carries the instruction out. */
  readonly skips: boolean;
  /** What user space sees of it; absent if it has nothing to do. */
  readonly seen?: (l: HostLocals) => UserSeen;
}

/** R17, and an NAE event. */
export const exitHandler = (env: HostEnv, { name, source, items, skips, seen }: ExitHandler): readonly HostItem[] => [
  ...callUnlessEmpty(fn(name, source, [...items, ...(skips ? [skip(env)] : [])])),
  ...(seen ? [note((_t, l) => (l.returns === true ? { userSeen: seen(l) } : {}))] : []),
];

/** What the VMM does about an exit. */
interface UserReaction {
  readonly name: string;
  /** That of the exit. */
  readonly source: string | Source;
  readonly items: (env: HostEnv) => readonly HostItem[];
}

/** The VMM does what the race says about these exits, and runs the vCPU again. */
export function userLoopOf(reactions: readonly UserReaction[]): UserLoop {
  return {
    reactions: (env) =>
      reactions.map(({ name, source, items }) => [
        (t: HostThread, l: HostLocals) => !fatalSignalPending(t) && l.userSeen?.name === name,
        [call(fn(`user_${name}`, source, items(env))), note(() => ({ userSeen: undefined }))],
      ]),
    locals: ['userSeen'],
  };
}

/** An ioctl: a failure of it is seen in user space. */
export const ioctlOf = (name: string, source: Source, does: (env: HostEnv) => readonly HostItem[]): VcpuIoctl => ({
  ...source,
  items: (env) => callUnlessEmpty(fn(`do_${name}`, source, does(env), { leaves: [ERRNO] })),
  locals: [ERRNO as keyof HostLocals & string],
  returns: returned,
});

/** Slots of one mechanism with those of another. @throws Error if both loop around KVM_RUN */
export function joinKvm(own: KvmParts, more: KvmParts): KvmParts {
  if (own.userLoop && more.userLoop) throw new Error('kvm().userLoop and `user` of an exit; expected one of them');
  const slots = [...new Set([...Object.keys(own), ...Object.keys(more)])] as (keyof KvmParts)[];
  const joined = slots.map((slot) => {
    const [mine, theirs] = [own[slot], more[slot]];
    return [slot, mine === undefined || theirs === undefined ? (mine ?? theirs) : { ...(mine as object), ...(theirs as object) }];
  });
  return Object.fromEntries(joined) as KvmParts;
}
