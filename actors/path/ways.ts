/**
 * The ways that lead through a path, before it is expanded: each item is reached, and each turn of
 * a loop meets a step.
 *
 * A turn without a step takes no time, so that it could never end. Tests are not looked into: a
 * case may hold, or not.
 */
import { type PathPatches, patched } from './patch.ts';
import { type Item, type Loop, otherwise, type Path, PathError, type When } from './path.ts';
import { caseAt, checkShape, itemAt } from './shape.ts';

type AnyEvent = { readonly type: string };

/**
 * The choices on a way that meets no step; null if each way meets one; undefined if there is no
 * way.
 */
type Way = readonly string[] | null | undefined;

/** Where control leaves some items. */
interface Ways {
  readonly end?: Way;
  readonly leaveLoop?: Way;
  readonly leavePath?: Way;
}

/** Calls nest less deeply than this, unless a path calls itself. */
const CALLS_MAX = 64;

const either = (a: Way, b: Way): Way => (a === undefined ? b : b === undefined ? a : (a ?? b));
const then = (a: Way, b: Way): Way => (a && b ? [...a, ...b] : a === undefined || b === undefined ? undefined : null);
const eitherOf = (a: Ways, b: Ways): Ways => ({
  end: either(a.end, b.end),
  leaveLoop: either(a.leaveLoop, b.leaveLoop),
  leavePath: either(a.leavePath, b.leavePath),
});
const thenOf = (way: Way, ways: Ways): Ways => ({
  end: then(way, ways.end),
  leaveLoop: then(way, ways.leaveLoop),
  leavePath: then(way, ways.leavePath),
});

/**
 * Checks a path that a machine walks, and all that it calls.
 * @throws PathError with the place
 */
export function checkWays<T, L, E extends AnyEvent>(path: Path<T, L, E>, patches: PathPatches): void {
  new Survey<T, L, E>(patches, []).waysOf(path);
  checkBeginning(path.items, path.name, patches);
}

/** Looks through a path, and through those that it calls. */
class Survey<T, L, E extends AnyEvent> {
  readonly #patches: PathPatches;
  readonly #callers: readonly string[];

  constructor(patches: PathPatches, callers: readonly string[]) {
    this.#patches = patches;
    this.#callers = callers;
  }

  /** `end` is where the path returns. */
  waysOf(path: Path<T, L, E>): Ways {
    const names = [...this.#callers, path.name];
    const place = names.join('.');
    checkShape(path, place);
    if (names.length > CALLS_MAX)
      throw new PathError(`${names.slice(0, 4).join('.')} and so on: calls nest deeper than ${CALLS_MAX}; does a path call itself?`);
    const { end, leavePath } = new Survey<T, L, E>(this.#patches, names).#ofItems(path.items, place, false);
    return { end: either(end, leavePath) };
  }

  #ofItems(items: readonly Item<T, L, E>[], place: string, inLoop: boolean): Ways {
    let ways: Ways = { end: [] };
    for (const [i, item] of items.entries()) {
      const at = itemAt(place, items, i);
      if (ways.end === undefined) {
        const hint = this.#hasLoop(items[i - 1]!) ? '; a loop goes on by leaveLoop' : '';
        throw new PathError(`${at} is never reached: item ${i} does not go on${hint}`);
      }
      const onward = thenOf(ways.end, this.#ofItem(item, at, inLoop));
      ways = eitherOf({ ...ways, end: undefined }, onward);
    }
    return ways;
  }

  #hasLoop(item: Item<T, L, E>): boolean {
    if (item.kind === 'call') return patched(item.path, this.#patches).items.some((one) => this.#hasLoop(one));
    return item.kind === 'loop' || (item.kind === 'when' && item.cases.some(([, body]) => body.some((one) => this.#hasLoop(one))));
  }

  #ofItem(item: Item<T, L, E>, at: string, inLoop: boolean): Ways {
    switch (item.kind) {
      case 'step':
        return { end: null };
      case 'note':
        return { end: [] };
      case 'stop':
        return {};
      case 'return':
        return { leavePath: [] };
      case 'leaveLoop':
        if (!inLoop) throw new PathError(`${at} stands outside a loop`);
        return { leaveLoop: [] };
      case 'call':
        return this.waysOf(patched(item.path, this.#patches));
      case 'loop':
        return this.#ofLoop(item, at);
      case 'when':
        return this.#ofWhen(item, at, inLoop);
    }
  }

  #ofLoop({ body }: Loop<T, L, E>, at: string): Ways {
    const { end, leaveLoop, leavePath } = this.#ofItems(body, at, true);
    if (end) {
      const choices = end.length > 0 ? ` by ${end.map((choice) => choice.replace(`${at}, `, '')).join(', then ')}` : '';
      throw new PathError(`${at}: a turn comes round without a step${choices}; put a step there, or leave the loop`);
    }
    return { end: leaveLoop, leavePath };
  }

  #ofWhen({ cases }: When<T, L, E>, at: string, inLoop: boolean): Ways {
    let ways: Ways = {};
    for (const [i, [, body]] of cases.entries()) {
      const here = caseAt(at, i);
      if (cases[i - 1]?.[0] === otherwise) throw new PathError(`${here} is never reached: the case before it is otherwise`);
      ways = eitherOf(ways, thenOf([here], this.#ofItems(body, here, inLoop)));
    }
    return cases.at(-1)?.[0] === otherwise ? ways : eitherOf(ways, { end: [`no case of ${at}`] });
  }
}

/** A machine starts in a step: no step before it could decide or set anything. */
function checkBeginning<T, L, E extends AnyEvent>(items: readonly Item<T, L, E>[], place: string, patches: PathPatches): void {
  const [item] = items;
  if (!item) throw new PathError(`${place} does not begin with a step: it is empty`);
  const at = itemAt(place, items, 0);
  if (item.kind === 'loop') checkBeginning(item.body, at, patches);
  else if (item.kind === 'call' && !item.bind) {
    const path = patched(item.path, patches);
    checkBeginning(path.items, `${place}.${path.name}`, patches);
  } else if (item.kind !== 'step' && item.kind !== 'stop')
    throw new PathError(`${at} stands before the first step, so that nothing carries it out; put a step before it`);
}
