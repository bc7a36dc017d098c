/**
 * The debug registers of one arm64 CPU: MDSCR_EL1, the traps of MDCR_EL2, breakpoint 0 and
 * watchpoint 0, PSTATE while a guest runs, and the CPU's own OS Lock.
 *
 * It decides for each guest instruction whether a debug exception is taken and where to, and for
 * each register access whether it is UNDEFINED, and if not, whether it traps. Left out: the host's
 * own breakpoints (`bank: host` is empty), context matching, linked breakpoints.
 *
 * @see Arm ARM, MDSCR_EL1, MDCR_EL2, OSLAR_EL1, OSLSR_EL1; domain debug-and-split-lock D.1
 */
import { assign, enqueueActions, setup } from 'xstate';
import { type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { CpuDebugEvent, CpuDebugState, Executed, Instruction, SysregAccess } from '../../events/os-lock/arm-debug.ts';
import { SYSREG_RULES } from '../../events/os-lock/sysregs.ts';
import { hasBits, type U64 } from '../../events/u64.ts';
import { debugTarget, ENABLE, firstDebugException, OSLAR_KEY, OSLSR } from './arm-debug-rule.ts';

/** The host at EL2, nothing armed. */
const HOST_DEBUG_STATE: CpuDebugState = {
  mdscr: 0,
  traps: { tda: false, tdosa: false, tde: false },
  bank: 'host',
  bcr: 0,
  wcr: 0,
  pstate: { el: 2, d: true, ss: false },
  osLock: false,
};

/** Whether the access is UNDEFINED where the CPU is; MDCR_EL2 is looked at only if it is not. */
function isUndefined({ pstate }: CpuDebugState, { reg, write }: SysregAccess): boolean {
  const { readFrom, writeFrom } = SYSREG_RULES[reg];
  const lowest = write ? writeFrom : readFrom;
  return lowest === null || pstate.el < lowest;
}

/** Whether MDCR_EL2 sends the access to EL2. */
const isTrapped = ({ traps }: CpuDebugState, { reg }: SysregAccess): boolean => traps.tde || traps[SYSREG_RULES[reg].trappedBy];

/** The value of a register that is not trapped. */
function registerOf(state: CpuDebugState, { reg }: SysregAccess): U64 {
  switch (reg) {
    case 'mdscr_el1':
      return state.mdscr;
    case 'dbgbcr0_el1':
      return state.bcr;
    case 'dbgwcr0_el1':
      return state.wcr;
    case 'dbgvcr':
      return state.vcr ?? 0;
    case 'oslsr_el1':
      return OSLSR.OSLM | (state.osLock ? OSLSR.OSLK : 0);
    default:
      return 0;
  }
}

/** What a write that is not trapped leaves. Registers that take none of it, or nothing, stay. */
function written(state: CpuDebugState, { reg, value }: SysregAccess): CpuDebugState {
  switch (reg) {
    case 'mdscr_el1':
      return { ...state, mdscr: value };
    case 'dbgbcr0_el1':
      return { ...state, bcr: value };
    case 'dbgwcr0_el1':
      return { ...state, wcr: value };
    case 'dbgvcr':
      return { ...state, vcr: value };
    case 'oslar_el1':
      return { ...state, osLock: hasBits(value, 1) };
    case 'dbgoslar':
      return { ...state, osLock: value === OSLAR_KEY };
    default:
      return state;
  }
}

/** What an instruction meets on this CPU. */
function executed(state: CpuDebugState, { breakpoint, watchpoint, vector, brk }: Instruction): Executed {
  const control = {
    pstate: state.pstate,
    mdscr: state.mdscr,
    routeToEl2: state.traps.tde,
    osLock: state.osLock,
    doubleLock: false,
  };
  const insn = {
    breakpoint: breakpoint && hasBits(state.bcr, ENABLE),
    watchpoint: watchpoint && hasBits(state.wcr, ENABLE),
    vector: vector && hasBits(state.vcr ?? 0, ENABLE),
    brk,
  };
  return {
    exception: firstDebugException(insn, control),
    to: debugTarget(control),
    bank: state.bank,
    routed: state.traps.tde,
    met: insn.breakpoint || insn.watchpoint,
  };
}

type Args = { readonly context: CpuDebugState; readonly event: Stamped<CpuDebugEvent> };

export const armCpuDebugMachine = setup({
  types: { context: {} as CpuDebugState, events: {} as Stamped<CpuDebugEvent>, emitted: {} as Outgoing },
  actions: {
    enter: assign(({ context, event }: Args) => (event.type === 'dbg.enter' ? event.state : context)),
    leave: enqueueActions(({ context, event, enqueue }) => {
      enqueue.emit(outgoing(sender(event), { type: 'dbg.left', state: { ...context } }));
      enqueue.assign(HOST_DEBUG_STATE);
    }),
    access: enqueueActions(({ context, event, enqueue }) => {
      if (event.type !== 'dbg.access?') return;
      if (isUndefined(context, event)) {
        enqueue.emit(outgoing(sender(event), { type: 'dbg.accessed', trap: false, value: 0, undef: true }));
        return;
      }
      const trap = isTrapped(context, event);
      const value = trap || event.write ? 0 : registerOf(context, event);
      enqueue.emit(outgoing(sender(event), { type: 'dbg.accessed', trap, value }));
      if (!trap && event.write) enqueue.assign(written(context, event));
    }),
    execute: enqueueActions(({ context, event, enqueue }) => {
      if (event.type !== 'dbg.execute?') return;
      const outcome = executed(context, event);
      enqueue.emit(outgoing(sender(event), { type: 'dbg.executed', ...outcome }));
      // The stepped instruction uses PSTATE.SS up; the handler of the exception sets it again.
      if (outcome.exception === 'step') enqueue.assign({ pstate: { ...context.pstate, ss: outcome.to === 1 } });
    }),
    eret: assign(({ context, event }: Args) => (event.type === 'dbg.eret' ? { pstate: event.pstate } : context)),
  },
}).createMachine({
  id: 'armCpuDebug',
  context: HOST_DEBUG_STATE,
  initial: 'on',
  states: {
    on: {
      tags: 'rest',
      on: {
        'dbg.enter': { actions: 'enter' },
        'dbg.leave?': { actions: 'leave' },
        'dbg.access?': { actions: 'access' },
        'dbg.execute?': { actions: 'execute' },
        'dbg.eret': { actions: 'eret' },
      },
    },
  },
});
