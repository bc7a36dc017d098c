/** Small worlds for claims of DebugSwap: one encrypted guest in order, and what it leaves. */

import { DB_STACK } from '../../actors/guest-debug/db-delivery.ts';
import type { Vcpu } from '../../actors/kvm/guest-program.ts';
import type { HostSaveAreaState } from '../../actors/sev-es-debug/host-save-area.ts';
import type { ProtectedDebugState } from '../../actors/sev-es-debug/protected-debug.ts';
import type { MechanismOptions } from '../../events/options.ts';
import type { GuestStep } from '../../sim/scenario/program.ts';
import { play } from '../sim/play.ts';
import { found, type SevEsWorld, world } from './worlds.ts';

export const COPY = 'debug.host-registers-are-the-copy';
export const WRITE8 = 0x9_0401;
export const toDr = (dr: 0 | 1 | 7, value: number): GuestStep => ({ 'mov-to-dr': { dr, value } });
export const fromDr = (dr: 0 | 7): GuestStep => ({ 'mov-from-dr': { dr } });
export const WATCHED: readonly GuestStep[] = [toDr(0, 0x5000), toDr(7, WRITE8), { insn: { writes: 0x5000 } }];
/** Single-step: no debug register is needed for it. */
export const STEPS: readonly GuestStep[] = [{ popf: { tf: true } }, { insn: {} }, { popf: { tf: false } }];
export const watching = (address: number): readonly GuestStep[] => [toDr(0, address), toDr(7, WRITE8)];
export const TAR: readonly GuestStep[] = [...watching(DB_STACK), { icebp: {} }];
export const HALTS: readonly GuestStep[] = [{ hlt: {} }];
export const FEATURES = ['sev', 'sev-es', 'sev-snp', 'debug-swap'] as const;
const SAFE = [...FEATURES, 'no-nested-data-bp'] as const;

export interface Small extends Partial<SevEsWorld> {
  readonly swaps?: boolean;
  readonly options?: Partial<MechanismOptions>;
  readonly features?: readonly string[];
  readonly always?: readonly string[];
}
/** A guest that asks for DebugSwap unless told otherwise, in order on one CPU. */
export const small = (guest: readonly GuestStep[], { swaps = true, options = {}, features = SAFE, always = [], ...rest }: Small = {}) =>
  world({
    guest,
    properties: { always },
    ...rest,
    vm: { ...(swaps && { options: { vmsaFeatures: ['debug-swap'] } }), ...rest.vm },
    host: { features, options, preemption: 'none', ...rest.host },
  });

export const run = (guest: readonly GuestStep[], rest: Small = {}) => play(small(guest, rest), { name: 'fifo' });
export const account = (guest: readonly GuestStep[], rest: Small = {}) => run(guest, rest).context<Vcpu>('vcpu:vm0/0').debug!;
export const half = (guest: readonly GuestStep[], rest: Small = {}) => run(guest, rest).context<ProtectedDebugState>('kdb:vm0/0');
export const area = (rest: Small = {}) => run(HALTS, rest).context<HostSaveAreaState>('hsave:0');
export const brokenIn = (guest: readonly GuestStep[], rest: Small = {}): readonly string[] => found(small(guest, rest)).broken;
export const exits = (guest: readonly GuestStep[], rest: Small): readonly string[] =>
  run(guest, rest)
    .delivered('vmexit')
    .map(({ payload }) => (payload as { readonly reason: string }).reason)
    .filter((reason) => reason.includes('DR'));

/** perf watches an address while the guest runs. */
export const WATCHES = { threads: [[{ 'perf-breakpoint': { cpu: 0, address: 0x1000, length: 16 } }]] } as const;
export const onHost = (mutant: string | undefined, options: Partial<MechanismOptions>, rest: Small = {}): readonly string[] =>
  brokenIn([toDr(0, 0x5000)], { ...WATCHES, always: [COPY], options, mutant, host: { preemption: 'full' }, ...rest });

/** KVM believes in DebugSwap, and the VMSA lacks it. */
export const LYING: Small = { vm: { type: 'snp', options: { vmsaFeatures: ['debug-swap'], guestVmsaFeatures: [] } } };
