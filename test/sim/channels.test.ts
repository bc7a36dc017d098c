/** Messages in flight: queues in canonical order, and the way back to what was in flight. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AnyStateMachine, createMachine } from 'xstate';
import { type Channel, Channels } from '../../sim/channels.ts';
import { MemoEngine } from '../../sim/engine/memo.ts';
import type { AnyEvent } from '../../sim/store.ts';

const { store } = new MemoEngine({
  actors: [{ id: 'node:0', kind: 'node', input: null }],
  machines: { node: createMachine({ initial: 'a', states: { a: { tags: 'rest' } } }) as unknown as AnyStateMachine },
  catalogue: { mail: 'queued' },
});
const EVENTS = [0, 1, 2].map((index) => store.event({ type: 'mail', index } as AnyEvent));
const ACTORS = 4;

const steps = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ do: fc.constant('push' as const), from: fc.nat(ACTORS - 1), to: fc.nat(ACTORS - 1), event: fc.nat(2) }),
    },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('take' as const), head: fc.nat(ACTORS * ACTORS) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('mark' as const, 'restore' as const) }) },
  ),
  { maxLength: 40 },
);

interface Message {
  readonly from: number;
  readonly to: number;
  readonly event: number;
  readonly seq: number;
}

/** Queues of a list of messages, by receiver and then by sender. */
function queuesOf(messages: readonly Message[]): Pick<Channel, 'from' | 'to' | 'events' | 'seqs'>[] {
  const pairs = [...new Set(messages.map(({ from, to }) => to * ACTORS + from))].sort((one, other) => one - other);
  return pairs.map((pair) => {
    const [from, to] = [pair % ACTORS, Math.floor(pair / ACTORS)];
    const those = messages.filter((message) => message.from === from && message.to === to);
    return { from, to, events: those.map(({ event }) => event), seqs: those.map(({ seq }) => seq) };
  });
}

describe('messages in flight', () => {
  it('are what was sent and not taken, in one order, and are put back as they were at a mark', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const channels = new Channels(store);
        let messages: readonly Message[] = [];
        let marked = messages;
        channels.mark();
        for (const [seq, step] of all.entries()) {
          if (step.do === 'push') {
            const message = { from: step.from, to: step.to, event: EVENTS[step.event]!, seq };
            channels.push(message.from, message.to, message.event, seq);
            messages = [...messages, message];
          } else if (step.do === 'take' && channels.ordered.length > 0) {
            const head = step.head % channels.ordered.length;
            const taken = queuesOf(messages)[head]!.seqs[0]!;
            expect(channels.take(head)).toBe(taken);
            messages = messages.filter((message) => message.seq !== taken);
          } else if (step.do === 'mark') {
            channels.mark();
            marked = messages;
          } else if (step.do === 'restore') {
            channels.restore(channels.marked);
            messages = marked;
          }
          expect(channels.ordered.map(({ from, to, events, seqs }) => ({ from, to, events, seqs }))).toEqual(queuesOf(messages));
          for (const { from, to, events } of queuesOf(messages)) expect(channels.between(from, to)).toEqual(events);
          const again = new Channels(store);
          for (const { from, to, event } of messages) again.push(from, to, event, 0);
          expect([channels.laneA, channels.laneB]).toEqual([again.laneA, again.laneB]);
        }
      }),
      { seed: 5, numRuns: 300 },
    );
  });
});
