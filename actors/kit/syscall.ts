/** A system call around what it does: into the kernel and back. */
import { type HostItem, host } from '../host/host-env.ts';
import type { Source } from '../path/path.ts';
import { type FnRest, fn } from './fn.ts';

/**
 * `leavePath` among the items returns to user mode.
 *
 * @param name such as `ioctl`
 * @public
 */
export const syscall = (
  name: string,
  source: string | Source,
  items: readonly HostItem[],
  rest: Pick<FnRest<never, never, never>, 'leaves' | 'locals' | 'grade'> = {},
): readonly HostItem[] => [
  host.step(name, { mode: 'kernel' }),
  host.call(fn(`__do_sys_${name}`, source, items, rest)),
  host.step('sysret', { mode: 'user' }),
];
