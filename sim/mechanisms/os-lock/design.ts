/** The switches of an arm64 host, and the design that they name. */
import { OSLSR } from '../../../actors/os-lock/arm-debug-rule.ts';
import type { ArmDebugDesign } from '../../../actors/os-lock/arm-vcpu-state.ts';
import type { MechanismOptions } from '../../../events/options.ts';
import type { ResolvedScenario } from '../../scenario/types.ts';

type OptionTable = { readonly [K in keyof OsLockOptions]: readonly [OsLockOptions[K], ...OsLockOptions[K][]] };
type OsLockOptions = Pick<
  MechanismOptions,
  | 'kvm.armDebug'
  | 'kvm.osLock'
  | 'kvm.oslsrReset'
  | 'kvm.dbgoslar'
  | 'kvm.oslarReload'
  | 'kvm.oslarExit'
  | 'kvm.pkvmDebug'
  | 'kvm.tdeUsers'
  | 'kvm.oslkTest'
  | 'vmm.debugInject'
>;

export const OS_LOCK_OPTIONS = {
  /**
   * When the debug state is decided: around each entry (6.1 to 6.12), or by an owner at load
   * (6.14).
   */
  'kvm.armDebug': ['each-entry', 'owner'],
  /**
   * Mainline's emulation; patch v2, which routes and skips BRK; kernels before it; the lock
   * switched into the CPU's own.
   */
  'kvm.osLock': ['emulated', 'patch-v2', 'ignored', 'physical'],
  'kvm.oslsrReset': ['mainline', 'architecture'],
  'kvm.dbgoslar': ['kvm', 'architecture'],
  'kvm.oslarReload': ['atomic', 'lazy', 'preemptible'],
  'kvm.oslarExit': ['handle-exit', 'fast-path'],
  'kvm.pkvmDebug': ['none', 'flushed', 'stale'],
  'kvm.tdeUsers': ['all', 'last-writer'],
  'kvm.oslkTest': ['bit-1', 'bit-0'],
  'vmm.debugInject': ['always', 'unless-locked'],
} as const satisfies OptionTable;

/** The design that a host's options name. */
export function designOf({ host: { options } }: ResolvedScenario): ArmDebugDesign {
  return {
    model: options['kvm.armDebug'],
    lockBit: options['kvm.oslkTest'] === 'bit-1' ? OSLSR.OSLK : 1,
    debuggerRoutes: true,
    lockRoutes: options['kvm.osLock'] === 'patch-v2',
    physical: options['kvm.osLock'] === 'physical',
    resetLocked: options['kvm.oslsrReset'] === 'architecture',
    dbgoslarKey: options['kvm.dbgoslar'] === 'architecture',
    lastWriterTde: options['kvm.tdeUsers'] === 'last-writer',
    pkvm: options['kvm.pkvmDebug'],
    precedence: 'debugger',
    forcesStep: true,
    restores: true,
    lists: 'by-kernel',
    oldIgnores: true,
    helpsInject: false,
  };
}
