/** A module of which something that is written would be dropped. */
import { alwaysEach, host, operation, otherwise } from 'worldswitch/extend';

const { path, step, call, loop, when, note, leaveLoop } = host;
const src = { source: 'zero', grade: 'decision' };
/** Counts to 2 in locals, without a step; then says what it counted. */
const count = path('count', src, [
  step('start'),
  note(() => ({ n: 0 })),
  loop(when([(_t, l) => l.n < 2, [note((_t, l) => ({ n: l.n + 1 }))]], [otherwise, [leaveLoop]])),
  step('told'),
]);
export const mechanism = {
  name: 'zero',
  arches: ['amd'],
  options: { 'zero.on': ['off', 'on'] },
  hostOperations: { zero: operation('zero', 'Counts.', {}) },
  host: () => ({ operations: () => [['zero', call(count)]] }),
  properties: [
    alwaysEach('zero.counts-to-two', {
      kind: 'hostThread',
      source: 'zero',
      grade: 'decision',
      each: ({ value, context }) =>
        JSON.stringify(value).includes('told') && context.frames.code.n !== 2 ? `n is ${context.frames.code.n}` : null,
    }),
  ],
};
