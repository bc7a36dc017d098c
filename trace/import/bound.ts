/** How much of a recording becomes a scenario: a journal holds it whole, in one frame. */
import type { Act, Needs } from './need.ts';

/** What a thread or a guest of the derived scenario has an operation for. */
const OPERATIONS: readonly Act['type'][] = ['exit', 'signal', 'store', 'flush'];

/** The most operations: the values of so many are well within what one frame of a journal holds. */
const OPERATIONS_MAX = 1 << 16;

/** The needs up to the first that would be an operation too many. */
export function bounded(needs: Needs, max = OPERATIONS_MAX): Needs {
  let operations = 0;
  const at = needs.needs.findIndex(({ act }) => OPERATIONS.includes(act.type) && ++operations > max);
  if (at < 0) return needs;
  const why = `the scenario has ${max.toLocaleString('en')} operations, and may have no more`;
  return { ...needs, needs: needs.needs.slice(0, at), gap: { line: needs.needs[at]!.line, why } };
}
