/**
 * What KVM keeps of one vCPU with encrypted registers (struct vcpu_sev_es_state): which page is its
 * registered GHCB, which one is mapped, and which page is its VMSA.
 *
 * @see arch/x86/kvm/svm/svm.h, struct vcpu_sev_es_state; arch/x86/kvm/svm/sev.c,
 * sev_handle_vmgexit(), sev_es_unmap_ghcb() (6.12)
 */
import { assign, emit, setup } from 'xstate';
import { type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { ApEvent } from '../../events/sev-snp/ap.ts';
import type { ResetHold, SevEsEvent } from '../../events/sev-snp/ghcb.ts';
import { type ApState, apAfter, startsAfresh, usedOn } from './ap-state.ts';

export interface SevEsInput {
  /** GFN of the GHCB that it has registered when the run starts. */
  readonly registered: number | null;
  /** Its VMSA, where a guest of the scenario asks for another one. */
  readonly ap?: ApState;
}
export interface SevEsContext extends SevEsInput {
  /** GFN of the GHCB that KVM has mapped. */
  readonly mapped: number | null;
  /** ap_reset_hold_type, while there is one; and whether a SIPI has ended it. */
  readonly hold?: ResetHold | undefined;
  readonly sipi?: true | undefined;
}

function apOf({ ap }: SevEsContext): ApState {
  if (ap === undefined) throw new Error('a vCPU has no VMSA that KVM could exchange');
  return ap;
}

export const sevEsStateMachine = setup({
  types: { context: {} as SevEsContext, events: {} as Stamped<SevEsEvent | ApEvent>, emitted: {} as Outgoing, input: {} as SevEsInput },
  actions: {
    register: assign(({ event }) => (event.type === 'sevEs.register' ? { registered: event.gfn } : {})),
    map: assign(({ event }) => (event.type === 'sevEs.map' ? { mapped: event.gfn } : {})),
    tellRegistered: emit(({ context: c, event }) =>
      outgoing(sender(event), { type: 'sevEs.isRegistered', registered: event.type === 'sevEs.map' && c.registered === event.gfn }),
    ),
    tellMapped: emit(({ context: c, event }) =>
      outgoing(sender(event), {
        type: 'sevEs.isMapped',
        gfn: c.mapped,
        ...(c.hold !== undefined && { hold: c.hold }),
        ...(c.sipi && { sipi: c.sipi }),
      }),
    ),
    unmap: assign({ mapped: null, hold: undefined, sipi: undefined }),
    hold: assign(({ event }) => (event.type === 'sevEs.hold' ? { hold: event.by } : {})),
    endHold: assign(({ context: c }) => (c.hold === undefined ? {} : { sipi: true as const })),
    changeAp: assign(({ context: c, event }) => ({ ap: apAfter(apOf(c), event as ApEvent) })),
    tellPending: emit(({ context: c, event }) => {
      const { pending } = apOf(c);
      return outgoing(sender(event), { type: 'sevEs.ap', waiting: pending !== undefined, gpa: pending?.gpa ?? null });
    }),
    tellVmsa: emit(({ context: c, event }) => outgoing(sender(event), { type: 'sevEs.vmsaPa', pfn: apOf(c).vmsa, isFresh: false })),
    /** With what the CPU has kept of the VMCB. */
    tellUsedVmsa: emit(({ context: c, event }) => {
      const cpu = event.type === 'sevEs.vmrun' ? event.cpu : '';
      return outgoing(sender(event), { type: 'sevEs.vmsaPa', pfn: usedOn(apOf(c), cpu), isFresh: startsAfresh(apOf(c), cpu) });
    }),
  },
}).createMachine({
  id: 'sevEsState',
  context: ({ input }) => ({ ...input, mapped: null }),
  initial: 'present',
  states: {
    present: {
      tags: 'rest',
      on: {
        'sevEs.register': { actions: 'register' },
        'sevEs.map': { actions: ['map', 'tellRegistered'] },
        'sevEs.mapped?': { actions: 'tellMapped' },
        'sevEs.unmap': { actions: 'unmap' },
        'sevEs.hold': { actions: 'hold' },
        'sevEs.sipi': { actions: 'endHold' },
        'sevEs.apRequest': { actions: 'changeAp' },
        'sevEs.ap?': { actions: 'tellPending' },
        'sevEs.dropVmsa': { actions: 'changeAp' },
        'sevEs.setVmsa': { actions: 'changeAp' },
        'sevEs.initVmcb': { actions: 'changeAp' },
        'sevEs.vmsaPa?': { actions: 'tellVmsa' },
        'sevEs.vmrun': { actions: ['tellUsedVmsa', 'changeAp'] },
      },
    },
  },
});
