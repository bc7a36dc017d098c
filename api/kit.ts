/**
 * `worldswitch/kit`: primitives of the kernel, and what makes a module of them. docs/kit.md goes
 * through it.
 */
import './shipped.ts';

export { type Cell, type CellFields, cell, type Fields, type Instances, type Where } from '../actors/kit/cell.ts';
export { after, atEnd, atStart, before, type FnRest, fn, instead } from '../actors/kit/fn.ts';
export {
  call,
  leaveLoop,
  leavePath,
  loop,
  note,
  preemptDisable,
  preemptEnable,
  step,
  when,
} from '../actors/kit/items.ts';
export { type Given, type Local, local } from '../actors/kit/local.ts';
export { type LockWhere, type Mutex, mutex } from '../actors/kit/mutex.ts';
export type { At, HostShape, Part, Per, Primitive } from '../actors/kit/primitive.ts';
export { type Spinlock, spinlock } from '../actors/kit/spinlock.ts';
export { syscall } from '../actors/kit/syscall.ts';
export { otherwise } from '../actors/path/path.ts';
export type { CellAnswer, CellEvent, CellValue, SpinAnswer, SpinEvent } from '../events/kit.ts';
export { type Argument, type Race, type RaceOperation, race } from '../sim/host/race.ts';
export { happens, holds } from '../sim/host/race-properties.ts';
export { always, alwaysEach, eventually, leavesEach, sometimes } from '../sim/property.ts';
