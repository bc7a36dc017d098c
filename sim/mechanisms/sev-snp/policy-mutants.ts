/**
 * Changes of one line of the ways to keep host code and private pages apart (map lock, SRCU,
 * guest_memfd), of other handlers of the fault, and of the end of a VM.
 */
import { assign, emit } from 'xstate';
import { hasStep } from '../../../actors/path/patch.ts';
import type { RmpRegionContext } from '../../../actors/sev-snp/rmp-region.ts';
import type { VmPagesContext } from '../../../actors/sev-snp/vm-pages.ts';
import { outgoing, type Stamped, sender } from '../../../events/event.ts';
import { hostFaultCode } from '../../../events/sev-snp/error-code.ts';
import type { VmPagesEvent } from '../../../events/sev-snp/vm-pages.ts';
import type { Mutant } from '../../host/mechanism.ts';
import { alter, LOCKS, patched, replace, silent, toPages, UNLOCKS, without } from './mutants.ts';
import { provided } from './provided.ts';
import { where } from './rmp-mutants.ts';

interface Args {
  readonly context: VmPagesContext;
  readonly event: Stamped<VmPagesEvent>;
}
const answer = (event: (args: Args) => { readonly type: string }) => emit((args: Args) => outgoing(sender(args.event), event(args)));

const ofTheMapLock: Readonly<Record<string, Mutant>> = {
  'snp-map-locks-anyway': patched('kvm_vcpu_map() takes the map lock, whatever the policy is.', 'kvm_vcpu_map', (path) =>
    hasStep(path, 'lock_page_state')
      ? path
      : replace('sysret', (step) => [UNLOCKS, step])(replace('snp_lookup_rmpentry', (look) => [LOCKS, look])(path)),
  ),
  'snp-map-busy-keeps-lock': patched(
    'kvm_vcpu_map() that finds a page private returns without giving the lock back.',
    'kvm_vcpu_map',
    replace('snp_lookup_rmpentry', (look) => [
      look,
      {
        kind: 'when',
        cases: [
          [
            (_t: unknown, { assigned }: { readonly assigned?: boolean }) => assigned === true,
            [{ kind: 'step', name: 'sysret_busy', mode: 'user' }, { kind: 'return' }],
          ],
        ],
      },
    ]),
  ),
  'snp-unlock-lets-all-go': provided('vmPages', 'The map lock has no count: who lets go of a page lets it go for all holders.', {
    guards: { isHolder: () => true },
    actions: {
      letGo: assign(({ context: c, event }: Args) => ({
        holders: Object.fromEntries(Object.entries(c.holders).filter(([gfn]) => 'gfn' in event && Number(gfn) !== event.gfn)),
      })),
    },
  }),
};

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
  'gmem-hole-keeps-frame': without('A hole in the guest_memfd leaves the frame assigned.', 'sev_gmem_invalidate', 'rmpupdate'),
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

const ofOthers: Readonly<Record<string, Mutant>> = {
  'snp-kernel-handler-for-all': patched(
    'The handler of series v1 and v2 shares pages for user space too.',
    'exc_page_fault',
    where(
      'do_user_addr_fault',
      replace('local_irq_enable', (item) => [item, { kind: 'note', local: () => ({ errorCode: hostFaultCode(false) }) }]),
    ),
  ),
  'snp-share-told': patched(
    'auto-share itself tells the guest that its page is gone.',
    'exc_page_fault',
    where(
      'rmpupdate',
      replace('rmpupdate', (call) => [call, { kind: 'step', name: 'notify_guest', send: toPages('guest.notValidated') }]),
    ),
  ),
  'snp-teardown-no-share': without('The end of a VM frees its pages as they are.', '__unregister_enc_region_locked', 'rmpupdate'),
  'snp-teardown-no-look': patched(
    'The end of a VM takes each page for an assigned one.',
    '__unregister_enc_region_locked',
    replace('snp_lookup_rmpentry', (item) => [item, { kind: 'note', local: () => ({ assigned: true }) }]),
  ),
  'snp-teardown-any-size': patched(
    'The end of a VM makes each page shared as one of 4K.',
    '__unregister_enc_region_locked',
    replace('rmpupdate', (call) => [{ kind: 'note', local: () => ({ huge: false }) }, call]),
  ),
  'snp-teardown-frees-none': without('The end of a VM frees no page.', '__unregister_enc_region_locked', 'unpin_user_pages'),
  'snp-export-unhashed': provided('rmpRegion', 'The firmware takes a page back that the host has changed.', {
    guards: {
      isWhole: ({ context: c, event }: { readonly context: RmpRegionContext; readonly event: { readonly pfn: number } }) =>
        c.exported?.[event.pfn] !== undefined,
    },
  }),
  'snp-export-no-import': patched(
    'KVM makes an exported page private itself, and does not ask the firmware.',
    'handle_rmp_page_fault',
    where(
      'uv_convert_to_secure',
      replace('uv_convert_to_secure', () => []),
    ),
  ),
};

export const POLICY_MUTANTS: Readonly<Record<string, Mutant>> = { ...ofTheMapLock, ...ofSrcu, ...ofGuestMemfd, ...ofOthers };
