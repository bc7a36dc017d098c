/**
 * #DB after an instruction that locked the bus: the host warns, kills, or lets so many tasks on in
 * a second and the others sleep. It is a trap: the lock has been taken by then.
 *
 * @see kernel arch/x86/kernel/traps.c, exc_debug_user(); arch/x86/kernel/cpu/bus_lock.c,
 * handle_bus_lock()
 */
import { type ActorId, outgoing } from '../../events/event.ts';
import { type HostItem, host, kernelSource, toCpu } from '../host/host-env.ts';
import { MEMORY_BUS, RATELIMIT } from './bus-lock-limit.ts';
import { SLEEP_TIMER } from './delayed-work.ts';
import type { SldFacts } from './sld-facts.ts';

const { path, step, call, loop, when, leaveLoop } = host;

declare module '../host/host-env.ts' {
  interface HostLocals {
    /** Let on by the limit. */
    readonly passes?: boolean | undefined;
  }
}

/** The sender has been held up, or let on; or another one is, by the sender. */
export const paid = (by: ActorId | null) => outgoing(MEMORY_BUS, { type: 'bus.paid', by });

const warn = step('pr_warn_ratelimited');
const SLEEP_MS = 20;
const HANDLERS: Readonly<Record<NonNullable<SldFacts['busLock']>, readonly HostItem[]>> = {
  warn: [warn],
  fatal: [step('force_sig_fault', { set: () => ({ signal: { signal: 'SIGBUS' as const, pfn: null } }) })],
  ratelimit: [
    loop(
      step('__ratelimit', {
        send: () => outgoing(RATELIMIT, { type: 'ratelimit?' }),
        answers: { 'ratelimit.answer': (e) => ({ passes: e.passes }) },
      }),
      when([(_t, l) => l.passes === true, [leaveLoop]]),
      step('msleep', {
        sleeps: true,
        send: (t) => [outgoing(SLEEP_TIMER, { type: 'timer.arm', ms: SLEEP_MS }), toCpu(t, { type: 'cpu.sleep' })],
      }),
    ),
    step('pr_warn_ratelimited', { send: (_t, l) => (l.passes === true ? paid(null) : []) }),
  ],
};

/** What follows an access that has locked the bus. */
export const busLockTrap = ({ busLock }: SldFacts): readonly HostItem[] =>
  busLock === null
    ? []
    : [
        call(
          path(
            'exc_debug_user',
            kernelSource('arch/x86/kernel/traps.c, exc_debug_user(); arch/x86/kernel/cpu/bus_lock.c, handle_bus_lock()'),
            [
              step('entry', { mode: 'kernel', irqs: false, ns: 300 }),
              step('local_irq_enable', { irqs: true, ns: 5 }),
              ...HANDLERS[busLock],
              step('local_irq_disable', { irqs: false, ns: 5 }),
              step('iret', { mode: 'user', irqs: true, ns: 200 }),
            ],
            { locals: ['passes'] },
          ),
        ),
      ];

/**
 * A locked access across two cache lines, as its core sees it. An alignment check comes before the
 * lock, and where no bus locks are counted the MSR alone matters.
 */
export const lockedAccess = ({ countsBusLocks }: SldFacts, isAlignmentChecked: boolean) =>
  ({ type: countsBusLocks && !isAlignmentChecked ? 'core.lockedAccess?' : 'core.rdmsr?' }) as const;
