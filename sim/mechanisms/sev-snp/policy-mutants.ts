/** Changes of one line of the ways to keep host code and private pages apart: SRCU, guest_memfd. */
import { emit } from 'xstate';
import type { VmPagesContext } from '../../../actors/sev-snp/vm-pages.ts';
import { outgoing, type Stamped, sender } from '../../../events/event.ts';
import type { VmPagesEvent } from '../../../events/sev-snp/vm-pages.ts';
import type { Mutant } from '../../host/mechanism.ts';
import { alter, patched, replace, silent, where, without } from './mutants.ts';
import { provided } from './rmp-mutants.ts';

interface Args {
  readonly context: VmPagesContext;
  readonly event: Stamped<VmPagesEvent>;
}
const answer = (event: (args: Args) => { readonly type: string }) => emit((args: Args) => outgoing(sender(args.event), event(args)));

const ofSrcu: Readonly<Record<string, Mutant>> = {
  'snp-srcu-no-wait': provided('vmPages', 'synchronize_srcu() does not wait for the readers that it finds.', {
    guards: { isReadByOld: () => false },
  }),
  'snp-srcu-waits-for-all': provided('vmPages', 'synchronize_srcu() also waits for readers that come behind it.', {
    guards: { isReadByOld: ({ context: c }: Args) => (c.readers ?? []).length > 0 },
  }),
  'snp-srcu-not-left': without('kvm_vcpu_map() does not leave the read side of the SRCU.', 'kvm_vcpu_map', 'srcu_read_unlock'),
};

const ofGuestMemfd: Readonly<Record<string, Mutant>> = {
  'gmem-store-reaches': provided('vmPages', 'A store of the host reaches the page, private or not.', {
    actions: { answerHostStore: answer(() => ({ type: 'pages.hostStored', reached: true })) },
  }),
  'gmem-walk-any': provided('vmPages', 'The nested page tables map a page whatever user space has made of it.', {
    actions: { answerWalk: answer(() => ({ type: 'pages.walked', maps: true })) },
  }),
  'gmem-attribute-kept': patched(
    'KVM_SET_MEMORY_ATTRIBUTES leaves the attribute as it is.',
    'kvm_vm_ioctl_set_mem_attributes',
    alter('kvm_unmap_gfn_range', silent),
  ),
  'gmem-psc-in-kernel': patched(
    'KVM answers a page-state change itself, and user space does not hear of it.',
    'kvm_cpu_exec',
    replace('kvm_convert_memory', () => []),
  ),
  'gmem-no-prepare': without('The first touch of a private page leaves its frame as it is.', 'kvm_gmem_get_pfn', 'rmpupdate'),
  'gmem-prepares-again': patched(
    'The first touch of a private page does not look whether the frame is prepared.',
    'kvm_gmem_get_pfn',
    alter('snp_lookup_rmpentry', { answers: { 'rmp.entry': () => ({ assigned: false }) } }),
  ),
  'gmem-no-folio-lock': without('The folio is not locked while its frame is prepared.', 'kvm_gmem_get_pfn', 'folio_lock', 'folio_unlock'),
  'gmem-hole-keeps-frame': without('A hole in the guest_memfd leaves the frame assigned.', 'kvm_gmem_punch_hole', 'rmpupdate'),
  'gmem-devices-unasked': patched(
    'The VMM converts a page before the stores of its devices are done.',
    'kvm_convert_memory',
    where(
      'synchronize_page_state',
      replace('synchronize_page_state', () => []),
    ),
    where(
      'end_page_state_change',
      replace('end_page_state_change', () => []),
    ),
  ),
};

export const POLICY_MUTANTS: Readonly<Record<string, Mutant>> = { ...ofSrcu, ...ofGuestMemfd };
