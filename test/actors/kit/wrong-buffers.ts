/** Store buffers that do one thing wrong, as changes of machines. */
import { assign, enqueueActions } from 'xstate';
import { bufferStep, type StoreBufferContext, storeBufferMachine } from '../../../actors/host/store-buffer.ts';
import type { Stamped } from '../../../events/event.ts';
import type { StoreBufferEvent } from '../../../events/memory-order.ts';
import type { Patch } from '../../../sim/host/mechanism.ts';
import { register } from '../../../sim/host/registry.ts';

type Take = (c: StoreBufferContext, event: Stamped<StoreBufferEvent>) => ReturnType<typeof bufferStep>;
/** A store buffer that does something else. */
const buffer = (take: Take): Patch => ({
  machines: {
    storeBuffer: () =>
      storeBufferMachine.provide({
        actions: {
          take: enqueueActions(({ context, event, enqueue }) => {
            const { waiting, out } = take(context, event);
            for (const message of out) enqueue.emit(message);
            enqueue.assign({ waiting });
          }),
        },
      }),
  },
});
/** What a wrong buffer does instead where it is asked this; all else it does right. */
const instead = (type: StoreBufferEvent['type'], take: Take): Patch =>
  buffer((c, event) => (event.type === type ? take(c, event) : bufferStep(c, event)));
/** Asked as if these waited in it; it keeps what it has. */
const asIfHolding =
  (held: (c: StoreBufferContext) => StoreBufferContext['waiting']): Take =>
  (c, event) => ({
    ...bufferStep({ waiting: held(c) }, event),
    waiting: c.waiting,
  });
export const LIFO = instead('stores.drain', (c, event) => ({
  waiting: c.waiting.slice(0, -1),
  out: bufferStep({ waiting: c.waiting.slice(-1) }, event).out,
}));
export const NO_FORWARDING = instead(
  'stores.load',
  asIfHolding(() => []),
);
export const OLDEST_FIRST = instead(
  'stores.load',
  asIfHolding(({ waiting }) => waiting.toReversed()),
);
/** Stores reach memory at once. */
export const NO_BUFFER = instead('stores.put', (c, event) => bufferStep(c, { ...event, type: 'stores.rmw' } as typeof event));
export const NO_FENCE = instead('stores.fence', ({ waiting }) => ({ waiting, out: [] }));
export const NO_LOCK = instead(
  'stores.rmw',
  asIfHolding(() => []),
);
/** The store of an exchange waits as a plain one does; its load is of memory. */
export const PLAIN_XCHG = instead('stores.rmw', (c, event) => {
  const { to, event: access, from } = event as Stamped<Extract<StoreBufferEvent, { readonly type: 'stores.rmw' }>>;
  const as = (type: 'stores.put' | 'stores.load', one: string) => ({ ...(from && { from }), type, to, event: { ...access, type: one } });
  return { ...bufferStep(c, as('stores.put', 'cell.store')), out: bufferStep({ waiting: [] }, as('stores.load', 'cell.load')).out };
});
export const NO_SWITCH: Patch = { machines: { pcpu: (machine) => machine.provide({ actions: { drainStores: assign({}) } }) } };

/** What something comes to with a change of machines. */
export function changedBy<V>(patch: Patch | undefined, of: () => V): V {
  const undo = register({ name: 'wrong', arches: ['amd', 'intel', 'arm64'], ...(patch && { patch: () => patch }) });
  try {
    return of();
  } finally {
    undo();
  }
}
