/** What a recording itself tells of the host: its vendor and kernel, and what contradicts that. */
import type { PreemptionModel } from '../events/options.ts';
import type { Arch } from '../sim/scenario/types.ts';
import type { EventLine, Recording } from './recording.ts';

/** Reasons that only one vendor's exits have, as kvm_exit prints them. */
const REASONS: Readonly<Record<string, Arch>> = {
  npf: 'amd',
  vintr: 'amd',
  interrupt: 'amd',
  io: 'amd',
  vmmcall: 'amd',
  ept_violation: 'intel',
  ept_misconfig: 'intel',
  external_interrupt: 'intel',
  io_instruction: 'intel',
  msr_read: 'intel',
  msr_write: 'intel',
  preemption_timer: 'intel',
  pause_instruction: 'intel',
  cr_access: 'intel',
  exception_nmi: 'intel',
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

const isKvmExit = (line: Recording['lines'][number]): line is EventLine => line.kind === 'event' && line.event?.type === 'kvm_exit';

/** Whether an exit is told after its thread has lost its CPU, and so after the exit. */
function tellsLate({ lines }: Recording): boolean {
  const inGuest = new Set<number>();
  const left = new Set<number>();
  for (const line of lines) {
    if (line.kind !== 'event') continue;
    const { event, pid } = line;
    if (event?.type === 'kvm_entry') {
      inGuest.add(pid);
      left.delete(pid);
    } else if (event?.type === 'sched_switch' && inGuest.has(event.prev.pid)) left.add(event.prev.pid);
    else if (event?.type === 'kvm_exit') {
      if (left.has(pid)) return true;
      inGuest.delete(pid);
    }
  }
  return false;
}

/**
 * Until 6.1 and 6.6 SVM tells an exit in svm_handle_exit(), where interrupts are on again and the
 * thread may have been switched away; later kernels in svm_vcpu_run(), where they are off. Null
 * where nothing tells the two apart.
 */
export function kernelIn(recording: Recording): '6.1' | '6.12' | null {
  const exit = recording.lines.find((line) => isKvmExit(line) && line.flags !== null) as EventLine | undefined;
  if (exit) return exit.flags!.irqsOff ? '6.12' : '6.1';
  return tellsLate(recording) ? '6.1' : null;
}

/** A host as the user has it, as far as he says. */
export interface Asked {
  readonly arch?: Arch | undefined;
  readonly kernel?: string | undefined;
  readonly preemption?: PreemptionModel | undefined;
}

/** The first fact of the recording that the user says otherwise; null if there is none. */
export function contradiction(
  recording: Recording,
  asked: Asked,
): { readonly flag: string; readonly told: string; readonly asked: string } | null {
  const version = (release: string | null | undefined) => (typeof release === 'string' ? versionOf(release)?.join('.') : undefined);
  const facts = [
    ['--arch', archOf(recording), asked.arch],
    ['--kernel', version(recording.kernel), version(asked.kernel)],
    ['--preemption', recording.preemption, asked.preemption],
  ] as const;
  const found = facts.find(([, told, said]) => told != null && said !== undefined && told !== said);
  return found ? { flag: found[0], told: found[1]!, asked: found[2]! } : null;
}
