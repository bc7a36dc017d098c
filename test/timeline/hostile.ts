/** Names that break formats which forget to escape. */
import type { Journal } from '../../replay/reader.ts';
import { DONE, Handmade } from './handmade.ts';

export const HOSTILE = [
  '"quoted" \\ back',
  'tab\tline\nend\u0000nul\u001besc',
  '</script><b>&amp;',
  'µs → 日本 \u{1f600}',
  'it\'s {"json": [1,',
];

/** Two actors with hostile names who exchange hostile texts. */
export function hostileJournal(texts: readonly string[]): Journal {
  const [a, b, label, type, value] = texts.map((text, index) => `${index}:${text}`) as [string, string, string, string, string];
  const run = new Handmade([
    { id: a, kind: 'strange' },
    { id: b, kind: 'pcpu' },
    { id: `thread:${a}/${b}`, kind: 'hostThread' },
  ]);
  run.change(a, value, { [value]: value });
  run.change(b, { [value]: value }, { current: `thread:${a}/${b}`, letter: value });
  run.change(`thread:${a}/${b}`, { code: { [value]: value }, notify: 'none' }, {});
  run.end(0);
  const choice = run.choice(a, label);
  const sent = run.send(
    a,
    b,
    type,
    { [value]: value, number: -1.5, big: 2 ** 53 - 1, negative: -7, flag: true, nothing: null, list: [1, { pfn: 2 }] },
    choice,
  );
  run.end(1);
  const delivery = run.choice(b, label);
  run.deliver(a, b, type, {}, sent);
  run.change(b, 'idle', null, delivery);
  run.end(2 ** 40);
  return run.journal({ ...DONE, verdict: 'violation', violation: { property: value, step: 2, message: label }, ended: 'violation' });
}
