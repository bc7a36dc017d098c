/**
 * A page that a guest uses as a GHCB: what the guest has written there, and what the host has
 * answered.
 *
 * The page is shared memory: who may store to it, the RMP says, and a vCPU that has nothing to do
 * with the exit can change it at any time. Left out: what is read of it while it is private.
 *
 * @see GHCB specification, "GHCB layout"; domain snp e
 */
import { assign, emit, setup } from 'xstate';
import { type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { GhcbAnswer, GhcbFields, GhcbPageEvent, PscBuffer, PscEntry } from '../../events/sev-snp/ghcb.ts';
import { PSC_ENTRIES, pagesIn } from './psc-descriptor.ts';

export interface GhcbPageContext {
  readonly fields: GhcbFields;
  /** Null before the first. */
  readonly answer: GhcbAnswer | null;
  /** In the shared buffer; absent before the first store there. */
  readonly psc?: PscBuffer;
  /** An entry behind the end of the buffer that KVM has read. */
  readonly outside?: number;
  /** A GFN that the VM does not have, in an entry that KVM has marked as done. */
  readonly stray?: number;
}

const NO_PSC: PscBuffer = { cur: 0, end: 0, entries: {} };
const NO_ENTRY: PscEntry = { done: 0, gfn: 0, operation: 0, huge: false };
const pscOf = ({ psc = NO_PSC }: GhcbPageContext) => psc;
const entryOf = (c: GhcbPageContext, index: number): PscEntry => pscOf(c).entries[index] ?? NO_ENTRY;
const indexIn = (c: GhcbPageContext, { index }: { readonly index: number | null }) => index ?? pscOf(c).cur;
/** KVM marks entries as done, and the one behind them as the current one. */
function finished(c: GhcbPageContext, { first, count, stray }: Extract<GhcbPageEvent, { readonly type: 'ghcb.pscDone' }>) {
  const psc = pscOf(c);
  const done = Array.from({ length: count }, (_, i) => first + i).map((index) => {
    const entry = entryOf(c, index);
    return [index, { ...entry, done: pagesIn(entry) }] as const;
  });
  return {
    psc: { ...psc, cur: first + count, entries: { ...psc.entries, ...Object.fromEntries(done) } },
    ...(stray !== undefined && { stray }),
  };
}

export const ghcbPageMachine = setup({
  types: { context: {} as GhcbPageContext, events: {} as Stamped<GhcbPageEvent>, emitted: {} as Outgoing },
  actions: {
    ignore: assign({}),
    write: assign(({ event }) => (event.type === 'ghcb.write' ? { fields: event.fields } : {})),
    tellFields: emit(({ context: c, event }) => outgoing(sender(event), { type: 'ghcb.fields', fields: c.fields })),
    clearFields: assign({ fields: {} }),
    answer: assign(({ event }) => (event.type === 'ghcb.answer' ? { answer: event.answer } : {})),
    tellAnswer: emit(({ context: c, event }) => outgoing(sender(event), { type: 'ghcb.isAnswered', answer: c.answer })),
    writeHeader: assign(({ context: c, event }) =>
      event.type === 'ghcb.writePscHeader' ? { psc: { ...pscOf(c), cur: event.cur, end: event.end } } : {},
    ),
    writeEntry: assign(({ context: c, event }) => {
      if (event.type !== 'ghcb.writePscEntry') return {};
      const psc = pscOf(c);
      return { psc: { ...psc, entries: { ...psc.entries, [event.index]: event.entry } } };
    }),
    finish: assign(({ context: c, event }) => (event.type === 'ghcb.pscDone' ? finished(c, event) : {})),
    tellHeader: emit(({ context: c, event }) => outgoing(sender(event), { type: 'ghcb.pscHeader', cur: pscOf(c).cur, end: pscOf(c).end })),
    tellEntry: emit(({ context: c, event }) =>
      outgoing(sender(event), { type: 'ghcb.pscEntry', entry: event.type === 'ghcb.pscEntry?' ? entryOf(c, indexIn(c, event)) : NO_ENTRY }),
    ),
    noteOutside: assign(({ context: c, event }) => {
      if (event.type !== 'ghcb.pscEntry?' || indexIn(c, event) < PSC_ENTRIES) return {};
      return { outside: indexIn(c, event) };
    }),
    tellPsc: emit(({ context: c, event }) => outgoing(sender(event), { type: 'ghcb.psc', psc: pscOf(c) })),
  },
}).createMachine({
  id: 'ghcbPage',
  context: { fields: {}, answer: null },
  initial: 'present',
  states: {
    present: {
      tags: 'rest',
      on: {
        'ghcb.write': { actions: 'write' },
        'ghcb.read?': { actions: 'tellAnswer' },
        'ghcb.sync?': { actions: ['tellFields', 'clearFields'] },
        'ghcb.answer': { actions: 'answer' },
        'ghcb.registers': { actions: 'ignore' },
        'ghcb.writePscHeader': { actions: 'writeHeader' },
        'ghcb.writePscEntry': { actions: 'writeEntry' },
        'ghcb.pscDone': { actions: 'finish' },
        'ghcb.pscHeader?': { actions: 'tellHeader' },
        'ghcb.pscEntry?': { actions: ['noteOutside', 'tellEntry'] },
        'ghcb.psc?': { actions: 'tellPsc' },
      },
    },
  },
});
