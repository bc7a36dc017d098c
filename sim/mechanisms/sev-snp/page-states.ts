/** The frames that a run has RMP entries of, each in its state. */
import type { RmpRegionContext } from '../../../actors/sev-snp/rmp-region.ts';
import { covering, type PageState, pageStateOf } from '../../../actors/sev-snp/rmp-table.ts';
import type { WorldView } from '../../view.ts';

/** A frame behind the head of a 2M entry has the state of the head. */
export const pagesIn = (world: WorldView): readonly { readonly pfn: number; readonly state: PageState }[] =>
  world
    .actors<RmpRegionContext>('rmpRegion')
    .flatMap(({ context: { entries } }) =>
      Object.keys(entries).map((pfn) => ({ pfn: Number(pfn), state: pageStateOf(covering(entries, Number(pfn))) })),
    );
