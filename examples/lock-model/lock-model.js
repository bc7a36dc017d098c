/**
 * A whole model of one's own: vCPUs that take one of several page locks, read a version, write it
 * back increased, and let go, round after round. It has the counts that SPIN and Murphi find in the
 * same model, so it shows that a search of one's own machines counts right.
 */
import { always, outgoing, sender } from 'worldswitch/extend';
import { assign, emit, setup } from 'xstate';

/**
 * @typedef {{ rounds: number, version: number, page: string | null }} VcpuContext
 * @typedef {import('worldswitch/extend').EventOf<{ acquire: { page: string }, read: {}, write: {},
 * release: {}, finish: {}, granted: {}, inUse: {}, version: { version: number } }>} VcpuEvent
 * @typedef {import('worldswitch/extend').EventOf<{ 'page.lock': {}, 'page.read': {}, 'page.write':
 * { version: number }, 'page.unlock': {} }>} PageEvent
 * @typedef {import('worldswitch/extend').Outgoing} Outgoing
 */
/** @template E @typedef {import('worldswitch/extend').Stamped<E>} Stamped */

/**
 * How each event travels: an offer is an alternative of its own, a bus message is answered within
 * the step.
 */
const CATALOGUE = /** @type {const} */ ({
  acquire: 'offer',
  read: 'offer',
  write: 'offer',
  release: 'offer',
  finish: 'offer',
  granted: 'bus',
  inUse: 'bus',
  version: 'bus',
  'page.lock': 'bus',
  'page.read': 'bus',
  'page.write': 'bus',
  'page.unlock': 'bus',
});

/** What an actor offers in a state stands in its meta. @param {string} type */
const offer = (type) => ({ offers: () => [{ type, owed: true }] });

/** @param {{ pages: readonly string[], rounds: number }} input */
const vcpuMachine = ({ pages, rounds }) =>
  setup({
    types: {
      context: /** @type {VcpuContext} */ ({}),
      events: /** @type {Stamped<VcpuEvent>} */ ({}),
      emitted: /** @type {Outgoing} */ ({}),
    },
    guards: { hasRounds: ({ context }) => context.rounds < rounds, isDone: ({ context }) => context.rounds === rounds },
    actions: {
      lock: emit(({ event }) => outgoing(event.type === 'acquire' ? event.page : '', { type: 'page.lock' })),
      take: assign({ page: ({ event }) => sender(event) }),
      ask: emit(({ context }) => outgoing(context.page ?? '', { type: 'page.read' })),
      keep: assign({ version: ({ event }) => (event.type === 'version' ? event.version : 0) }),
      store: emit(({ context }) => outgoing(context.page ?? '', { type: 'page.write', version: context.version + 1 })),
      forget: assign({ version: 0 }),
      unlock: emit(({ context }) => outgoing(context.page ?? '', { type: 'page.unlock' })),
      count: assign({ rounds: ({ context }) => context.rounds + 1, page: null }),
      ignore: assign({}),
    },
  }).createMachine({
    id: 'vcpu',
    context: { rounds: 0, version: 0, page: null },
    initial: 'idle',
    states: {
      idle: {
        meta: { offers: () => [...pages.map((page) => ({ type: 'acquire', page, owed: true })), { type: 'finish', owed: true }] },
        on: {
          acquire: { guard: 'hasRounds', actions: 'lock' },
          granted: { target: 'locked', actions: 'take' },
          inUse: { actions: 'ignore' },
          finish: { guard: 'isDone', target: 'finished' },
        },
      },
      locked: { meta: offer('read'), on: { read: { actions: 'ask' }, version: { target: 'loaded', actions: 'keep' } } },
      loaded: { meta: offer('write'), on: { write: { target: 'written', actions: ['store', 'forget'] } } },
      written: { meta: offer('release'), on: { release: { target: 'idle', actions: ['unlock', 'count'] } } },
      finished: { tags: 'rest' },
    },
  });

const pageMachine = setup({
  types: {
    context: /** @type {{ version: number }} */ ({}),
    events: /** @type {Stamped<PageEvent>} */ ({}),
    emitted: /** @type {Outgoing} */ ({}),
  },
  actions: {
    grant: emit(({ event }) => outgoing(sender(event), { type: 'granted' })),
    refuse: emit(({ event }) => outgoing(sender(event), { type: 'inUse' })),
    answer: emit(({ context, event }) => outgoing(sender(event), { type: 'version', version: context.version })),
    write: assign({ version: ({ context, event }) => (event.type === 'page.write' ? event.version : context.version) }),
  },
}).createMachine({
  id: 'page',
  context: { version: 0 },
  initial: 'free',
  states: {
    free: { tags: 'rest', on: { 'page.lock': { target: 'held', actions: 'grant' } } },
    held: {
      tags: 'rest',
      on: {
        'page.lock': { actions: 'refuse' },
        'page.read': { actions: 'answer' },
        'page.write': { actions: 'write' },
        'page.unlock': 'free',
      },
    },
  },
});

const exclusion = always('lock-model.exclusion', {
  kinds: ['vcpu'],
  source: 'the lock model: one vCPU holds a page at a time',
  grade: 'decision',
  check: (world) => {
    const holders = /** @type {import('worldswitch/extend').ActorView<VcpuContext>[]} */ (
      [...world.actors('vcpu')].filter(({ context }) => /** @type {VcpuContext} */ (context).page !== null)
    );
    const second = holders.find(({ context }, i) => holders.findIndex((other) => other.context.page === context.page) < i);
    return second ? `${second.id} holds ${second.context.page}, which another vCPU holds too` : null;
  },
});

/** @type {import('worldswitch/extend').Mechanism} */
export const mechanism = {
  name: 'lock-model',
  arches: ['amd'],
  models: [
    {
      name: 'lock-model',
      topology: ({ params }) => {
        /** @param {string} kind @param {string} parameter */
        const ids = (kind, parameter) => Array.from({ length: Number(params[parameter]) }, (_, i) => `${kind}:${i}`);
        const pages = ids('page', 'pages');
        const vcpus = ids('vcpu', 'vcpus');
        return {
          actors: [...vcpus.map((id) => ({ id, kind: 'vcpu', input: null })), ...pages.map((id) => ({ id, kind: 'page', input: null }))],
          machines: { vcpu: vcpuMachine({ pages, rounds: Number(params.rounds) }), page: pageMachine },
          catalogue: CATALOGUE,
          interchangeable: [vcpus, pages],
        };
      },
      properties: [exclusion],
    },
  ],
};
