/**
 * The PSP: a mailbox with one command in flight, the platform state, and where a scenario has
 * commands about them, guest contexts and ASIDs.
 *
 * An entry that an instruction holds is waited for. A command is taken from the mailbox, executed
 * between two instructions of the host, and completed by an interrupt to the boot CPU. A command
 * that is written while another one is in flight takes its place, which no driver may do: the PSP
 * remembers it. A command may take longer than the driver waits, or never end. What a command does
 * to a guest, the keeper of that guest's state says. A message of a guest has to have the number
 * after the last; any other cannot be opened. Left out: the contents of command buffers.
 *
 * @see SEV-SNP firmware ABI, "Platform states", "Command reference"; kernel
 * drivers/crypto/ccp/sev-dev.c; domain snp f.1 to f.4
 */
import { and, assign, emit, enqueueActions, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { PlatformAnswer, PlatformCommand } from '../../events/sev-snp/platform.ts';
import type { GuestMessage, PspCommand, PspEvent, PspGuest, PspGuestAnswer, PspGuestCommand, PspStatus } from '../../events/sev-snp/psp.ts';
import { type RmpAnswer, regionOf } from '../../events/sev-snp/rmp.ts';
import type { PlatformState, SnpFirmware } from '../../events/sev-snp/snp-command.ts';
import { executed, isAllowed, isSnp, KEPT, needsPage, type SnpInFlight, sometimesKnown, unseen } from './psp-execute.ts';

export interface PspInput {
  readonly state: PlatformState;
  /** Whether a hardware error is offered while a command runs. */
  readonly errors: boolean;
  /** Whether an interrupt that completes nothing is offered while a command runs. */
  readonly interrupts: boolean;
  /** Present where it is offered that a command never ends. */
  readonly sticks?: true;
  /** Present where it is offered that a command ends after the driver has given it up. */
  readonly slows?: true;
  /** Who keeps the platform's state, where that is an actor of its own. */
  readonly keeper?: ActorId;
  /** What the firmware knows of guests; only where commands are about them. */
  readonly snp?: SnpFirmware;
  /** CPUs of the host. */
  readonly cpus?: number;
}
export interface PspContext extends SnpInFlight {
  readonly errors: boolean;
  readonly interrupts: boolean;
  readonly sticks?: true;
  readonly slows?: true;
  readonly keeper?: ActorId;
  /** The command takes longer than the driver waits. */
  readonly outlasts?: true | undefined;
  /** Of the last command: no interrupt was asked for. */
  readonly polled?: true | undefined;
  /** Of the last command: pages that it is to write, and how many of them have been looked at. */
  readonly pages?: readonly number[] | undefined;
  readonly looked?: number | undefined;
  /** Pages that a command was to write, once one was, for which the driver lent them; sorted. */
  readonly lent?: readonly number[];
  /** Of the last command: SNP_SHUTDOWN_EX ends the checks of the CPUs too. */
  readonly x86?: true | undefined;
  /** In flight: the command register has no response bit. */
  readonly command: PspCommand | null;
  readonly pfn: number;
  /** Of a command that has to do with one. */
  readonly guest?: PspGuest | undefined;
  /** Of SNP_GUEST_REQUEST. */
  readonly message?: GuestMessage | undefined;
  /** The last response by VM, as it stands in that VM's page; absent before the first. */
  readonly responses?: Readonly<Record<string, GuestMessage>>;
  readonly status: PspStatus;
  /** SEV_CMD_COMPLETE of the interrupt status register. */
  readonly interrupted: boolean;
  /** A command that was in flight when the next one was written. */
  readonly overwritten: PspCommand | null;
  readonly asking: string | null;
}

/** The driver lends pages of an initialized platform alone. */
function withLent({ platform, lent = [] }: PspContext, { command, pfn, pages }: Extract<PspEvent, { readonly type: 'psp.command' }>) {
  const written = platform === 'INIT' ? (pages ?? (command === 'SNP_PLATFORM_STATUS' ? [pfn] : [])) : [];
  return written.length === 0 ? {} : { lent: [...new Set([...lent, ...written])].sort((a, b) => a - b) };
}

const SEV_DEVICE: ActorId = 'sev';
/** The CPU that takes the completion interrupt. */
const IRQ_CPU: ActorId = 'pcpu:0';

export const pspMachine = setup({
  types: {
    context: {} as PspContext,
    events: {} as Stamped<PspEvent | PspGuestAnswer | RmpAnswer | PlatformAnswer>,
    emitted: {} as Outgoing,
    input: {} as PspInput,
  },
  guards: {
    isRefused: ({ context: c }) => !isAllowed(c),
    isOfGuest: ({ context: c }) => c.guest !== undefined,
    isByTable: ({ context: c }) => c.snp !== undefined && isSnp(c.command) && c.message === undefined,
    isUnseen: ({ context: c, event }) => unseen(c, event.type === 'rmp.inspected' ? event.pfn : undefined) !== undefined,
    isSeenLocked: ({ event }) => event.type === 'rmp.inspected' && event.locked,
    isMessage: ({ context: c }) => c.message !== undefined,
    isOutOfSequence: ({ context: c }) => c.message !== undefined && c.message.sequence !== (c.responses?.[c.message.vm]?.sequence ?? 0) + 1,
    isKept: ({ context: c }) => c.keeper !== undefined && KEPT.includes(c.command),
    isReclaim: ({ context: c }) => c.command === 'SNP_PAGE_RECLAIM',
    needsFirmwarePage: ({ context: c }) => needsPage(c.command) && c.platform === 'INIT',
    hasErrors: ({ context: c }) => c.errors,
    canInterrupt: ({ context: c }) => c.interrupts && !c.interrupted,
    canStick: ({ context: c }) => c.sticks === true && c.outlasts !== true,
    canBeSlow: ({ context: c }) => c.slows === true && c.outlasts !== true,
    hasPages: ({ context: c }) => c.pages !== undefined,
    hasMorePages: ({ context: { pages = [], looked = 0 } }) => looked + 1 < pages.length,
    isFirmwarePage: ({ event }) => event.type === 'rmp.entry' && event.entry.assigned && event.entry.immutable,
    isReclaimed: ({ event }) => event.type === 'rmp.reclaimed' && event.outcome === 'ok',
    isEntryLocked: ({ event }) => event.type === 'rmp.reclaimed' && event.outcome === 'locked',
  },
  actions: {
    accept: assign(({ context: c, event }) =>
      event.type === 'psp.command'
        ? {
            command: event.command,
            pfn: event.pfn,
            guest: event.guest,
            message: event.message,
            ...sometimesKnown('args', c.args, event.args),
            ...sometimesKnown('polled', c.polled, event.polled),
            ...sometimesKnown('x86', c.x86, event.x86),
            ...sometimesKnown('pages', c.pages, event.pages),
            ...withLent(c, event),
            status: 'SUCCESS' as const,
          }
        : {},
    ),
    inspect: enqueueActions(({ context: c, enqueue }) => {
      const pfn = unseen(c)!;
      enqueue.assign({ asking: 'psp' });
      enqueue.emit(outgoing(regionOf(pfn), { type: 'rmp.inspect', pfn }));
    }),
    see: assign({ seen: ({ context: c, event }) => (event.type === 'rmp.inspected' ? { ...c.seen, [event.pfn]: event.entry } : c.seen) }),
    forget: assign({ seen: undefined }),
    perform: enqueueActions(({ context, enqueue }) => {
      const { sends, change } = executed(context);
      for (const message of sends) enqueue.emit(message);
      enqueue.assign(change);
    }),
    answerOutput: emit(({ context: c, event }) =>
      outgoing(sender(event), { type: 'psp.output', status: c.status, output: c.output ?? null }),
    ),
    writeBack: assign(({ context: { snp }, event }) =>
      snp === undefined || event.type !== 'psp.wbinvd'
        ? {}
        : { snp: { ...snp, wbinvdNeeded: snp.wbinvdNeeded.filter((cpu) => cpu !== event.cpu) } },
    ),
    overwrite: assign({ overwritten: ({ context: c }) => c.command }),
    askGuest: enqueueActions(({ context: { command, guest }, enqueue }) => {
      enqueue.assign({ asking: 'psp' });
      enqueue.emit(outgoing(guest!.id, { type: 'psp.guestCommand', command: command as PspGuestCommand, page: guest!.page }));
    }),
    takeStatus: assign({ status: ({ context: c, event }) => (event.type === 'psp.guestDone' ? event.status : c.status) }),
    askReclaim: enqueueActions(({ context: c, enqueue }) => {
      enqueue.assign({ asking: 'psp' });
      enqueue.emit(outgoing(regionOf(c.pfn), { type: 'rmp.reclaim', pfn: c.pfn }));
    }),
    askEntry: enqueueActions(({ context: c, enqueue }) => {
      enqueue.assign({ asking: 'psp' });
      enqueue.emit(outgoing(regionOf(c.pfn), { type: 'rmp.read', pfn: c.pfn }));
    }),
    askPage: enqueueActions(({ context: c, enqueue }) => {
      const looked = c.asking === null ? 0 : c.looked! + 1;
      enqueue.assign({ asking: 'psp', looked });
      enqueue.emit(outgoing(regionOf(c.pages![looked]!), { type: 'rmp.read', pfn: c.pages![looked]! }));
    }),
    changePlatform: assign({
      platform: ({ context: c }) => (c.command === 'SNP_INIT_EX' ? 'INIT' : c.command === 'SNP_SHUTDOWN_EX' ? 'UNINIT' : c.platform),
    }),
    answerMessage: assign(({ context: { message, responses } }) => ({
      responses: { ...responses, [message!.vm]: { ...message!, sequence: message!.sequence + 1 } },
    })),
    answerResponse: emit(({ context: c, event }) => {
      const response = event.type === 'psp.response?' ? c.responses?.[event.vm] : undefined;
      return outgoing(sender(event), { type: 'psp.response', response: response ?? null });
    }),
    askKeeper: enqueueActions(({ context: c, enqueue }) => {
      enqueue.assign({ asking: 'psp' });
      const command = c.command as PlatformCommand;
      enqueue.emit(outgoing(c.keeper!, { type: 'platform.command', command, ...(c.x86 && { x86: true }) }));
    }),
    takeKept: assign(({ context: c, event }) => {
      if (event.type !== 'platform.done') return {};
      const states = { SNP_INIT_EX: 'INIT', SNP_SHUTDOWN_EX: 'UNINIT' } as const;
      const platform = (states as Partial<Record<PspCommand, PlatformState>>)[c.command!] ?? c.platform;
      return event.status === 'SUCCESS' ? { status: event.status, platform } : { status: event.status };
    }),
    /** The driver's timer learns of it, and the loop that polls. */
    outlast: enqueueActions(({ enqueue }) => {
      enqueue.assign({ outlasts: true });
      enqueue.emit(outgoing(SEV_DEVICE, { type: 'sev.outlasts' }));
    }),
    failMessage: assign({ status: 'BAD_MEASUREMENT' }),
    failState: assign({ status: 'INVALID_PLATFORM_STATE' }),
    failPage: assign({ status: 'INVALID_PAGE_STATE' }),
    failHardware: assign({ status: 'HWERROR_PLATFORM' }),
    answered: assign({ asking: null }),
    respond: assign(({ context: { outlasts } }) => ({
      command: null,
      guest: undefined,
      message: undefined,
      ...(outlasts && { outlasts: undefined }),
    })),
    interrupt: enqueueActions(({ context: { polled }, enqueue }) => {
      if (polled) return;
      enqueue.emit(outgoing(IRQ_CPU, { type: 'irq.psp' }));
      enqueue.assign({ interrupted: true });
    }),
    answerStatus: emit(({ context: c, event }) => outgoing(sender(event), { type: 'psp.status', status: c.status, platform: c.platform })),
    answerPolled: emit(({ context: c, event }) =>
      outgoing(sender(event), { type: 'psp.polled', response: c.command === null, status: c.status, outlasts: c.outlasts === true }),
    ),
    answerInterrupted: emit(({ context: c, event }) =>
      outgoing(sender(event), { type: 'psp.interrupted', complete: c.interrupted, response: c.command === null }),
    ),
    acknowledge: assign({ interrupted: false }),
  },
}).createMachine({
  id: 'psp',
  context: ({ input }) => ({
    platform: input.state,
    errors: input.errors,
    interrupts: input.interrupts,
    ...(input.sticks && { sticks: input.sticks }),
    ...(input.slows && { slows: input.slows }),
    ...(input.keeper && { keeper: input.keeper }),
    ...(input.snp && { snp: input.snp, cpus: input.cpus ?? 1 }),
    command: null,
    pfn: 0,
    status: 'SUCCESS',
    interrupted: false,
    overwritten: null,
    asking: null,
  }),
  initial: 'idle',
  on: {
    'psp.status?': { actions: 'answerStatus' },
    'psp.poll?': { actions: 'answerPolled' },
    'psp.response?': { actions: 'answerResponse' },
    'psp.output?': { actions: 'answerOutput' },
    'psp.wbinvd': { actions: 'writeBack' },
    'psp.interrupted?': { actions: ['answerInterrupted', 'acknowledge'] },
  },
  states: {
    idle: { tags: 'rest', on: { 'psp.command': { target: 'executing', actions: 'accept' } } },
    executing: {
      meta: {
        offers: () => [
          { type: 'exec', owed: true },
          { type: 'psp-error' },
          { type: 'psp-interrupt' },
          { type: 'psp-stuck' },
          { type: 'psp-slow' },
        ],
        ns: 50_000,
        idles: true,
      },
      on: {
        'psp.command': { actions: ['overwrite', 'accept'] },
        exec: [
          { guard: 'isRefused', target: 'idle', actions: ['failState', 'respond', 'interrupt'] },
          { guard: 'isOfGuest', actions: 'askGuest' },
          { guard: 'isKept', actions: 'askKeeper' },
          { guard: and(['isByTable', 'isUnseen']), actions: 'inspect' },
          { guard: 'isByTable', target: 'idle', actions: ['perform', 'respond', 'interrupt'] },
          { guard: 'isOutOfSequence', target: 'idle', actions: ['failMessage', 'respond', 'interrupt'] },
          { guard: 'isMessage', target: 'idle', actions: ['answerMessage', 'respond', 'interrupt'] },
          { guard: 'isReclaim', actions: 'askReclaim' },
          { guard: 'hasPages', actions: 'askPage' },
          { guard: 'needsFirmwarePage', actions: 'askEntry' },
          { target: 'idle', actions: ['changePlatform', 'respond', 'interrupt'] },
        ],
        'psp.guestDone': { target: 'idle', actions: ['answered', 'takeStatus', 'respond', 'interrupt'] },
        'platform.done': { target: 'idle', actions: ['answered', 'takeKept', 'respond', 'interrupt'] },
        'rmp.reclaimed': [
          { guard: 'isEntryLocked', actions: 'answered' },
          { guard: 'isReclaimed', target: 'idle', actions: ['answered', 'respond', 'interrupt'] },
          { target: 'idle', actions: ['answered', 'failPage', 'respond', 'interrupt'] },
        ],
        'rmp.inspected': [
          { guard: 'isSeenLocked', actions: ['answered', 'forget'] },
          { guard: 'isUnseen', actions: ['see', 'inspect'] },
          { target: 'idle', actions: ['see', 'answered', 'perform', 'respond', 'interrupt'] },
        ],
        'rmp.entry': [
          { guard: and(['isFirmwarePage', 'hasMorePages']), actions: 'askPage' },
          { guard: 'isFirmwarePage', target: 'idle', actions: ['answered', 'respond', 'interrupt'] },
          { target: 'idle', actions: ['answered', 'failPage', 'respond', 'interrupt'] },
        ],
        'psp-interrupt': { guard: 'canInterrupt', actions: 'interrupt' },
        'psp-error': { guard: 'hasErrors', target: 'idle', actions: ['failHardware', 'respond', 'interrupt'] },
        'psp-stuck': { guard: 'canStick', target: 'stuck', actions: 'outlast' },
        'psp-slow': { guard: 'canBeSlow', actions: 'outlast' },
      },
    },
    /** For good: what else is written to the mailbox has no answer either. */
    stuck: { tags: 'rest', on: { 'psp.command': { actions: ['overwrite', 'accept'] } } },
  },
});
