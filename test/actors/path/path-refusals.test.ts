/**
 * What the path language refuses, with the place: nothing that is written vanishes or is ignored.
 */
import { describe, expect, it } from 'vitest';
import { otherwise, PathError, type PathRest } from '../../../actors/path/path.ts';
import { expanded, type Locals, mark, pathOf, start, type TourItem, tour } from './walk.ts';

const { path, step, call, loop, when, note, stop, leaveLoop, leavePath } = tour;
const ORIGIN = { source: 'a test', grade: 'decision' } as const;
const set = (n: number): TourItem => note(() => ({ n }));
const isSmall = (_t: unknown, l: Locals): boolean => l.n! < 2;
const count = note((_t, l: Locals) => ({ n: l.n! + 1 }));
const named = (name: string, ...items: readonly TourItem[]) => path(name, ORIGIN, items);
const refusal = (...items: readonly TourItem[]): string => {
  try {
    expanded(pathOf(items));
  } catch (error) {
    if (error instanceof PathError) return error.message;
    throw error;
  }
  return 'taken';
};
/** What a JavaScript author may write. */
const loose = (value: unknown): never => value as never;

describe('a turn of a loop without a step', () => {
  const turn = (...body: readonly TourItem[]) => refusal(mark('a'), set(0), loop(...body), mark('z'));
  const AT = 'walk, item 3 (loop)';
  const round = (how: string, at = AT) => `${at}: a turn comes round without a step${how}; put a step there, or leave the loop`;

  it.each<[string, readonly TourItem[], string]>([
    ['a case of its own', [when([isSmall, [count]], [otherwise, [leaveLoop]])], ' by item 1 (when), case 1'],
    ['no case of a when at its end', [when([isSmall, [mark('b')]])], ' by no case of item 1 (when)'],
    ['notes alone', [count, count], ''],
    ['nothing at all', [], ''],
    [
      'two branches',
      [when([isSmall, [mark('b')]], [otherwise, []]), count, when([isSmall, [leaveLoop]])],
      ' by item 1 (when), case 2, then no case of item 3 (when)',
    ],
    [
      'a branch in a branch',
      [when([isSmall, [when([isSmall, [count]])]], [otherwise, [mark('b')]])],
      ' by item 1 (when), case 1, then item 1 (when), case 1, item 1 (when), case 1',
    ],
    ['a call of a path without steps', [call(named('none', count)), when([isSmall, [leaveLoop]])], ' by no case of item 2 (when)'],
    [
      'a return from a path that has steps',
      [call(named('some', when([isSmall, [leavePath]]), mark('b')))],
      ' by walk.some, item 1 (when), case 1',
    ],
    [
      'a loop inside that is left at once',
      [loop(when([isSmall, [leaveLoop]]), mark('b')), count],
      ' by item 1 (loop), item 1 (when), case 1',
    ],
  ])('by %s is refused', (_what, body, how) => {
    expect(turn(...body)).toBe(round(how));
  });

  it('is found in a loop in a path that is called', () => {
    const inner = named('inner', mark('b'), loop(loop(leaveLoop), count, when([isSmall, [leavePath]])));
    expect(refusal(mark('a'), call(inner))).toBe(round(' by no case of item 3 (when)', 'walk.inner, item 2 (loop)'));
  });

  it.each<[string, readonly TourItem[]]>([
    ['each turn meets one', [when([isSmall, [leaveLoop]]), mark('b')]],
    ['the turns without one leave the loop', [when([isSmall, [mark('b')]], [otherwise, [leaveLoop]])]],
    ['or leave the path', [when([isSmall, [mark('b')]], [otherwise, [leavePath]]), when([isSmall, [leaveLoop]])]],
    ['the loop inside meets one', [loop(mark('b'), when([isSmall, [leaveLoop]])), when([isSmall, [leaveLoop]])]],
  ])('is not seen where %s', (_what, body) => {
    expect(turn(...body)).toBe('taken');
  });
});

describe('what is never reached', () => {
  it.each<[string, readonly TourItem[], string]>([
    ['after leavePath', [mark('a'), leavePath, set(1)], 'walk, item 3 (note) is never reached: item 2 does not go on'],
    ['after a stop', [mark('a'), stop('off'), mark('b')], 'walk, item 3 (step b) is never reached: item 2 does not go on'],
    [
      'after leaveLoop',
      [loop(mark('a'), leaveLoop, mark('b'))],
      'walk, item 1 (loop), item 3 (step b) is never reached: item 2 does not go on',
    ],
    [
      'after a loop that is not left',
      [loop(mark('a')), mark('b')],
      'walk, item 2 (step b) is never reached: item 1 does not go on; a loop goes on by leaveLoop',
    ],
    [
      'after branches none of which goes on',
      [mark('a'), when([isSmall, [leavePath]], [otherwise, [stop('off')]]), mark('b')],
      'walk, item 3 (step b) is never reached: item 2 does not go on',
    ],
    [
      'after a call that never returns',
      [mark('a'), call(named('inner', loop(mark('b')))), leavePath],
      'walk, item 3 (leavePath) is never reached: item 2 does not go on; a loop goes on by leaveLoop',
    ],
    [
      'as a case after otherwise',
      [mark('a'), when([otherwise, []], [isSmall, [mark('b')]])],
      'walk, item 2 (when), case 2 is never reached: the case before it is otherwise',
    ],
  ])('%s is refused', (_what, items, message) => {
    expect(refusal(...items)).toBe(message);
  });
});

describe('what stands before the first step of a machine', () => {
  const early = (at: string) => `${at} stands before the first step, so that nothing carries it out; put a step before it`;
  const inner = named('inner', mark('b'));

  it.each<[string, readonly TourItem[], string]>([
    ['a note', [set(1), mark('a')], early('walk, item 1 (note)')],
    ['a branch', [when([isSmall, [mark('a')]]), mark('b')], early('walk, item 1 (when)')],
    ['locals bound', [call(inner, () => ({ n: 1 }))], early('walk, item 1 (call inner)')],
    ['a note in a loop', [loop(set(1), mark('a'))], early('walk, item 1 (loop), item 1 (note)')],
    ['a note in a path that is called', [call(named('first', set(1), mark('b')))], early('walk.first, item 1 (note)')],
    ['leavePath', [leavePath], early('walk, item 1 (leavePath)')],
    ['nothing', [], 'walk does not begin with a step: it is empty'],
    ['a path without items', [call(named('none')), mark('b')], 'walk.none does not begin with a step: it is empty'],
  ])('%s is refused', (_what, items, message) => {
    expect(refusal(...items)).toBe(message);
  });

  it('may be a loop or a call', () => {
    expect(refusal(loop(call(inner), mark('a')))).toBe('taken');
  });
});

describe('what has no meaning', () => {
  const sends = { send: () => [] };

  it.each<[string, object, string]>([
    ['a key that is misspelt', { preemt: 1 }, 'has a key "preemt"; expected name, set,'],
    ['a value that is none', { mode: 'kernle' }, 'mode is "kernle"; expected "user" or "kernel" or "guest"'],
    ['a number that is none', { preempt: 2 }, 'preempt is 2; expected 1 or -1'],
    ['a cost below 0', { ns: -1 }, 'ns is -1; expected a number of ns'],
    ['locals that are no function', { local: { n: 1 } }, 'local is {"n":1}; expected a function'],
    ['a flag that is a word', { irqs: 'off' }, 'irqs is "off"; expected true or false'],
    ['an unknown grade', { grade: 'sure' }, 'grade is "sure"; expected "recorded"'],
    ['answers to no question', { answers: { answer: () => ({}) } }, 'has answers, but no send that asks for them'],
    ['a question without answers', { ...sends, answers: {} }, 'answers is {}; expected a map from types of events to functions'],
    ['an answer that is no function', { ...sends, answers: { answer: 1 } }, 'answers is {"answer":1}; expected a map'],
    ['computing without idling', { computes: true }, 'has computes without idles'],
    ['a wait that nothing ends', { awaits: true }, 'has awaits without wakes: nothing would end it'],
    [
      'a wait that does something',
      { awaits: true, wakes: { poke: () => ({}) }, local: () => ({}) },
      'has awaits and local: a step that the walker cannot run does nothing itself',
    ],
  ])('%s in a step is refused', (_what, spec, message) => {
    const text = refusal(mark('a'), step('b', loose(spec)));
    expect(text).toMatch(/^walk, item 2 \(step b\)/);
    expect(text).toContain(message);
  });

  it('names the key that is meant', () => {
    expect(refusal(step('a', loose({ preemt: 1 })))).toMatch(/; did you mean "preempt"\?$/);
  });

  it('takes a key that is undefined as absent', () => {
    expect(refusal(step('a', loose({ preempt: undefined })))).toBe('taken');
  });

  it.each<[string, TourItem, string]>([
    ['an item that is not there', loose(undefined), 'walk, item 2 (undefined) is nothing; expected a step'],
    ['a kind that is unknown', loose({ kind: 'lop', body: [] }), 'walk, item 2 (lop) is {"kind":"lop","body":[]}; expected a step'],
    ['a list among the items', loose([mark('b'), mark('c')]), 'walk, item 2 (a list of step b, step c); expected its items: spread it'],
    ['a branch without cases', when(), 'walk, item 2 (when): cases is []; expected at least one case'],
    [
      'a case that is a list of steps only',
      loose({ kind: 'when', cases: [[mark('b')]] }),
      'walk, item 2 (when), case 1 is [{"kind":"step"',
    ],
    ['a case with a step beside its list', when(loose([isSmall, [mark('b')], mark('c')])), 'expected a test and a list of items'],
    ['a case whose items are no list', loose({ kind: 'when', cases: [[isSmall, mark('b')]] }), 'expected a test and a list of items'],
    ['a call of nothing', call(loose(undefined)), 'walk, item 2 (call) has no path'],
    [
      'a binding that is no function',
      call(named('inner', mark('b')), loose({ n: 1 })),
      'walk, item 2 (call inner): bind is {"n":1}; expected a fun',
    ],
    ['a note that is no function', note(loose({ n: 1 })), 'walk, item 2 (note): local is {"n":1}; expected a function'],
    ['a note of nothing', note(loose(undefined)), 'walk, item 2 (note) has no local'],
    ['a step without a name', step(loose(undefined)), 'walk, item 2 (step) has no name'],
    ['a name with a dot', step('b.c'), 'walk, item 2 (step b.c): name is "b.c"; expected a name without dots'],
    [
      'an item deep inside',
      loop(mark('b'), when([isSmall, [loose(null)]])),
      'walk, item 2 (loop), item 2 (when), case 1, item 1 (null) is null',
    ],
  ])('%s is refused', (_what, item, message) => {
    expect(refusal(mark('a'), item)).toContain(message);
  });

  it('a case without its brackets is refused where it is written', () =>
    expect(() => when(loose(isSmall), loose([mark('b')]))).toThrow('when(): case 1 is no list; expected each case in brackets'));

  it.each<[string, PathRest<Locals>, object, string]>([
    [
      'an unknown key',
      loose({ local: ['n'] }),
      ORIGIN,
      'walk.inner has a key "local"; expected name, source, grade, items, locals, leaves, requires; did you mean "locals"?',
    ],
    ['a context that is none', loose({ requires: 'P' }), ORIGIN, 'walk.inner: requires is "P"; expected "N"'],
    ['locals that are no names', loose({ locals: 'n' }), ORIGIN, 'walk.inner: locals is "n"; expected a list of names'],
    ['no grade', {}, { source: 'a test' }, 'walk.inner has no grade'],
    ['an unknown grade', {}, { source: 'a test', grade: 'red' }, 'walk.inner: grade is "red"; expected "recorded" or'],
  ])('%s of a path is refused', (_what, rest, origin, message) => {
    expect(refusal(mark('a'), call(path('inner', loose(origin), [mark('b')], rest)))).toContain(message);
  });

  it('a path that calls itself is refused', () => {
    const items: TourItem[] = [mark('b')];
    const inner = path('inner', ORIGIN, items);
    items.push(call(inner));
    expect(refusal(mark('a'), call(inner))).toBe('walk.inner.inner.inner and so on: calls nest deeper than 64; does a path call itself?');
  });
});

describe('the source and the grade of a step', () => {
  const meta = (name: string, spec: Parameters<typeof step>[1]) => {
    const { states } = expanded(pathOf([step(name, spec)]));
    const { source, grade } = (states.walk!.states![name] as { readonly meta: { readonly source: string; readonly grade: string } }).meta;
    return { source, grade };
  };

  it('are those of its path unless it has its own', () => {
    expect(meta('a', {})).toEqual({ source: 'a test', grade: 'decision' });
    expect(meta('a', { source: 'kernel arch/x86/kvm/x86.c:11012' })).toEqual({
      source: 'kernel arch/x86/kvm/x86.c:11012',
      grade: 'decision',
    });
    expect(meta('a', { grade: 'read' })).toEqual({ source: 'a test', grade: 'read' });
  });
});

describe('an event that fits no step', () => {
  it('is not taken, so that the error names the step', () => {
    const asked = start(pathOf([step('ask', { send: () => [], answers: { answer: () => ({}) } }), mark('z')])).after({ type: 'step' });
    expect(asked.when({ type: 'poke' }).handled).toBe(false);
    expect(asked.state).toMatchObject({ code: { walk: 'ask' } });
  });
});
