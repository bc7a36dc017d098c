/**
 * Random programs of the path language for fast-check, as plain trees, and the items that they
 * stand for.
 */
import fc from 'fast-check';
import { otherwise } from '../../../actors/path/path.ts';
import { outgoing } from '../../../events/event.ts';
import { type Locals, pathOf, type TourItem, tour } from './walk.ts';

const { step, call, loop, when, note, stop, leaveLoop, leavePath } = tour;
type Name = keyof Locals;
type Spec = NonNullable<Parameters<typeof step>[1]>;

/** `to` becomes `from` plus `plus`, within small numbers. */
interface Change {
  readonly to: Name;
  readonly from: Name;
  readonly plus: number;
}
/** Whether a local is below a number; `seen` is the count of steps that the walker notes. */
interface Below {
  readonly of: Name | 'seen';
  readonly limit: number;
}

export type Tree =
  | { readonly kind: 'step'; readonly set: boolean; readonly local: Change | null; readonly send: boolean; readonly wakes: boolean }
  | { readonly kind: 'ask'; readonly local: Change | null; readonly into: Name }
  | { readonly kind: 'note'; readonly change: Change }
  | { readonly kind: 'when'; readonly cases: readonly (readonly [Below, readonly Tree[]])[]; readonly otherwise: readonly Tree[] | null }
  | { readonly kind: 'loop'; readonly body: readonly Tree[] }
  | { readonly kind: 'counted'; readonly by: Name; readonly turns: number; readonly body: readonly Tree[] }
  | { readonly kind: 'call'; readonly bind: Change | null; readonly locals: readonly Name[]; readonly body: readonly Tree[] }
  | { readonly kind: 'leaveLoop' | 'leavePath' | 'stop' };

const name = fc.constantFrom<Name>('n', 'inner', 'answer');
const change: fc.Arbitrary<Change> = fc.record({ to: name, from: name, plus: fc.nat(3) });
const below: fc.Arbitrary<Below> = fc.record({ of: fc.oneof(name, fc.constant('seen' as const)), limit: fc.nat(5) });
const some = <V>(value: fc.Arbitrary<V>) => fc.option(value, { freq: 2 });

/** Programs nest this deep. */
const DEPTH = 3;

const leaf: fc.Arbitrary<Tree> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('step' as const),
      set: fc.boolean(),
      local: some(change),
      send: fc.boolean(),
      wakes: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('ask' as const), local: some(change), into: name }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('note' as const), change }) },
);
const jump = (inLoop: boolean): fc.Arbitrary<Tree> =>
  fc.constantFrom<Tree>(
    ...(inLoop ? [{ kind: 'leaveLoop' } as const] : []),
    { kind: 'leavePath' },
    { kind: 'leavePath' },
    { kind: 'stop' },
  );

/** A jump stands last, but for a few that stand anywhere, and a few that have no loop to leave. */
function list(depth: number, inLoop: boolean, jumps: number): fc.Arbitrary<readonly Tree[]> {
  const going = fc.array(node(depth, inLoop), { maxLength: 3, size: 'max' });
  const last = fc.oneof({ weight: 12, arbitrary: jump(inLoop) }, { weight: 1, arbitrary: fc.constant<Tree>({ kind: 'leaveLoop' }) });
  const left = fc.tuple(
    going,
    last,
    fc.oneof({ weight: 20, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: fc.array(leaf, { maxLength: 1 }) }),
  );
  return fc.oneof(
    { weight: 10 - jumps, arbitrary: going },
    { weight: jumps, arbitrary: left.map(([items, jumped, rest]) => [...items, jumped, ...rest]) },
  );
}

function node(depth: number, inLoop: boolean): fc.Arbitrary<Tree> {
  if (depth === 0) return leaf;
  const branch: fc.Arbitrary<Tree> = fc.record({
    kind: fc.constant('when' as const),
    cases: fc.array(fc.tuple(below, list(depth - 1, inLoop, 4)), { minLength: 1, maxLength: 2 }),
    otherwise: some(list(depth - 1, inLoop, 3)),
  });
  const repeated: fc.Arbitrary<Tree> = fc.record({ kind: fc.constant('loop' as const), body: list(depth - 1, true, 1) });
  const counted: fc.Arbitrary<Tree> = fc.record({
    kind: fc.constant('counted' as const),
    by: name,
    turns: fc.integer({ min: 1, max: 3 }),
    body: list(depth - 1, true, 0),
  });
  const called: fc.Arbitrary<Tree> = fc.record({
    kind: fc.constant('call' as const),
    bind: some(change),
    locals: fc.uniqueArray(name, { maxLength: 2 }),
    body: list(depth - 1, false, 2),
  });
  return fc.oneof(
    { weight: 4, arbitrary: leaf },
    { weight: 3, arbitrary: branch },
    { weight: 1, arbitrary: repeated },
    { weight: 2, arbitrary: counted },
    { weight: 2, arbitrary: called },
  );
}

/** Most programs begin with a step, as a machine has to. */
export const program: fc.Arbitrary<readonly Tree[]> = fc
  .tuple(fc.integer({ min: 0, max: 19 }), list(DEPTH, false, 1))
  .map(([at, items]) => (at === 0 ? items : [{ kind: 'step', set: true, local: null, send: false, wakes: false } as const, ...items]));

const changed =
  ({ to, from, plus }: Change) =>
  (_t: unknown, l: Locals): Locals => ({ [to]: ((l[from] ?? 0) + plus) % 7 });

/** The items of a tree; steps and paths get names of their own. */
export function pathFrom(trees: readonly Tree[]) {
  let names = 0;
  const specOf = (tree: Extract<Tree, { readonly kind: 'step' }>, called: string): Spec => ({
    ...(tree.set && { set: (t, l) => ({ seen: [...t.seen, `${called} ${l.n} ${l.inner} ${l.answer}`] }) }),
    ...(tree.local && { local: changed(tree.local) }),
    ...(tree.send && { send: (t, l) => outgoing('x', { type: 'told', step: called, seen: t.seen.length, locals: { ...l } } as never) }),
    ...(tree.wakes && { wakes: { poke: (_e, t, l) => ({ inner: (t.seen.length + (l.n ?? 0)) % 7 }) } }),
  });
  const itemsOf = (tree: Tree): readonly TourItem[] => {
    const called = `${tree.kind}${names++}`;
    switch (tree.kind) {
      case 'step':
        return [step(called, specOf(tree, called))];
      case 'ask':
        return [
          step(called, {
            send: () => outgoing('x', { type: 'question' } as never),
            ...(tree.local && { local: changed(tree.local) }),
            answers: { answer: (e, _t, l) => ({ [tree.into]: (e.value + (l.n ?? 0)) % 7 }) },
          }),
        ];
      case 'note':
        return [note(changed(tree.change))];
      case 'when': {
        const cases = tree.cases.map(([{ of, limit }, body]) => {
          const test = (t: { readonly seen: readonly string[] }, l: Locals) => (of === 'seen' ? t.seen.length : (l[of] ?? 0)) < limit;
          return [test, listOf(body)] as const;
        });
        return [when(...cases, ...(tree.otherwise ? [[otherwise, listOf(tree.otherwise)] as const] : []))];
      }
      case 'loop':
        return [loop(...listOf(tree.body))];
      case 'counted': {
        const { by, turns } = tree;
        const isOver = (_t: unknown, l: Locals) => l[by]! >= turns;
        return [
          note(() => ({ [by]: 0 })),
          loop(
            ...listOf(tree.body),
            note((_t, l) => ({ [by]: (l[by] ?? 0) + 1 })),
            when([isOver, [leaveLoop]]),
          ),
        ];
      }
      case 'call': {
        const path = pathOf(listOf(tree.body), { name: called, locals: tree.locals });
        return [tree.bind ? call(path, changed(tree.bind)) : call(path)];
      }
      case 'leaveLoop':
        return [leaveLoop];
      case 'leavePath':
        return [leavePath];
      case 'stop':
        return [stop(called)];
    }
  };
  const listOf = (list: readonly Tree[]): readonly TourItem[] => list.flatMap(itemsOf);
  return pathOf(listOf(trees));
}
