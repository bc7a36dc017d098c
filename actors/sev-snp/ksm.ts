/**
 * ksmd scans a page of a guest: KSM merges pages of equal content, and writes to a page that it
 * takes for one of the process. Private pages of SNP guests are not among those that it scans.
 */
import { type HostEnv, type HostLocals, type HostThread, host, kernelSource, opOf } from '../host/host-env.ts';
import { otherwise } from '../path/path.ts';
import { kernelStore } from './guest-memory.ts';
import { frameOf } from './snp-env.ts';

const { path, step, when } = host;

declare module '../host/host-env.ts' {
  interface HostLocals {
    /** VM_MERGEABLE of the mapping that is scanned. */
    readonly mergeable?: boolean | undefined;
  }
}

export const ksmScanPath = (env: HostEnv) =>
  path(
    'ksm_do_scan',
    kernelSource(
      'mm/ksm.c, scan_get_next_rmap_item(), try_to_merge_one_page(); series v5, patch 26, which marks the mapping of private pages unmergeable',
    ),
    [
      step('scan_get_next_rmap_item', { mode: 'kernel', local: () => ({ mergeable: env.options['kvm.ksm'] === 'mergeable' }) }),
      when(
        [(_t: HostThread, l: HostLocals) => l.mergeable === true, [step('lock_page'), kernelStore(env)]],
        [otherwise, [step('skip_vma')]],
      ),
      step('wait_event_freezable_timeout', { mode: 'user' }),
    ],
    { locals: ['vm', 'gfn', 'pfn', 'kernel', 'stores', 'fault', 'errorCode', 'verdict', 'mergeable'] },
  );
export const bindKsmScan = (env: HostEnv) => (t: HostThread) => {
  const op = opOf(env, t);
  if (op.op !== 'ksm-scan') throw new Error(`${op.op} scans no page`);
  return { vm: op.vm, gfn: op.gfn, pfn: frameOf(env, op.vm, op.gfn), kernel: true };
};
