/** A context switch of the recording: who runs on a CPU gives it to another thread. */
import type { ActorId } from '../../events/event.ts';
import { Cannot, type Draft, either, moves } from './draft.ts';
import type { Part } from './part.ts';
import type { Row } from './world.ts';

/** How the thread that runs loses its CPU. */
export interface How {
  /** It cannot go on. */
  readonly sleeps?: boolean;
  /** Functions that it was in, innermost first. */
  readonly stack?: readonly string[] | null;
  /** Where it was is worth telling. */
  readonly isTold?: boolean;
}

/** Brings a thread onto a CPU. @throws Cannot */
export function switchTo(
  part: Part,
  draft: Draft,
  { cpu, target }: { readonly cpu: number; readonly target: ActorId },
  { refused, how }: { readonly refused: (row: Row) => boolean; readonly how: How },
): void {
  const { world, places } = part;
  const pcpu = world.cpus[cpu]!;
  const isThere = (row: Row): boolean => {
    const { current, state } = world.cpu(row, cpu);
    return current === target && state === 'task';
  };
  const { current } = world.cpu(draft.row, cpu);
  if (current !== null && how.sleeps) {
    const asleep = (row: Row) => isThere(row) && world.queueOf(row, current) === null;
    const sleep = () => bring(part, draft, { cpu, target, goal: asleep, refused, leaves: [] });
    const isInside = places.phase(draft.row, current) !== 'user' && !places.isAtEnd(draft.row, current);
    if (isInside) {
      sleep();
      return;
    }
    // It may have called KVM_RUN again, where the recording does not tell calls.
    if (tried(sleep)) return;
    draft.choose('waits-in-user-mode', current);
  }
  const before = draft.steps.length;
  const inStack = how.stack ? part.world.innermost(how.stack) : null;
  const preempt = moves.offer('preempt', pcpu);
  const there = inStack === null ? null : either((move, row) => preempt(move, row) && isIn(part, row, current, inStack));
  if (there === null || !tried(() => bring(part, draft, { cpu, target, goal: isThere, refused, leaves: [there] }))) {
    if (inStack !== null) draft.choose('stack-not-met', `${inStack} of ${current ?? pcpu}`);
    bring(part, draft, { cpu, target, goal: isThere, refused, leaves: [preempt] });
    const taken = draft.steps.slice(before).find(({ move }) => move.type === 'preempt');
    if (how.isTold && current !== null && taken) draft.choose('preempted-at', places.nameOf(taken.before, current));
  }
}

const isIn = ({ world }: Part, row: Row, id: ActorId | null, fn: string): boolean =>
  id !== null && world.thread(row, id).at.split('.').includes(fn);

function tried(act: () => void): boolean {
  try {
    act();
    return true;
  } catch (error) {
    if (error instanceof Cannot) return false;
    throw error;
  }
}

interface Bringing {
  readonly cpu: number;
  readonly target: ActorId;
  readonly goal: (row: Row) => boolean;
  readonly refused: (row: Row) => boolean;
  /** By which the thread that runs loses its CPU against its will. */
  readonly leaves: readonly ReturnType<typeof either>[];
}

function bring({ world, places, troupe, has }: Part, draft: Draft, { cpu, target, goal, refused, leaves }: Bringing): void {
  const pcpu = world.cpus[cpu]!;
  const migrate = moves.labelled(`migrate(sched, ${target}, ${pcpu})`);
  const before = draft.steps.length;
  const woken = troupe.vcpus.find(({ thread }) => thread === target);
  const wakes = woken && !has.has('sched_wakeup') ? [moves.offer('interrupt', woken.vcpu)] : [];
  const took = draft.go(goal, refused, [
    either(moves.exec(pcpu), moves.labelled(`pick(${pcpu}, ${target})`), ...leaves),
    migrate,
    moves.deliver,
    moves.interruptOn(pcpu),
    ...wakes,
  ]);
  if (took === 0) {
    const { current } = world.cpu(draft.row, cpu);
    const from = current === null ? 'the idle task' : places.nameOf(draft.row, current);
    throw new Cannot(`${pcpu} cannot switch from ${from} to ${target}`);
  }
  if (took === 5) draft.choose('virtual-interrupt', woken!.vcpu);
  if (draft.steps.slice(before).some(({ move }) => move.type === 'migrate')) draft.choose('moved-at-switch', `${target} to ${pcpu}`);
}
