/** A model of one machine that walks two states and leaves out some of what it could do. */
import { assign, setup } from 'xstate';
import { CATALOGUE } from '../toy.ts';

/**
 * Steps twice; from `second` on one of two ways with one target is never taken, `other` is never
 * entered, and nothing ever nudges it.
 */
const walker = (isBig: (count: number) => boolean) =>
  setup({
    types: { context: {} as { readonly count: number } },
    actions: { add: assign({ count: ({ context }) => context.count + 1 }) },
    guards: { isBig: ({ context }) => isBig(context.count) },
  }).createMachine({
    id: 'node',
    context: { count: 0 },
    initial: 'first',
    states: {
      first: { meta: { offers: () => [{ type: 'exec' }] }, on: { exec: { target: 'second', actions: 'add' }, nudge: 'other' } },
      second: {
        meta: { offers: () => [{ type: 'exec' }] },
        on: { exec: [{ guard: 'isBig', target: 'last', actions: 'add' }, { target: 'last' }] },
      },
      other: { on: { exec: 'last' } },
      last: { tags: 'rest' },
    },
  });
export const topologyOf = (isBig: (count: number) => boolean) => ({
  actors: [{ id: 'node:0', kind: 'node', input: null }],
  machines: { node: walker(isBig) },
  catalogue: CATALOGUE,
});
