/**
 * Ends of KVM_RUN with EINTR that no signal explains, and what does: kvm_run->immediate_exit was
 * set, which no tracepoint tells; or a signal has come, where the recording has no signals at all.
 */
import type { Need } from './need.ts';

/** Needs within which the signal that goes with a store is told. */
const NEAR = 32;

/** What explains it, as a need of another CPU. */
type Explain = (need: Need, at: number, thread: number) => Need | null;

/** Adds what explains each such end before it. */
export function withCauses(needs: readonly Need[], cpus: number): Need[] {
  const hasSignals = needs.some(({ act }) => act.type === 'signal');
  const explain = hasSignals ? storeBefore(needs) : signalFrom(cpus);
  const signalled = new Set<number>();
  return needs.flatMap((need, at) => {
    const { act } = need;
    if (act.type === 'run') signalled.delete(act.thread);
    if (act.type === 'signal') signalled.add(act.thread);
    if (act.type !== 'user-exit' || !act.isError || signalled.delete(act.thread)) return [need];
    const cause = explain(need, at, act.thread);
    return cause === null ? [need] : [cause, need];
  });
}

/** Who sends the next signal to the thread has set immediate_exit before. */
function storeBefore(needs: readonly Need[]): Explain {
  const explained = new Set<Need>();
  return (need, at, thread) => {
    const signal = needs.slice(at, at + NEAR).find((other) => other.act.type === 'signal' && other.act.thread === thread);
    if (signal === undefined || explained.has(signal)) return null;
    explained.add(signal);
    return { ...need, cpu: signal.cpu, act: { type: 'store', thread } };
  };
}

/** It comes from another CPU: on its own the thread itself runs. */
const signalFrom =
  (cpus: number): Explain =>
  (need, _at, thread) =>
    cpus < 2 ? null : { ...need, cpu: (need.cpu + 1) % cpus, act: { type: 'signal', thread, isTold: false } };
