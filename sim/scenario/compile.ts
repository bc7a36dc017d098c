/**
 * Makes programs: parameters put in their places, arguments checked, `repeat` and `choose` turned
 * into jumps.
 */
import type { ControlOp, GuestOp, HostOp, Program } from '../../events/program.ts';
import { guestOperations, hostOperations } from './all-operations.ts';
import { explain } from './explain.ts';
import { type Path, type PathIssue, unknownName } from './issues.ts';
import type { Node } from './lowered.ts';
import type { Values } from './parameters.ts';
import { type GuestStep, type HostStep, type Operations, TIMES } from './program.ts';

/** Of `repeat` in `repeat`, and of `choose` in `choose`. */
const DEPTH_MAX = 4;

/** What lowering a scenario's programs needs and collects. */
export interface Lowering {
  readonly values: Values;
  readonly used: Set<string>;
  readonly issues: PathIssue[];
}

/** The value that an argument stands for; undefined if it names no parameter. */
function argument(value: unknown, path: Path, { values, used, issues }: Lowering): unknown {
  if (typeof value !== 'string' || !value.startsWith('$')) return value;
  const name = value.slice(1);
  used.add(name);
  if (!values.has(name))
    issues.push({
      path,
      message: unknownName(
        value,
        'a parameter of the scenario',
        [...values.keys()].map((known) => `$${known}`),
      ),
    });
  return values.get(name);
}

/** The map with its parameters replaced; null if one is unknown. */
function concrete(args: Readonly<Record<string, unknown>>, path: Path, lowering: Lowering): Record<string, unknown> | null {
  const before = lowering.issues.length;
  const entries = Object.entries(args).map(([name, value]) => [name, argument(value, [...path, name], lowering)] as const);
  return lowering.issues.length > before ? null : Object.fromEntries(entries);
}

function explained(issues: readonly PathIssue[], written: Readonly<Record<string, unknown>>): PathIssue[] {
  return issues.map(({ path, message }) => {
    const source = written[String(path.at(-1))];
    const named = typeof source === 'string' && source.startsWith('$');
    return { path, message: named ? message.replace(/^found /, `found ${source} = `) : message };
  });
}

function lowerOperation<Op>(operations: Operations, name: string, args: object, path: Path, lowering: Lowering): Node<Op>[] {
  const written: Readonly<Record<string, unknown>> = { ...args };
  const values = concrete(written, path, lowering);
  if (values === null) return [];
  const compiled = operations[name]!.compiled.safeParse(values);
  // The table pairs each side's operations with the type of its programs.
  if (compiled.success) return [{ kind: 'operation', op: compiled.data as Op, path }];
  lowering.issues.push(...explained(explain(compiled.error, values, path), written));
  return [];
}

function isTooDeep(name: 'repeat' | 'choose', path: Path, { issues }: Lowering): boolean {
  if (path.filter((part) => part === name).length <= DEPTH_MAX) return false;
  issues.push({ path, message: `found ${name} nested too deep; expected at most ${DEPTH_MAX} levels` });
  return true;
}

interface WrittenRepeat {
  readonly times: unknown;
  readonly do: readonly object[];
}

function lowerRepeat<Op>(operations: Operations, { times, do: steps }: WrittenRepeat, path: Path, lowering: Lowering): Node<Op>[] {
  if (isTooDeep('repeat', path, lowering)) return [];
  const values = concrete({ times }, path, lowering);
  const checked = TIMES.safeParse(values?.times);
  if (values !== null && !checked.success) {
    lowering.issues.push(...explained(explain(checked.error, values.times, [...path, 'times']), { times }));
  }
  const body = lowerSteps<Op>(operations, steps, [...path, 'do'], lowering);
  return checked.success ? [{ kind: 'repeat', times: checked.data, body }] : body;
}

interface WrittenChoose {
  readonly of: readonly (readonly object[])[];
}

function lowerChoose<Op>(operations: Operations, { of }: WrittenChoose, path: Path, lowering: Lowering): Node<Op>[] {
  if (isTooDeep('choose', path, lowering)) return [];
  return [{ kind: 'choose', options: of.map((steps, index) => lowerSteps<Op>(operations, steps, [...path, 'of', index], lowering)) }];
}

function lowerSteps<Op>(operations: Operations, steps: readonly object[], path: Path, lowering: Lowering): Node<Op>[] {
  return steps.flatMap((step, index) => {
    const [name, args] = Object.entries(step)[0]!;
    const at = [...path, index, name];
    if (name === 'choose') return lowerChoose<Op>(operations, args, at, lowering);
    return name === 'repeat' ? lowerRepeat<Op>(operations, args, at, lowering) : lowerOperation<Op>(operations, name, args, at, lowering);
  });
}

/** A guest's program with its parameters in place. */
export const lowerGuest = (steps: readonly GuestStep[], path: Path, lowering: Lowering): Node<GuestOp>[] =>
  lowerSteps(guestOperations(), steps, path, lowering);

/** A host thread's program with its parameters in place. */
export const lowerHost = (steps: readonly HostStep[], path: Path, lowering: Lowering): Node<HostOp>[] =>
  lowerSteps(hostOperations(), steps, path, lowering);

/**
 * A program as actors run it: `repeat` is a `next` that jumps back, each option of a `choose` but
 * the last jumps to what follows, and `end` stands last. Outer loops have lower numbers.
 */
export function compile<Op>(nodes: readonly Node<Op>[]): Program<Op> {
  const ops: (Op | ControlOp)[] = [];
  const loops: number[] = [];
  const append = (node: Node<Op>): void => {
    if (node.kind === 'operation') {
      ops.push(node.op);
      return;
    }
    if (node.kind === 'choose') {
      appendOptions(node.options);
      return;
    }
    const loop = loops.push(node.times) - 1;
    const to = ops.length;
    node.body.forEach(append);
    ops.push({ op: 'next', loop, to });
  };
  const appendOptions = (options: readonly (readonly Node<Op>[])[]): void => {
    const at = ops.push({ op: 'choose', to: [] }) - 1;
    const to: number[] = [];
    const jumps: number[] = [];
    for (const [index, option] of options.entries()) {
      to.push(ops.length);
      option.forEach(append);
      if (index < options.length - 1) jumps.push(ops.push({ op: 'jump', to: 0 }) - 1);
    }
    ops[at] = { op: 'choose', to };
    for (const jump of jumps) ops[jump] = { op: 'jump', to: ops.length };
  };
  nodes.forEach(append);
  ops.push({ op: 'end' });
  return { ops, loops };
}
