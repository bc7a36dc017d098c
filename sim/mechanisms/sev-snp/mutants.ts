/**
 * Changes of one line of the SNP model that a claim must notice: of host code and guests here, of
 * the RMP and the firmware in `rmp-mutants.ts`.
 */
import { type Vcpu, vmexit } from '../../../actors/kvm/guest-program.ts';
import { type PathPatch, type PathPatches, replaceStep, withoutSteps } from '../../../actors/path/patch.ts';
import type { Item } from '../../../actors/path/path.ts';
import type { VmPagesContext } from '../../../actors/sev-snp/vm-pages.ts';
import { outgoing } from '../../../events/event.ts';
import type { Mutant } from '../../host/mechanism.ts';
import { ACCESS_MUTANTS } from './access-mutants.ts';
import { AP_MUTANTS } from './ap-mutants.ts';
import { CONTENTS_MUTANTS } from './contents-mutants.ts';
import { GHCB_MUTANTS } from './ghcb-mutants.ts';
import { PLATFORM_MUTANTS } from './platform-mutants.ts';
import { provided } from './provided.ts';
import { RMP_MUTANTS, where } from './rmp-mutants.ts';

type AnyItem = Item<never, never, { readonly type: string }>;

/** Gives a step another effect; the others stay. */
export const alter = (name: string, effect: object): PathPatch =>
  where(name, (path) => replaceStep(path, name, (item) => [{ ...item, ...effect } as typeof item]));

/** Other items in the place of a step or a call. */
export const replace = (name: string, replacement: (item: AnyItem) => readonly object[]): PathPatch =>
  where(name, (path) => replaceStep(path, name, (item) => replacement(item as unknown as AnyItem) as unknown as (typeof item)[]));

const mutant = (summary: string, paths: PathPatches): Mutant => ({ summary, paths });
export const patched = (summary: string, path: string, ...patches: readonly PathPatch[]): Mutant => mutant(summary, { [path]: patches });
export const without = (summary: string, path: string, ...steps: readonly string[]): Mutant =>
  patched(summary, path, ...steps.map((step) => where(step, withoutSteps(step))));

const always = (locals: object) => ({ send: undefined, answers: undefined, local: () => locals });
export const silent = { send: () => [] };
const asShared = { answers: { 'rmp.entry': () => ({ assigned: false }) } };

/** The page of the access, as the writer's operation names it. */
interface Access {
  readonly vm?: string;
  readonly gfn?: number;
}
export const toPages = (type: string) => (_t: unknown, l: Access) => outgoing(`pages:${l.vm}`, { type, gfn: l.gfn! });
export const LOCKS = { kind: 'step', name: 'lock_page_state', send: toPages('pages.lock'), answers: { 'pages.granted': () => ({}) } };
export const UNLOCKS = { kind: 'step', name: 'unlock_page_state', send: toPages('pages.unlock') };

/** Gives the page back after the look at its entry, before the store. */
const unlockEarly: PathPatch = where('unlock_page_state', (path) => {
  let unlock: (typeof path.items)[number] | undefined;
  const rest = replaceStep(path, 'unlock_page_state', (item) => {
    unlock = item;
    return [];
  });
  return replaceStep(rest, 'snp_lookup_rmpentry', (item) => [item, unlock!]);
});

const ofRmpupdate: Readonly<Record<string, Mutant>> = {
  'snp-update-retries-inuse': patched('rmpupdate() repeats RMPUPDATE on FAIL_INUSE.', 'rmpupdate', (path) =>
    replaceStep(path, 'RMPUPDATE', (call) => [
      {
        kind: 'loop',
        body: [call, { kind: 'when', cases: [[(_t, l) => (l as { result?: string }).result !== 'FAIL_INUSE', [{ kind: 'leaveLoop' }]]] }],
      },
    ]),
  ),
  'snp-update-never-retries': patched(
    'rmpupdate() does not repeat RMPUPDATE on FAIL_OVERLAP.',
    'rmpupdate',
    replace('RMPUPDATE', (call) => [call, { kind: 'when', cases: [[() => true, [{ kind: 'leaveLoop' }]]] }]),
  ),
  'snp-no-bugged': without('kvm_rmp_make_shared() does not mark the VM as bugged.', 'kvm_rmp_make_shared', 'kvm_vm_bugged'),
  'snp-no-leak': without('kvm_rmp_make_shared() does not leak the page.', 'kvm_rmp_make_shared', 'snp_leak_pages'),
};

const ofPageFaults: Readonly<Record<string, Mutant>> = {
  'snp-fault-no-reread': patched(
    'The #PF handler does not see that the page is shared again.',
    'exc_page_fault',
    alter('snp_lookup_rmpentry', {
      answers: {
        'rmp.entry': ({ entry }: { readonly entry: { readonly asid: number; readonly vmsa: boolean } }) => ({
          assigned: true,
          asid: entry.asid,
          vmsa: entry.vmsa,
        }),
      },
    }),
  ),
  'snp-no-panic': patched(
    "The kernel's own fault drops the store, and the host goes on.",
    'exc_page_fault',
    replace('panic', () => [
      { kind: 'note', local: () => ({ verdict: 'skip' }) },
      { kind: 'when', cases: [[() => true, [{ kind: 'return' }]]] },
    ]),
  ),
  'snp-no-dump': without('The host panics without a dump of the RMP entry.', 'exc_page_fault', 'snp_dump_hva_rmpentry'),
  'snp-no-sigbus': patched('The fault of a process sends no signal.', 'exc_page_fault', alter('force_sig_fault', { set: () => ({}) })),
  'snp-no-kill': patched('kill-guest drops the write and kills no VM.', 'exc_page_fault', alter('kvm_vm_dead', silent)),
  'snp-kill-untold': patched(
    'kill-guest does not tell the vCPUs.',
    'exc_page_fault',
    where(
      'kvm_vm_dead',
      replace('kvm_make_all_cpus_request', () => []),
    ),
  ),
  'snp-kill-own-slot': without(
    'The owner of a page in a 2M entry is taken from its own slot.',
    'exc_page_fault',
    'snp_lookup_rmpentry_head',
  ),
  'snp-share-unsplit': without('auto-share does not split a 2M entry.', 'exc_page_fault', 'snp_rmptable_psmash'),
  'snp-share-locks': patched(
    'auto-share takes the map lock around its RMPUPDATE.',
    'exc_page_fault',
    replace('rmpupdate', (call) => [LOCKS, call, UNLOCKS]),
  ),
  'snp-kick-no-ipi': without('kvm_vcpu_kick() makes the request and sends no IPI.', 'kvm_vcpu_kick', 'smp_send_reschedule'),
  'snp-block-kept': without('auto-share leaves the request KVM_REQ_BLOCK_ENTRY.', 'exc_page_fault', 'clear_block_entry'),
  'snp-entry-untested': patched(
    'A vCPU enters guest mode without a test of requests.',
    'kvm_vcpu_exit_request',
    alter('test_requests', always({ pending: false })),
  ),
};

const isChanging = ({ context, event }: { readonly context: VmPagesContext; readonly event: { readonly gfn: number } }) =>
  context.changing[event.gfn] !== undefined;

const ofTheMapLock: Readonly<Record<string, Mutant>> = {
  'snp-psc-no-wait': provided('vmPages', 'A page-state change does not wait for those who have the page mapped.', {
    guards: { isHeldOrChanging: isChanging },
  }),
  'snp-map-no-wait': provided('vmPages', 'Host code maps a page while its state changes.', { guards: { isChanging: () => false } }),
  'snp-map-unlocks-early': patched('kvm_vcpu_map() lets go of the page before its store.', 'kvm_vcpu_map', unlockEarly),
  'snp-map-ignores-private': patched(
    'kvm_vcpu_map() goes on with a page that it found private.',
    'kvm_vcpu_map',
    alter('snp_lookup_rmpentry', asShared),
  ),
  'snp-busy-ignored': patched(
    'A daemon goes on with a page that the lock found private.',
    'emulate_dma_write',
    alter('snp_lookup_rmpentry', asShared),
  ),
};

const ofExits: Readonly<Record<string, Mutant>> = {
  'snp-npf-no-mmu-lock': without(
    'A nested fault is handled without mmu_lock.',
    'handle_rmp_page_fault',
    'write_lock_mmu_lock',
    'write_unlock_mmu_lock',
  ),
  'snp-npf-no-update': without(
    'A nested fault leaves the page as it is.',
    'handle_rmp_page_fault',
    'rmpupdate',
    '__snp_handle_page_state_change',
  ),
  'snp-psc-no-update': without('A page-state change leaves the page as it is.', '__snp_handle_page_state_change', 'rmpupdate'),
  'snp-psc-always-done': patched(
    'The guest is told that its page was changed, whatever RMPUPDATE has answered.',
    '__snp_handle_page_state_change',
    replace('rmpupdate', (call) => [call, { kind: 'note', local: () => ({ result: 'SUCCESS' }) }]),
  ),
  'snp-vc-ignored': patched(
    '#VC 0x404 does nothing, and the guest repeats the access.',
    'exc_vmm_communication',
    where('page_not_validated', (path) => ({ ...path, items: [{ kind: 'step', name: 'iret' }] })),
  ),
  'snp-no-terminate': patched(
    'A guest that ends itself halts, and does not tell the host.',
    'sev_es_terminate',
    alter('VMGEXIT', { send: (v: Vcpu) => vmexit(v, 'HLT') }),
  ),
};

const ofSizes: Readonly<Record<string, Mutant>> = {
  'snp-split-spurious-fatal': patched(
    'A fault on a 2M entry that is split already ends the VM.',
    'sev_handle_rmp_fault',
    alter('trace_kvm_rmp_fault', {
      send: (_t: unknown, { vm }: Access) => outgoing(`vm:${vm}`, { type: 'vm.kill', cause: 'dead' }),
    }),
  ),
  'snp-map-unclamped': patched(
    'KVM maps as large as the folio is, whatever the RMP entry says.',
    'kvm_tdp_map_page',
    replace('kvm_tdp_mmu_map', (map) => {
      const { send } = map as unknown as { readonly send: (t: unknown, l: object) => { readonly to: string; readonly event: object } };
      const asFound = (t: unknown, l: object) => ({ entry: (send(t, l).event as { readonly entry: string }).entry });
      const unclamped = (t: unknown, l: object) => {
        const { to, event } = send(t, { ...l, huge: true });
        return { to, event: { ...event, ...asFound(t, l) } };
      };
      return [{ ...map, send: unclamped }];
    }),
  ),
  'snp-prepare-unchecked': patched(
    'A large folio is made one 2M entry without a look at its entries.',
    'sev_gmem_prepare',
    alter('is_pfn_range_shared', {
      answers: { 'rmp.entry': (_e: unknown, _t: unknown, l: { readonly looked?: number }) => ({ assigned: false, looked: l.looked! + 1 }) },
    }),
  ),
  'snp-prepare-always': patched(
    'A page that is assigned already is prepared again.',
    'sev_gmem_prepare',
    alter('snp_lookup_rmpentry', { answers: { 'rmp.entry': () => ({ assigned: false, result: 'SUCCESS' }) } }),
  ),
  'snp-size-no-psmash': without('A fault on the size of an entry does not split it.', 'sev_handle_rmp_fault', 'snp_rmptable_psmash'),
};

const ofCommands: Readonly<Record<string, Mutant>> = {
  'snp-cmd-no-mutex': patched(
    'The mailbox is used without the mutex: a second command takes the place of the first.',
    'sev_do_cmd',
    alter('mutex_lock', always({ granted: true })),
    withoutSteps('mutex_unlock'),
  ),
  'snp-cmd-any-wake': patched(
    'Any wake-up ends the wait for a command: the flag is not looked at again.',
    'sev_wait_cmd_ioc',
    withoutSteps('prepare_to_wait_event'),
    replace('schedule', (item) => [item, { kind: 'leaveLoop' }]),
  ),
  'snp-buffer-unchecked': patched(
    'A buffer that RMPUPDATE refused is given to the firmware.',
    'sev_do_cmd',
    replace('rmpupdate', (call) => [call, { kind: 'note', local: () => ({ result: 'SUCCESS' }) }]),
  ),
  'snp-error-no-reclaim': patched(
    'The page of a command that failed is not reclaimed.',
    'sev_do_cmd',
    replace('snp_reclaim_pages', (call) => [
      { kind: 'when', cases: [[(_t: unknown, l: { readonly failed?: boolean }) => l.failed !== true, [call]]] },
    ]),
  ),
  'snp-reclaim-no-leak': without('A page that the firmware does not give back is not leaked.', 'snp_reclaim_pages', 'snp_leak_pages'),
  'snp-no-reclaim': without('A page that the firmware wrote is not reclaimed.', 'sev_do_cmd', 'snp_reclaim_pages'),
  'snp-reclaim-half': without('A reclaimed page is not made a page of the hypervisor.', 'snp_reclaim_pages', 'rmpupdate'),
};

export const snpMutants: Readonly<Record<string, Mutant>> = {
  ...RMP_MUTANTS,
  ...CONTENTS_MUTANTS,
  ...ACCESS_MUTANTS,
  ...ofRmpupdate,
  ...ofPageFaults,
  ...ofTheMapLock,
  ...ofExits,
  ...ofSizes,
  ...ofCommands,
  ...PLATFORM_MUTANTS,
  ...GHCB_MUTANTS,
  ...AP_MUTANTS,
};
