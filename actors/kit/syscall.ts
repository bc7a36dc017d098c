/** A system call around what it does: into the kernel and back. */
import { type HostItem, host } from '../host/host-env.ts';
import type { Source } from '../path/path.ts';
import { ERRNO, forgotten, returned } from './errno.ts';
import { type FnRest, fn } from './fn.ts';

/**
 * `leavePath` among the items returns to user mode, and `fail()` returns an error.
 *
 * @param name such as `ioctl`
 * @public
 */
export function syscall(
  name: string,
  source: string | Source,
  items: readonly HostItem[],
  rest: Pick<FnRest<never, never, never>, 'leaves' | 'locals' | 'grade'> = {},
): readonly HostItem[] {
  const make = (leaves: readonly string[] = []) => fn(`__do_sys_${name}`, source, items, { ...rest, leaves });
  const fails = make(rest.leaves).locals.some((one: string) => one === ERRNO);
  return [
    host.step(name, { mode: 'kernel' }),
    host.call(make([...(rest.leaves ?? []), ...(fails ? [ERRNO] : [])])),
    host.step('sysret', { mode: 'user', ...(fails && { set: returned, local: forgotten }) }),
  ];
}
