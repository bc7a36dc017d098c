/** What the code of tests and sends reads like, however it was compiled. */
import { describe, expect, it } from 'vitest';
import { otherwise } from '../../../actors/path/path.ts';
import { saying } from '../../../actors/path/saying.ts';
import { codeText, typesNamedIn } from '../../../sim/paths/code-text.ts';

type Fn = (...args: never[]) => unknown;
/** A function whose text is exactly this, under no name. */
const of = (text: string): Fn => [new Function(`return ${text}`)() as Fn][0]!;

describe('the text of a test', () => {
  it.each([
    ['(_t, l) => l.granted === true', 'l.granted === true'],
    ['(_t,l)=>l.granted===true||l.n<3', 'l.granted === true || l.n < 3'],
    ['(_t, l) => !l.done && -1 !== l.n', '!l.done && -1 !== l.n'],
    ['(_t, l) => (0, __vi_import_3__.signalPending)(l)', 'signalPending(l)'],
    ['l => l.exit?.reason === "HLT"', "l.exit?.reason === 'HLT'"],
    ['(_t, l) => l.a ? [1, 2,] : { b: 3, }', 'l.a ? [1, 2] : { b: 3 }'],
    ['(t) => names.includes(t.name)', 'names.includes(t.name)'],
    ['({ a }) => a.b', 'a.b'],
    ['(_t, l) => (l.a === void 0)', 'l.a === undefined'],
    ["(l) => l.text === 'a  b'", "l.text === 'a  b'"],
  ])('%s is %s', (text, shown) => {
    expect(codeText(of(text))).toBe(shown);
  });

  it('begins with the name of the test, and is the name where that is a sentence or the test is no expression', () => {
    const isDone = (l: { readonly done: boolean }): boolean => l.done;
    expect(codeText(isDone)).toBe('isDone: l.done');
    expect(codeText(saying('the exit is HLT', (l: { readonly a: number }) => l.a === 1))).toBe('the exit is HLT');
    function hasMore(): boolean {
      return true;
    }
    expect(codeText(hasMore)).toBe('hasMore');
    expect(codeText(otherwise)).toBe('otherwise');
  });

  it('is cut where it is long', () => {
    const text = codeText(of(`() => ${Array.from({ length: 60 }, (_, i) => `a${i}`).join(' && ')}`));
    expect([text.length, text.at(-1)]).toEqual([120, '…']);
  });
});

it('finds the types that a send names, each once, and no other texts', () => {
  const send = of(`(t, l) => l.x ? out(t, { type: 'rmp.lock', by: 'type' }) : [out(t, {type:"rmp.unlock"}), out(t, { type: 'rmp.lock' })]`);
  expect(typesNamedIn(send)).toEqual(['rmp.lock', 'rmp.unlock']);
});
