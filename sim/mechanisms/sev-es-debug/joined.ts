/** What two parts of one mechanism fill of KVM's run loop, as one. */
import type { KvmParts } from '../../../actors/kvm/slots.ts';

/**
 * Both may fill the slot of the entry, one behind the other: what KVM saves, and what VMRUN finds.
 * Of another slot one would be lost.
 */
export function joined(first: KvmParts, second: KvmParts): KvmParts {
  const twice = Object.keys(first).find((slot) => slot !== 'entry' && Object.hasOwn(second, slot));
  if (twice !== undefined) throw new Error(`both parts fill the slot ${twice}`);
  const all = { ...first, ...second };
  if (!first.entry || !second.entry) return all;
  const entries = [first.entry, second.entry];
  return {
    ...all,
    entry: {
      ...second.entry,
      locals: entries.flatMap(({ locals = [] }) => locals),
      items: (env) => entries.flatMap(({ items }) => items(env)),
    },
  };
}
