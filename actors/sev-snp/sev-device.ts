/**
 * What the driver of the firmware's mailbox keeps: the flag that a command is done, the threads
 * that sleep until it is set, and the pages that the firmware has not given back.
 *
 * A thread that is woken looks at the flag, whatever woke it. The handler sets the flag once it has
 * seen that the interrupt is of a completion and that the command register has the response bit.
 * Left out: the time-out, after which the driver gives the PSP up.
 *
 * @see kernel drivers/crypto/ccp/sev-dev.c, sev_irq_handler(), sev_wait_cmd_ioc();
 * include/linux/wait.h, ___wait_event(); arch/x86/virt/svm/sev.c, snp_leak_pages()
 */
import { assign, emit, enqueueActions, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { PspInterrupted, SevDeviceEvent } from '../../events/sev-snp/psp.ts';

export const SEV_DEVICE: ActorId = 'sev';
const PSP: ActorId = 'psp';
const SCHEDULER: ActorId = 'sched';

export interface SevDeviceContext {
  /** sev->int_rcvd. */
  readonly rcvd: boolean;
  /** sev->int_queue, sorted; all are woken, and look at the flag again. */
  readonly waiters: readonly ActorId[];
  /** PFNs, in order. */
  readonly leaked: readonly number[];
}

export const sevDeviceMachine = setup({
  types: { context: {} as SevDeviceContext, events: {} as Stamped<SevDeviceEvent | PspInterrupted>, emitted: {} as Outgoing },
  guards: {
    isReceived: ({ context: c }) => c.rcvd,
    isCompletion: ({ event }) => event.type === 'psp.interrupted' && event.complete && event.response,
  },
  actions: {
    clear: assign({ rcvd: false }),
    queue: assign({ waiters: ({ context: c, event }) => [...new Set([...c.waiters, sender(event)])].sort() }),
    answerReceived: emit(({ event }) => outgoing(sender(event), { type: 'sev.rcvd', rcvd: true })),
    answerWaiting: emit(({ event }) => outgoing(sender(event), { type: 'sev.rcvd', rcvd: false })),
    finishWait: assign({ waiters: ({ context: c, event }) => c.waiters.filter((thread) => thread !== sender(event)) }),
    readStatus: emit(() => outgoing(PSP, { type: 'psp.interrupted?' })),
    receive: enqueueActions(({ context: c, enqueue }) => {
      for (const thread of c.waiters) enqueue.emit(outgoing(SCHEDULER, { type: 'sched.wake', thread }));
      enqueue.assign({ rcvd: true, waiters: [] });
    }),
    leak: assign({ leaked: ({ context: c, event }) => (event.type === 'sev.leak' ? [...c.leaked, event.pfn] : c.leaked) }),
    ignore: assign({}),
  },
}).createMachine({
  id: 'sevDevice',
  context: { rcvd: false, waiters: [], leaked: [] },
  initial: 'up',
  states: {
    up: {
      tags: 'rest',
      on: {
        'sev.expect': { actions: 'clear' },
        'sev.rcvd?': [{ guard: 'isReceived', actions: ['finishWait', 'answerReceived'] }, { actions: ['queue', 'answerWaiting'] }],
        'sev.leak': { actions: 'leak' },
        'psp.interrupt': { actions: 'readStatus' },
        'psp.interrupted': [{ guard: 'isCompletion', actions: 'receive' }, { actions: 'ignore' }],
      },
    },
  },
});
