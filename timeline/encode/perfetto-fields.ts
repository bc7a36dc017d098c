/**
 * Numbers of the Perfetto fields in use.
 * @see Perfetto protos/perfetto/trace: trace_packet, track_event, track_descriptor, ftrace
 */

export const PACKET = 1;

export const TRACE_PACKET = {
  ftraceEvents: 1,
  timestamp: 8,
  sequenceId: 10,
  trackEvent: 11,
  internedData: 12,
  sequenceFlags: 13,
  systemInfo: 45,
  trackDescriptor: 60,
} as const;

/**
 * The first packet of a sequence clears, all others need: without the first a reader drops them
 * all, silently.
 */
export const STATE_CLEARED = 1;
export const NEEDS_STATE = 2;

export const INTERNED_DATA = { categories: 1, names: 2, argNames: 3, texts: 29 } as const;
export const INTERNED = { id: 1, text: 2 } as const;

export const SYSTEM_INFO = { names: 1 } as const;
export const SYSTEM_NAMES = { system: 1, release: 3 } as const;

export const TRACK_DESCRIPTOR = { uuid: 1, name: 2, process: 3, thread: 4, parent: 5, counter: 8, childOrdering: 11, rank: 12 } as const;
export const EXPLICIT_ORDER = 3;
export const PROCESS = { pid: 1, name: 6 } as const;
export const THREAD = { pid: 1, tid: 2, name: 5 } as const;

export const TRACK_EVENT = {
  categoryId: 3,
  arg: 4,
  type: 9,
  nameId: 10,
  track: 11,
  counterValue: 30,
  flow: 47,
  flowEnd: 48,
} as const;
export const TRACK_EVENT_TYPE = { begin: 1, end: 2, counter: 4 } as const;

export const ARG = { nameId: 1, boolean: 2, integer: 4, double: 5, textId: 17 } as const;

export const FTRACE_BUNDLE = { cpu: 1, event: 2 } as const;
export const FTRACE_EVENT = { timestamp: 1, pid: 2, schedSwitch: 4, schedWaking: 20 } as const;
export const SCHED_SWITCH = {
  prevComm: 1,
  prevPid: 2,
  prevPriority: 3,
  prevState: 4,
  nextComm: 5,
  nextPid: 6,
  nextPriority: 7,
} as const;
export const SCHED_WAKING = { comm: 1, pid: 2, priority: 3, success: 4, targetCpu: 5 } as const;
