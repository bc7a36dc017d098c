/**
 * What must not happen between two lines of a recording: a vCPU is entered or left, KVM_RUN begins
 * or ends, and no line tells it.
 */
import type { ActorId } from '../../events/event.ts';
import type { ExitReason } from '../../events/kvm.ts';
import { type Exit, fits } from './exits.ts';
import type { Act } from './need.ts';
import type { Part, Turns } from './part.ts';
import type { Row } from './world.ts';

/** What a line tells to have happened. */
export interface Crossing {
  /** The vCPU of this thread is entered. */
  readonly enters?: number | null;
  readonly crosses?: Act['type'] | null;
}

/** Where a way begins. */
interface From {
  readonly row: Row;
  readonly cpu: number;
  readonly turns: Turns;
}

export class Watch {
  readonly #part: Part;

  constructor(part: Part) {
    this.#part = part;
  }

  /** The worlds that a way from here must not lead through. */
  refused({ row: before, cpu, turns }: From, { enters = null, crosses = null }: Crossing = {}): (row: Row) => boolean {
    const { troupe, places } = this.#part;
    return (row) => {
      const thread = this.running(row, cpu);
      if (thread === null) return false;
      const { thread: id } = troupe.vcpus[thread]!;
      const was = places.phase(before, id);
      const { isAligned } = turns[thread]!;
      if (isAligned && this.#crosses({ before, row }, id, crosses)) return true;
      if (places.phase(row, id) === 'guest') return was !== 'guest' && enters !== thread && isAligned;
      const exit = this.exitIn(row, id);
      const isNew = exit !== undefined && (was === 'guest' || this.exitIn(before, id) === undefined || !isAligned);
      return isNew && !this.#isExpected(thread, turns, exit);
    };
  }

  /** Which thread of the cast runs on a CPU; null if it is another one. */
  running(row: Row, cpu: number): number | null {
    const { world, troupe } = this.#part;
    const { current } = world.cpu(row, cpu);
    const thread = troupe.vcpus.findIndex((one) => one.thread === current);
    return thread < 0 ? null : thread;
  }

  /** Why a thread's guest has left guest mode in its present turn. */
  exitIn(row: Row, id: ActorId): ExitReason | undefined {
    return this.#part.world.thread(row, id).thread.frames.code?.exit?.reason;
  }

  /** Behind the last exit of a recording a guest is interrupted at most. */
  #isExpected(thread: number, turns: Turns, found: ExitReason): boolean {
    const exit: Exit | undefined = this.#part.exits[thread]![turns[thread]!.next];
    return exit === undefined ? found === 'INTR' : fits(exit, found);
  }

  /** Whether a thread has begun or ended KVM_RUN, of which the recording has the events. */
  #crosses({ before, row }: { readonly before: Row; readonly row: Row }, id: ActorId, by: Crossing['crosses']): boolean {
    const { places, has } = this.#part;
    const isOut = (at: Row) => places.phase(at, id) === 'user';
    if (isOut(row) === isOut(before) || by === 'run' || by === 'return') return false;
    if (has.has(isOut(row) ? 'ioctl_end' : 'ioctl')) return true;
    return isOut(row) && has.has('kvm_userspace_exit') && !places.isAtEnd(before, id);
  }
}
