/**
 * Where a program goes on: after an operation, at the end of a turn of `repeat`, and into what a
 * `choose` has come to.
 */
import type { ControlOp, GuestOp, HostOp, Program } from '../../events/program.ts';

/** What the locals of an actor that walks a program say about its next operation. */
export interface ProgramLocals {
  /** Another turn of `repeat`. */
  readonly again?: boolean | undefined;
  /** Which of its programs a `choose` takes; the first unless an offer was taken. */
  readonly option?: number | undefined;
}

/** Names of operations that a path carries out. */
export type OpNames = Pick<ReadonlySet<string>, 'has'>;
/** Every operation, whether a program holds it or not. */
export const EVERY: OpNames = { has: () => true };

/**
 * Steps around a program. They run with the number of an operation that has not begun, so they are
 * no part of it.
 */
export const AROUND_PROGRAM: readonly string[] = ['main.start', 'main.do_exit', 'guest.start', 'guest.shutdown'];

/** The operation after the one at `pc`. */
export function nextPc<Op extends { readonly op: string }>({ ops }: Program<Op>, pc: number, { again, option = 0 }: ProgramLocals): number {
  const op = ops[pc] as ControlOp;
  let to = pc + 1;
  if (op.op === 'next' && again === true) to = op.to;
  if (op.op === 'choose') to = op.to[option]!;
  for (let at = ops[to] as ControlOp; at.op === 'jump'; at = ops[to] as ControlOp) to = at.to;
  return to;
}

/** How many ways go on from this operation. */
export const optionsOf = (op: GuestOp | HostOp | ControlOp): number => (op.op === 'choose' ? op.to.length : 1);
