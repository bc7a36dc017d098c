/** Where a race comes into KVM_RUN without naming a path: around loads and around the guest. */
import { type HostEnv, type HostItem, type HostPath, hostPatch } from '../../actors/host/host-env.ts';
import { after, atEnd, atStart, before } from '../../actors/kit/fn.ts';
import { joinPatches, type PathPatches } from '../../actors/path/patch.ts';
import { checkItems } from '../../actors/path/shape.ts';
import type { Arch } from '../scenario/types.ts';
import { VENDORS } from './vendors.ts';

type Hook = (env: HostEnv) => readonly HostItem[];

/** Places in the run loop of a vCPU. @public */
export interface RunHooks {
  /** Behind kvm_arch_vcpu_load(): of ioctls, and when the thread is scheduled in. */
  readonly onLoad?: Hook;
  /** Before kvm_arch_vcpu_put(): of ioctls, and when the thread is scheduled out. */
  readonly onPut?: Hook;
  /** Just before the instruction that enters the guest: interrupts are off. */
  readonly onEntry?: Hook;
  /** Just behind the exit. */
  readonly onExit?: Hook;
}

const at = (
  key: keyof RunHooks,
  names: readonly string[],
  hook: Hook | undefined,
  change: (path: HostPath, items: readonly HostItem[]) => HostPath,
): PathPatches =>
  hook === undefined
    ? {}
    : Object.fromEntries(names.map((name) => [name, [hostPatch((path, env) => change(path, itemsOf(key, hook(env))))]]));

/** What a hook has given. @throws Error naming the hook where it is no list of items */
function itemsOf(key: keyof RunHooks, items: readonly HostItem[]): readonly HostItem[] {
  if (!Array.isArray(items)) throw new Error(`${key} gives no list; expected items, as [step(…)]`);
  checkItems(items, key);
  return items;
}

/** The patches that they are. */
export const hooksOf = ({ onLoad, onPut, onEntry, onExit }: RunHooks, arch: Arch): PathPatches => {
  const run = [VENDORS[arch].worldSwitch.name];
  return joinPatches(
    at('onLoad', ['vcpu_load', 'kvm_sched_in'], onLoad, (path, items) => after(path, 'kvm_arch_vcpu_load', ...items)),
    at('onPut', ['vcpu_put', 'kvm_sched_out'], onPut, (path, items) => before(path, 'kvm_arch_vcpu_put', ...items)),
    at('onEntry', run, onEntry, (path, items) => atStart(path, ...items)),
    at('onExit', run, onExit, (path, items) => atEnd(path, ...items)),
  );
};
