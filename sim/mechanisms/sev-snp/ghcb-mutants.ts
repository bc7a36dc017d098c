/** Changes of one line of what KVM and guests do with the GHCB, which a claim must notice. */
import { hasStep, type PathPatch, replaceStep, withoutSteps } from '../../../actors/path/patch.ts';
import type { GhcbAnswer } from '../../../events/sev-snp/ghcb.ts';
import type { Mutant } from '../../host/mechanism.ts';

type AnyItem = { readonly kind: string; readonly send?: (...args: readonly unknown[]) => unknown };

/** A patch of paths that differ by option: it does nothing where the step is not there. */
const replace =
  (name: string, replacement: (item: AnyItem) => readonly object[]): PathPatch =>
  (path) =>
    hasStep(path, name) ? replaceStep(path, name, (item) => replacement(item as unknown as AnyItem) as unknown as (typeof item)[]) : path;
export const without =
  (name: string): PathPatch =>
  (path) =>
    hasStep(path, name) ? withoutSteps(name)(path) : path;
export const patched = (summary: string, path: string, ...patches: readonly PathPatch[]): Mutant => ({
  summary,
  paths: { [path]: patches },
});

interface Locals {
  readonly ghcbMsr?: { readonly response: number; readonly payload: number };
  readonly ghcbAnswer?: GhcbAnswer;
}
/** Another answer in the MSR to what is answered with this response. */
const tells = (response: number, payload: number): PathPatch =>
  replace('set_ghcb_msr', (item) => [
    {
      kind: 'note',
      local: (_t: unknown, { ghcbMsr }: Locals) => (ghcbMsr?.response === response ? { ghcbMsr: { response, payload } } : {}),
    },
    item,
  ]);
/** Another answer in the page, of those that are not zero. */
export const answers = (change: (answer: GhcbAnswer) => GhcbAnswer): PathPatch =>
  replace('ghcb_set_sw_exit_info', (item) => [
    { kind: 'note', local: (_t: unknown, { ghcbAnswer }: Locals) => ({ ghcbAnswer: change(ghcbAnswer!) }) },
    item,
  ]);
type Message = { readonly event: { readonly type: string } };
/** A step that sends fewer messages. */
export const lessSent = (name: string, keeps: (type: string) => boolean): PathPatch =>
  replace(name, (item) => [
    {
      ...item,
      send: (...args: readonly unknown[]) => ([item.send!(...args)].flat() as Message[]).filter(({ event }) => keeps(event.type)),
    },
  ]);

export const GHCB_MUTANTS: Readonly<Record<string, Mutant>> = {
  'snp-ghcb-offers-all': patched(
    'KVM says by the MSR that it has every feature.',
    'sev_handle_vmgexit_msr_protocol',
    tells(0x081, 0b11_1111),
  ),
  'snp-ghcb-prefers-page': patched('KVM says by the MSR that it prefers a GHCB.', 'sev_handle_vmgexit_msr_protocol', tells(0x011, 0x9)),
  'snp-ghcb-no-preference': patched(
    'KVM does not know the request for a preferred GHCB, and leaves the MSR as it is.',
    'sev_handle_vmgexit_msr_protocol',
    replace('set_ghcb_msr', (item) => [
      {
        kind: 'note',
        local: (_t: unknown, { ghcbMsr }: Locals) => (ghcbMsr?.response === 0x011 ? { ghcbMsr: { response: 0x010, payload: 0 } } : {}),
      },
      item,
    ]),
  ),
  'snp-ghcb-refuses-page': patched('KVM echoes no GFN of a GHCB that it registers.', 'sev_handle_vmgexit_msr_protocol', tells(0x013, 0)),
  'snp-ghcb-serves-unknown': patched(
    'An event that KVM does not know is answered as if it were done.',
    'sev_handle_vmgexit',
    answers((answer) => (answer.info2 === 6 ? { info1: 0, info2: 0 } : answer)),
  ),
  'snp-ghcb-wrong-reason': patched(
    'An error in the GHCB has a reason that the specification does not have.',
    'sev_handle_vmgexit',
    answers((answer) => (answer.info1 === 2 ? { info1: 2, info2: 0 } : answer)),
  ),
  'snp-ghcb-unregistered-served': patched(
    'A GHCB that is not registered is served.',
    'sev_handle_vmgexit',
    replace('vcpu_unimpl_not_registered', () => []),
  ),
  'snp-ghcb-no-features': patched(
    'The event that asks for features is answered with none.',
    'sev_handle_vmgexit',
    answers((answer) => (answer.info2 === 0b11 ? { info1: 0, info2: 0 } : answer)),
  ),
  'snp-hold-always-sipi': patched(
    'Every reset hold is answered as if a SIPI had ended it.',
    'sev_es_unmap_ghcb',
    replace('set_ghcb_msr', (item) => [{ kind: 'note', local: () => ({ resetSipi: true }) }, item]),
  ),
  'snp-ghcb-stays-mapped': patched('KVM keeps the GHCB mapped over the entry.', 'sev_es_unmap_ghcb', without('kvm_vcpu_unmap')),
  'snp-ghcb-map-unlocked': patched(
    "KVM maps the GHCB for its answer without the page's lock.",
    'ghcb_set_sw_exit_info',
    without('kvm_vcpu_map_lock'),
    without('kvm_vcpu_map_failed'),
    without('kvm_vcpu_unmap_unlock'),
  ),
  'snp-psc-refetches': patched(
    'KVM takes the number of an entry from the header at the moment that it reads the entry.',
    'snp_begin_psc',
    replace('read_entry', (item) => [
      {
        ...item,
        send: (...args: readonly unknown[]) => {
          const message = item.send!(...args) as Message;
          return { ...message, event: { ...message.event, index: null } };
        },
      },
    ]),
  ),
  'snp-psc-header-unchecked': patched(
    'KVM goes on with a header that it has found too long.',
    'snp_begin_psc',
    replace('read_hdr', (item) => [
      item,
      { kind: 'note', local: (_t: unknown, l: { pscEnd?: number }) => ({ pscEnd: Math.min(l.pscEnd!, 252) }) },
    ]),
  ),
  'snp-psc-done-one': patched(
    'Of entries that KVM has joined, it says that the first is done.',
    'snp_begin_psc',
    replace('__snp_complete_one_psc', (item) => [{ kind: 'note', local: () => ({ pscInflight: 1 }) }, item]),
  ),
  'snp-psc-entry-unchecked': patched(
    'KVM takes any entry for one of 4K that is not done.',
    'snp_begin_psc',
    replace('read_entry', (item) => [
      { ...item, answers: { 'ghcb.pscEntry': (e: { readonly entry: object }) => ({ pscFirst: { ...e.entry, done: 0, huge: false } }) } },
    ]),
  ),
  'snp-psc-strays': patched(
    'A page that the VM does not have is skipped as done.',
    'snp_change_range',
    replace('is_hva_registered', () => [{ kind: 'step', name: 'is_hva_registered', local: () => ({ result: 'SUCCESS' }) }]),
  ),
  'snp-sipi-untold': patched(
    'A SIPI wakes the vCPU, and its reset hold is answered as if something else had.',
    'kvm_check_requests',
    lessSent('kvm_apic_accept_events', (type) => type !== 'sevEs.sipi'),
  ),
};
