/**
 * `worldswitch/extend`: all that a module of a user needs to change paths and to bring options,
 * operations, events, actors, properties and models. docs/extend.md goes through it.
 *
 * Interfaces that a module adds to come from `export *`: through a list of names the compiler would
 * not merge a declaration into them.
 */
import { type HostEnv, type HostThread, opOf as hostOpOf } from '../actors/host/host-env.ts';
import { type GuestEnv, opOf as guestOpOf, type Vcpu } from '../actors/kvm/guest-program.ts';
import type { ControlOp, GuestOp, HostOp } from '../events/program.ts';
import './shipped.ts';

export type { Completion } from '../actors/host/completion.ts';
export { type FileContext, fileMachine } from '../actors/host/file.ts';
export type * from '../actors/host/host-env.ts';
export { fatalSignalPending, faultItems, host, hostPatch, kernelSource, signalPending, toCpu } from '../actors/host/host-env.ts';
export { type Misuse, type Mortal, misuseText, mortal } from '../actors/host/object-life.ts';
export { type PoolContext, poolMachine } from '../actors/host/pool.ts';
export { blockPath } from '../actors/kvm/block.ts';
export type * from '../actors/kvm/guest-program.ts';
export { guest, guestPatch, vmexit } from '../actors/kvm/guest-program.ts';
export { allCpusRequestPath, kickPath, waitOutsidePath } from '../actors/kvm/kick.ts';
export type * from '../actors/kvm/kvm-env.ts';
export { exitInfo, INTR, vcpuOf } from '../actors/kvm/kvm-env.ts';
export { writeLockMmuPath, writeUnlockMmu } from '../actors/kvm/mmu-lock.ts';
export type { SlotError } from '../actors/kvm/slot-order.ts';
export type * from '../actors/kvm/slots.ts';
export { archLoad, archPut, lockMutex, unlockMutex, vcpuLoad, vcpuPut } from '../actors/kvm/vcpu-load.ts';
export { hasStep, joinPatches, type PathPatch, type PathPatches, replaceStep, swapSteps, withoutSteps } from '../actors/path/patch.ts';
export {
  type Call,
  type Case,
  type Grade,
  type Item,
  type Jump,
  type Loop,
  type Mode,
  type Note,
  otherwise,
  type Path,
  type PathRest,
  type Source,
  type Step,
  type StepSpec,
  type Stop,
  type Walker,
  type When,
} from '../actors/path/path.ts';
export { type ActorId, type Delivery, type EventOf, type Letter, type Outgoing, outgoing, type Stamped, sender } from '../events/event.ts';
export type * from '../events/index.ts';
export type * from '../events/kvm.ts';
export type * from '../events/object.ts';
export { POOL_EVENTS } from '../events/object.ts';
export type * from '../events/options.ts';
export type * from '../events/program.ts';
export type * from '../events/svm.ts';
export { hasBits, type U64, u64, withBits, withoutBits } from '../events/u64.ts';
export type { Mechanism, Mutant, Outcome, Patch, VmParts, Waits } from '../sim/host/mechanism.ts';
export { MechanismError } from '../sim/host/mechanism.ts';
export { type ModuleSource, register } from '../sim/host/registry.ts';
export type { ModelModule } from '../sim/models.ts';
export type { MonitorStep } from '../sim/monitors/monitor.ts';
export {
  always,
  alwaysEach,
  type CpuInCycle,
  type CycleEvidence,
  endlessly,
  eventually,
  leavesEach,
  type OfPairs,
  type Property,
  type PropertyForm,
  sometimes,
  type WorldForm,
} from '../sim/property.ts';
export { BITS64, GFN, integer, NAME, named, PFN, strict, VCPU, vcpuNamed } from '../sim/scenario/fields.ts';
export type { Path as IssuePath, PathIssue } from '../sim/scenario/issues.ts';
export {
  allOperations,
  type KnownNames,
  type LoweredVm,
  operationsIn,
  type PlacedOperation,
  type Structure,
} from '../sim/scenario/lowered.ts';
export { type Arguments, type Operation, operation } from '../sim/scenario/operation.ts';
export type * from '../sim/scenario/program.ts';
export type { Section, VmSetting } from '../sim/scenario/section.ts';
export type * from '../sim/scenario/types.ts';
export type { ActorSpec, Bundle, Topology } from '../sim/store.ts';
export {
  type ActorScope,
  alwaysEventually,
  eventuallyEach,
  leadsTo,
  type MonitorParts,
  monitor,
  neverAfter,
  type OfActor,
  type OfPair,
  type OfWorld,
  type PairScope,
  precedes,
  stable,
  type TemporalForm,
  type WorldScope,
} from '../sim/temporal.ts';
export { type ActorView, hex, type WorldView } from '../sim/view.ts';
export {
  pageFaultPath,
  type RmpEntry,
  type RmpPerms,
  type RmpRequest,
  type RmpResult,
  type RmpUpdate,
  rmpupdatePath,
  toRmp,
} from './shipped.ts';

/**
 * The operation that a host thread, or a guest, stands at in its program.
 * @public
 */
export function opOf(env: HostEnv, thread: HostThread): HostOp | ControlOp;
export function opOf(env: GuestEnv, vcpu: Vcpu): GuestOp | ControlOp;
export function opOf(env: HostEnv | GuestEnv, walker: HostThread | Vcpu): HostOp | GuestOp | ControlOp {
  return 'images' in env ? guestOpOf(env, walker as Vcpu) : hostOpOf(env, walker as HostThread);
}
