/**
 * Small arm64 worlds for claims: one guest, the thread that runs it, and what a run leaves of
 * registers, traps and exceptions.
 */

import type { MechanismOptions } from '../../../events/options.ts';
import { DEBUG_EXITS, type DebugTraps, type Executed } from '../../../events/os-lock/arm-debug.ts';
import type { Sysreg } from '../../../events/os-lock/sysregs.ts';
import { knownProperties } from '../../../sim/properties/index.ts';
import { scenario } from '../../../sim/scenario/build.ts';
import type { GuestStep, HostStep } from '../../../sim/scenario/program.ts';
import { resolveScenario } from '../../../sim/scenario/resolve.ts';
import type { KernelVersion } from '../../../sim/scenario/types.ts';
import { type Played, play } from '../../sim/play.ts';

export const SS = 0x1;
export const KDE = 0x2000;
export const MDE = 0x8000;

/** What guests do. */
export const msr = (reg: Sysreg, value: number): GuestStep => ({ msr: { reg, value } });
export const mrs = (reg: Sysreg): GuestStep => ({ mrs: { reg } });
export const setLock: GuestStep = msr('oslar_el1', 1);
export const clearLock: GuestStep = msr('oslar_el1', 0);
export const brk: GuestStep = { brk: {} };
export const insn: GuestStep = { execute: {} };
export const atBreakpoint: GuestStep = { execute: { breakpoint: true } };
export const atWatchpoint: GuestStep = { execute: { watchpoint: true } };
export const atVector: GuestStep = { execute: { vector: true } };
/** A guest that has armed breakpoint 0, watchpoint 0 and vector catch for itself, at EL1 too. */
export const armed: readonly GuestStep[] = [msr('mdscr_el1', MDE | KDE), msr('dbgbcr0_el1', 1), msr('dbgwcr0_el1', 1), msr('dbgvcr', 1)];

/** What VMMs do. */
export const debug = (flags: { enable?: boolean; hw?: boolean; step?: boolean; sw?: boolean; known?: boolean }): HostStep => ({
  KVM_SET_GUEST_DEBUG: { vcpu: 'vm0/0', ...flags },
});
const run: HostStep = { KVM_RUN: { vcpu: 'vm0/0' } };

export interface ArmWorld {
  readonly options?: Partial<MechanismOptions>;
  readonly kernel?: KernelVersion;
  readonly mutant?: string | undefined;
  /** What the thread does before KVM_RUN. */
  readonly before?: readonly HostStep[];
  /**
   * The guest's program has a `pause`: it is migrated there, from a kernel that may not know the
   * lock.
   */
  readonly migratesFrom?: 'emulated' | 'ignored';
  /** What is watched; nothing unless given. */
  readonly properties?: readonly string[];
}

/** The guest's program in order, to its end. */
export function runGuest(
  program: readonly GuestStep[],
  { options = {}, kernel = '6.12', mutant, before = [], migratesFrom, properties = [] }: ArmWorld = {},
): Played {
  const moves = migratesFrom !== undefined;
  const source = scenario({
    name: 'claim',
    summary: 'A claim',
    host: { arch: 'arm64', cpus: moves ? 2 : 1, kernel, options },
    vms: { vm0: { type: 'arm64', ...(moves && { options: { osLock: migratesFrom } }), vcpus: [program] } },
    processes: {
      qemu0: { threads: [moves ? [run, { incoming: { vcpu: 'vm0/0' } }, run] : [...before, run]] },
      ...(moves && { migration: { threads: [[{ migrate: { vcpu: 'vm0/0' } }]] } }),
    },
    properties: { always: properties },
  });
  const resolved = resolveScenario(source, { knownProperties: knownProperties(), ...(mutant !== undefined && { mutant }) });
  const played = play(resolved, { name: 'fifo' });
  if (played.end.ended !== 'done' && properties.length === 0) throw new Error(`the guest did not come to its end: ${played.end.ended}`);
  return played;
}

type Payload = Readonly<Record<string, unknown>>;
const payloads = (played: Played, type: string): readonly Payload[] => played.delivered(type).map(({ payload }) => payload as Payload);

/** What each `execute` and `brk` met, such as `breakpoint to EL1`. */
export const met = (played: Played): string[] =>
  payloads(played, 'dbg.executed').map((outcome) => {
    const { exception, to } = outcome as unknown as Executed;
    return exception === null ? 'nothing' : `${exception} to EL${to}`;
  });

/** What user space put into EL1, and BRKs that KVM stepped over. */
export const injected = (played: Played): unknown[] =>
  payloads(played, 'arm.resumed').flatMap(({ injected: exception }) => (exception === null ? [] : [exception]));
export const skips = (played: Played): number => payloads(played, 'arm.resumed').filter(({ skipped }) => skipped === true).length;

/** Values that the guest read, in order. */
const reads = (played: Played): unknown[] => {
  const values: unknown[] = [];
  for (const { kind, type, payload } of played.records) {
    if (kind !== 'deliver') continue;
    const { trap, value } = payload as { readonly trap?: boolean; readonly value?: number };
    if (type === 'dbg.accessed' && trap === false) values.push(value);
    if (type === 'arm.resumed') values.push(value);
  }
  return values;
};
/** The last of them. */
export const lastRead = (played: Played): unknown => reads(played).at(-1);

interface Entry {
  readonly mdscr: number;
  readonly traps: DebugTraps;
}
/** MDSCR_EL1 and the traps of MDCR_EL2 at each entry. */
const entries = (played: Played): readonly Entry[] =>
  payloads(played, 'dbg.enter').map(({ state }) => {
    const { mdscr, traps } = state as unknown as Entry;
    return { mdscr, traps };
  });
export const lastEntry = (played: Played): Entry => entries(played).at(-1)!;

/** How often user space was asked about a debug exception. */
export const debugExits = (played: Played): number =>
  payloads(played, 'vmexit').filter(({ reason }) => Object.values<unknown>(DEBUG_EXITS).includes(reason)).length;
