/** What an import has decided by a rule of its own, because the recording does not say it. */

/** Each kind with the rule. */
export const RULES = {
  'assumed-start': 'the recording begins in the middle: where its first event needs it',
  'preempted-at': 'the first place where the model lets a thread lose its CPU',
  'stack-not-met': 'the stack names a function in which the model does not preempt',
  'interrupted-at': 'the first place where the context lets the interrupt in',
  'context-not-met': 'the recorded preempt depth fits no place of the interrupt',
  'outside-interrupt': 'an interrupt that no thread of the scenario sends: of a device',
  'virtual-interrupt': 'a halted vCPU wakes up: by an interrupt of one of its devices',
  'moved-at-switch': 'a thread that is queued elsewhere is moved just before it runs',
  'waits-in-user-mode': 'a sleep outside KVM_RUN: the thread waits in its run queue',
  'told-late': 'an exit that is told behind the switch that it caused',
  'woken-for-nothing': 'a halt that ends and begins again at once: it goes on',
  'store-not-recorded': 'EINTR before a signal: its sender has set immediate_exit',
  'signal-not-recorded': 'EINTR in a recording without signals: one came from another CPU',
  'switch-not-recorded': 'no sched_switch: a thread runs when it tells something',
} as const;

export type ChoiceKind = keyof typeof RULES;

/** One decision. */
export interface ImportChoice {
  readonly kind: ChoiceKind;
  /** Line of the recording. */
  readonly line: number;
  /** What was decided: a place, a thread, an offer. */
  readonly what: string;
}
