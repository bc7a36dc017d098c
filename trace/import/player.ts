/** Does what one line of a recording asks for. */
import type { ActorId } from '../../events/event.ts';
import type { ExitReason } from '../../events/kvm.ts';
import { Cannot, type Draft, moves } from './draft.ts';
import { type Exit, fits } from './exits.ts';
import type { Act, Need } from './need.ts';
import { migrate, othersInside, standIn, wakeUp } from './others.ts';
import type { Of, Part, Turn, Turns } from './part.ts';
import { switchTo } from './switch.ts';
import { type Crossing, Watch } from './watch.ts';
import type { Row } from './world.ts';

/** Letters of contexts where preemption is off, and where it is not. */
const IN_DEPTH = 'NLI';
const OUT_OF_DEPTH = 'UPR';

/** What tells where a thread stands. */
const ALIGNING: readonly Act['type'][] = ['entry', 'exit', 'user-exit', 'run', 'return'];

/** A guest that is to leave guest mode. */
interface Leaving {
  readonly id: ActorId;
  readonly exit: Exit;
  readonly hasLeft: (row: Row) => boolean;
}

const hasExited = (exit: Exit, found: ExitReason | undefined): boolean => found !== undefined && fits(exit, found);

export class Player {
  readonly part: Part;
  readonly start: Turns;
  readonly #watch: Watch;
  #turns: Turns;
  #isLoose = false;

  constructor(part: Part) {
    this.part = part;
    this.#watch = new Watch(part);
    this.start = part.troupe.vcpus.map(() => ({ next: 0, isTold: false, isLate: false, isAligned: false }));
    this.#turns = this.start;
  }

  /** Puts each CPU's first thread on it, and those into their guests that leave them first. */
  begin(draft: Draft): Draft {
    const { needs, troupe, world } = this.part;
    this.#turns = this.start;
    const first = (thread: number) => needs.find(({ act }) => ALIGNING.includes(act.type) && 'thread' in act && act.thread === thread);
    const inGuest = troupe.vcpus.map((_, thread) => first(thread)?.act.type === 'exit');
    const running = world.cpus.map((_, cpu) => runsFirst(needs.find((need) => need.cpu === cpu)));
    for (const cpu of world.cpus.keys()) this.#switchTo(draft, cpu, troupe.rest[cpu]!);
    // Those that do not run first: they need a CPU to come into their guests.
    const order = [...inGuest.keys()].sort((a, b) => running.indexOf(a) - running.indexOf(b) || a - b);
    for (const thread of order) {
      const at = running.indexOf(thread);
      const isInGuest = inGuest[thread]!;
      if (at < 0 && !isInGuest) continue;
      const cpu = Math.max(at, 0);
      this.#switchTo(draft, cpu, troupe.vcpus[thread]!.thread);
      if (isInGuest) this.#enter(draft, cpu, thread);
      draft.choose('assumed-start', this.part.places.nameOf(draft.row, troupe.vcpus[thread]!.thread));
      if (at < 0) this.#switchTo(draft, cpu, troupe.rest[cpu]!);
    }
    return draft;
  }

  /**
   * Does what a line asks for. `isLoose`: the recorded context of an interrupt does not count.
   * @returns what is known of the threads then
   * @throws Cannot
   */
  play(need: Need, draft: Draft, turns: Turns, isLoose = false): Turns {
    this.#turns = turns;
    this.#isLoose = isLoose;
    const { act, cpu } = need;
    switch (act.type) {
      case 'switch':
        this.#switch(act, cpu, draft);
        break;
      case 'wake':
        wakeUp(this.part, act.thread, cpu, draft);
        break;
      case 'migrate':
        migrate(this.part, act, draft);
        break;
      case 'vain':
        draft.choose('woken-for-nothing', this.part.troupe.vcpus[act.thread]!.thread);
        break;
      case 'signal':
      case 'store':
      case 'flush':
        standIn(this.part, act, cpu, draft);
        break;
      default:
        this.#own(act, cpu, draft);
    }
    return this.#turns;
  }

  /** What a vCPU's thread does itself. */
  #own(act: Of<'entry' | 'exit' | 'user-exit' | 'run' | 'return' | 'irq'>, cpu: number, draft: Draft): void {
    this.#expectRunning(draft, cpu, act.thread);
    switch (act.type) {
      case 'entry':
        this.#enter(draft, cpu, act.thread);
        this.#know(act.thread, { isTold: false });
        break;
      case 'exit':
        this.#exit(act, cpu, draft);
        break;
      case 'irq':
        this.#interrupt(act, cpu, draft);
        return;
      default:
        this.#cross(act, cpu, draft);
    }
    this.#know(act.thread, { isAligned: true });
  }

  #know(thread: number, what: Partial<Turn>): void {
    this.#turns = this.#turns.with(thread, { ...this.#turns[thread]!, ...what });
  }

  #expectRunning(draft: Draft, cpu: number, thread: number): void {
    const { world, troupe, has } = this.part;
    const { current } = world.cpu(draft.row, cpu);
    const wanted = troupe.vcpus[thread]!.thread;
    if (current === wanted) return;
    if (has.has('sched_switch')) throw new Cannot(`${wanted} does not run on ${world.cpus[cpu]}: ${current ?? 'no thread'} does`);
    const other = world.cpus.findIndex((_, at) => world.cpu(draft.row, at).current === wanted);
    if (other >= 0) this.#switchTo(draft, other, troupe.rest[other]!);
    this.#switchTo(draft, cpu, wanted);
    draft.choose('switch-not-recorded', `${wanted} on ${world.cpus[cpu]}`);
  }

  /** Worlds that no line of the recording tells. */
  #refused({ row }: Draft, cpu: number, crossing: Crossing = {}): (row: Row) => boolean {
    return this.#watch.refused({ row, cpu, turns: this.#turns }, crossing);
  }

  #enter(draft: Draft, cpu: number, thread: number): void {
    const { world, troupe, places } = this.part;
    const { thread: id, vcpu } = troupe.vcpus[thread]!;
    const isIn = (row: Row) => places.runsGuest(row, id);
    const { isAligned } = this.#turns[thread]!;
    if (isIn(draft.row) && isAligned) throw new Cannot(`${id} is in its guest already`);
    const took = draft.go(isIn, this.#refused(draft, cpu, { enters: thread }), [
      moves.exec(world.cpus[cpu]!),
      moves.deliver,
      moves.offer('interrupt', vcpu),
      moves.interruptOn(world.cpus[cpu]!),
      othersInside(this.part, cpu),
    ]);
    if (took === 0) throw new Cannot(`${id} cannot enter its guest from ${places.nameOf(draft.row, id)}`);
    if (took === 3) draft.choose('virtual-interrupt', vcpu);
  }

  #exit(act: Of<'exit'>, cpu: number, draft: Draft): void {
    const { troupe, places, exits } = this.part;
    const id = troupe.vcpus[act.thread]!.thread;
    const exit = exits[act.thread]![act.turn]!;
    const turn = this.#turns[act.thread]!;
    if (exit.model === null)
      throw new Cannot(
        `no operation of a guest exits with ${act.reason}${exit.ended === null ? '' : ` and ends KVM_RUN with ${exit.ended}`}`,
      );
    if (turn.isTold && turn.isAligned) throw new Cannot(`the exit of ${id} was told already, and it has not entered its guest since`);
    const hasLeft = (row: Row) => places.phase(row, id) !== 'guest' && hasExited(exit, this.#watch.exitIn(row, id));
    if (!hasLeft(draft.row)) this.#leave(draft, cpu, { id, exit, hasLeft });
    else if (turn.isLate) draft.choose('told-late', `${exit.model} of ${id}`);
    this.#know(act.thread, { isTold: true, isLate: false, next: act.turn + 1 });
  }

  #leave(draft: Draft, cpu: number, { id, exit, hasLeft }: Leaving): void {
    const { model } = exit;
    const { world, places } = this.part;
    const pcpu = world.cpus[cpu]!;
    const outside = model === 'INTR' ? moves.offer('interrupt', pcpu) : moves.offer('spurious-exit', pcpu);
    const isOutside = model === 'INTR' || model === 'NMI';
    const took = draft.go(hasLeft, this.#refused(draft, cpu), [
      moves.exec(pcpu),
      ...(isOutside ? [moves.interruptOn(pcpu), othersInside(this.part, cpu), outside] : [moves.deliver]),
    ]);
    if (took === 0) throw new Cannot(`${id} cannot leave its guest with ${model} from ${places.nameOf(draft.row, id)}`);
    if (isOutside && took === 4) draft.choose('outside-interrupt', `${model} on ${pcpu}`);
  }

  /** An interrupt handler begins on the CPU, and ends. */
  #interrupt({ thread, vector, flags }: Of<'irq'>, cpu: number, draft: Draft): void {
    const { world, troupe, places } = this.part;
    const pcpu = world.cpus[cpu]!;
    const id = troupe.vcpus[thread]!.thread;
    const inHandler = (row: Row) => world.cpu(row, cpu).state.startsWith('irq');
    const letters = flags === null || this.#isLoose ? null : flags.preemptDepth > 0 ? IN_DEPTH : OUT_OF_DEPTH;
    const isAsRecorded = (row: Row) => inHandler(row) && (letters === null || letters.includes(world.cpu(row, cpu).letter));
    const kinds = [moves.exec(pcpu), moves.interruptOn(pcpu), othersInside(this.part, cpu), moves.offer('interrupt', pcpu)];
    let took = draft.go(isAsRecorded, this.#refused(draft, cpu), kinds);
    if (took === 0) {
      took = draft.go(inHandler, this.#refused(draft, cpu), kinds);
      if (took === 0) throw new Cannot(`${id} cannot be interrupted at ${places.nameOf(draft.row, id)}`);
    }
    if (flags !== null && !(flags.preemptDepth > 0 ? IN_DEPTH : OUT_OF_DEPTH).includes(world.cpu(draft.row, cpu).letter))
      draft.choose('context-not-met', places.nameOf(draft.row, id));
    draft.choose('interrupted-at', places.nameOf(draft.row, id));
    if (took === 4) draft.choose('outside-interrupt', `${vector} on ${pcpu}`);
    draft.go(
      (row) => !inHandler(row),
      () => false,
      [moves.exec(pcpu)],
    );
  }

  /** Into KVM_RUN, to its end in KVM, and out of it. */
  #cross(act: Of<'run' | 'return' | 'user-exit'>, cpu: number, draft: Draft): void {
    const { world, troupe, places } = this.part;
    const id = troupe.vcpus[act.thread]!.thread;
    const goals: Readonly<Record<typeof act.type, (row: Row) => boolean>> = {
      run: (row) => places.phase(row, id) === 'kvm',
      'user-exit': (row) => places.isAtEnd(row, id),
      return: (row) => places.phase(row, id) === 'user',
    };
    if (!this.#turns[act.thread]!.isAligned && act.type !== 'run') {
      // The recording begins behind its exit: it is in user mode already.
      draft.choose('assumed-start', places.nameOf(draft.row, id));
      return;
    }
    const took = draft.go(goals[act.type], this.#refused(draft, cpu, { crosses: act.type }), [moves.exec(world.cpus[cpu]!), moves.deliver]);
    const what = {
      run: 'call KVM_RUN',
      'user-exit': `end KVM_RUN${act.type === 'user-exit' ? ` with ${act.reason}` : ''}`,
      return: 'return from KVM_RUN',
    };
    if (took === 0) throw new Cannot(`${id} cannot ${what[act.type]} from ${places.nameOf(draft.row, id)}`);
  }

  #switch({ prev, next, state, stack }: Of<'switch'>, cpu: number, draft: Draft): void {
    const { troupe } = this.part;
    if (prev !== null) this.#expectRunning(draft, cpu, prev);
    const target = next === null ? troupe.rest[cpu]! : troupe.vcpus[next]!.thread;
    const sleeps = prev !== null && (state === 'sleeps' || state === 'dead');
    this.#switchTo(draft, cpu, target, { sleeps, stack, isTold: prev !== null });
    if (prev === null) return;
    const { thread: id } = troupe.vcpus[prev]!;
    if (!this.#turns[prev]!.isTold && this.#watch.exitIn(draft.row, id) !== undefined) this.#know(prev, { isLate: true });
  }

  #switchTo(draft: Draft, cpu: number, target: ActorId, how: Parameters<typeof switchTo>[3]['how'] = {}): void {
    switchTo(this.part, draft, { cpu, target }, { refused: this.#refused(draft, cpu), how });
  }
}

/** The thread of the cast that runs on a CPU before its first line; null if it is another. */
function runsFirst(need: Need | undefined): number | null {
  if (need === undefined) return null;
  const { act } = need;
  if (act.type === 'switch') return act.prev;
  return ALIGNING.includes(act.type) || act.type === 'irq' ? (act as Of<'entry'>).thread : null;
}
