/** Texts with a field for each CPU of a big host: few bytes for what is new, read as written. */
import { describe, expect, it } from 'vitest';
import { Dictionary, DictionaryWriter, LOCALS } from '../../replay/dictionary.ts';

const CPUS = 256;
const textOf = (at: number) =>
  `{${Array.from({ length: CPUS }, (_, cpu) => `"pcpu:${cpu}":[${cpu === at ? '"thread:a/0"' : ''}]`).join(',')}}`;

describe('a long text', () => {
  const place = { offset: 0, frame: 1 };

  it('is read as it was written, and is numbered once', () => {
    const writer = new DictionaryWriter();
    const texts = [3, 200, 201, 3].map(textOf);
    expect(texts.map((text) => writer.add(LOCALS, text))).toEqual([0, 1, 2, 0]);
    const dictionary = new Dictionary();
    dictionary.load(place, writer.definitions);
    expect([0, 1, 2].map((id) => dictionary.text(LOCALS, id))).toEqual(texts.slice(0, 3));
  });

  it('costs little where another one is nearly the same', () => {
    const writer = new DictionaryWriter();
    writer.add(LOCALS, textOf(3));
    const { bytes } = writer;
    writer.add(LOCALS, textOf(200));
    expect(writer.bytes - bytes).toBeLessThan(350);
  });

  it('is known to a writer that goes on with a file', () => {
    const first = new DictionaryWriter();
    for (const at of [3, 200]) first.add(LOCALS, textOf(at));
    const dictionary = new Dictionary();
    dictionary.load(place, first.definitions);
    const second = new DictionaryWriter();
    second.resume(dictionary);
    expect([3, 200, 5].map((at) => second.add(LOCALS, textOf(at)))).toEqual([0, 1, 2]);
  });

  it('is defined again where another writer has cut it elsewhere', () => {
    const text = textOf(3);
    const other = new DictionaryWriter();
    other.add(LOCALS, '{}');
    const dictionary = new Dictionary();
    dictionary.load(place, { pieces: [text.slice(0, 100), text.slice(100)], texts: [bytes([]), bytes([]), bytes([2, 0, 1])] });
    const writer = new DictionaryWriter();
    writer.resume(dictionary);
    expect(writer.add(LOCALS, text)).toBe(1);
  });
});

const bytes = (values: readonly number[]): Uint8Array => Uint8Array.from(values);
