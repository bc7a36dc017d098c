/**
 * Objects that are made in a run and freed again. The actor of such an object has its slot from the
 * start; while the object is not there, the actor is *absent*: it offers nothing and is at rest.
 *
 * Memory that was freed can still be read and written. So an absent actor takes what it is sent, as
 * a new object would; that it was used is noted, and the property `object.use-after-free` tells it.
 *
 * Simplified: what is left in freed memory is what a new object holds.
 */
import { type AnyStateMachine, assign, createMachine } from 'xstate';
import type { ActorId } from '../../events/event.ts';

/** Who used an object that was not there, and by which message. @public */
export interface Misuse {
  readonly by: ActorId | null;
  readonly with: string;
}

/** What the context of an actor says that can be absent. @public */
export interface Mortal {
  readonly absent?: true | undefined;
  /** The first use of it while it was absent. */
  readonly misused?: Misuse | undefined;
}

type Context = Mortal & Readonly<Record<string, unknown>>;
interface Args {
  readonly context: Context;
  readonly event: { readonly type: string; readonly from?: ActorId };
  readonly input?: unknown;
}
interface Transition {
  readonly target?: string;
  readonly actions?: unknown;
}
type Transitions = string | Transition | readonly (string | Transition)[];
interface Chart {
  readonly id?: string;
  readonly type?: string;
  readonly initial?: string;
  readonly meta?: object;
  readonly context?: object | ((args: Args) => object);
  readonly on?: Readonly<Record<string, Transitions>>;
  readonly states?: Readonly<Record<string, Chart>>;
}

const isAbsent = ({ context }: Args): boolean => context.absent === true;
/** The first misuse is the one that is told. */
const misuse = ({ context: { misused }, event: { type, from } }: Args) => ({ misused: misused ?? { by: from ?? null, with: type } });
const noteUse = assign((args: Args) => (isAbsent(args) ? misuse(args) : {}) as never);
const noteMisuse = assign((args: Args) => misuse(args) as never);

/** A transition that does nothing stays one that handles nothing. */
function noted(transition: string | Transition): Transition {
  const { actions = [], ...rest }: Transition = typeof transition === 'string' ? { target: transition } : transition;
  const own = ([] as unknown[]).concat(actions);
  return rest.target === undefined && own.length === 0 ? rest : { ...rest, actions: [noteUse, ...own] };
}

const notedIn = (chart: Chart, asks: readonly string[]): Chart => ({
  ...chart,
  ...(chart.on && {
    on: Object.fromEntries(
      Object.entries(chart.on).map(([type, all]) => [
        type,
        asks.includes(type) ? all : ([] as (string | Transition)[]).concat(all).map(noted),
      ]),
    ),
  }),
  ...(chart.states && { states: Object.fromEntries(Object.entries(chart.states).map(([name, state]) => [name, notedIn(state, asks)])) }),
});

/** The context of a new object in the place of this one: what it lacks is forgotten. */
const renewed = (context: Context, fresh: object, life: Mortal): object => ({
  ...Object.fromEntries(Object.keys(context).map((key) => [key, undefined])),
  ...fresh,
  ...life,
});

/**
 * The same machine, of objects that `object.create` and `object.destroy` make and free. One whose
 * input says `absent: true` is absent from the start.
 *
 * `renew`: the context of a new object in the place of this one, and of what is left of one that is
 * freed. `asks`: messages that may come while it is absent, and are no use of it.
 * @throws Error if its states are regions: they have no one state to begin with
 * @public
 */
export function mortal<C>(
  machine: AnyStateMachine,
  { renew, asks = [] }: { readonly renew: (context: C, event: Args['event']) => C; readonly asks?: readonly string[] },
): AnyStateMachine {
  const chart = machine.config as Chart;
  if (chart.type === 'parallel' || chart.initial === undefined)
    throw new Error(`${machine.id} has no first state; expected a machine with \`initial\`, and without parallel regions at its root`);
  const contextOf = (args: Args): object => (typeof chart.context === 'function' ? chart.context(args) : (chart.context ?? {}));
  const startsAbsent = ({ input }: Args): boolean => (input as Mortal | null | undefined)?.absent === true;
  const begin = (life: Mortal) => ({
    target: `.${chart.initial}`,
    actions: assign(({ context, event }: Args) => renewed(context, renew(context as C, event) as object, life) as never),
  });
  const { on = {}, ...rest } = notedIn(chart, asks);
  const made = createMachine({
    ...rest,
    meta: { ...chart.meta, absent: (context: Mortal) => context.absent === true },
    context: (args: Args) => ({ ...contextOf(args), ...(startsAbsent(args) && { absent: true }) }),
    on: {
      ...on,
      'object.create': [{ guard: isAbsent, ...begin({ absent: undefined, misused: undefined }) }, { actions: noteMisuse }],
      'object.destroy': [{ guard: isAbsent, actions: noteMisuse }, begin({ absent: true, misused: undefined })],
    },
  } as never);
  return made.provide(machine.implementations as never);
}

/** What a misuse is, as a sentence. @public */
export const misuseText = (id: ActorId, { by, with: type }: Misuse): string => {
  const by_ = by === null ? '' : ` from ${by}`;
  if (type === 'object.create') return `${id} is made${by_} where an object is already`;
  if (type === 'object.destroy') return `${id} is freed${by_}, and is not there: it was freed before, or never made`;
  return `${id} is used by ${type}${by_}, and is not there: it was freed, or not made yet`;
};
