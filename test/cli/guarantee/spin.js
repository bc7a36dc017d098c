/** One thread of user space polls a flag that another one sets. */
import { host, operation, outgoing, sender } from 'worldswitch/extend';
import { assign, emit, setup } from 'xstate';

const { path, step, call, loop, when, leaveLoop } = host;
const flag = setup({
  types: { context: /** @type {{ set: boolean }} */ ({}) },
  actions: {
    set: assign({ set: true }),
    answer: emit(({ context: c, event }) => outgoing(sender(event), { type: 'spin.value', set: c.set })),
  },
}).createMachine({
  id: 'spinFlag',
  context: { set: false },
  initial: 'a',
  states: { a: { tags: 'rest', on: { 'spin.get': { actions: 'answer' }, 'spin.set': { actions: ['set', 'answer'] } } } },
});
const S = { source: 'probe', grade: 'decision' };
const poll = path(
  'poll_flag',
  S,
  [
    loop(
      step('poll', {
        idles: true,
        send: () => outgoing('spinFlag:0', { type: 'spin.get' }),
        answers: { 'spin.value': (e) => ({ spinSet: e.set }) },
      }),
      when([(_t, l) => l.spinSet, [leaveLoop]]),
    ),
  ],
  { locals: ['spinSet'] },
);
const set = step('set_flag', { send: () => outgoing('spinFlag:0', { type: 'spin.set' }), answers: { 'spin.value': () => ({}) } });
export const mechanism = {
  name: 'spin',
  arches: ['amd'],
  hostOperations: {
    'poll-flag': operation('poll-flag', 'Polls in user mode.', {}),
    'set-flag': operation('set-flag', 'Sets the flag.', {}),
  },
  host: () => ({
    operations: () => [
      ['poll-flag', call(poll)],
      ['set-flag', set],
    ],
  }),
  catalogue: { 'spin.get': 'bus', 'spin.set': 'bus', 'spin.value': 'bus' },
  actors: ({ name }) => (name.startsWith('spin') ? [{ id: 'spinFlag:0', kind: 'spinFlag', input: null }] : []),
  machines: () => ({ spinFlag: flag }),
};
