/**
 * wbinvd_on_all_cpus(). All CPUs execute WBINVD in one step: what comes between it and the flush of
 * the data fabric is what counts, and not the order of the CPUs.
 */
import { outgoing } from '../../events/event.ts';
import { type HostEnv, type HostItem, host, kernelSource } from '../host/host-env.ts';
import type { Source } from '../path/path.ts';

const { path, step } = host;
const PSP = 'psp';

declare module '../host/host-env.ts' {
  interface HostParts {
    /** CPUs of the host, where the firmware looks at which of them has executed WBINVD. */
    readonly wbinvdCpus?: number;
  }
}

const ALL_CPUS: Source = { source: 'arch/x86/lib/cache-smp.c, wbinvd_on_all_cpus()', grade: 'decision' };

export function wbinvdOnAllCpus(env: HostEnv): HostItem {
  const cpus = env.parts.reduce((most, { wbinvdCpus = 0 }) => Math.max(most, wbinvdCpus), 0);
  return step('wbinvd_on_all_cpus', {
    ...ALL_CPUS,
    ns: 100_000,
    send: () => Array.from({ length: cpus }, (_, cpu) => outgoing(PSP, { type: 'psp.wbinvd', cpu })),
  });
}

export const wbinvdPath = (env: HostEnv) =>
  path('wbinvd', kernelSource('arch/x86/lib/cache-smp.c, wbinvd_on_all_cpus()'), [
    step('ioctl', { mode: 'kernel' }),
    wbinvdOnAllCpus(env),
    step('sysret', { mode: 'user' }),
  ]);
