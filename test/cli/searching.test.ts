/** What is left on a terminal of a search that fails. */
import { expect, it } from 'vitest';
import { processIo } from '../../cli/io.ts';
import { drive } from '../../cli/searching.ts';
import type { Search } from '../../sim/explore/request.ts';

function* failing(): Search<never> {
  yield { states: 1, frontier: 1, transitions: 1, bytes: 0 };
  throw new Error('a mistake of the model');
}

it('takes its line of progress away when it fails', async () => {
  let shown = '';
  const err = { isTerminal: true, columns: 80, limit: 80, closed: false, write: (text: unknown) => (shown += text), flush: () => {} };
  const io = { ...processIo(), err, interruption: () => new AbortController().signal };
  await expect(drive(failing(), io, { what: 'a search' })).rejects.toThrow('a mistake of the model');
  expect(shown).toBe('\r\u001b[K');
});
