/** What must hold of GHCBs: what KVM answers there, when one is mapped, what KVM reads of one. */
import type { Vcpu } from '../../../actors/kvm/guest-program.ts';
import type { GhcbPageContext } from '../../../actors/sev-snp/ghcb-page.ts';
import type { SevEsContext } from '../../../actors/sev-snp/sev-es-state.ts';
import type { GhcbAnswer } from '../../../events/sev-snp/ghcb.ts';
import { always, alwaysEach, type Property, sometimes } from '../../property.ts';
import { hex, type WorldView } from '../../view.ts';

/** What the specification has KVM answer, by response; any payload where it is not here. */
const MSR_ANSWERS: Readonly<Record<number, { readonly says: string; readonly fits: (payload: number) => boolean }>> = {
  17: { says: 'no preferred GPA, all ones', fits: (payload) => payload === 2 ** 52 - 1 },
  19: { says: 'the GFN, or all ones', fits: (payload) => payload > 0 },
  129: { says: 'SNP and AP creation alone, 0x3', fits: (payload) => payload === 0b11 },
};
const wrongMsr = ({ ghcbMsr }: Vcpu): string | null => {
  if (ghcbMsr === undefined) return null;
  const { response, payload } = ghcbMsr;
  const answer = MSR_ANSWERS[response];
  return answer === undefined || answer.fits(payload) ? null : `was told ${hex(payload)} with ${hex(response)}; expected ${answer.says}`;
};
const wrongInfo = ({ info1, info2 }: GhcbAnswer): string | null => {
  if (info1 === 0) return null;
  return info1 === 2 && info2 >= 1 && info2 <= 6
    ? null
    : `was told ${hex(info1)}, ${hex(info2)}; expected an error of 2 and a reason from 1 to 6`;
};

const answerDocumented = alwaysEach<Vcpu>('ghcb.answer-is-documented', {
  kind: 'vcpu',
  source: 'GHCB specification, MSR protocol and NAE events; domain snp e.1, e.2; SNP-50, SNP-58',
  grade: 'memory',
  each: ({ id, context }) => {
    const wrong = wrongMsr(context) ?? (context.ghcbAnswer ? wrongInfo(context.ghcbAnswer) : null);
    return wrong === null ? null : `${id} ${wrong}`;
  },
});

/** A map of KVM's that is there while the guest runs is one between two VMGEXITs. */
const unmappedInGuest = always('ghcb.unmapped-in-guest', {
  kinds: ['sevEsState', 'vcpu'],
  source: 'series v5, "Remove the long-lived GHCB host map"; arch/x86/kvm/svm/sev.c, sev_es_unmap_ghcb(); SNP-51',
  grade: 'read',
  check: (world) => {
    const kept = world.actors<SevEsContext>('sevEsState').find(({ id, context }) => {
      const vcpu = id.replace('sev_es:', 'vcpu:');
      const mode = world.actors<Vcpu>('vcpu').find((one) => one.id === vcpu)?.context.mode;
      return context.mapped !== null && mode === 'IN_GUEST_MODE';
    });
    return kept ? `${kept.id} has GFN ${hex(kept.context.mapped!)} mapped while its guest runs` : null;
  },
});

const readInBounds = alwaysEach<GhcbPageContext>('ghcb.psc-in-bounds', {
  kind: 'ghcbPage',
  source: 'arch/x86/kvm/svm/sev.c, snp_begin_psc(): validated copies for array indexing; domain snp h, R21',
  grade: 'read',
  each: ({ id, context: { outside } }) => (outside === undefined ? null : `KVM read entry ${outside} of ${id}, which has room for 253`),
});

const doneIsPage = alwaysEach<GhcbPageContext>('ghcb.psc-done-is-page', {
  kind: 'ghcbPage',
  source: 'series v5, __snp_handle_page_state_change(): is_hva_registered(); SNP-49',
  grade: 'read',
  each: ({ id, context: { stray } }) =>
    stray === undefined ? null : `KVM marked GFN ${hex(stray)} of ${id} as done, which the VM does not have`,
});

/** A header that another vCPU has changed while KVM works on the buffer proves that they met. */
const headerRewritten = sometimes('ghcb.psc-meets-rewrite', {
  kinds: ['ghcbPage', 'hostThread'],
  source: 'domain snp h, R21',
  grade: 'decision',
  check: (world) => {
    const reads = world
      .actors('hostThread')
      .find(({ value }) => /"(?:snp_begin_psc|snp_handle_psc|snp_handle_page_state_change)"/.test(JSON.stringify(value)));
    const long = world.actors<GhcbPageContext>('ghcbPage').find(({ context }) => (context.psc?.end ?? 0) > 253);
    return reads && long ? `${reads.id} works on the buffer of ${long.id}, whose header was rewritten` : null;
  },
});

/** A store of KVM to a GHCB that has turned private, or a change that waits for one. */
const ghcbMeetsPsc = sometimes('ghcb.turns-private', {
  kinds: ['hostThread', 'sevEsState', 'rmpRegion'],
  source: 'domain snp h, R22',
  grade: 'read',
  check: (world) => {
    const waits = world.actors('hostThread').find(({ value }) => JSON.stringify(value).includes('"synchronize_page_state":"schedule"'));
    if (waits) return `${waits.id} waits with a page-state change of a GHCB that is mapped`;
    const faults = world
      .actors('hostThread')
      .find(({ value }) => /"(?:ghcb_set_sw_exit_info|mapped|sev_es_sync_to_ghcb)":\{"exc_page_fault"/.test(JSON.stringify(value)));
    return faults ? `${faults.id} has stored to a GHCB that is private` : null;
  },
});

/** A guest that was told that a change was not made ends itself, with the reason set of Linux. */
const pscRefused = sometimes('ghcb.psc-refused', {
  kinds: ['vcpu'],
  source: 'arch/x86/coco/sev/core.c, vmgexit_psc(), set_pages_state(); domain snp e.3; SNP-49',
  grade: 'read',
  check: (world) => {
    const told = world.actors<Vcpu>('vcpu').find(({ value }) => JSON.stringify(value).includes('"vmgexit_psc_buffer":{"sev_es_terminate"'));
    return told ? `${told.id} was told that an entry of its PSC buffer was not done, and ends its guest` : null;
  },
});

/** Payload 1 of the answer to the MSR's request, or SW_EXITINFO2 of the event's, is a SIPI. */
const HOLD_OVER = 0x007;
const holdOf = ({ ghcbMsr }: Vcpu): 'sipi' | 'other' | null =>
  ghcbMsr?.response !== HOLD_OVER ? null : ghcbMsr.payload !== 0 ? 'sipi' : 'other';

/**
 * Of a hold that KVM has answered and not ended: why it ends is known as long. A vCPU that no
 * interrupt can reach is woken by nothing but a SIPI.
 */
const answeredHold = (world: WorldView): string | null => {
  for (const { id, context } of world.actors<SevEsContext>('sevEsState')) {
    const vcpu = world.actors<Vcpu>('vcpu').find((one) => one.id === id.replace('sev_es:', 'vcpu:'));
    const told = Object.values(vcpu?.context.frames ?? {}).find(({ ghcbMsrRead }) => ghcbMsrRead !== undefined)?.ghcbMsrRead;
    if (context.hold !== 'msr' || told?.response !== HOLD_OVER) continue;
    const bySipi = context.sipi === true || vcpu?.context.interrupts === false;
    if ((told.payload !== 0) === bySipi) continue;
    return `${vcpu!.id} was told ${hex(told.payload)} of its reset hold, which ${bySipi ? 'a SIPI' : 'no SIPI'} has ended`;
  }
  return null;
};
const holdAnswer = always('ghcb.hold-answer', {
  kinds: ['vcpu', 'sevEsState'],
  source: 'arch/x86/kvm/svm/sev.c, sev_vcpu_deliver_sipi_vector(); SNP-57',
  grade: 'read',
  check: (world) => {
    const held = world.actors<Vcpu>('vcpu').find(({ context }) => holdOf(context) === 'sipi' && context.ghcbMsr!.payload !== 1);
    return held ? `${held.id} was told ${hex(held.context.ghcbMsr!.payload)} of its reset hold; expected 0 or 1` : answeredHold(world);
  },
});
const holdEndsBySipi = sometimes('ghcb.hold-ends-by-sipi', {
  kinds: ['vcpu'],
  source: 'arch/x86/kvm/svm/sev.c, sev_vcpu_deliver_sipi_vector(); SNP-57',
  grade: 'read',
  check: (world) => {
    const held = world.actors<Vcpu>('vcpu').find(({ context }) => holdOf(context) === 'sipi');
    return held ? `${held.id} has left its reset hold by SIPI` : null;
  },
});

export const ghcbProperties: readonly Property[] = [
  holdAnswer,
  holdEndsBySipi,
  answerDocumented,
  unmappedInGuest,
  readInBounds,
  doneIsPage,
  headerRewritten,
  ghcbMeetsPsc,
  pscRefused,
];
