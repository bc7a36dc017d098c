/**
 * The ratelimit_state of a VM's guest requests: one of them per interval. Who asks says whether the
 * interval is over; no clock runs.
 *
 * @see kernel lib/ratelimit.c, ___ratelimit(); "kvm: sev: Add SEV-SNP guest request throttling", v5
 */
import { assign, emit, setup } from 'xstate';
import { type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { RateLimitEvent } from '../../events/sev-snp/guest-request.ts';

export interface RateLimitContext {
  /** Requests that this interval has let through. */
  readonly printed: number;
  /** The last request was not let through. */
  readonly missed: boolean;
}

const BURST = 1;

export const rateLimitMachine = setup({
  types: { context: {} as RateLimitContext, events: {} as Stamped<RateLimitEvent>, emitted: {} as Outgoing },
  guards: { isMissed: ({ context: c, event }) => !event.over && c.printed >= BURST },
  actions: {
    miss: assign({ missed: true }),
    pass: assign(({ context: c, event }) => ({ printed: event.over ? 1 : c.printed + 1, missed: false })),
    tellMissed: emit(({ event }) => outgoing(sender(event), { type: 'ratelimit.pass', letThrough: false })),
    tellPassed: emit(({ event }) => outgoing(sender(event), { type: 'ratelimit.pass', letThrough: true })),
  },
}).createMachine({
  id: 'rateLimit',
  context: { printed: 0, missed: false },
  initial: 'counting',
  states: {
    counting: {
      tags: 'rest',
      on: { 'ratelimit.pass?': [{ guard: 'isMissed', actions: ['miss', 'tellMissed'] }, { actions: ['pass', 'tellPassed'] }] },
    },
  },
});
