/**
 * What threads of the host do with breakpoints: perf sets and removes one on a CPU, by a function
 * that this CPU runs, and code touches the address of one.
 *
 * The event is opened and closed in one step, the IPI aside: locks of perf, and the slots that it
 * reserves before it, are left out.
 *
 * @see kernel kernel/events/core.c, perf_install_in_context(), perf_remove_from_context(),
 * cpu_function_call(); kernel/events/hw_breakpoint.c, hw_breakpoint_add(), hw_breakpoint_del()
 */
import { type ActorId, outgoing } from '../../events/event.ts';
import type { HostBreakpoint, HostBreakpointsEvent } from '../../events/guest-debug/host-breakpoints.ts';
import type { HostOp } from '../../events/program.ts';
import type { CalledFunction } from '../../events/sched.ts';
import { callFunctionSinglePath } from '../host/call-function.ts';
import { type HostEnv, type HostItem, type HostLocals, type HostThread, host, kernelSource, opOf, toCpu } from '../host/host-env.ts';
import { hbpOf } from './host-breakpoints.ts';

const { path, step, call, loop, when, leaveLoop } = host;

declare module '../host/host-env.ts' {
  interface HostLocals {
    /** The CPU that perf works on. */
    readonly perfCpu?: number | undefined;
    /** B0 to B3 of the #DB that an access has brought. */
    readonly hostHit?: number | undefined;
  }
}

type PerfOp = Extract<HostOp, { op: 'perf-breakpoint' | 'perf-remove' }>;
const perfOp = (env: HostEnv, t: HostThread): PerfOp => {
  const op = opOf(env, t);
  if (op.op !== 'perf-breakpoint' && op.op !== 'perf-remove') throw new Error(`${op.op} is no breakpoint of perf`);
  return op;
};

/**
 * hw_breakpoint_arch_parse(): a length that LEN does not know becomes a mask.
 * @see kernel arch/x86/kernel/hw_breakpoint.c, arch_build_bp_info()
 */
function breakpointOf({ address, length = 8, type = 'w' }: Extract<PerfOp, { op: 'perf-breakpoint' }>): HostBreakpoint {
  const byLen = length === 1 || length === 2 || length === 4 || length === 8;
  return { address, type, length: byLen ? length : 1, mask: byLen ? 0 : length - 1 };
}

/** What the CPU runs. */
function functionOf(op: PerfOp, cpu: ActorId): CalledFunction {
  const { slot = 0 } = op;
  const event: HostBreakpointsEvent =
    op.op === 'perf-breakpoint' ? { type: 'hbp.install', slot, breakpoint: breakpointOf(op) } : { type: 'hbp.uninstall', slot };
  return { to: hbpOf(cpu), event };
}

/** The event of one CPU, or of each, one after the other. */
const perfPath = (env: HostEnv, cpus: number, name: string, syscall: string, source: string) => {
  const cpuOf = (l: HostLocals): ActorId => `pcpu:${l.perfCpu!}`;
  const isLast = (t: HostThread, l: HostLocals): boolean => perfOp(env, t).cpu !== undefined || l.perfCpu! + 1 >= cpus;
  return path(
    name,
    kernelSource(source),
    [
      step(syscall, { mode: 'kernel', local: (t) => ({ perfCpu: perfOp(env, t).cpu ?? 0 }) }),
      loop(
        call(callFunctionSinglePath((t, l) => ({ cpu: cpuOf(l), func: functionOf(perfOp(env, t), cpuOf(l)) }))),
        when([isLast, [leaveLoop]]),
        step('next_online_cpu', { ns: 5, local: (_t, l) => ({ perfCpu: l.perfCpu! + 1 }) }),
      ),
      step('sysret', { mode: 'user' }),
    ],
    { locals: ['perfCpu'] },
  );
};

/** The access; the #DB behind it ends before anything else can happen on the CPU. */
const touchPath = (env: HostEnv) =>
  path(
    'touch_address',
    { source: 'the scenario', grade: 'decision' },
    [
      step('access', {
        send: (t) => {
          const op = opOf(env, t);
          if (op.op !== 'touch-address') throw new Error(`${op.op} touches no address`);
          const { address: gva, length = 8, write = true, heard } = op;
          const { to } = toCpu(t, { type: 'hbp.touch?' });
          return outgoing(hbpOf(to), { type: 'hbp.touch?', gva, length, write, ...(heard !== undefined && { heard }) });
        },
        answers: { 'hbp.touched': ({ bits }) => ({ hostHit: bits }) },
      }),
      when([
        (_t, l) => l.hostHit !== 0,
        [
          step(
            'exc_debug',
            kernelSource('arch/x86/kernel/traps.c, exc_debug_user(); arch/x86/kernel/hw_breakpoint.c, hw_breakpoint_handler()'),
          ),
        ],
      ]),
    ],
    { locals: ['hostHit'] },
  );

/** Operations of threads, on a host of so many CPUs. */
export const hostBreakpointOperations =
  (cpus: number) =>
  (env: HostEnv): readonly (readonly [string, HostItem])[] => [
    [
      'perf-breakpoint',
      call(
        perfPath(
          env,
          cpus,
          'perf_install_in_context',
          'perf_event_open',
          'kernel/events/core.c, perf_install_in_context(), __perf_install_in_context(), cpu_function_call()',
        ),
      ),
    ],
    [
      'perf-remove',
      call(
        perfPath(
          env,
          cpus,
          'perf_remove_from_context',
          'close',
          'kernel/events/core.c, perf_remove_from_context(), __perf_remove_from_context(), event_function_call()',
        ),
      ),
    ],
    ['touch-address', call(touchPath(env))],
  ];
