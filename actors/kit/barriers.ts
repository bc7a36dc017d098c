/**
 * The kernel's memory barriers. Each is a step of its own. Under `memory: sc` none of them does
 * anything; under `tso` smp_mb() waits until the store buffer of its CPU is empty, and the others
 * keep an order that x86 keeps anyway.
 *
 * @see kernel Documentation/memory-barriers.txt; arch/x86/include/asm/barrier.h, __smp_mb(),
 * __smp_rmb(), __smp_wmb()
 */
import { kernelSource } from '../host/host-env.ts';
import type { Step } from '../path/path.ts';

type AnyEvent = { readonly type: string };
const BARRIER = kernelSource('arch/x86/include/asm/barrier.h; Documentation/memory-barriers.txt');

const barrier = <T, L, E extends AnyEvent>(name: string, fences?: true): Step<T, L, E> => ({
  kind: 'step',
  name,
  ns: 20,
  ...(fences && { fences }),
  ...BARRIER,
});

/** smp_mb(): no later load is carried out before an earlier store is seen. @public */
export const smpMb = <T, L, E extends AnyEvent>(as = 'smp_mb'): Step<T, L, E> => barrier(as, true);
/** smp_wmb(): between stores. @public */
export const smpWmb = <T, L, E extends AnyEvent>(as = 'smp_wmb'): Step<T, L, E> => barrier(as);
/** smp_rmb(): between loads. @public */
export const smpRmb = <T, L, E extends AnyEvent>(as = 'smp_rmb'): Step<T, L, E> => barrier(as);
