/**
 * Random models for fast-check: two or three actors of one or two kinds, that move, ask each other,
 * and send each other mail.
 */
import fc from 'fast-check';
import type { ActorId } from '../../../events/event.ts';
import type { Topology } from '../../../sim/store.ts';
import { CATALOGUE, type Edge, machineOf, type StateTable } from './toy.ts';

const NAMES = ['a', 'b', 'c'] as const;
const IDS: readonly ActorId[] = ['node:0', 'node:1', 'node:2'];

const state = fc.constantFrom(...NAMES);
const send = (types: readonly string[]) => fc.record({ to: fc.nat(IDS.length - 1), type: fc.constantFrom(...types) });
/** A move asks and writes; who is asked only moves; who gets mail may ask. So a step ends. */
const move = fc.record({ to: state, sends: fc.array(send(['ask', 'mail']), { maxLength: 2 }) });
const answer = fc.record({ to: state, sends: fc.constant([]) });
const reading = fc.record({ to: state, sends: fc.array(send(['ask']), { maxLength: 1 }) });

interface RawEdge {
  readonly to: string;
  readonly sends: readonly { readonly to: number; readonly type: string }[];
}

/** Mostly not there: each offer multiplies the states. */
const seldom = <T>(some: fc.Arbitrary<T>) => fc.oneof({ weight: 5, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: some });

const table = fc.record({
  exec: fc.option(move, { freq: 4 }),
  preempt: seldom(answer),
  interrupt: seldom(move),
  nudge: seldom(answer),
  ask: answer,
  mail: reading,
  yields: fc.boolean(),
  rests: fc.boolean(),
});
const kind = fc.record({ a: table, b: table, c: table });

/** A model as plain data, so that what fails can be read. */
export const MODELS = fc.record({ actors: fc.integer({ min: 2, max: IDS.length }), node: kind, other: kind, mixed: fc.boolean() });
type Model = typeof MODELS extends fc.Arbitrary<infer M> ? M : never;

/** Which offers are owed. */
export const OWED = fc.record({
  preempt: fc.boolean(),
  interrupt: fc.boolean(),
  nudge: fc.boolean(),
  exec: fc.constantFrom(true, true, true, false),
});
const owing = fc.constantFrom<boolean | 'strong'>(false, true, 'strong');
/** The same, some of them strongly. */
export const OWED_STRONGLY = fc.record({ preempt: owing, interrupt: owing, nudge: owing, exec: fc.constantFrom(true, 'strong' as const) });
type OwedOffers = { readonly [K in 'preempt' | 'interrupt' | 'nudge' | 'exec']: boolean | 'strong' };

export function topologyOfModel({ actors, node, other, mixed }: Model, owed: OwedOffers | null = null): Topology {
  const edge = ({ to, sends }: RawEdge): Edge => ({ to, sends: sends.map((one) => ({ to: IDS[one.to % actors]!, type: one.type })) });
  const machine = (raw: Model['node']) =>
    machineOf(
      Object.fromEntries(
        NAMES.map((name): [string, StateTable] => {
          const { yields, rests, ...events } = raw[name];
          const on = Object.entries(events).flatMap(([type, one]) => (one ? [[type, edge(one)] as const] : []));
          return [
            name,
            {
              on: Object.fromEntries(on),
              ...(owed && {
                owes: Object.keys(owed).filter((type) => owed[type as keyof OwedOffers] !== false),
                owesStrongly: Object.keys(owed).filter((type) => owed[type as keyof OwedOffers] === 'strong'),
              }),
              ...(yields && { yields }),
              ...(rests && { tags: ['rest'] }),
            },
          ];
        }),
      ),
      1,
    );
  return {
    actors: IDS.slice(0, actors).map((id, i) => ({ id, kind: mixed && i % 2 === 1 ? 'other' : 'node', input: null })),
    machines: { node: machine(node), other: machine(other) },
    catalogue: CATALOGUE,
  };
}

/** The model without the offers that are no deviations. */
export function withoutChoices(model: Model): Model {
  const strip = ({ a, b, c }: Model['node']): Model['node'] => ({
    a: { ...a, nudge: null },
    b: { ...b, nudge: null },
    c: { ...c, nudge: null },
  });
  return { ...model, node: strip(model.node), other: strip(model.other) };
}
