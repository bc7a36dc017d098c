/**
 * Every event of the simulation: the union that machines share, and the catalogue that borders
 * check against.
 */
import type { Delivery } from './event.ts';
import { KIT_EVENTS, type KitAnswer, type KitEvent } from './kit.ts';
import { KVM_EVENTS, type VcpuAnswer, type VcpuEvent, type VmAnswer, type VmEvent } from './kvm.ts';
import { MEMORY_ORDER_EVENTS, type StoreBufferEvent } from './memory-order.ts';
import { type FileAnswer, type FileEvent, OBJECT_EVENTS, type ObjectEvent, type PoolAnswer, type PoolEvent } from './object.ts';
import { type KillEvent, PROCESS_EVENTS, type ProcessAnswer, type ProcessEvent, type SignalAnswer, type SignalEvent } from './process.ts';
import {
  type ChoiceEvent,
  type HandlerEvent,
  type LoopAnswer,
  type LoopEvent,
  type MutexAnswer,
  type MutexEvent,
  type PcpuEvent,
  SCHED_EVENTS,
  type SchedulerEvent,
  type TaskEvent,
  type WakeAnswer,
} from './sched.ts';

/**
 * Events that mechanisms add, by the name of the mechanism: messages to threads, and messages to
 * vCPUs.
 * @public
 */
// biome-ignore lint/suspicious/noEmptyInterface: each mechanism declares its own events here, beside its vocabulary
export interface ThreadEventsOf {}
/** Messages to vCPUs that mechanisms add, by the name of the mechanism. @public */
// biome-ignore lint/suspicious/noEmptyInterface: as above
export interface GuestEventsOf {}

/** Everything a thread can receive. @public */
export type ThreadEvent =
  | TaskEvent
  | MutexAnswer
  | LoopAnswer
  | ChoiceEvent
  | KitAnswer
  | VcpuAnswer
  | VmAnswer
  | KillEvent
  | SignalEvent
  | SignalAnswer
  | ProcessAnswer
  | FileAnswer
  | PoolAnswer
  | ThreadEventsOf[keyof ThreadEventsOf];

/** Everything a vCPU can receive. @public */
export type GuestEvent = VcpuEvent | LoopAnswer | ChoiceEvent | KitAnswer | GuestEventsOf[keyof GuestEventsOf];

type SimEvent =
  | PcpuEvent
  | HandlerEvent
  | TaskEvent
  | WakeAnswer
  | SchedulerEvent
  | MutexEvent
  | MutexAnswer
  | LoopEvent
  | LoopAnswer
  | ChoiceEvent
  | KitEvent
  | StoreBufferEvent
  | VcpuEvent
  | VcpuAnswer
  | VmEvent
  | VmAnswer
  | ProcessEvent
  | KillEvent
  | SignalEvent
  | SignalAnswer
  | ProcessAnswer
  | ObjectEvent
  | FileEvent
  | FileAnswer
  | PoolEvent
  | PoolAnswer;

/** How each event type travels; those of mechanisms are in their own catalogues. */
export const CATALOGUE: Readonly<Record<SimEvent['type'], Delivery>> = {
  ...SCHED_EVENTS,
  ...KVM_EVENTS,
  ...PROCESS_EVENTS,
  ...KIT_EVENTS,
  ...MEMORY_ORDER_EVENTS,
  ...OBJECT_EVENTS,
};

/** Events that run one micro-step of the actor that takes them. */
export const MICRO_STEP_EVENTS: readonly string[] = ['exec', 'step', 'notify.step', 'guest.step'];
