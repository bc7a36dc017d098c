/**
 * Steps that look: they ask something and learn that all is as it was, as a load, a trylock or a
 * cmpxchg may. A mark for who expands a path; it means nothing to a walk.
 *
 * Such a step may change nothing, as one that says `idles`. It is no wait by itself: a loop waits
 * that has nothing but such steps and can be left, as `while (!READ_ONCE(x))` has.
 */
import type { Step } from './path.ts';

type AnyStep = Step<never, never, never>;

const LOOKS = Symbol('looks');

interface Marked {
  readonly [LOOKS]?: true;
}

/** The same step, marked. Copies of it keep the mark. */
export const looking = <S extends object>(step: S): S => ({ ...step, [LOOKS]: true });

/** A step that asks and is answered is marked; any other item is given back as it is. */
export function lookingIfAsks<I extends object>(item: I): I {
  const { kind, answers } = item as Partial<AnyStep>;
  return kind === 'step' && answers !== undefined ? looking(item) : item;
}

/** Whether the step looks, and may learn nothing. */
export const looks = (step: object): boolean => (step as Marked)[LOOKS] === true;

/** A step of a path with the loops around it, the innermost first, and where it leads. */
interface GraphNode {
  readonly loops: readonly string[];
  readonly spec: Pick<AnyStep, 'yields' | 'idles'>;
  readonly edges: readonly { readonly routes: readonly { readonly target: string }[] }[];
}

/** The loops in which a step waits for others, and those that only look and can be left. */
export function waitingIn(nodes: ReadonlyMap<string, GraphNode>): Set<string> {
  const waiting = new Set<string>();
  const acting = new Set<string>();
  const left = new Set<string>();
  for (const { loops, spec, edges } of nodes.values()) {
    if (loops.length > 0 && (spec.yields || spec.idles)) waiting.add(loops[0]!);
    if (!looks(spec)) for (const loop of loops) acting.add(loop);
    const targets = edges.flatMap(({ routes }) => routes.map(({ target }) => nodes.get(target)?.loops ?? []));
    for (const loop of loops) if (targets.some((around) => !around.includes(loop))) left.add(loop);
  }
  for (const loop of left) if (!acting.has(loop)) waiting.add(loop);
  return waiting;
}
