/** Makes programs: parameters put in their places, arguments checked, `repeat` turned into jumps. */
import type { ControlOp, GuestOp, HostOp, Program } from '../../events/program.ts';
import { explain } from './explain.ts';
import { type Path, type PathIssue, unknownName } from './issues.ts';
import { guestOperations, hostOperations } from './operations.ts';
import type { Values } from './parameters.ts';
import { type GuestStep, type HostStep, type Operations, TIMES } from './program.ts';

const REPEAT_DEPTH_MAX = 4;

/** A piece of a program, with its place in the file. */
export type Node<Op> =
  | { readonly kind: 'operation'; readonly op: Op; readonly path: Path }
  | { readonly kind: 'repeat'; readonly times: number; readonly body: readonly Node<Op>[] };

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

interface WrittenRepeat {
  readonly times: unknown;
  readonly do: readonly object[];
}

function lowerRepeat<Op>(operations: Operations, { times, do: steps }: WrittenRepeat, path: Path, lowering: Lowering): Node<Op>[] {
  if (path.filter((part) => part === 'repeat').length > REPEAT_DEPTH_MAX) {
    lowering.issues.push({ path, message: `found repeat nested too deep; expected at most ${REPEAT_DEPTH_MAX} levels` });
    return [];
  }
  const values = concrete({ times }, path, lowering);
  const checked = TIMES.safeParse(values?.times);
  if (values !== null && !checked.success) {
    lowering.issues.push(...explained(explain(checked.error, values.times, [...path, 'times']), { times }));
  }
  const body = lowerSteps<Op>(operations, steps, [...path, 'do'], lowering);
  return checked.success ? [{ kind: 'repeat', times: checked.data, body }] : body;
}

function lowerSteps<Op>(operations: Operations, steps: readonly object[], path: Path, lowering: Lowering): Node<Op>[] {
  return steps.flatMap((step, index) => {
    const [name, args] = Object.entries(step)[0]!;
    const at = [...path, index, name];
    return name === 'repeat' ? lowerRepeat<Op>(operations, args, at, lowering) : lowerOperation<Op>(operations, name, args, at, lowering);
  });
}

/** A guest's program with its parameters in place. */
export const lowerGuest = (steps: readonly GuestStep[], path: Path, lowering: Lowering): Node<GuestOp>[] =>
  lowerSteps(guestOperations(), steps, path, lowering);

/** A host thread's program with its parameters in place. */
export const lowerHost = (steps: readonly HostStep[], path: Path, lowering: Lowering): Node<HostOp>[] =>
  lowerSteps(hostOperations(), steps, path, lowering);

/** The operations of a program in the order they stand in the file, each once. */
export function* operationsIn<Op>(nodes: readonly Node<Op>[]): Generator<{ readonly op: Op; readonly path: Path }> {
  for (const node of nodes) {
    if (node.kind === 'operation') yield node;
    else yield* operationsIn(node.body);
  }
}

/** A program as actors run it: `repeat` is a `next` that jumps back, and `end` stands last. Outer loops have lower numbers. */
export function compile<Op>(nodes: readonly Node<Op>[]): Program<Op> {
  const ops: (Op | ControlOp)[] = [];
  const loops: number[] = [];
  const append = (node: Node<Op>): void => {
    if (node.kind === 'operation') {
      ops.push(node.op);
      return;
    }
    const loop = loops.push(node.times) - 1;
    const to = ops.length;
    node.body.forEach(append);
    ops.push({ op: 'next', loop, to });
  };
  nodes.forEach(append);
  ops.push({ op: 'end' });
  return { ops, loops };
}
