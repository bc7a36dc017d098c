/** RMPREAD, as an operation of a host: the kernel looks at the entry of one frame. */
import type { RmpUpdate } from '../../events/sev-snp/rmp.ts';
import { type HostEnv, type HostThread, host, kernelSource, opOf } from '../host/host-env.ts';
import { readOut } from './rmp-rules.ts';
import { toRmp } from './snp-env.ts';

const { path, step } = host;

declare module '../host/host-env.ts' {
  interface HostLocals {
    readonly rmpRead?: RmpUpdate | undefined;
  }
  interface HostThread {
    /** What its last RMPREAD has told: it may be stale at once. */
    readonly rmpRead?: RmpUpdate | undefined;
  }
}

export const rmpreadPath = path(
  'snp_lookup_rmpentry',
  kernelSource('arch/x86/virt/svm/sev.c, snp_lookup_rmpentry(), get_rmpentry() (6.14)'),
  [
    step('syscall', { mode: 'kernel' }),
    step('RMPREAD', {
      send: (_t, l) => toRmp({ type: 'rmp.read', pfn: l.pfn! }),
      answers: { 'rmp.entry': (e) => ({ rmpRead: readOut(e.entry) }) },
    }),
    step('sysret', { mode: 'user', set: (_t, l) => ({ rmpRead: l.rmpRead }) }),
  ],
  { locals: ['pfn', 'rmpRead'] },
);
export const bindRmpread = (env: HostEnv) => (t: HostThread) => {
  const op = opOf(env, t);
  if (op.op !== 'rmpread') throw new Error(`${op.op} reads no entry`);
  return { pfn: op.pfn };
};
