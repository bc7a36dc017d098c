/**
 * The RMP-lock model: vCPUs that take one of several page locks, read a version, write it back
 * increased, and let go, round after round. It is small, has known answers in other tools, and
 * enters as a user's own model would.
 */
import { assign, emit, setup } from 'xstate';
import { type ActorId, type Delivery, type EventOf, type Outgoing, outgoing, type Stamped, sender } from '../../../events/event.ts';
import type { ModelModule } from '../../models.ts';
import { always } from '../../property.ts';
import type { ActorView } from '../../view.ts';

type VcpuEvent = EventOf<{
  acquire: { page: ActorId };
  read: object;
  write: object;
  release: object;
  finish: object;
  granted: object;
  inUse: object;
  version: { version: number };
}>;
type PageEvent = EventOf<{ 'page.lock': object; 'page.read': object; 'page.write': { version: number }; 'page.unlock': object }>;

interface VcpuContext {
  readonly rounds: number;
  readonly version: number;
  readonly page: ActorId | null;
}
interface VcpuInput {
  readonly pages: readonly ActorId[];
  readonly rounds: number;
}

const CATALOGUE: Readonly<Record<(VcpuEvent | PageEvent)['type'], Delivery>> = {
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
};

const offer = (type: VcpuEvent['type']) => ({ offers: () => [{ type, owed: true }] });

function vcpuMachine({ pages, rounds }: VcpuInput) {
  return setup({
    types: { context: {} as VcpuContext, events: {} as Stamped<VcpuEvent>, emitted: {} as Outgoing },
    guards: { hasRounds: ({ context: c }) => c.rounds < rounds, isDone: ({ context: c }) => c.rounds === rounds },
    actions: {
      lock: emit(({ event }) => outgoing(event.type === 'acquire' ? event.page : '', { type: 'page.lock' })),
      take: assign({ page: ({ event }) => sender(event) }),
      ask: emit(({ context: c }) => outgoing(c.page!, { type: 'page.read' })),
      keep: assign({ version: ({ event }) => (event.type === 'version' ? event.version : 0) }),
      store: emit(({ context: c }) => outgoing(c.page!, { type: 'page.write', version: c.version + 1 })),
      forget: assign({ version: 0 }),
      unlock: emit(({ context: c }) => outgoing(c.page!, { type: 'page.unlock' })),
      count: assign({ rounds: ({ context: c }) => c.rounds + 1, page: null }),
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
}

const pageMachine = setup({
  types: { context: {} as { readonly version: number }, events: {} as Stamped<PageEvent>, emitted: {} as Outgoing },
  actions: {
    grant: emit(({ event }) => outgoing(sender(event), { type: 'granted' })),
    refuse: emit(({ event }) => outgoing(sender(event), { type: 'inUse' })),
    answer: emit(({ context: c, event }) => outgoing(sender(event), { type: 'version', version: c.version })),
    write: assign({ version: ({ context: c, event }) => (event.type === 'page.write' ? event.version : c.version) }),
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

export const rmpLock: ModelModule = {
  name: 'rmp-lock',
  topology: ({ params }) => {
    const count = (name: string) => Number(params[name]);
    const pages = Array.from({ length: count('pages') }, (_, i) => `page:${i}`);
    const vcpus = Array.from({ length: count('vcpus') }, (_, i) => `vcpu:${i}`);
    return {
      actors: [...vcpus.map((id) => ({ id, kind: 'vcpu', input: null })), ...pages.map((id) => ({ id, kind: 'page', input: null }))],
      machines: { vcpu: vcpuMachine({ pages, rounds: count('rounds') }), page: pageMachine },
      catalogue: CATALOGUE,
      interchangeable: [vcpus, pages],
    };
  },
  properties: [
    always('rmp-lock.exclusion', {
      kinds: ['vcpu'],
      source: 'the RMP-lock model: one vCPU holds a page at a time',
      grade: 'decision',
      sees: ({ context }: ActorView<VcpuContext>) => context.page,
      check: (world) => {
        const holders = world.actors<VcpuContext>('vcpu').filter(({ context }) => context.page !== null);
        const second = holders.find(({ context }, i) => holders.findIndex((other) => other.context.page === context.page) < i);
        return second ? `${second.id} holds ${second.context.page!}, which another vCPU holds too` : null;
      },
    }),
  ],
};
