/**
 * Patches of paths: what they put in the place of steps, wherever the path is called, and what they
 * refuse.
 */
import { describe, expect, it } from 'vitest';
import { type HostPath, host, hostPatch } from '../../../actors/host/host-env.ts';
import { type GuestPath, guest, guestPatch } from '../../../actors/kvm/guest-program.ts';
import { compile } from '../../../actors/path/compile.ts';
import { joinPatches, type PathPatch, patched, pathNamesIn, replaceStep, swapSteps, withoutSteps } from '../../../actors/path/patch.ts';
import { mark, pathOf, type TourItem, tour } from './walk.ts';

const { step, call, loop, when, leaveLoop } = tour;
const inner = tour.path('inner', { source: 'a test', grade: 'decision' }, [mark('a'), mark('b'), mark('c')]);
const namesIn = (items: readonly TourItem[], patches = {}) => [...compile(pathOf(items), 'step', 'home', patches).nodes.keys()];

describe('a patch', () => {
  it('changes a path wherever it is called', () => {
    const items = [step('x'), call(inner), step('y')];
    expect(namesIn(items)).toEqual(['walk.x', 'walk.inner.a', 'walk.inner.b', 'walk.inner.c', 'walk.y']);
    expect(namesIn(items, { inner: [withoutSteps('b')] })).toEqual(['walk.x', 'walk.inner.a', 'walk.inner.c', 'walk.y']);
  });

  it('reaches steps in loops and branches', () => {
    const nested = [loop(mark('early'), when([() => true, [mark('deep'), leaveLoop]]))];
    const path = replaceStep(pathOf(nested), 'deep', (item) => [mark('before'), item]);
    expect([...compile(path, 'step', 'home').nodes.keys()]).toEqual(['walk.early', 'walk.before', 'walk.deep']);
  });

  it('sees what an earlier one made', () => {
    const both = joinPatches({ inner: [swapSteps('a', 'b')] }, { inner: [withoutSteps('a')] });
    expect(patched(inner, both).items.map((item) => (item.kind === 'step' ? item.name : item.kind))).toEqual(['b', 'c']);
  });

  it('may be of a path with a name that every object has', () => {
    const both = joinPatches({ constructor: [swapSteps('a', 'b')] }, { constructor: [withoutSteps('a')] });
    expect(namesIn([call({ ...inner, name: 'constructor' })], both)).toEqual(['walk.constructor.b', 'walk.constructor.c']);
  });

  it.each<[string, PathPatch, string]>([
    ['a step that is not there', withoutSteps('z'), 'inner has no step z'],
    ['two steps that do not follow each other', swapSteps('a', 'c'), 'inner has no step a followed by c'],
  ])('refuses %s', (_what, patch, message) => {
    expect(() => patched(inner, { inner: [patch] })).toThrow(message);
  });
});

describe('a patch with the types of what it changes', () => {
  const source = { source: 'a test', grade: 'decision' } as const;

  it('sees locals of host threads', () => {
    const path: HostPath = host.path('update', source, [host.step('RMPUPDATE')]);
    const again = hostPatch((update) =>
      replaceStep(update, 'RMPUPDATE', (item) => [item, host.when([(_t, l) => l.result === 'FAIL_INUSE', []])]),
    );
    expect(again(path).items.map(({ kind }) => kind)).toEqual(['step', 'when']);
  });

  it('and of guests', () => {
    const path: GuestPath = guest.path('read', source, [guest.step('access')]);
    const twice = guestPatch((read) =>
      replaceStep(read, 'access', (item) => [item, guest.step('look', { local: (v) => ({ fault: v.interrupted }) })]),
    );
    expect([...compile(twice(path), 'guest.step', 'home').nodes.keys()]).toEqual(['read.access', 'read.look']);
  });
});

describe('the names of paths', () => {
  it('are those that are called, at any depth, and those that a patch puts there', () => {
    const outer = tour.path('outer', { source: 'a test', grade: 'decision' }, [loop(when([() => true, [call(inner), leaveLoop]]))]);
    const added = tour.path('added', { source: 'a test', grade: 'decision' }, [mark('d')]);
    const puts: PathPatch = (path) => replaceStep(path, 'a', () => [call(added) as never]);
    expect([...pathNamesIn([call(outer)], {})]).toEqual(['outer', 'inner']);
    expect([...pathNamesIn([call(outer)], { inner: [puts] })]).toEqual(['outer', 'inner', 'added']);
  });
});
