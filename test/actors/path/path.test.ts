/** The path builder: what its items mean, and the rules of contexts, each seen to fire. */
import { describe, expect, it } from 'vitest';
import { otherwise, PathError, USER_MODE } from '../../../actors/path/path.ts';
import { expanded, lettersOf, mark, pathOf, start, type TourItem, tour, walk } from './walk.ts';

const { step, call, loop, when, note, leaveLoop, leavePath, preemptDisable, preemptEnable } = tour;
const KERNEL = { ...USER_MODE, mode: 'kernel' } as const;
const STEP = { type: 'step' };
const set = (n: number): TourItem => note(() => ({ n }));

describe('items', () => {
  it('run in order and end at home', () => {
    expect(walk([mark('a'), mark('b'), mark('c')])).toEqual(['a', 'b', 'c']);
  });

  it('a note costs no step and is seen by the next one', () => {
    expect(walk([mark('a'), set(1), mark('b'), note((_t, l) => ({ n: l.n! + 1 })), mark('c')])).toEqual(['a', 'b n=1', 'c n=2']);
  });

  it('when takes the first case that holds, and none if none holds', () => {
    const branch = (n: number) =>
      walk([mark('a'), set(n), when([(_t, l) => l.n! > 1, [mark('big')]], [(_t, l) => l.n! > 0, [mark('some')]]), mark('z')]);
    expect(branch(2)).toEqual(['a', 'big n=2', 'z n=2']);
    expect(branch(1)).toEqual(['a', 'some n=1', 'z n=1']);
    expect(branch(0)).toEqual(['a', 'z n=0']);
  });

  it('nothing falls through otherwise', () => {
    const left = (last: typeof otherwise) => [
      mark('a'),
      when([(t) => t.limit > 5, [mark('big'), leavePath]], [last, [mark('else'), leavePath]]),
      mark('after'),
    ];
    expect(() => lettersOf(left(otherwise))).toThrow('walk, item 3 (step after) is never reached: item 2 does not go on');
    expect(Object.keys(lettersOf(left(() => true)))).toEqual(['a', 'big', 'else', 'after']);
    expect(walk(left(otherwise).slice(0, 2))).toEqual(['a', 'else']);
  });

  it('a loop runs until it is left, and leaveLoop leaves the innermost one', () => {
    const items = [
      mark('a'),
      set(0),
      loop(
        loop(mark('inner'), when([otherwise, [leaveLoop]])),
        mark('outer'),
        note((_t, l) => ({ n: l.n! + 1 })),
        when([(t, l) => l.n! >= t.limit, [leaveLoop]]),
      ),
      mark('z'),
    ];
    expect(walk(items)).toEqual(['a', 'inner n=0', 'outer n=0', 'inner n=1', 'outer n=1', 'z n=2']);
  });

  it('leavePath returns from the called path only', () => {
    const inner = pathOf([mark('in'), when([otherwise, [leavePath]])], { name: 'inner' });
    expect(walk([mark('a'), call(inner), mark('z')])).toEqual(['a', 'in', 'z']);
  });

  it('a path may have a name that every object has', () => {
    const inner = pathOf([mark('toString'), mark('in')], { name: 'constructor' });
    expect(walk([mark('a'), call(inner), mark('z')])).toEqual(['a', 'toString', 'in', 'z']);
  });

  it('a local that no path around it lists is refused where it would stay', () => {
    const walked = (inner: readonly ('n' | 'inner')[], outer: readonly 'n'[]) => {
      const called = pathOf([mark('in', { local: () => ({ n: 1 }) }), mark('late')], { name: 'inner', locals: inner });
      let given = start(pathOf([mark('a'), call(called), mark('z')], { locals: outer }), undefined, undefined, []);
      for (let i = 0; i < 4; i++) given = given.when(STEP).and;
    };
    expect(() => walked(['inner'], [])).toThrow(
      new PathError('walk.inner.in leaves the local n, which no path around walk.inner.late lists in locals: it would never die'),
    );
    walked(['n'], []);
    walked([], ['n']);
  });

  it('a call binds locals, and those of the path die when it returns', () => {
    const inner = pathOf([mark('in'), note(() => ({ inner: 7 })), mark('late')], { name: 'inner', locals: ['n', 'inner'] });
    const machine = start(pathOf([mark('a'), call(inner, () => ({ n: 5 })), mark('z')]));
    const inside = machine.after(STEP);
    expect(inside.context.frames).toEqual({ code: { n: 5 }, other: {} });
    expect(inside.after(STEP).context.frames).toEqual({ code: { n: 5, inner: 7 }, other: {} });
    const back = inside.after(STEP, STEP);
    expect(back.context.frames).toEqual({ code: {}, other: {} });
    expect(back.after(STEP).context.seen).toEqual(['a', 'in n=5', 'late n=5', 'z']);
  });

  it('names a step by the chain of calls', () => {
    const inner = pathOf([mark('in')], { name: 'inner' });
    expect(start(pathOf([mark('a'), call(inner)])).after(STEP).state).toMatchObject({ code: { walk: { inner: 'in' } } });
  });

  it('a stop is the end, and at rest', () => {
    const stopped = start(pathOf([mark('a'), tour.stop('off')])).after(STEP);
    expect(stopped.state).toMatchObject({ code: { walk: 'off' } });
    expect(stopped.has('rest')).toBe(true);
    expect(stopped.when(STEP).handled).toBe(false);
  });

  it('home is told when the outermost path returns', () => {
    const { sent, state } = start(pathOf([mark('a')])).when(STEP);
    expect(sent).toEqual([{ to: 'cpu', event: { type: 'done' } }]);
    expect(state).toMatchObject({ code: 'home' });
  });

  it('set, local and send all see the state before the step', () => {
    const both = step('both', {
      set: (t) => ({ limit: t.limit + 1 }),
      local: (t) => ({ n: t.limit }),
      send: (t, l) => ({ type: 'send', to: 'x', event: { type: 'saw', limit: t.limit, n: l.n ?? null } as never }),
    });
    const { sent, context } = start(pathOf([both, mark('z')])).when(STEP);
    expect(sent[0]!.event).toEqual({ type: 'saw', limit: 2, n: null });
    expect(context).toMatchObject({ limit: 3, frames: { code: { n: 2 } } });
  });
});

describe('a step that asks', () => {
  const ask = step('ask', {
    send: () => ({ type: 'send', to: 'x', event: { type: 'question' } }),
    answers: { answer: (e) => ({ answer: e.value }) },
  });
  const asked = start(pathOf([ask, mark('z')]), undefined, pathOf([ask, mark('y')], { name: 'aside' })).after(STEP);

  it('stays until its answer comes, which costs no step', () => {
    expect(asked.context.asking).toBe('code');
    expect(asked.state).toMatchObject({ code: { walk: 'ask' } });
    const { state, context } = asked.when({ type: 'answer', value: 3 });
    expect(state).toMatchObject({ code: { walk: 'z' } });
    expect(context).toMatchObject({ asking: null, frames: { code: { answer: 3 }, other: {} } });
  });

  it('takes its own answer only: the frame that asked guards it', () => {
    expect(asked.after({ type: 'answer', value: 3 }).state).toMatchObject({ other: { aside: 'ask' } });
    const other = start(pathOf([ask, mark('z')]), undefined, pathOf([ask, mark('y')], { name: 'aside' })).after({ type: 'other.step' });
    const answered = other.after({ type: 'answer', value: 4 });
    expect(answered.state).toMatchObject({ code: { walk: 'ask' }, other: { aside: 'y' } });
    expect(answered.context.frames).toEqual({ code: {}, other: { answer: 4 } });
  });

  it('takes no answer that it did not ask for', () => {
    expect(start(pathOf([ask, mark('z')])).when({ type: 'answer', value: 1 }).handled).toBe(false);
  });

  it('can be ended unasked where it says so', () => {
    const sleepy = step('wait', { idles: true, wakes: { poke: () => ({ n: 1 }) } });
    const { state, context } = start(pathOf([sleepy, mark('z')])).when({ type: 'poke' });
    expect(state).toMatchObject({ code: { walk: 'z' } });
    expect(context.frames.code).toEqual({ n: 1 });
  });

  it('cannot be run where it awaits a message', () => {
    const waiting = start(pathOf([step('wait', { awaits: true, wakes: { poke: () => ({ n: 1 }) } }), mark('z')]));
    expect(waiting.when(STEP).handled).toBe(false);
    expect(waiting.when({ type: 'poke' })).toMatchObject({ state: { code: { walk: 'z' } }, context: { frames: { code: { n: 1 } } } });
  });
});

describe('letters', () => {
  it('flow from the steps that change the context', () => {
    const items = [
      step('u'),
      step('enter', { mode: 'kernel' }),
      step('p'),
      step('r', { mayResched: true }),
      preemptDisable,
      step('n'),
      step('cli', { irqs: false }),
      step('i'),
      step('vmrun', { mode: 'guest' }),
      step('g'),
      step('g2', { inside: true }),
      step('vmexit', { mode: 'kernel' }),
      step('i2'),
      step('sti', { irqs: true }),
      preemptEnable,
      step('lock', { spin: 1 }),
      step('l'),
      step('unlock', { spin: -1 }),
      step('insn', { insn: true }),
      step('x'),
      step('retire', { insn: false }),
      step('p2'),
    ];
    const letters = Object.entries(lettersOf(items, USER_MODE)).map(([name, letter]) => `${name} ${letter}`);
    expect(letters).toEqual(
      'u U,enter U,p P,r R,preempt_disable P,n N,cli N,i I,vmrun I,g G,g2 X,vmexit G,i2 I,sti I,preempt_enable N,lock P,l L,unlock L,insn P,x X,retire X,p2 P'.split(
        ',',
      ),
    );
  });

  it('are announced on the edges where they change, and on no other', () => {
    const first = start(pathOf([mark('a'), mark('b'), preemptDisable, mark('c'), preemptEnable]));
    const letters: unknown[] = [];
    let given = first;
    for (let i = 0; i < 5; i++) {
      const then = given.when(STEP);
      letters.push(then.sent.filter(({ event }) => event.type === 'letter').map(({ event }) => event.letter));
      given = then.and;
    }
    expect(letters).toEqual([[], [], ['N'], [], []]);
  });

  it('a spinlock with preemption off is N, not L', () => {
    expect(lettersOf([preemptDisable, step('lock', { spin: 1 }), step('s'), step('unlock', { spin: -1 }), preemptEnable]).s).toBe('N');
  });
});

describe('rules of contexts', () => {
  const refused =
    (items: readonly TourItem[], from: Parameters<typeof expanded>[1] = KERNEL) =>
    () =>
      expanded(pathOf(items), from);

  it('requires N is held against the caller', () => {
    const atomic = pathOf([step('touch')], { name: 'atomic', requires: 'N' });
    expect(refused([step('a'), call(atomic)])).toThrow('walk.atomic.touch needs preemption off, its caller left it on');
    expect(refused([preemptDisable, call(atomic), preemptEnable])).not.toThrow();
    expect(refused([step('cli', { irqs: false }), call(atomic), step('sti', { irqs: true })])).not.toThrow();
    const nested = pathOf([step('inner')], { name: 'nested' });
    const outer = pathOf([call(nested)], { name: 'outer', requires: 'N' });
    expect(refused([call(outer)])).toThrow('walk.outer.nested.inner needs preemption off');
  });

  it.each([
    ['preemption off', { preempt: 1 }, { preempt: -1 }],
    ['a spinlock', { spin: 1 }, { spin: -1 }],
    ['interrupts off', { irqs: false }, { irqs: true }],
  ] as const)('a walker may not sleep with %s', (_name, take, drop) => {
    expect(refused([step('take', take), step('sleep', { sleeps: true }), step('drop', drop)])).toThrow(
      /walk\.sleep sleeps with kernel mode/,
    );
    expect(refused([step('take', take), step('drop', drop), step('sleep', { sleeps: true })])).not.toThrow();
  });

  it('two ways into a step agree', () => {
    const items = [step('a'), when([(t) => t.limit > 1, [preemptDisable]]), step('join')];
    expect(refused(items)).toThrow(/walk\.join is entered with .*preempt [01].* and with .*preempt [01]/);
    const irqs = [step('a'), when([(t) => t.limit > 1, [step('cli', { irqs: false })]]), step('join')];
    expect(refused(irqs)).toThrow(/walk\.join is entered with .*irqs/);
  });

  it('a loop comes back as it went in', () => {
    expect(refused([loop(step('a'), preemptDisable)])).toThrow(/walk\.a is entered with/);
  });

  it.each([
    ['preempt', { preempt: -1 }],
    ['spin', { spin: -1 }],
  ] as const)('%s is not dropped below 0', (_name, spec) => {
    expect(refused([step('drop', spec)])).toThrow('walk.drop drops a count that is 0');
  });

  it('two steps of one path have two names', () => {
    expect(refused([step('a'), step('a')])).toThrow(PathError);
    expect(refused([step('a'), step('a')])).toThrow('two steps are called walk.a; name one of them apart');
    const inner = pathOf([step('in')], { name: 'inner' });
    expect(refused([call(inner), step('b'), call(inner)])).toThrow('two steps are called walk.inner.in');
    expect(refused([call(inner), step('inner')])).toThrow('walk.inner is a step and a path that is called; name one of them apart');
    expect(refused([step('inner'), call(inner)])).toThrow('walk.inner is a step and a path that is called; name one of them apart');
  });

  it('leaveLoop stands in a loop', () => {
    expect(refused([step('a'), leaveLoop])).toThrow('walk, item 2 (leaveLoop) stands outside a loop');
    const inner = pathOf([step('in'), leaveLoop], { name: 'inner' });
    expect(refused([loop(call(inner))])).toThrow('walk.inner, item 2 (leaveLoop) stands outside a loop');
  });
});
