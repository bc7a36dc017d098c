/**
 * Stores to kvm_run->immediate_exit, which no tracepoint tells: KVM_RUN has ended with EINTR where
 * no signal had come yet.
 */
import type { Need } from './need.ts';

/** Needs within which the signal that goes with a store is told. */
const NEAR = 32;

/**
 * Adds a store before each end of KVM_RUN that nothing else explains, on the CPU of the signal that
 * follows.
 */
export function withStores(needs: readonly Need[]): Need[] {
  const signalled = new Set<number>();
  const stored = new Set<Need>();
  return needs.flatMap((need, at) => {
    const { act } = need;
    if (act.type === 'run') signalled.delete(act.thread);
    if (act.type === 'signal') signalled.add(act.thread);
    if (act.type !== 'user-exit' || !act.isError || signalled.delete(act.thread)) return [need];
    const signal = needs
      .slice(at, at + NEAR)
      .find((other) => other.act.type === 'signal' && other.act.thread === act.thread && !stored.has(other));
    if (signal === undefined) return [need];
    stored.add(signal);
    return [{ ...need, cpu: signal.cpu, act: { type: 'store', thread: act.thread } }, need];
  });
}
