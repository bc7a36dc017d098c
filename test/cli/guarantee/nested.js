/**
 * examples/lock-model with one change: the holder of a page takes the other one too before it lets
 * go. Raw XState, as in the example; no helper.
 */
import { outgoing, sender } from 'worldswitch/extend';
import { assign, emit, setup } from 'xstate';

const OFFERS = ['acquire', 'acquire2', 'release'];
const CATALOGUE = {
  ...Object.fromEntries(OFFERS.map((t) => [t, 'offer'])),
  granted: 'bus',
  inUse: 'bus',
  'page.lock': 'bus',
  'page.unlock': 'bus',
};
const PAGES = ['page:0', 'page:1'];
const vcpu = setup({
  actions: {
    lock: emit(({ event }) => outgoing(event.page, { type: 'page.lock' })),
    take: assign({ held: ({ context, event }) => [...context.held, sender(event)] }),
    ignore: assign({}),
    unlock0: emit(({ context }) => outgoing(context.held[0], { type: 'page.unlock' })),
    unlock1: emit(({ context }) => outgoing(context.held[1], { type: 'page.unlock' })),
    forget: assign({ held: [] }),
  },
}).createMachine({
  id: 'vcpu',
  context: { held: [] },
  initial: 'idle',
  states: {
    idle: {
      meta: { offers: () => PAGES.map((page) => ({ type: 'acquire', page })) },
      on: { acquire: { actions: 'lock' }, granted: { target: 'one', actions: 'take' }, inUse: { actions: 'ignore' } },
    },
    one: {
      meta: { offers: ({ held }) => PAGES.filter((p) => !held.includes(p)).map((page) => ({ type: 'acquire2', page })) },
      on: { acquire2: { actions: 'lock' }, granted: { target: 'two', actions: 'take' }, inUse: { actions: 'ignore' } },
    },
    two: {
      meta: { offers: () => [{ type: 'release' }] },
      on: { release: { target: 'finished', actions: ['unlock0', 'unlock1', 'forget'] } },
    },
    finished: { tags: 'rest' },
  },
});
const say = (type) => emit(({ event }) => outgoing(sender(event), { type }));
const page = setup({}).createMachine({
  id: 'page',
  initial: 'free',
  states: {
    free: { tags: 'rest', on: { 'page.lock': { target: 'held', actions: say('granted') } } },
    held: { tags: 'rest', on: { 'page.lock': { actions: say('inUse') }, 'page.unlock': 'free' } },
  },
});
export const mechanism = {
  name: 'nested',
  arches: ['amd'],
  models: [
    {
      name: 'nested',
      properties: [],
      topology: () => ({
        actors: [
          ...['vcpu:0', 'vcpu:1'].map((id) => ({ id, kind: 'vcpu', input: null })),
          ...PAGES.map((id) => ({ id, kind: 'page', input: null })),
        ],
        machines: { vcpu, page },
        catalogue: CATALOGUE,
      }),
    },
  ],
};
