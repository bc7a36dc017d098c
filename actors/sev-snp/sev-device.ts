/**
 * What the driver of the firmware's mailbox keeps: the flag that a command is done, the threads
 * that sleep until it is set, the timer of their wait, whether it has given the PSP up, the
 * buffers of commands, and the pages that the firmware has not given back.
 *
 * A thread that is woken looks at the flag, whatever woke it. The handler sets the flag once it has
 * seen that the interrupt is of a completion and that the command register has the response bit.
 * There is no clock: the timer may expire once the PSP has said that its command outlasts it.
 *
 * @see kernel drivers/crypto/ccp/sev-dev.c, sev_irq_handler(), sev_wait_cmd_ioc(),
 * psp_dead; include/linux/wait.h, ___wait_event(); arch/x86/virt/svm/sev.c, snp_leak_pages()
 */
import { assign, emit, enqueueActions, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { PspCommand, PspInterrupted, SevDeviceEvent } from '../../events/sev-snp/psp.ts';

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
  /** The command in flight takes longer than the wait for it. */
  readonly outlasts?: true | undefined;
  /** The timer of the wait has expired. */
  readonly expired?: true | undefined;
  /** psp_dead, with the command that timed out. */
  readonly dead?: PspCommand;
  /** Only where commands are nested. */
  readonly buffers?: CommandBuffers;
}

/** sev->cmd_buf, and sev->cmd_buf_backup in the frame behind it. */
export interface CommandBuffers {
  readonly pfn: number;
  /** cmd_buf_active, cmd_buf_backup_active. */
  readonly active: readonly [primary: boolean, backup: boolean];
}
export interface SevDeviceInput {
  /** The frame of the command buffer, where commands are nested. */
  readonly commandBuffer: number;
}
/** Which buffer the next command gets; -1 if both are in use. */
const freeBuffer = ({ active }: CommandBuffers): number => active.indexOf(false);

export const sevDeviceMachine = setup({
  types: {
    context: {} as SevDeviceContext,
    events: {} as Stamped<SevDeviceEvent | PspInterrupted>,
    emitted: {} as Outgoing,
    input: {} as SevDeviceInput | null,
  },
  guards: {
    isReceived: ({ context: c }) => c.rcvd,
    isExpired: ({ context: c }) => c.expired === true,
    canExpire: ({ context: c }) => c.outlasts === true && c.waiters.length > 0,
    isCompletion: ({ event }) => event.type === 'psp.interrupted' && event.complete && event.response,
  },
  actions: {
    clear: assign(({ context: c }) => ({
      rcvd: false,
      ...(c.outlasts && { outlasts: undefined }),
      ...(c.expired && { expired: undefined }),
    })),
    outlast: assign({ outlasts: true }),
    expire: enqueueActions(({ context: c, enqueue }) => {
      for (const thread of c.waiters) enqueue.emit(outgoing(SCHEDULER, { type: 'sched.wake', thread }));
      enqueue.assign({ expired: true, waiters: [] });
    }),
    answerExpired: emit(({ event }) => outgoing(sender(event), { type: 'sev.rcvd', rcvd: false, expired: true })),
    die: assign(({ event }) => (event.type === 'sev.die' ? { dead: event.command } : {})),
    answerDead: emit(({ context: c, event }) => outgoing(sender(event), { type: 'sev.dead', dead: c.dead !== undefined })),
    queue: assign({ waiters: ({ context: c, event }) => [...new Set([...c.waiters, sender(event)])].sort() }),
    answerReceived: emit(({ event }) => outgoing(sender(event), { type: 'sev.rcvd', rcvd: true })),
    answerWaiting: emit(({ event }) => outgoing(sender(event), { type: 'sev.rcvd', rcvd: false })),
    finishWait: assign({ waiters: ({ context: c, event }) => c.waiters.filter((thread) => thread !== sender(event)) }),
    readStatus: emit(() => outgoing(PSP, { type: 'psp.interrupted?' })),
    receive: enqueueActions(({ context: c, enqueue }) => {
      for (const thread of c.waiters) enqueue.emit(outgoing(SCHEDULER, { type: 'sched.wake', thread }));
      enqueue.assign({ rcvd: true, waiters: [] });
    }),
    claim: enqueueActions(({ context: { buffers }, event, enqueue }) => {
      const { pfn, active } = buffers!;
      const free = freeBuffer(buffers!);
      enqueue.emit(outgoing(sender(event), { type: 'sev.claimed', pfn: free < 0 ? null : pfn + free }));
      if (free >= 0) enqueue.assign({ buffers: { pfn, active: free === 0 ? [true, active[1]] : [active[0], true] } });
    }),
    release: assign(({ context: { buffers } }) => {
      const { pfn, active } = buffers!;
      return { buffers: { pfn, active: active[1] ? ([active[0], false] as const) : ([false, false] as const) } };
    }),
    leak: assign({ leaked: ({ context: c, event }) => (event.type === 'sev.leak' ? [...c.leaked, event.pfn] : c.leaked) }),
    ignore: assign({}),
  },
}).createMachine({
  id: 'sevDevice',
  context: ({ input }) => ({
    rcvd: false,
    waiters: [],
    leaked: [],
    ...(input && { buffers: { pfn: input.commandBuffer, active: [false, false] as const } }),
  }),
  initial: 'up',
  states: {
    up: {
      tags: 'rest',
      meta: { offers: () => [{ type: 'psp-timeout', owed: true }] },
      on: {
        'psp-timeout': { guard: 'canExpire', actions: 'expire' },
        'sev.outlasts': { actions: 'outlast' },
        'sev.claim': { actions: 'claim' },
        'sev.release': { actions: 'release' },
        'sev.die': { actions: 'die' },
        'sev.dead?': { actions: 'answerDead' },
        'sev.expect': { actions: 'clear' },
        'sev.rcvd?': [
          { guard: 'isReceived', actions: ['finishWait', 'answerReceived'] },
          // ___wait_cond_timeout(): the flag counts, also when the timer has expired.
          { guard: 'isExpired', actions: ['finishWait', 'answerExpired'] },
          { actions: ['queue', 'answerWaiting'] },
        ],
        'sev.leak': { actions: 'leak' },
        'psp.interrupt': { actions: 'readStatus' },
        'psp.interrupted': [{ guard: 'isCompletion', actions: 'receive' }, { actions: 'ignore' }],
      },
    },
  },
});
