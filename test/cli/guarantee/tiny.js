/**
 * One actor, one offer from a to b. Is "b is reached" true in every fair schedule, when no actor
 * has to make an offer?
 */
import { eventually } from 'worldswitch/extend';
import { setup } from 'xstate';

const m = (step) =>
  setup({}).createMachine({
    id: 'n',
    initial: 'a',
    states: {
      a: { tags: 'rest', meta: { offers: () => [{ type: step }] }, on: { [step]: 'b' } },
      b: { tags: 'rest', meta: { offers: () => [{ type: 'back' }] }, on: { back: 'c' } },
      c: { tags: 'rest' },
    },
  });
export const mechanism = {
  name: 'tiny',
  arches: ['arm64'],
  models: [
    {
      name: 'tiny',
      properties: [
        eventually('tiny.reaches-c', {
          kinds: ['n'],
          source: 'a test',
          grade: 'decision',
          check: (w) => (w.actors('n')[0].value === 'c' ? 'in c' : null),
        }),
      ],
      topology: ({ params }) => ({
        actors: [{ id: 'n:0', kind: 'n', input: null }],
        machines: { n: m(params.step) },
        catalogue: { [params.step]: 'offer', back: 'offer' },
      }),
    },
  ],
};
