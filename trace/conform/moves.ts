/** What a vCPU thread of the model can do from one local state, whatever its surroundings do. */
import type { Letter } from '../../events/event.ts';
import { ModelError } from '../../sim/engine/port.ts';
import { answersTo, type Surroundings } from './environment.ts';
import type { HostModel } from './host.ts';

/** One micro-step, or one message, with an answer to all that was asked. */
export interface Move {
  readonly next: number;
  /** What it did to the CPU. */
  readonly leaves: 'sleeps' | 'dies' | null;
  /** The exit by which guest mode ended, by the model's name. */
  readonly exit: string | null;
  /** What the vCPU is from now on: halted, or runnable; null if that stays. */
  readonly halted: boolean | null;
  /** The notifiers have run. */
  readonly isSwitched: boolean;
}

/** What a thread is given unasked, with the fields that such messages have. */
interface Given {
  readonly type: 'step' | 'notify.step' | 'process.signal' | 'cpu.interrupt' | 'sched.out' | 'sched.swapOut' | 'sched.swapIn';
  readonly spurious?: boolean;
  readonly letter?: Letter;
}

/** The thread asks something that the checker has no answers for. */
export class QuestionError extends Error {
  override readonly name = 'QuestionError';
}

/** Moves of one host's thread, remembered by local state. */
export class Moves {
  readonly #model: HostModel;
  readonly #around: Omit<Surroundings, 'halted'>;
  readonly #known = new Map<string, readonly Move[]>();

  constructor(model: HostModel, around: Omit<Surroundings, 'halted'>) {
    this.#model = model;
    this.#around = around;
  }

  /**
   * What follows when the thread is given this; nothing if it does not take it there.
   * @throws QuestionError if it asks what is not known here
   */
  given(local: number, event: Given, halted = false): readonly Move[] {
    const key = `${local} ${halted ? 1 : 0} ${event.type} ${String(event.spurious ?? event.letter ?? '')}`;
    let moves = this.#known.get(key);
    if (moves === undefined) {
      moves = this.#react(local, { ...event, from: this.#model.cpu }, halted);
      this.#known.set(key, moves);
    }
    return moves;
  }

  #react(local: number, event: { readonly type: string; readonly [field: string]: unknown }, halted: boolean): Move[] {
    const { engine, thread } = this.#model;
    const { store } = engine;
    const around: Surroundings = { ...this.#around, halted };
    let reaction: ReturnType<typeof engine.deliver>;
    try {
      reaction = engine.deliver(thread, local, store.event(event));
    } catch (error) {
      // It is not taken there, or the model refuses what it would lead to.
      if (error instanceof ModelError) return [];
      throw error;
    }
    const sent: { readonly to: string; readonly event: (typeof store.events.values)[number] }[] = [];
    for (let at = 0; at < reaction.sent.length; at += 2)
      sent.push({ to: store.ids[reaction.sent[at]!]!, event: store.events.values[reaction.sent[at + 1]!]! });
    const has = (type: string): boolean => sent.some((message) => message.event.type === type);
    const leaves = has('cpu.sleep') ? 'sleeps' : has('cpu.exit') || has('cpu.panic') ? 'dies' : null;
    const exit = this.#exitOf(event);
    const halts = has('vcpu.halt') ? true : event.type === 'vcpu.blocked' && event.halted === false ? false : null;
    if (!this.#model.isAsking(reaction.next)) return [{ next: reaction.next, leaves, exit, halted: halts, isSwitched: has('sched.done') }];
    const question = sent.findLast((message) => answersTo(message.event, around) !== undefined);
    if (!question) {
      const { step } = this.#model.placeOf(local);
      throw new QuestionError(`${step} asks ${sent.map((message) => message.event.type).join(', ')}, and no answer to it is known`);
    }
    return answersTo(question.event, around)!.flatMap((answer) =>
      this.#react(reaction.next, { ...answer, from: question.to }, halted).map((move) => ({
        ...move,
        halted: move.halted ?? halts,
        leaves: move.leaves ?? leaves,
        exit: move.exit ?? exit,
      })),
    );
  }

  #exitOf(event: { readonly type: string; readonly [field: string]: unknown }): string | null {
    if (event.type === 'vmexit') return String(event.reason);
    if (event.type === 'cpu.interrupt') return event.spurious === true ? 'NMI' : 'INTR';
    return null;
  }
}
