/**
 * A core: MSR_TEST_CTRL, which its SMT siblings share, and what the context switch does to it.
 *
 * @see kernel arch/x86/kernel/cpu/intel.c, sld_update_msr(), switch_to_sld() (5.7 to 5.18); domain
 * debug-and-split-lock C.1, C.3, Z1
 */
import { assign, emit, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { CoreEvent } from '../../events/sched.ts';
import type { SldFlag } from '../../events/split-lock/sld-options.ts';
import type { MsrEvent } from '../../events/split-lock/split-lock.ts';
import { MEMORY_BUS } from './bus-lock-limit.ts';
import { isDetectionOff } from './sld-flag.ts';

export interface CoreContext {
  /** Bit 29 of MSR_TEST_CTRL. */
  readonly sld: boolean;
  /** What the host set at boot: whether a task that did nothing runs with detection on. */
  readonly bootSld: boolean;
  readonly flag: SldFlag;
  /** Its pCPUs that are in VMX operation, sorted; absent where all are, all the time. */
  readonly vmx?: readonly ActorId[];
  /** Its pCPUs whose MSR_KERNEL_GS_BASE holds a guest's value, sorted. */
  readonly guestGs: readonly ActorId[];
}

export type CoreInput = Omit<CoreContext, 'sld' | 'guestGs'>;

type CoreEvents = CoreEvent | MsrEvent;

export const coreMachine = setup({
  types: { context: {} as CoreContext, events: {} as Stamped<CoreEvents>, emitted: {} as Outgoing, input: {} as CoreInput },
  guards: { detects: ({ context: c }) => c.sld },
  actions: {
    write: assign({ sld: ({ context: c, event }) => (event.type === 'core.wrmsr' ? event.sld : c.sld) }),
    writeGs: assign({
      guestGs: ({ context: c, event }) => {
        if (event.type !== 'core.wrmsrKernelGsBase') return c.guestGs;
        const others = c.guestGs.filter((cpu) => cpu !== event.cpu);
        return event.guest ? [...others, event.cpu].sort() : others;
      },
    }),
    vmxon: assign({ vmx: ({ context: c, event }) => (event.type === 'core.vmxon' ? [...(c.vmx ?? []), event.cpu].sort() : c.vmx) }),
    /** Of the processors on which it was seen, a write takes the sibling out of VMX operation. */
    knockOut: assign({
      vmx: ({ context: c, event }) => (event.type === 'core.wrmsrUnsupported' ? (c.vmx ?? []).filter((cpu) => cpu === event.cpu) : c.vmx),
    }),
    answerVmptrld: emit(({ context: c, event }) =>
      outgoing(sender(event), {
        type: 'core.vmptrlded',
        defined: event.type === 'core.vmptrld?' && (c.vmx === undefined || c.vmx.includes(event.cpu)),
      }),
    ),
    answer: emit(({ context: c, event }) => outgoing(sender(event), { type: 'core.msr', sld: c.sld })),
    lockBus: emit(({ event }) => outgoing(MEMORY_BUS, { type: 'bus.lock', by: sender(event) })),
    /** Only a difference between the two tasks is looked at: the MSR itself is not read. */
    switchTo: assign({
      sld: ({ context: c, event }) => {
        if (event.type !== 'core.switchTo') return c.sld;
        const off = isDetectionOff(c.flag, event.next);
        return isDetectionOff(c.flag, event.previous) === off ? c.sld : !off;
      },
    }),
  },
}).createMachine({
  id: 'core',
  context: ({ input }) => ({ ...input, sld: input.bootSld, guestGs: [] }),
  initial: 'up',
  states: {
    up: {
      tags: 'rest',
      on: {
        'core.wrmsr': { actions: 'write' },
        'core.wrmsrKernelGsBase': { actions: 'writeGs' },
        'core.wrmsrUnsupported': { actions: 'knockOut' },
        'core.vmxon': { actions: 'vmxon' },
        'core.vmptrld?': { actions: 'answerVmptrld' },
        'core.rdmsr?': { actions: 'answer' },
        'core.lockedAccess?': [{ guard: 'detects', actions: 'answer' }, { actions: ['answer', 'lockBus'] }],
        'core.switchTo': { actions: 'switchTo' },
      },
    },
  },
});
