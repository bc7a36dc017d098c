/** Runs in order that only repeat: what has to be the same, besides state and messages. */
import { expect, it } from 'vitest';
import { Repeats } from '../../sim/repeats.ts';

const FROM = 1 << 13;
/** A step after which the state is as ever; `seqs`: when the messages of each queue were sent. */
const at = (step: number, ...seqs: readonly (readonly number[])[]) =>
  ({ step, digest: { a: 1, b: 2 }, channels: { ordered: seqs.map((one) => ({ seqs: one })) } }) as never;
const repeats = (chooser: { remembered: string | null }) => new Repeats(chooser as never);

it('is back where messages arrived in the same order, whenever that was', () => {
  const watch = repeats({ remembered: '' });
  expect(watch.look(at(FROM - 1, [1, 4], [2]))).toBeNull();
  expect(watch.look(at(FROM, [1, 4], [2]))).toBeNull();
  expect(watch.look(at(FROM + 1, [7, 8], [9]))).toBeNull();
  expect(watch.look(at(FROM + 2, [7, 9], [8]))).toEqual({ from: FROM, length: 2 });
});

it('is not back where the chooser remembers something else, nor ever where it draws', () => {
  const chooser = { remembered: '0' };
  const watch = repeats(chooser);
  expect(watch.look(at(FROM))).toBeNull();
  chooser.remembered = '1';
  expect(watch.look(at(FROM + 1))).toBeNull();
  chooser.remembered = '0';
  expect(watch.look(at(FROM + 2))).toEqual({ from: FROM, length: 2 });
  const drawn = repeats({ remembered: null });
  expect([FROM, FROM + 1].map((step) => drawn.look(at(step)))).toEqual([null, null]);
});
