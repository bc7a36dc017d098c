/** The messages that a step says, as far as they can be known without a run. */
import type { Delivery, Outgoing } from '../../events/event.ts';
import type { Topology } from '../store.ts';
import { typesNamedIn } from './code-text.ts';
import { isPlaceholder, type Trial, type Tried } from './trial.ts';

/** A message by its type. */
export interface Said {
  readonly type: string;
  /** Kinds of actors that it goes to, `mutex:…`; `…` where a run alone knows. */
  readonly to: readonly string[];
  /** How it travels; null where the catalogue does not have it. */
  readonly delivery: Delivery | null;
  /** Fields with a text that every try gave it, such as the reason of an exit. */
  readonly fields: Readonly<Record<string, string>>;
  /** `tried`: a try has said it. `named`: only the text of the step names it. */
  readonly how: 'tried' | 'named';
}

const kindIn = (to: unknown): string => (typeof to === 'string' ? to.replace(/:.*/s, ':…') : '…');

const isOutgoing = (value: unknown): value is Outgoing => typeof value === 'object' && value !== null && 'event' in value;

function textFields(events: readonly Readonly<Record<string, unknown>>[]): Record<string, string> {
  const [first] = events;
  const shared = Object.entries(first!).filter(
    ([name, value]) =>
      name !== 'type' && typeof value === 'string' && !value.includes('…') && events.every((event) => event[name] === value),
  );
  return Object.fromEntries(shared) as Record<string, string>;
}

/** What a `send` says; empty where that is known only when it is run. */
export function messagesOf(send: Tried, trial: Trial, catalogue: Topology['catalogue']): readonly Said[] {
  const sent = trial
    .answers(send)
    .flatMap((answer) => (Array.isArray(answer) ? answer : [answer]))
    .filter(isOutgoing);
  const known = sent.filter(({ event }) => !isPlaceholder(event) && typeof event.type === 'string');
  const deliveryOf = (type: string): Delivery | null => (Object.hasOwn(catalogue, type) ? catalogue[type]! : null);
  const types = [...new Set(known.map(({ event }) => event.type))];
  const tried = types.map((type): Said => {
    const messages = known.filter(({ event }) => event.type === type);
    const to = [...new Set(messages.map((message) => kindIn(message.to)))].sort();
    const fields = textFields(messages.map(({ event }) => event as Readonly<Record<string, unknown>>));
    return { type, to: to.length > 1 ? to.filter((kind) => kind !== '…') : to, delivery: deliveryOf(type), fields, how: 'tried' };
  });
  const named = typesNamedIn(send).filter((type) => deliveryOf(type) !== null && !types.includes(type));
  return [...tried, ...named.map((type): Said => ({ type, to: ['…'], delivery: deliveryOf(type), fields: {}, how: 'named' }))];
}
