/** What a step says, put together from all that its tries have said. */
import { expect, it } from 'vitest';
import { outgoing } from '../../../events/event.ts';
import { messagesOf } from '../../../sim/paths/messages.ts';
import type { Trial } from '../../../sim/paths/trial.ts';

const tries = (...answers: readonly unknown[]) => ({ answers: () => answers }) as unknown as Trial;
const ask = (to: string, rest: object) => outgoing(to, { type: 'ask', ...rest } as never);
const said = (...answers: readonly unknown[]) => messagesOf((() => null) as never, tries(...answers), { ask: 'bus' });

it('has the texts that every try gave, and all kinds of actors', () => {
  const [one, other] = [
    { why: 'lock', who: 'a', n: 1 },
    { why: 'lock', who: 'b', n: 1 },
  ];
  const rest = { type: 'ask', delivery: 'bus', how: 'tried' };
  expect(said(ask('mutex:1', one), [ask('cell:0', other)])).toEqual([{ ...rest, to: ['cell:…', 'mutex:…'], fields: { why: 'lock' } }]);
  expect(said(ask('mutex:1', one), null, 7)).toEqual([{ ...rest, to: ['mutex:…'], fields: { why: 'lock', who: 'a' } }]);
});
