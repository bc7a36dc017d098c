/** What a system call gives back when it fails. */
import type { HostItem, HostThread } from '../host/host-env.ts';
import { host } from '../host/host-env.ts';
import { local } from './local.ts';

declare module '../host/host-env.ts' {
  interface HostThread {
    /** errno of its last system call that can fail; absent if that went well. */
    readonly errno?: string | undefined;
  }
}

const errno = local<string>('errno');
/** The local that holds it on the way to user mode. */
export const ERRNO = errno.name;

/**
 * The function fails: it returns at once. Inside another function, that returns alone.
 * @param name such as `EBUSY`
 * @public
 */
export const fail = (name: string): readonly HostItem[] => [errno.set(name), host.leavePath];
/** A test for `when`: the call that came before has failed. @public */
export const failed = (_walker: object, locals: object): boolean => errno.of(locals) !== undefined;

/** What the way out to user mode leaves in the thread. */
export const returned = (_t: HostThread, locals: object): Partial<HostThread> => ({ errno: errno.of(locals) });
/** The local is gone with the system call. */
export const forgotten = () => ({ [ERRNO]: undefined });
