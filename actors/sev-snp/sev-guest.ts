/**
 * What the driver of a guest shares between vCPUs (struct snp_guest_dev): snp_cmd_mutex, the
 * counter in the secrets page, whether its key is wiped, and the page of its request, which the
 * host reads.
 *
 * Left out: the other VMPCKs, and how the mutex sleeps.
 *
 * @see kernel drivers/virt/coco/sev-guest/sev-guest.c, snp_guest_ioctl(), snp_get_msg_seqno(),
 * snp_inc_msg_seqno(), snp_disable_vmpck(); the same rules with bytes: firmware/guest-driver.ts
 */
import { assign, emit, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { SevGuestEvent } from '../../events/sev-snp/guest-request.ts';
import type { GuestMessage } from '../../events/sev-snp/psp.ts';

export interface SevGuestContext {
  /** Of snp_cmd_mutex. */
  readonly owner: ActorId | null;
  /** The number of the last response; a request has the next. */
  readonly counter: number;
  readonly wiped: boolean;
  /** What stands in the page of the request, and what stood there before it. */
  readonly request: GuestMessage | null;
  readonly before: GuestMessage | null;
}

const isSame = (a: GuestMessage, b: GuestMessage): boolean => a.sequence === b.sequence && a.data === b.data && a.vmpl === b.vmpl;

export const sevGuestMachine = setup({
  types: { context: {} as SevGuestContext, events: {} as Stamped<SevGuestEvent>, emitted: {} as Outgoing },
  guards: { isTaken: ({ context: c }) => c.owner !== null },
  actions: {
    take: assign({ owner: ({ event }) => sender(event) }),
    drop: assign(({ context: c, event }) => (c.owner === event.from ? { owner: null } : {})),
    grant: emit(({ event }) => outgoing(sender(event), { type: 'sevGuest.locked', granted: true })),
    refuse: emit(({ event }) => outgoing(sender(event), { type: 'sevGuest.locked', granted: false })),
    tellKey: emit(({ context: { wiped, counter }, event }) => outgoing(sender(event), { type: 'sevGuest.key', wiped, counter })),
    expose: assign(({ context: { request }, event }) => {
      if (event.type !== 'sevGuest.request' || (request !== null && isSame(request, event.message))) return {};
      return { request: event.message, before: request };
    }),
    count: assign({ counter: ({ context: c }) => c.counter + 2 }),
    wipe: assign({ wiped: true }),
  },
}).createMachine({
  id: 'sevGuest',
  context: { owner: null, counter: 0, wiped: false, request: null, before: null },
  initial: 'probed',
  states: {
    probed: {
      tags: 'rest',
      on: {
        'sevGuest.lock': [{ guard: 'isTaken', actions: 'refuse' }, { actions: ['take', 'grant'] }],
        'sevGuest.unlock': { actions: 'drop' },
        'sevGuest.key?': { actions: 'tellKey' },
        'sevGuest.request': { actions: 'expose' },
        'sevGuest.count': { actions: 'count' },
        'sevGuest.wipe': { actions: ['count', 'wipe'] },
      },
    },
  },
});
