/**
 * What KVM keeps of one vCPU with encrypted registers (struct vcpu_sev_es_state): which page is its
 * registered GHCB, and which one is mapped.
 *
 * @see arch/x86/kvm/svm/svm.h, struct vcpu_sev_es_state; arch/x86/kvm/svm/sev.c,
 * sev_handle_vmgexit(), sev_es_unmap_ghcb() (6.12)
 */
import { assign, emit, setup } from 'xstate';
import { type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { ResetHold, SevEsEvent } from '../../events/sev-snp/ghcb.ts';

export interface SevEsInput {
  /** GFN of the GHCB that it has registered when the run starts. */
  readonly registered: number | null;
}
export interface SevEsContext extends SevEsInput {
  /** GFN of the GHCB that KVM has mapped. */
  readonly mapped: number | null;
  /** ap_reset_hold_type, while there is one; and whether a SIPI has ended it. */
  readonly hold?: ResetHold | undefined;
  readonly sipi?: true | undefined;
}

export const sevEsStateMachine = setup({
  types: { context: {} as SevEsContext, events: {} as Stamped<SevEsEvent>, emitted: {} as Outgoing, input: {} as SevEsInput },
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
      },
    },
  },
});
