/**
 * An operation of one's own, with an actor, an option and a property: threads write to an eventfd,
 * whose counter is either added to under its lock or, as a mistake would have it, read and written
 * back.
 *
 * @see kernel fs/eventfd.c, eventfd_write()
 */
import {
  alwaysEach,
  type EventOf,
  type HostItem,
  type HostOptions,
  host,
  type Mechanism,
  type Outgoing,
  operation,
  outgoing,
  type Source,
  type Stamped,
  sender,
} from 'worldswitch/extend';
import { assign, emit, setup } from 'xstate';

/** What a thread asks the eventfd. */
type EventfdRequest = EventOf<{ 'eventfd.load': object; 'eventfd.store': { count: number }; 'eventfd.add': object }>;
/** And what it answers. */
type EventfdAnswer = EventOf<{ 'eventfd.value': { count: number }; 'eventfd.stored': object }>;

const OPERATIONS = { 'eventfd-write': operation('eventfd-write', 'Adds 1 to the counter of an eventfd.', {}) };

declare module 'worldswitch/extend' {
  interface ThreadEventsOf {
    readonly eventfd: EventfdAnswer;
  }
  interface MechanismOptions {
    readonly 'eventfd.add': 'locked' | 'unlocked';
  }
  interface HostOpsOf {
    readonly eventfd: { readonly op: 'eventfd-write' };
  }
  interface HostTablesOf {
    readonly eventfd: typeof OPERATIONS;
  }
  interface HostLocals {
    /** The counter as it was read. */
    readonly eventfdCount?: number | undefined;
  }
}

interface EventfdContext {
  readonly count: number;
  /** Writes so far: what the counter should be. */
  readonly writes: number;
}

const EVENTFD = 'eventfd:0';

const eventfdMachine = setup({
  types: { context: {} as EventfdContext, events: {} as Stamped<EventfdRequest>, emitted: {} as Outgoing },
  actions: {
    answerValue: emit(({ context, event }) => outgoing(sender(event), { type: 'eventfd.value', count: context.count })),
    answerStored: emit(({ event }) => outgoing(sender(event), { type: 'eventfd.stored' })),
    store: assign({ count: ({ context, event }) => (event.type === 'eventfd.store' ? event.count : context.count + 1) }),
    countWrite: assign({ writes: ({ context }) => context.writes + 1 }),
  },
}).createMachine({
  id: 'eventfd',
  context: { count: 0, writes: 0 },
  initial: 'open',
  states: {
    open: {
      tags: 'rest',
      on: {
        'eventfd.load': { actions: 'answerValue' },
        'eventfd.store': { actions: ['store', 'countWrite', 'answerStored'] },
        'eventfd.add': { actions: ['store', 'countWrite', 'answerStored'] },
      },
    },
  },
});

const { path, step, call } = host;
const FS: Source = { source: 'fs/eventfd.c, eventfd_write()', grade: 'memory' };

/**
 * Under the lock no other actor sees the middle, so it is one micro-step; without it there are two.
 */
const addSteps = (how: HostOptions['eventfd.add']): readonly HostItem[] =>
  how === 'locked'
    ? [step('add', { send: () => outgoing(EVENTFD, { type: 'eventfd.add' }), answers: { 'eventfd.stored': () => ({}) } })]
    : [
        step('load', {
          send: () => outgoing(EVENTFD, { type: 'eventfd.load' }),
          answers: { 'eventfd.value': (event) => ({ eventfdCount: event.count }) },
        }),
        step('store', {
          send: (_thread, locals) => outgoing(EVENTFD, { type: 'eventfd.store', count: (locals.eventfdCount ?? 0) + 1 }),
          answers: { 'eventfd.stored': () => ({}) },
        }),
      ];

const writePath = (how: HostOptions['eventfd.add']) =>
  path('eventfd_write', FS, [step('syscall', { mode: 'kernel' }), ...addSteps(how), step('sysret', { mode: 'user' })], {
    locals: ['eventfdCount'],
  });

export const mechanism: Mechanism = {
  name: 'eventfd',
  arches: ['amd'],
  options: { 'eventfd.add': ['locked', 'unlocked'] },
  hostOperations: OPERATIONS,
  host: () => ({ operations: ({ options }) => [['eventfd-write', call(writePath(options['eventfd.add']))]] }),
  catalogue: {
    'eventfd.load': 'bus',
    'eventfd.store': 'bus',
    'eventfd.add': 'bus',
    'eventfd.value': 'bus',
    'eventfd.stored': 'bus',
  },
  actors: ({ processes }) =>
    processes.some(({ threads }) => threads.some(({ program }) => program.ops.some(({ op }) => op === 'eventfd-write')))
      ? [{ id: EVENTFD, kind: 'eventfd', input: null }]
      : [],
  machines: () => ({ eventfd: eventfdMachine }),
  properties: [
    alwaysEach<EventfdContext>('eventfd.counts-every-write', {
      kind: 'eventfd',
      source: 'fs/eventfd.c: the counter is the sum of what was written',
      grade: 'memory',
      each: ({ context: { count, writes } }) => (count < writes ? `${writes} writes, and the counter stands at ${count}` : null),
    }),
  ],
};
