/** What a recording itself tells of the host: its vendor and kernel. */
import type { Arch } from '../../sim/scenario/types.ts';
import type { Recording } from '../recording.ts';

/** Reasons that only one vendor's exits have, as kvm_exit prints them. */
const REASONS: Readonly<Record<string, Arch>> = {
  npf: 'amd',
  vintr: 'amd',
  interrupt: 'amd',
  io: 'amd',
  vmmcall: 'amd',
  ept_violation: 'intel',
  external_interrupt: 'intel',
  io_instruction: 'intel',
  preemption_timer: 'intel',
};

/** By the names of functions and exits; null if none tells. */
export function archOf({ lines }: Recording): Arch | null {
  for (const line of lines) {
    if (line.kind === 'call' && line.fn.startsWith('svm_')) return 'amd';
    if (line.kind === 'call' && line.fn.startsWith('vmx_')) return 'intel';
    if (line.kind !== 'event' || line.event?.type !== 'kvm_exit') continue;
    const { reason } = line.event;
    if (Object.hasOwn(REASONS, reason)) return REASONS[reason]!;
  }
  return null;
}

/** `6.12.117+deb12-amd64` as [6, 12]; null if it is no release of a kernel. */
export function versionOf(release: string): readonly [number, number] | null {
  const [, major, minor] = /^(\d{1,3})\.(\d{1,3})(?![\d])/.exec(release) ?? [];
  return major === undefined ? null : [Number(major), Number(minor)];
}

/** The newest of some versions that is not newer than the release; null if all are. */
export function notNewer<V extends string>(release: string, versions: readonly V[]): V | null {
  const version = versionOf(release);
  if (version === null) return null;
  const known = versions
    .map((name) => ({ name, at: versionOf(name) }))
    .filter(({ at }) => at !== null && (at[0] < version[0] || (at[0] === version[0] && at[1] <= version[1])))
    .sort((a, b) => a.at![0] - b.at![0] || a.at![1] - b.at![1]);
  return known.at(-1)?.name ?? null;
}
