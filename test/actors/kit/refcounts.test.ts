/** Reference counts and memory with a life: against a naive oracle, and as races see them. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AnyStateMachine, assign, createActor, createMachine } from 'xstate';
import { host } from '../../../actors/host/host-env.ts';
import { cell } from '../../../actors/kit/cell.ts';
import { local } from '../../../actors/kit/local.ts';
import { object } from '../../../actors/kit/object.ts';
import { refcount, refcountMachine } from '../../../actors/kit/refcount.ts';
import { race } from '../../../sim/host/race.ts';
import { always, sometimes } from '../../../sim/property.ts';
import { Given } from '../given.ts';
import { kitClaims, provides, threads } from './claims.ts';

const { when } = host;
const known = { kinds: ['log'], source: 'a test', grade: 'decision' } as const;
const got = local<boolean>('got');
const n = local<number>('n');
const ctx = object('ctx');
const fields = cell('ctxFields', { n: 0 }, { in: ctx });
const refs = refcount('ctxRefs');
const two = refcount('two', { begins: 2 });
const log = cell('log', { released: 0, refused: 0 });
const ofLog = (count: 'released' | 'refused', than: number) => (world: Parameters<(typeof releasedOnce)['check']>[0]) =>
  world.actors<Readonly<Record<typeof count, number>>>('log')[0]!.context[count] > than ? `${count} more than ${than} times` : null;
const releasedOnce: ReturnType<typeof always> = always('log.released-once', { ...known, check: (world) => ofLog('released', 1)(world) });
const released = sometimes('log.released', { ...known, check: ofLog('released', 0) });
const refused = sometimes('log.refused', { ...known, check: ofLog('refused', 0) });

const put = refs.put([log.addReturn('released', 1), ctx.free()]);
const careless = [refs.get(), fields.load('n', n), put];
const careful = [refs.getUnlessZero(got), when([got.is(true), [fields.load('n', n), put]], [() => true, [log.addReturn('refused', 1)]])];

/** A machine that does nothing about a message. */
const deafTo = (type: string) => (machine: AnyStateMachine) => {
  const { on, states, ...rest } = machine.config as { on: object; states: { memory: { on: object } } };
  const deaf = { [type]: { actions: assign({}) } };
  const memory = { ...states.memory, on: { ...states.memory.on, ...(type in states.memory.on && deaf) } };
  return createMachine({ ...rest, on: { ...on, ...(type in on && deaf) }, states: { memory } } as never).provide(
    machine.implementations as never,
  );
};

kitClaims([
  {
    id: 'KIT-20',
    says: 'refcount_inc() of a count that has dropped to 0 saturates it, and is reported',
    source: 'lib/refcount.c, refcount_warn_saturate(); include/linux/refcount.h, __refcount_add(), 6.12',
    grade: 'read',
    mutants: {
      'refcount-inc-from-zero': { ctxRefs: provides({ guards: { isZero: () => false } }) },
      'refcount-comes-back': { ctxRefs: provides({ actions: { saturateAbove: assign({ count: 1 }) } }) },
    },
    check: (of) => {
      const { broken, messages } = threads([[put], careless], { uses: [ctx, fields, of(refs), log] });
      expect(broken).toContain('ctx-refs.saturates');
      expect(messages).toContain('thread:p1/0 at ctxRefs:0: refcount_t: addition on 0; use-after-free.');
    },
  },
  {
    id: 'KIT-21',
    says: 'refcount_inc_not_zero() gives no reference once the count has dropped to 0, so that no use comes behind the release',
    source: 'include/linux/refcount.h, __refcount_add_not_zero(), 6.12',
    grade: 'read',
    mutants: {
      'refcount-not-zero-is-given': { ctxRefs: provides({ guards: { isZero: () => false } }) },
      'refcount-released-early': { ctxRefs: provides({ guards: { isOne: () => true } }) },
    },
    check: (of) =>
      expect(threads([[put], careful], { uses: [ctx, fields, of(refs), log], properties: [releasedOnce, refused] })).toMatchObject({
        verdict: 'clean',
        exhausted: true,
      }),
  },
  {
    id: 'KIT-22',
    says: 'of several who drop references, exactly the one that drops the last walks the release',
    source: 'include/linux/kref.h, kref_put(), 6.12',
    grade: 'read',
    mutants: {
      'kref-each-releases': { two: provides({ guards: { isOne: () => true } }) },
      'kref-none-releases': { two: provides({ guards: { isOne: () => false } }) },
    },
    check: (of) => {
      const drop = two.put([log.addReturn('released', 1)]);
      const found = threads([[drop], [drop]], { uses: [of(two), log], properties: [releasedOnce, released] });
      expect(found).toMatchObject({ verdict: 'clean', exhausted: true });
    },
  },
  {
    id: 'KIT-23',
    says: 'a use of memory that another has freed, and a second kfree(), are reported with both threads',
    source: 'mm/kasan/report.c, "double-free"; mm/kasan/report_generic.c, "slab-use-after-free", 6.12',
    grade: 'read',
    mutants: {
      'object-is-never-freed': { ctx: deafTo('object.destroy') },
      'object-is-used-unseen': { ctx: deafTo('object.use') },
    },
    check: (of) => {
      const found = threads([[ctx.free()], [fields.load('n', n)], [ctx.free()]], { uses: [of(ctx), fields] });
      expect(found.broken.sort()).toEqual(['ctx.double-free', 'ctx.use-after-free']);
      expect(found.messages.join()).toMatch(/thread:p1\/0 uses ctx:0, and thread:p[02]\/0 has freed it/);
      expect(found.messages.join()).toMatch(/thread:p[02]\/0 frees ctx:0, and thread:p[02]\/0 has freed it already/);
    },
  },
]);

type Op = 'inc' | 'incNotZero' | 'decAndTest' | 'decNotOne';
describe('a reference count', () => {
  it('counts as an integer does that sticks where it would leave 0, call by call', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 2 }),
        fc.array(fc.constantFrom<Op>('inc', 'incNotZero', 'decAndTest', 'decNotOne'), { maxLength: 30, size: 'max' }),
        (begins, ops) => {
          const actor = createActor(refcountMachine, { input: { count: begins } });
          const said: boolean[] = [];
          actor.on('*', (message) => said.push((message as unknown as { event: { result: boolean } }).event.result));
          actor.start();
          let count = begins;
          let stuck = false;
          const expected: boolean[] = [];
          for (const op of ops) {
            actor.send({ type: `refcount.${op}`, from: 'thread:p/0' });
            if (op !== 'inc')
              expected.push(
                stuck ? op !== 'decAndTest' : op === 'incNotZero' ? count > 0 : op === 'decAndTest' ? count === 1 : count !== 1,
              );
            if (!stuck && count === 0 && op !== 'incNotZero') stuck = true;
            else if (!stuck && op === 'inc') count++;
            else if (!stuck && op === 'incNotZero' && count > 0) count++;
            else if (!stuck && (op === 'decAndTest' || (op === 'decNotOne' && count > 1))) count--;
          }
          expect(said).toEqual(expected);
          expect(actor.getSnapshot().context.count).toBe(stuck ? 'saturated' : count);
          expect(actor.getSnapshot().context.warning !== null).toBe(stuck);
        },
      ),
    );
  });
  it('drops none but the last by refcount_dec_not_one(), and is set and read', () => {
    const left = local<number | 'saturated'>('left');
    const seen = cell('seen', { n: 0 as number | string });
    const items = [two.decNotOne(got), two.decNotOne(got), two.set(5), two.read(left), seen.store('n', (_t, l) => left.of(l)!)];
    const five = sometimes('seen.five', {
      ...known,
      kinds: ['seen'],
      check: (w) => (w.actors<{ n: number }>('seen')[0]!.context.n === 5 ? '5' : null),
    });
    expect(threads([items], { uses: [two, seen], properties: [five] })).toMatchObject({ verdict: 'clean' });
  });
  it('begins with a number of references', () =>
    expect(() => refcount('r', { begins: -1 })).toThrow('refcount r: begins is -1; expected a whole number, 0 or more'));
});

describe('what a primitive brings of properties', () => {
  it('is asked by each scenario, and stands among those of its race', () => {
    expect(race({ name: 'a', arches: ['amd'], uses: [refs, ctx] }).properties?.map(({ id }) => id)).toEqual([
      'ctx-refs.saturates',
      'ctx.use-after-free',
      'ctx.double-free',
      'ctx.double-alloc',
    ]);
    expect(threads([[ctx.use('read_it')], [ctx.free()]], { uses: [ctx] }).broken).toEqual(['ctx.use-after-free']);
  });
  it('tells the first misuse, and who has freed the object last', () => {
    const [{ machine, breaches = [] }] = object('o').parts as [(typeof ctx.parts)[number]];
    const by = (type: string, thread: string) => ({ type: `object.${type}`, from: `thread:${thread}/0` });
    const { context } = Given.start<object>(machine({} as never), null).after(
      ...[by('destroy', 'a'), by('create', 'a'), by('destroy', 'b'), by('use', 'c'), by('use', 'd'), by('destroy', 'd')],
    );
    expect(breaches.flatMap(({ each }) => each(context as never, 'o:0') ?? [])).toEqual([
      'thread:c/0 uses o:0, and thread:b/0 has freed it',
    ]);
  });
  it('is no use before it is allocated, and none of an object that each VM has one of', () => {
    const late = object('late', { allocated: false });
    expect(threads([[late.use('read_it')], [late.alloc(), late.free()]], { uses: [late] }).messages).toContain(
      'thread:p0/0 uses late:0 before it is allocated',
    );
    expect(threads([[late.alloc(), late.alloc()]], { uses: [late] }).messages).toEqual([
      'thread:p0/0 allocates late:0, which is there already',
    ]);
    expect(() => cell('x', { n: 0 }, { in: object('y', { per: 'vm' }) }).load('n', n)).toThrow(
      "x lies in y, of which there is one for each vm; expected { per: 'vm' }",
    );
  });
});
