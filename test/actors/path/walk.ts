/**
 * A machine made of one path, for tests of the path builder: it walks, says what context it is in,
 * and keeps what it did.
 */
import { type AnyStateMachine, setup } from 'xstate';
import { expand } from '../../../actors/path/expand.ts';
import { type Flow, type Item, type Path, pathsOf, USER_MODE, type Walker } from '../../../actors/path/path.ts';
import { type Letter, type Outgoing, outgoing } from '../../../events/event.ts';
import { Given } from '../given.ts';

export interface Locals {
  readonly n?: number | undefined;
  readonly inner?: number | undefined;
  readonly answer?: number | undefined;
}
export interface Tourist extends Walker<Locals> {
  readonly seen: readonly string[];
  readonly limit: number;
}
export type TourEvent =
  | { readonly type: 'step' }
  | { readonly type: 'other.step' }
  | { readonly type: 'answer'; readonly value: number }
  | { readonly type: 'poke' };

export const tour = pathsOf<Tourist, Locals, TourEvent>();
export type TourItem = Item<Tourist, Locals, TourEvent>;
const ORIGIN = { source: 'a test', grade: 'decision' } as const;
export const CONTEXT: Tourist = { seen: [], limit: 2, asking: null, frames: { code: {}, other: {} } };

/** A step that notes its name and its locals. */
export const mark = (name: string, spec: Parameters<typeof tour.step>[1] = {}): TourItem =>
  tour.step(name, {
    ...spec,
    set: (t, l) => ({ seen: [...t.seen, `${name}${l.n === undefined ? '' : ` n=${l.n}`}`], ...spec.set?.(t, l) }),
  });

export const pathOf = (items: readonly TourItem[], rest: { locals?: readonly (keyof Locals)[]; requires?: 'N'; name?: string } = {}) =>
  tour.path(rest.name ?? 'walk', ORIGIN, items, rest);

type TourPath = Path<Tourist, Locals, TourEvent>;
const announce = (_t: Tourist, letter: Letter): Outgoing => outgoing('cpu', { type: 'letter', letter });
const home = { target: 'home', send: () => outgoing('cpu', { type: 'done' }) };

const LOCALS: readonly (keyof Locals)[] = ['n', 'inner', 'answer'];

/** The states of a path, expanded; what it leaves in its locals is kept to be looked at. */
export const expanded = (
  path: TourPath,
  from: Flow = { ...USER_MODE, mode: 'kernel' },
  frame: 'code' | 'other' = 'code',
  keeps: readonly string[] = LOCALS,
) =>
  expand<Tourist, Locals, TourEvent>(path, {
    root: `tour.${frame}`,
    frame,
    stepEvent: frame === 'code' ? 'step' : 'other.step',
    from,
    announce,
    home,
    keeps,
  });

const region = (path: TourPath, from?: Flow, frame?: 'code' | 'other', keeps?: readonly string[]) => {
  const { initial, states } = expanded(path, from, frame, keeps);
  return { initial, states: { ...states, home: { on: { step: {} } } } };
};

/** A machine that walks a path, and another in a second region. */
function walker(path: TourPath, from?: Flow, other: TourPath = pathOf([mark('rest')], { name: 'aside' }), keeps?: readonly string[]) {
  return setup({ types: { context: {} as Tourist, events: {} as TourEvent, emitted: {} as Outgoing } }).createMachine({
    id: 'tour',
    type: 'parallel',
    context: CONTEXT,
    states: { code: region(path, from, 'code', keeps), other: region(other, undefined, 'other') } as never,
  });
}

export const start = (path: TourPath, from?: Flow, other?: TourPath, keeps?: readonly string[]): Given<Tourist> =>
  Given.start<Tourist>(walker(path, from, other, keeps) as unknown as AnyStateMachine);

const STEP = { type: 'step' };

/** Walks a path to its end and tells what it did; events after the steps they belong to. */
export function walk(items: readonly TourItem[], locals: readonly (keyof Locals)[] = []): readonly string[] {
  let given = start(pathOf(items, { locals }));
  for (let i = 0; i < 50; i++) {
    if ((given.state as { readonly code: unknown }).code === 'home') return given.context.seen;
    given = given.after(STEP);
  }
  throw new Error(`the walk does not end: ${given.context.seen.join(', ')}`);
}

/** The letter of each step by its dotted name. */
export function lettersOf(items: readonly TourItem[], from?: Flow): Readonly<Record<string, string>> {
  const found: Record<string, string> = {};
  const look = (states: Readonly<Record<string, unknown>>, prefix: string): void => {
    for (const [name, state] of Object.entries(states)) {
      const { meta, states: inner } = state as { readonly meta?: { readonly letter: string }; readonly states?: Record<string, unknown> };
      if (meta) found[`${prefix}${name}`] = meta.letter;
      if (inner) look(inner, prefix === '' && name === 'walk' ? '' : `${prefix}${name}.`);
    }
  };
  look(expanded(pathOf(items), from).states, '');
  return found;
}
