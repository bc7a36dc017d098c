/**
 * Two kernel threads on two CPUs take two spinlocks in opposite orders, with the host's own paths.
 */
import { host, operation, outgoing, sender } from 'worldswitch/extend';
import { emit, setup } from 'xstate';

const { path, step, call, loop, when, leaveLoop } = host;
const S = { source: 'kernel/locking/spinlock.c', grade: 'memory' };
const lock = (id) => {
  const take = { send: () => outgoing(id, { type: 'lk.lock' }), answers: { 'lk.locked': ({ ok }) => ({ granted: ok }) } };
  return call(
    path(
      `spin_lock_${id[3]}`,
      S,
      [
        step('trylock', { spin: 1, ...take }),
        when([
          (_t, l) => l.granted !== true,
          [loop(step('slowpath', { idles: true, yields: true, ...take }), when([(_t, l) => l.granted === true, [leaveLoop]]))],
        ]),
      ],
      { locals: ['granted'] },
    ),
  );
};
const unlock = (id) => step(`spin_unlock_${id[3]}`, { spin: -1, send: () => outgoing(id, { type: 'lk.unlock' }) });
const both = (name, a, b) =>
  call(path(name, S, [step('syscall', { mode: 'kernel' }), lock(a), lock(b), unlock(b), unlock(a), step('sysret', { mode: 'user' })]));
const say = (ok) => emit(({ event }) => outgoing(sender(event), { type: 'lk.locked', ok }));
const lk = setup({}).createMachine({
  id: 'lk',
  initial: 'free',
  states: {
    free: { tags: 'rest', on: { 'lk.lock': { target: 'held', actions: say(true) } } },
    held: { on: { 'lk.lock': { actions: say(false) }, 'lk.unlock': 'free' } },
  },
});
export const mechanism = {
  name: 'abba-host',
  arches: ['arm64'],
  hostOperations: { 'take-ab': operation('take-ab', 'Takes a, then b.', {}), 'take-ba': operation('take-ba', 'Takes b, then a.', {}) },
  host: () => ({
    operations: () => [
      ['take-ab', both('take_ab', 'lk:a', 'lk:b')],
      ['take-ba', both('take_ba', 'lk:b', 'lk:a')],
    ],
  }),
  catalogue: { 'lk.lock': 'bus', 'lk.locked': 'bus', 'lk.unlock': 'bus' },
  actors: () => [
    { id: 'lk:a', kind: 'lk', input: null },
    { id: 'lk:b', kind: 'lk', input: null },
  ],
  machines: () => ({ lk }),
};
