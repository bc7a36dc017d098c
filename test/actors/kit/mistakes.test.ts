/** What is said of a module that is wrong, where it is wrong. */
import { describe, expect, it } from 'vitest';
import { host } from '../../../actors/host/host-env.ts';
import { cell } from '../../../actors/kit/cell.ts';
import { local } from '../../../actors/kit/local.ts';
import { mutex } from '../../../actors/kit/mutex.ts';
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
    ['a key', () => lock.lock(wrong({ aat: () => 'vm:a' })), 'did you mean "at"?'],
    ['an option of a constructor', () => mutex('m', wrong({ pre: 'vm' })), 'mutex m has a key "pre"; expected per; did you mean "per"?'],
    ['a case without brackets', () => host.when(wrong(up.is(true))), 'expected each case in brackets'],
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
    ['drops what it does not hold', () => [lock.unlock()], 'thread:p/0 unlocks it, and no one holds it', [lock]],
  ])('is refused before it runs, or by name, where an operation %s', (_what, does, says, uses = wrong([flag])) =>
    expect(() => of(does, uses as readonly unknown[])).toThrow(says),
  );
});
