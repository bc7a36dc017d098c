/** Grace periods: against a naive oracle, and as races see them. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assign, createActor, emit } from 'xstate';
import { type HostItem, host } from '../../../actors/host/host-env.ts';
import { cell } from '../../../actors/kit/cell.ts';
import { type GraceContext, graceMachine } from '../../../actors/kit/grace.ts';
import { local } from '../../../actors/kit/local.ts';
import { mutex } from '../../../actors/kit/mutex.ts';
import { object } from '../../../actors/kit/object.ts';
import { rcu, srcu } from '../../../actors/kit/rcu.ts';
import { outgoing } from '../../../events/event.ts';
import { progress } from '../../../sim/properties/liveness.ts';
import { always, sometimes } from '../../../sim/property.ts';
import { kitClaims, provides, threads } from './claims.ts';

const { when } = host;
const GUARANTEE = 'Documentation/RCU/Design/Requirements/Requirements.rst, "Grace-Period Guarantee", 6.12';
const known = { source: 'a test', grade: 'decision' } as const;
const old = object('old');
const pointer = cell('pointer', { isOld: true });
const seen = cell('seen', { inside: false, together: false });
const isOld = local<boolean>('isOld');
const before = local<boolean>('before');
const index = local<0 | 1>('index');
const domain = srcu('domain');
const sleepLock = mutex('sleepLock');

const use = [pointer.load('isOld', isOld), when([isOld.is(true), [old.use('read_it')]])];
const reader = [rcu.readLock(), ...use, rcu.readUnlock()];
const nested = [rcu.readLock(), rcu.readLock(), use[0]!, rcu.readUnlock(), use[1]!, rcu.readUnlock()];
const unlink = pointer.store('isOld', false);
const updater = [unlink, rcu.synchronize(), old.free()];
const sleeper = [domain.readLock(index), sleepLock.lock(), ...use, sleepLock.unlock(), domain.readUnlock(index)];
const holder = [sleepLock.lock(), sleepLock.unlock()];
const together = sometimes('seen.together', {
  ...known,
  kinds: ['seen'],
  check: (world) => (world.actors<{ together: boolean }>('seen')[0]!.context.together ? 'it is' : null),
});
/** All are gone whom a grace period waits for, and there are readers. */
const endsAmongReaders = sometimes('grace.ends-among-readers', {
  ...known,
  kinds: ['rcu', 'domain'],
  check: (world) => {
    const all = [...world.actors<GraceContext>('rcu'), ...world.actors<GraceContext>('domain')];
    return all.some(({ context: c }) => c.current?.waitsFor.length === 0 && c.readers.length > 0) ? 'it can' : null;
  },
});
const freed = sometimes('old.freed', {
  ...known,
  kinds: ['old'],
  check: (world) => (world.actors<{ freedBy: string | null }>('old')[0]!.context.freedBy === null ? null : 'it is'),
});

type Args = { readonly context: GraceContext; readonly event: { readonly from: string } };
const changes = (change: (context: GraceContext, by: string) => Partial<GraceContext>) =>
  assign((({ context, event }: Args) => change(context, event.from)) as never);
const isUnseen = provides({ actions: { enter: assign({}), leave: assign({}) } });
const isOverAtOnce = provides({
  actions: { wait: changes((c, by) => ({ over: [...c.over, by] })) },
});
const takesLaterOnes = provides({
  actions: {
    enter: changes((c, by) => ({
      readers: [...c.readers, c.index ?? by],
      current: c.current && { ...c.current, waitsFor: [...c.current.waitsFor, c.index ?? by] },
    })),
  },
});
const clean = { verdict: 'clean', exhausted: true } as const;

kitClaims([
  {
    id: 'KIT-30',
    says: 'synchronize_rcu() returns once all readers have left that were inside before, so that what it frees is used no more',
    source: GUARANTEE,
    grade: 'read',
    mutants: { 'rcu-readers-are-unseen': { rcu: isUnseen }, 'rcu-is-over-at-once': { rcu: isOverAtOnce } },
    check: (of) =>
      expect(threads([reader, updater], { uses: [old, pointer, of(rcu)], properties: [progress, freed] })).toMatchObject(clean),
  },
  {
    id: 'KIT-31',
    says: 'it does not wait for readers that come later',
    source: 'kernel/rcu/tree.c, comment of call_rcu(), 6.12',
    grade: 'read',
    mutants: { 'rcu-waits-for-later-ones': { rcu: takesLaterOnes }, 'srcu-waits-for-later-ones': { domain: takesLaterOnes } },
    check: (of) => {
      for (const gp of [of(rcu), of(domain)]) {
        const enter = gp.kind === 'rcu' ? rcu.readLock() : domain.readLock(index);
        const leave = gp.kind === 'rcu' ? rcu.readUnlock() : domain.readUnlock(index);
        const work = [[enter, leave], [gp.synchronize()]];
        expect(threads(work, { uses: [gp], properties: [endsAmongReaders, progress] })).toMatchObject(clean);
      }
    },
  },
  {
    id: 'KIT-32',
    says: 'a reader inside nested sections is inside until the outermost ends',
    source: GUARANTEE,
    grade: 'read',
    mutants: {
      'rcu-inner-end-is-the-end': {
        rcu: provides({
          actions: {
            leave: changes((c, by) => ({
              readers: c.readers.slice(1),
              current: c.current && { ...c.current, waitsFor: c.current.waitsFor.filter((one) => one !== by) },
            })),
          },
        }),
      },
      'rcu-enters-once': { rcu: isUnseen },
    },
    check: (of) => expect(threads([nested, updater], { uses: [old, pointer, of(rcu)], properties: [progress] })).toMatchObject(clean),
  },
  {
    id: 'KIT-33',
    says: 'a grace period that is under way does not do for who comes meanwhile',
    source: 'kernel/rcu/rcu.h, rcu_seq_snap(), 6.12',
    grade: 'read',
    mutants: {
      'rcu-joins-what-is-under-way': {
        rcu: provides({
          actions: {
            wait: changes((c, by) => {
              const { threads: others = [], callbacks = [], waitsFor = c.readers } = c.current ?? {};
              return { current: { threads: [...others, by].sort(), callbacks, waitsFor } };
            }),
          },
        }),
      },
      'rcu-is-over-at-once': { rcu: isOverAtOnce },
    },
    check: (of) => {
      const found = threads([[rcu.synchronize()], reader, updater], { uses: [old, pointer, of(rcu)], properties: [progress] });
      expect(found).toMatchObject(clean);
    },
  },
  {
    id: 'KIT-34',
    says: 'a reader of SRCU may sleep, and synchronize_srcu() waits for it',
    source: 'kernel/rcu/srcutree.c, srcu_advance_state(), __synchronize_srcu(); Documentation/RCU/checklist.rst, "sleepable RCU", 6.12',
    grade: 'read',
    mutants: {
      'srcu-readers-are-unseen': { domain: provides({ actions: { enter: assign({}), leave: assign({}) } }) },
      'srcu-is-over-at-once': { domain: isOverAtOnce },
    },
    check: (of) => {
      const work = [sleeper, holder, [unlink, domain.synchronize(), old.free()]];
      expect(threads(work, { uses: [old, pointer, of(domain), sleepLock], properties: [progress, freed] })).toMatchObject(clean);
    },
  },
  {
    id: 'KIT-35',
    says: 'a callback of call_rcu() runs behind a grace period, and its caller goes on at once',
    source: 'kernel/rcu/tree.c, call_rcu(), 6.12',
    grade: 'read',
    mutants: {
      'rcu-calls-back-at-once': {
        rcu: provides({
          actions: {
            call: emit((({ event }: { event: { callback: { to: string; event: { type: string } } } }) =>
              outgoing(event.callback.to, event.callback.event)) as never),
          },
        }),
      },
      'rcu-never-calls-back': { rcu: provides({ actions: { call: assign({}) } }) },
    },
    check: (of) => {
      const inside = [rcu.readLock(), ...use, rcu.readUnlock()];
      // The updater is a reader itself: it could not wait here.
      const frees = [rcu.readLock(), unlink, rcu.kfree(old), rcu.readUnlock()];
      expect(threads([inside, frees], { uses: [old, pointer, of(rcu)], properties: [freed] })).toMatchObject(clean);
    },
  },
]);

describe('a section of RCU', () => {
  it('without a grace period is used behind its end', () =>
    expect(threads([reader, [unlink, old.free()]], { uses: [old, pointer, rcu] }).broken).toEqual(['old.use-after-free']));
  it('is refused where it sleeps, or may', () => {
    const within = (item: HostItem) => () => threads([[rcu.readLock(), item, rcu.readUnlock()]], { uses: [rcu, sleepLock] });
    expect(within(sleepLock.lock())).toThrow(/mutex_lock\.trylock sleeps, or may, with .* inside rcu_read_lock\(\)/);
    expect(within(rcu.synchronize())).toThrow(/synchronize_rcu\.call_rcu_hurry sleeps, or may/);
    expect(() => threads([[rcu.readUnlock()]], { uses: [rcu] })).toThrow('rcu_read_unlock drops a count that is 0');
  });
  it('is preempted where the host preempts the kernel, and nowhere else', () => {
    const enters = [rcu.readLock(), seen.store('inside', true), seen.store('inside', false), rcu.readUnlock()];
    const looks = [seen.load('inside', before), when([before.is(true), [seen.store('together', true)]])];
    const on = (preemption: 'none' | 'voluntary' | 'full' | 'rt') =>
      threads([enters, looks], { uses: [seen, rcu], properties: [together], cpus: 1, host: { preemption } }).verdict;
    expect([on('none'), on('voluntary')]).toEqual(['missed seen.together', 'missed seen.together']);
    expect([on('full'), on('rt')]).toEqual(['clean', 'clean']);
  });
  it('of SRCU ends with the index that it began with', () => {
    expect(() => threads([[when([() => false, [domain.readLock(index)]]), domain.readUnlock(index)]], { uses: [domain] })).toThrow(
      'srcu_read_unlock() of domain with index',
    );
    const never = always('seen.never', { ...known, kinds: ['seen'], check: () => null });
    const wrong = [domain.readLock(index), index.set(1), seen.store('inside', true), domain.readUnlock(index)];
    expect(() => threads([wrong], { uses: [domain, seen], properties: [never] })).toThrow('leaves a section that no reader has entered');
  });
});

type Does = { readonly who: number; readonly does: 'enter' | 'leave' | 'synchronize' | 'end' };
const doings = fc.array(
  fc.record<Does>({ who: fc.integer({ min: 0, max: 2 }), does: fc.constantFrom('enter', 'leave', 'synchronize', 'end') }),
  { maxLength: 40, size: 'max' },
);

describe.each([null, 0] as const)('grace periods with index %s', (first) => {
  it('let a thread go when each section has ended that was open at its call, and at last let all go', () => {
    fc.assert(
      fc.property(doings, (all) => {
        const actor = createActor(graceMachine, { input: { index: first } });
        let answer: { readonly index?: 0 | 1; readonly over?: boolean } = {};
        actor.on('*', (message) => {
          const { to, event } = message as unknown as { to: string; event: typeof answer };
          if (to !== 'sched') answer = event;
        });
        actor.start();
        const open: { readonly who: number; readonly index: 0 | 1 | undefined }[] = [];
        /** Sections that were open when each that waits has called. */
        const waits = new Map<number, readonly object[]>();
        const tell = (who: number, event: object) => {
          answer = {};
          actor.send({ ...event, from: `thread:p/${who}` } as never);
        };
        const canEnd = () => actor.getSnapshot().context.current?.waitsFor.length === 0;
        const ask = (who: number) => {
          tell(who, { type: 'grace.synchronize' });
          const since = waits.get(who);
          if (answer.over) {
            expect(since?.some((section) => open.includes(section as never))).toBe(false);
            waits.delete(who);
          } else waits.set(who, since ?? [...open]);
        };
        const leave = (section: (typeof open)[number]) => {
          open.splice(open.indexOf(section), 1);
          tell(section.who, { type: 'grace.leave', ...(section.index !== undefined && { index: section.index }) });
        };
        for (const { who, does } of all) {
          if (does === 'enter') {
            tell(who, { type: first === null ? 'grace.read' : 'grace.enter' });
            open.push({ who, index: first === null ? undefined : answer.index });
          } else if (does === 'end') {
            if (canEnd()) actor.send({ type: 'grace.end' });
          } else if (does === 'synchronize') ask(who);
          else {
            const section = open.findLast((one) => one.who === who);
            if (section) leave(section);
          }
        }
        while (open.length > 0) leave(open.at(-1)!);
        while (canEnd()) actor.send({ type: 'grace.end' });
        for (const who of [...waits.keys()]) ask(who);
        expect([...waits.keys()]).toEqual([]);
        expect(actor.getSnapshot().context).toMatchObject({ readers: [], current: null, over: [] });
      }),
    );
  });
});
