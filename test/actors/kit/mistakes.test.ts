/** What is said of a module that is wrong, where it is wrong. */
import { describe, expect, it } from 'vitest';
import { type HostItem, host } from '../../../actors/host/host-env.ts';
import { cell } from '../../../actors/kit/cell.ts';
import { fn } from '../../../actors/kit/fn.ts';
import { local } from '../../../actors/kit/local.ts';
import { mutex } from '../../../actors/kit/mutex.ts';
import { spinlock } from '../../../actors/kit/spinlock.ts';
import { syscall } from '../../../actors/kit/syscall.ts';
import { workqueue } from '../../../actors/kit/workqueue.ts';
import { race } from '../../../sim/host/race.ts';
import { raced } from './raced.ts';

const flag = cell('flag', { up: false });
const lock = mutex('flagLock');
const up = local<boolean>('up');
const wrong = (value: unknown) => value as never;
const of = (does: unknown, uses: readonly unknown[] = [flag]) =>
  raced({
    race: { uses: wrong(uses), operations: { work: { summary: 's', source: 's', does: wrong(does) } } },
    processes: { p: { threads: [[{ work: {} }]] } },
  });

describe('what a step of the kit is given', () => {
  it.each([
    ['a work item that is not declared', () => workqueue('wq', { drain: () => [] }).queue(wrong('drian')), 'did you mean "drain"?'],
    ['a field, though the step has a name', () => flag.load(wrong('upp'), wrong(up), { as: 'x' }), 'did you mean "up"?'],
    ['a name for a local', () => flag.load('up', wrong('up')), 'flag.load(): argument 2: found "up"; expected a local'],
    [
      'a sum in a field without a number',
      () => flag.addReturn(wrong('up'), 1),
      'flag.addReturn(): argument 1: found "up"; expected a field with a number (none)',
    ],
    [
      'a value from an async function',
      () =>
        flag.store(
          'up',
          wrong(async () => true),
        ),
      'found an async function or a generator; expected text, a finite',
    ],
    ['a key', () => lock.lock(wrong({ aat: () => 'vm:a' })), 'did you mean "at"?'],
    ['an option of a constructor', () => mutex('m', wrong({ pre: 'vm' })), 'mutex m has a key "pre"; expected per; did you mean "per"?'],
    ['a case without brackets', () => host.when(wrong(up.is(true))), 'expected each case in brackets'],
    [
      'a case without items',
      () => host.when(wrong([up.is(true)])),
      'when(): case 1 has nothing for its items; expected each case in brackets',
    ],
    [
      'a case with an item for its list',
      () => host.when([up.is(false), []], wrong([up.is(true), lock.lock()])),
      /^when\(\): case 2 has \{.* for its items; expected each case in brackets, a test and a list of items/,
    ],
  ])('is looked at: %s', (_what, does, says) => expect(does).toThrow(says));
});

describe('a race', () => {
  it('says which key it does not know', () =>
    expect(() => race(wrong({ name: 'r', arches: ['amd'], onLoadd: () => [] }))).toThrow('did you mean "onLoad"?'));
  it.each([
    ['gives nothing', () => undefined, 'operations.work.does: found nothing'],
    ['gives no items', () => [], 'found an empty list; expected at least one item'],
    ['gives a promise', () => Promise.resolve([]), 'found a promise'],
    ['asks for an option that is none', ({ options }: { options: Record<string, string> }) => [options.memry], 'did you mean "memory"?'],
    ['asks for an argument that is none', (_env: unknown, arg: (name: string) => unknown) => [arg('gfn')], 'arg(): found "gfn"'],
    ['uses what takes no part', () => [lock.lock()], 'is a step of flagLock, which takes no part in the run'],
    [
      'uses another of that name',
      () => [cell('flag', { up: false, odd: 1 }).store('odd', 2)],
      'is a step of flag, but another flag takes part in the run',
    ],
    [
      'stores what a function does not give',
      () => [
        flag.store(
          'up',
          wrong(() => undefined),
        ),
      ],
      /flag\.up: the function gives nothing; expected text/,
    ],
    [
      'stores a promise',
      () => [
        flag.store(
          'up',
          wrong(() => Promise.resolve(true)),
        ),
      ],
      'flag.up: the function gives a promise; expected text',
    ],
    ['drops what it does not hold', () => [lock.unlock()], 'thread:p/0 unlocks it, and no one holds it', [lock]],
  ])('is refused before it runs, or by name, where an operation %s', (_what, does, says, uses = wrong([flag])) =>
    expect(() => of(does, uses as readonly unknown[])).toThrow(says),
  );
});

const word = cell('word', { value: 0, seen: 0 });
const [value, seen] = [local<number>('value'), local<number>('seen')];
const load = () => word.load('value', value);
const stored = (items: readonly HostItem[]) => of(() => [...syscall('ioctl', 's', items)], [word]);

it('may be made twice: a primitive of one name', () =>
  expect(of(() => [cell('flag', { up: false }).store('up', true)])).toMatchObject({ verdict: 'clean' }));

describe('a local', () => {
  it.each<[string, readonly HostItem[], RegExp]>([
    [
      'in a test',
      [load(), host.when([local<number>('vlaue').is(1), [word.store('seen', 1)]])],
      /__do_sys_ioctl, item 2 \(when\), case 1 reads the local "vlaue", in which nothing is left; .* or one of value; did you mean "value"\?/,
    ],
    ['that is stored', [load(), word.store('seen', seen)], /item 2 \(step store_seen\) reads the local "seen", in which nothing is left/],
    ['that another gets', [load(), seen.set(local<number>('old'))], /item 2 \(note\) reads the local "old"/],
    [
      'that died',
      [host.call(fn('inner', 's', [load()])), word.store('seen', value)],
      /reads the local "value", which dies with .*__do_sys_ioctl\.inner; expected it in `leaves` of that/,
    ],
    [
      'whose name another has',
      [load(), word.load('seen', local<number>('value')), host.when([value.is(0), [word.store('seen', 1)]])],
      /item 2 \(step load_seen\): two locals are called "value", .* expected another name for one of them/,
    ],
    [
      'that a function of the kit has as well',
      [word.load('value', local<number>('inKit')), host.call({ ...fn('inner', 's', [load()]), locals: wrong(['inKit', 'value']) })],
      /inner has a local of its own that is called "inKit", and what its caller has left in that dies with it/,
    ],
  ])('is refused before it runs: one %s', (_what, items, says) => expect(() => stored(items)).toThrow(says));

  const again = () => {
    const own = local<number>('own');
    return [word.load('value', own), host.when([own.is(1), [word.store('seen', 1)]])];
  };
  it.each<[string, readonly HostItem[]]>([
    [
      'that a note of its own sets',
      [host.call(fn('f', 's', [load(), host.note(() => wrong({ mine: 1 })), word.store('seen', local('mine'))], { locals: ['mine'] }))],
    ],
    ['that a path leaves which it calls', [host.call(fn('inner', 's', [load()], { leaves: ['value'] })), word.store('seen', value)]],
    ['that the caller has', [load(), host.call(fn('inner', 's', [word.store('seen', value)]))]],
    ['of an earlier turn', [host.loop(word.load('seen', seen), host.when([value.is(0), [host.leaveLoop]]), load())]],
    ['that is tested, and that another variant leaves', [load(), host.when([local('gone').isNot(true), [word.store('seen', 1)]])]],
    ['that a function looks at', [load(), host.when([(_t, l) => seen.of(l) === undefined, [word.store('seen', 1)]])]],
    ['that a helper makes each time', [...again(), ...again()]],
  ])('is taken as it is: one %s', (_what, items) => expect(stored(items)).toMatchObject({ broken: [] }));
});

describe('a lock that is not given back on each way', () => {
  const spin = spinlock('mapLock');
  const taken = (items: readonly HostItem[]) => of(() => [...syscall('ioctl', 's', items)], [word, spin]);

  it.each<[string, readonly HostItem[], string]>([
    ['a branch', [load(), host.when([value.is(0), [spin.lock()]]), word.store('seen', 1)], 'spin_lock of mapLock'],
    [
      'a turn of a loop',
      [host.loop(load(), spin.lock(), host.when([value.is(1), [spin.unlock(), host.leaveLoop]]))],
      'spin_lock of mapLock',
    ],
    ['the end', [spin.lock(), load()], 'spin_lock of mapLock'],
  ])('is named at %s', (_what, items, names) =>
    expect(() => taken(items)).toThrow(`on one way there ${names} is not given back; expected it to be unlocked on each way`),
  );
  it('is told from a count that is no lock', () =>
    expect(() => taken([load(), host.when([value.is(0), [host.preemptDisable]]), word.store('seen', 1)])).toThrow(
      '__do_sys_ioctl.preempt_disable is not given back; expected it to be undone on each way',
    ));
});
