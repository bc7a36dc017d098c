/** What the strategy `pct` is told, in a sample and in a single run. */
import { DEPTH_DEFAULT } from '../sim/explore/sampling/strategies.ts';
import { integer, type OptionSpec } from './command.ts';

const DEPTH_MAX = 16;
const HORIZON_MAX = 1_000_000;

export const PCT_OPTIONS: readonly OptionSpec[] = [
  {
    flags: '--depth <d>',
    description: `pct: orderings that a bug may take (default: ${DEPTH_DEFAULT})`,
    parse: integer(1, DEPTH_MAX),
  },
  {
    flags: '--horizon <k>',
    description: 'pct: decisions among which priorities change (default: measured)',
    parse: integer(1, HORIZON_MAX),
  },
];
