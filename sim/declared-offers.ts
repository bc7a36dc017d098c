/**
 * The offers that a machine declares in the meta of its states, held to what an offer is: nothing
 * that is written is dropped.
 */
import type { AnyMachineSnapshot, AnyStateNode } from 'xstate';
import type { CountedOffers, OffersOf } from '../actors/host/counted-offers.ts';
import { didYouMean } from '../events/nearest.ts';
import { ModelError } from './engine/port.ts';
import { shown } from './scenario/issues.ts';
import type { AnyEvent, Kind, Store } from './store.ts';

/** Taken if it stays possible; `strong`: taken if it is possible again and again. */
export type Owed = boolean | 'strong';

interface DeclaredOffer {
  readonly event: AnyEvent;
  readonly owed: Owed;
  /** The id of the state that declares it. */
  readonly state: string;
  /** The same, for messages. */
  readonly where: string;
}

const KEY = 'offers';
/** What else may stand in the meta of a state. */
const KEYS: readonly string[] = [
  KEY,
  'chances',
  'schedules',
  'switched',
  'stuckIn',
  'absent',
  'queues',
  'waits',
  'idles',
  'yields',
  'computes',
  'ns',
];
/** What paths write beside them. */
const OF_PATHS: readonly string[] = ['step', 'letter', 'source', 'grade'];

const isMap = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** What the states count of their offers. */
const countOf = (declared: unknown): OffersOf<unknown>['counted'] | undefined =>
  typeof declared === 'function' ? (declared as Partial<OffersOf<unknown>>).counted : undefined;

/** Offers of the active states that are counted and not listed; each of them can be taken. */
export const countedIn = (snapshot: AnyMachineSnapshot): CountedOffers[] =>
  Object.values(snapshot.getMeta() as Readonly<Record<string, unknown>>).flatMap((meta) => {
    const counted = isMap(meta) ? countOf(meta[KEY])?.(snapshot.context) : undefined;
    return counted !== undefined && counted.count > 0 ? [counted] : [];
  });

/**
 * All that the active states offer and list, whether it can be taken or not.
 * @throws ModelError naming the state
 */
export function declaredIn(kind: Kind, snapshot: AnyMachineSnapshot): DeclaredOffer[] {
  const owner = kind.origin === null ? kind.name : `${kind.name} (${kind.origin})`;
  return Object.entries(snapshot.getMeta() as Readonly<Record<string, unknown>>).flatMap(([state, meta]) => {
    if (!isMap(meta)) return [];
    refuseSlips(meta, `${owner}: meta of ${state}`);
    return Object.hasOwn(meta, KEY) && meta[KEY] !== undefined && countOf(meta[KEY]) === undefined
      ? offersOf(meta[KEY], snapshot.context, state, `${owner}: offers of ${state}`)
      : [];
  });
}

/**
 * A key that was meant for one of these: the state would offer nothing, or would not wait. Any
 * other key is the machine's own.
 */
function refuseSlips(meta: Readonly<Record<string, unknown>>, where: string): void {
  const slip = Object.keys(meta).find((key) => !KEYS.includes(key) && !OF_PATHS.includes(key) && didYouMean(key, KEYS) !== '');
  if (slip !== undefined) throw new ModelError(`${where}: found the key ${shown(slip)}${didYouMean(slip, KEYS)}`);
}

function offersOf(declared: unknown, context: unknown, state: string, where: string): DeclaredOffer[] {
  if (typeof declared !== 'function')
    throw new ModelError(`${where}: found ${shown(declared)}; expected a function from the context to a list of offers`);
  const list = given(declared as (context: unknown) => unknown, context, where);
  if (!Array.isArray(list)) throw new ModelError(`${where} gives ${shown(list)}; expected a list of offers, empty where there is none`);
  return list.map((offer: unknown, at) => {
    if (!isMap(offer)) throw new ModelError(`${where}[${at}] is ${shown(offer)}; expected an offer such as { type: "exec", owed: true }`);
    const { owed = false, ...event } = offer;
    if (typeof event.type !== 'string' || event.type === '')
      throw new ModelError(`${where}[${at}].type is ${shown(event.type)}; expected the type of an event`);
    if (typeof owed !== 'boolean' && owed !== 'strong')
      throw new ModelError(`${where}[${at}]: the offer ${event.type} says owed: ${shown(owed)}; expected true, "strong" or false`);
    return { event: event as unknown as AnyEvent, owed, state, where };
  });
}

function given(offers: (context: unknown) => unknown, context: unknown, where: string): unknown {
  try {
    return offers(context);
  } catch (error) {
    const says = error instanceof Error ? `${error.name}: ${error.message}` : shown(error);
    throw new ModelError(`${where} throws ${says}; expected a list of offers`, { cause: error });
  }
}

/**
 * Whether an offer can be taken in this state: a guard may forbid it, and of a state with substates
 * one of them may.
 * @throws ModelError where it never can, or where taking it would do nothing
 */
export function isOffer(store: Store, { machine, origin }: Kind, snapshot: AnyMachineSnapshot, offer: DeclaredOffer): boolean {
  const { event, state, where } = offer;
  const { type } = event;
  const delivery = store.deliveryOf(type);
  if (delivery !== 'offer') {
    const found = delivery === undefined ? 'not in the event catalogue' : `${shown(delivery)} in the event catalogue`;
    throw new ModelError(`${where}: ${type} is ${found}; expected "offer"`);
  }
  if (snapshot.can(event)) return true;
  if (origin === null) return false;
  if (machine.getTransitionData(snapshot, event).length > 0)
    throw new ModelError(
      `${where}: ${type} is answered with nothing; expected a target or an action: an offer that is taken does something`,
    );
  if (!isHandled(machine.getStateNodeById(state), type))
    throw new ModelError(
      `${where}: that state does not handle ${type}${didYouMean(type, machine.events)}; expected ${type} under its \`on\``,
    );
  return false;
}

/**
 * Whether something may answer where a state is active: the state itself, what it is in, what is in
 * it; beside a region, any other.
 */
function isHandled(node: AnyStateNode, type: string): boolean {
  const above: AnyStateNode[] = [];
  for (let at: AnyStateNode | undefined = node; at !== undefined; at = at.parent) above.push(at);
  const regions = above.findLast((at) => at.type === 'parallel');
  return above.some((at) => answers(at, type)) || answersBelow(regions ?? node, type);
}

const answersBelow = (node: AnyStateNode, type: string): boolean =>
  answers(node, type) || Object.values(node.states).some((inner) => answersBelow(inner as AnyStateNode, type));

const answers = (node: AnyStateNode, type: string): boolean =>
  [...node.transitions.keys()].some(
    (known: string) => known === type || known === '*' || (known.endsWith('.*') && type.startsWith(known.slice(0, -1))),
  );
