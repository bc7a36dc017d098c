/** In which order a search has had stores seen, in words that claim no more. */
import { STORES_MAX } from '../../actors/host/store-buffer.ts';
import type { HostOptions } from '../../events/options.ts';
import type { ResolvedScenario } from '../scenario/types.ts';

interface OrderText {
  /** What stands behind the host; empty where nothing has to be said. */
  readonly covered: string;
  readonly notCovered: string;
  /** The same of a sample. */
  readonly drawn: string;
}

const TEXTS: Readonly<Record<HostOptions['memory'], OrderText>> = {
  sc: {
    covered: '',
    notCovered: 'store buffers and reordering (micro-steps interleave sequentially consistently)',
    drawn: 'micro-steps interleave sequentially consistently, without store buffers and reordering',
  },
  tso: {
    covered: `, memory order tso (each CPU holds back up to ${STORES_MAX} stores to cells)`,
    notCovered: 'reordering of accesses to what is no cell (each waits until the store buffer of its CPU is empty)',
    drawn: `memory order tso, each CPU holds back up to ${STORES_MAX} stores to cells`,
  },
};

/** What is to be said of the memory order of a scenario; other models have no store buffers. */
export const orderText = ({ host, model }: ResolvedScenario): OrderText => TEXTS[model === undefined ? host.options.memory : 'sc'];
