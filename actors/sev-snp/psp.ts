/**
 * The PSP: a mailbox with one command in flight, and the platform state.
 *
 * An entry that an instruction holds is waited for. A command is taken from the mailbox, executed
 * between two instructions of the host, and completed by an interrupt to the boot CPU. Left out:
 * the command buffers' contents, guest contexts, the time-out after which a driver gives the PSP
 * up.
 *
 * @see SEV-SNP firmware ABI, "Platform states", "Command reference"; kernel
 * drivers/crypto/ccp/sev-dev.c; domain snp f.1 to f.4
 */
import { assign, emit, enqueueActions, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { PspCommand, PspEvent, PspStatus } from '../../events/sev-snp/psp.ts';
import { type RmpAnswer, regionOf } from '../../events/sev-snp/rmp.ts';

export interface PspInput {
  readonly state: 'UNINIT' | 'INIT';
  /** Whether a hardware error is offered while a command runs. */
  readonly errors: boolean;
}
export interface PspContext {
  readonly platform: 'UNINIT' | 'INIT';
  readonly errors: boolean;
  readonly command: PspCommand | null;
  readonly pfn: number;
  readonly waiter: ActorId | null;
  readonly status: PspStatus;
  readonly asking: string | null;
}

/** The CPU that takes the completion interrupt. */
const IRQ_CPU: ActorId = 'pcpu:0';

/** Commands that look at the RMP entry of the page they are given. */
const needsPage = (command: PspCommand | null) => command === 'SNP_PAGE_RECLAIM' || command === 'SNP_PLATFORM_STATUS';
const isAllowed = ({ command, platform }: PspContext) => {
  if (command === 'SNP_INIT_EX') return platform === 'UNINIT';
  return command === 'SNP_SHUTDOWN_EX' || command === 'SNP_PLATFORM_STATUS' || platform === 'INIT';
};

export const pspMachine = setup({
  types: { context: {} as PspContext, events: {} as Stamped<PspEvent | RmpAnswer>, emitted: {} as Outgoing, input: {} as PspInput },
  guards: {
    isIdle: ({ context: c }) => c.command === null,
    isRefused: ({ context: c }) => !isAllowed(c),
    isReclaim: ({ context: c }) => c.command === 'SNP_PAGE_RECLAIM',
    needsFirmwarePage: ({ context: c }) => needsPage(c.command) && c.platform === 'INIT',
    hasErrors: ({ context: c }) => c.errors,
    isFirmwarePage: ({ event }) => event.type === 'rmp.entry' && event.entry.assigned && event.entry.immutable,
    isReclaimed: ({ event }) => event.type === 'rmp.reclaimed' && event.outcome === 'ok',
    isEntryLocked: ({ event }) => event.type === 'rmp.reclaimed' && event.outcome === 'locked',
  },
  actions: {
    accept: assign(({ event }) =>
      event.type === 'psp.command' ? { command: event.command, pfn: event.pfn, waiter: sender(event), status: 'SUCCESS' as const } : {},
    ),
    askReclaim: enqueueActions(({ context: c, enqueue }) => {
      enqueue.assign({ asking: 'psp' });
      enqueue.emit(outgoing(regionOf(c.pfn), { type: 'rmp.reclaim', pfn: c.pfn }));
    }),
    askEntry: enqueueActions(({ context: c, enqueue }) => {
      enqueue.assign({ asking: 'psp' });
      enqueue.emit(outgoing(regionOf(c.pfn), { type: 'rmp.read', pfn: c.pfn }));
    }),
    changePlatform: assign({
      platform: ({ context: c }) => (c.command === 'SNP_INIT_EX' ? 'INIT' : c.command === 'SNP_SHUTDOWN_EX' ? 'UNINIT' : c.platform),
    }),
    failState: assign({ status: 'INVALID_PLATFORM_STATE' }),
    failPage: assign({ status: 'INVALID_PAGE_STATE' }),
    failHardware: assign({ status: 'HWERROR_PLATFORM' }),
    answered: assign({ asking: null }),
    complete: enqueueActions(({ context: c, enqueue }) => {
      enqueue.emit(outgoing(IRQ_CPU, { type: 'irq.psp', waiter: c.waiter! }));
      enqueue.assign({ command: null, waiter: null });
    }),
    answerStatus: emit(({ context: c, event }) =>
      outgoing(sender(event), { type: 'psp.status', done: c.command === null, status: c.status, platform: c.platform }),
    ),
  },
}).createMachine({
  id: 'psp',
  context: ({ input }) => ({
    platform: input.state,
    errors: input.errors,
    command: null,
    pfn: 0,
    waiter: null,
    status: 'SUCCESS',
    asking: null,
  }),
  initial: 'idle',
  on: { 'psp.status?': { actions: 'answerStatus' } },
  states: {
    idle: { tags: 'rest', on: { 'psp.command': { guard: 'isIdle', target: 'executing', actions: 'accept' } } },
    executing: {
      meta: { offers: () => [{ type: 'exec', owed: true }, { type: 'psp-error' }], ns: 50_000, idles: true },
      on: {
        exec: [
          { guard: 'isRefused', target: 'idle', actions: ['failState', 'complete'] },
          { guard: 'isReclaim', actions: 'askReclaim' },
          { guard: 'needsFirmwarePage', actions: 'askEntry' },
          { target: 'idle', actions: ['changePlatform', 'complete'] },
        ],
        'rmp.reclaimed': [
          { guard: 'isEntryLocked', actions: 'answered' },
          { guard: 'isReclaimed', target: 'idle', actions: ['answered', 'complete'] },
          { target: 'idle', actions: ['answered', 'failPage', 'complete'] },
        ],
        'rmp.entry': [
          { guard: 'isFirmwarePage', target: 'idle', actions: ['answered', 'complete'] },
          { target: 'idle', actions: ['answered', 'failPage', 'complete'] },
        ],
        'psp-error': { guard: 'hasErrors', target: 'idle', actions: ['failHardware', 'complete'] },
      },
    },
  },
});
