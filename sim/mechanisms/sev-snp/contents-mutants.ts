/** Changes of one line of what pages hold, and of what a guest does with a page it validates. */
import { assign, enqueueActions } from 'xstate';
import { replaceStep } from '../../../actors/path/patch.ts';
import { type Contents, guestLoads, movedBy } from '../../../actors/sev-snp/contents.ts';
import { guestAccess } from '../../../actors/sev-snp/rmp-check.ts';
import { type RmpRegionContext, regionIn } from '../../../actors/sev-snp/rmp-region.ts';
import { writeUpdate } from '../../../actors/sev-snp/rmp-table.ts';
import type { SvsmLockContext } from '../../../actors/sev-snp/svsm-lock.ts';
import { type Stamped, sender } from '../../../events/event.ts';
import type { GuestAccess, RmpRequest, RmpUpdate } from '../../../events/sev-snp/rmp.ts';
import type { Mutant } from '../../host/mechanism.ts';
import { provided } from './provided.ts';

interface Args {
  readonly context: RmpRegionContext;
  readonly event: Stamped<RmpRequest>;
}
type Access = Stamped<Extract<RmpRequest, { readonly type: 'rmp.guestAccess' }>>;

/** Where a guest stored it counts as well as under which key. */
const byGfn = (contents: Contents, access: GuestAccess) => {
  const found = guestLoads(contents, access);
  return found.gfn === access.gfn ? found : { ...found, ciphertext: true as const };
};

export const CONTENTS_MUTANTS: Readonly<Record<string, Mutant>> = {
  'rmp-host-store-lost': provided('rmpRegion', 'A store of the host leaves the page as it was.', { actions: { storeHosts: assign({}) } }),
  'rmp-update-scrubs': provided('rmpRegion', 'RMPUPDATE clears the page.', {
    actions: {
      writeUpdate: assign(({ context: c, event }: Args) => ({
        entries: writeUpdate(regionIn(c), event.pfn, event as unknown as RmpUpdate).entries,
        ...(c.contents !== undefined && { contents: { ...c.contents, [event.pfn]: { by: 'RMPUPDATE', n: 0 } } }),
      })),
    },
  }),
  'rmp-key-of-gfn': provided('rmpRegion', 'The encryption of a page depends on its GFN.', {
    actions: {
      moveContent: enqueueActions(({ context: c, event, enqueue }) => {
        const access = event as Access;
        if (access.content === undefined || guestAccess(c.entries, c.inUse, access) !== 'ok') return;
        const { contents, told } = movedBy(c.contents, access, sender(event), access.content, byGfn);
        enqueue.assign({ contents });
        if (told !== null) enqueue.emit(told);
      }),
    },
  }),
  'svsm-lock-open': provided('svsmLock', 'The lock of an SVSM around PVALIDATE and CREATE_VCPU keeps no one out.', {
    guards: { isTaken: () => false },
  }),
  'svsm-writer-passes-readers': provided('svsmLock', 'CREATE_VCPU of an SVSM does not wait for PVALIDATE.', {
    guards: { isTaken: ({ context }: { readonly context: SvsmLockContext }) => context.writer !== null },
  }),
  'snp-validated-not-cleared': {
    summary: 'A guest that is to clear what it validates does not.',
    paths: {
      zero_mem_region: [
        (path) =>
          replaceStep(path, 'store', (item) => [
            { ...item, send: undefined, answers: undefined, local: () => ({ outcome: 'ok' }) } as unknown as typeof item,
          ]),
      ],
    },
  },
};
