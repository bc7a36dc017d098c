/**
 * What the properties of a module read is looked at before anything is searched: a field that is
 * nowhere is told by all that search or run, and what is right is never refused.
 */
import { writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { cell } from '../../actors/kit/cell.ts';
import { type MemoryObject, object } from '../../actors/kit/object.ts';
import { refcount } from '../../actors/kit/refcount.ts';
import { syscall } from '../../actors/kit/syscall.ts';
import { openRun } from '../../api/open-run.ts';
import { resolved } from '../../api/scenario.ts';
import { compare, explore } from '../../api/search.ts';
import { cleanResult } from '../../api/vitest-matchers.ts';
import { race } from '../../sim/host/race.ts';
import { holds } from '../../sim/host/race-properties.ts';
import { register } from '../../sim/host/registry.ts';
import { always, type Property } from '../../sim/property.ts';
import type { Scenario } from '../../sim/scenario/types.ts';
import { leadsTo } from '../../sim/temporal.ts';
import { Bench } from '../cli/run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());

const FIELDS = { state: 'none', isFreed: false, slot0: 0, slot1: 0 };
const page = cell('page', FIELDS);
const mode = cell('vcpuMode', { mode: 'OUTSIDE', requests: 0 });
const memory: MemoryObject = object('pageMemory', { allocated: false });
const users = refcount('pageUsers');
const BASIS = { source: 's', grade: 'decision' } as const;

const SCENARIO = {
  name: 'looks',
  summary: 's',
  host: { arch: 'amd', cpus: 1 },
  processes: { p: { threads: [[{ 'map-page': {} }]] } },
  variants: { plain: {}, counted: { 'looks.counted': 'yes' } },
  properties: { always: ['looks.one'] },
} as unknown as Scenario;

/** Does something while a module with this property takes part. */
function withLook<V>(property: Property, use: () => V): V {
  const mechanism = race({
    name: 'looks',
    arches: ['amd'],
    options: { 'looks.counted': ['no', 'yes'] },
    uses: [page, mode, memory, users],
    operations: {
      'map-page': {
        summary: 's',
        source: 's',
        does: () => syscall('ioctl', 's', [page.store('state', 'mapped'), memory.alloc(), page.store('isFreed', true), memory.free()]),
      },
    },
    machines: ({ host: { options } }) =>
      (options as Any)['looks.counted'] === 'yes' ? { pageCounter: page.parts[0]!.machine(null as never) } : {},
    properties: [property],
  });
  const undo = register(mechanism, { file: 'looks.js', sha256: '0'.repeat(64) });
  try {
    return use();
  } finally {
    undo();
  }
}

type Any = Readonly<Record<string, unknown>>;
const of = (look: (context: Any) => unknown, { kind }: { readonly kind: string } = page): Property =>
  holds<Any>({ kind }, 'looks.one', 's', (context) => (look(context) === true ? 'found' : null));
const accepted = (property: Property, variant = 'plain') => withLook(property, () => resolved(SCENARIO, { variant }).variant);

const TYPO = of(({ isFree }) => isFree);
const SAYS = 'property looks.one: page: found "isFree"; expected one of its fields';

describe('a field that no primitive has', () => {
  it.each<[string, () => unknown]>([
    ['explore()', () => explore(SCENARIO)],
    ['compare()', () => compare(SCENARIO)],
    ['openRun()', () => openRun(SCENARIO)],
    ['toBeClean()', () => cleanResult(SCENARIO, {}, false)],
  ])('is refused by %s', (_, use) => {
    expect(() => withLook(TYPO, use)).toThrow(`${SAYS} ("state", "isFreed", "slot0", "slot1"); did you mean "isFreed"?`);
  });

  it.each<[string, Property, RegExp]>([
    ['read where another field has changed only', of(({ state, isFree }) => state === 'mapped' && isFree), /"isFree"/],
    ['of a count', of(({ cuont }) => cuont, users), /pageUsers: found "cuont"; expected one of its fields \("count", "warning"\)/],
    ['that is none of a row', of(({ slots }) => slots), /"slots"/],
    [
      'read by a monitor',
      {
        ...leadsTo('looks.one', {
          each: 'page',
          from: ({ context: { isFree } }) => (isFree ? 'f' : null),
          to: () => null,
          ...BASIS,
        }),
        form: 'always',
      },
      /page: found "isFree"/,
    ],
    [
      'of actors of a kind',
      always('looks.one', { kinds: ['page'], check: (w) => (w.actors<Any>('page')[0]!.context.isFree ? 'f' : null), ...BASIS }),
      /"isFree"/,
    ],
    [
      'of a kind that no variant has',
      always('looks.one', { kinds: ['pages'], check: () => null, ...BASIS }),
      /kinds: found "pages"; expected a kind/,
    ],
  ])('is refused: %s', (_, property, says) => expect(() => accepted(property)).toThrow(says));
});

describe('a look that is right', () => {
  it.each<[string, Property]>([
    ['at fields that come later', of(({ misused, absent, freedBy }) => misused !== undefined && absent && freedBy, memory)],
    ['at one of several primitives', of((c) => c.mode === 'IN_GUEST' || c.requests)],
    ['at a row of fields until it ends', of((c) => [0, 1, 2].some((i) => c[`slot${i}`] === 7))],
    ['at all of them', of((c) => JSON.stringify({ ...c }) === '' || 'isFree' in c || Object.hasOwn(c, 'x') || String(c) === '')],
    [
      'at actors of any kind',
      always('looks.one', {
        kinds: ['*'],
        check: (w) => (w.actors<Any>('*').some(({ context: c }) => c.isFree) ? 'freed' : null),
        ...BASIS,
      }),
    ],
    [
      'at a kind of another variant',
      always('looks.one', { kinds: ['pageCounter'], check: (w) => (w.actors('pageCounter').length > 9 ? 'f' : null), ...BASIS }),
    ],
  ])('%s', (_, property) => expect(['plain', 'counted'].map((variant) => accepted(property, variant))).toEqual(['plain', 'counted']));

  it('is no reason to hide what a module throws by itself', () => {
    const throwing = of(() => {
      throw new TypeError('boom');
    });
    expect(() => withLook(throwing, () => explore(SCENARIO))).toThrow('each() of the property looks.one throws: TypeError: boom');
  });
});

it('is taken by each command, with one sentence and its place', async () => {
  const kit = JSON.stringify(pathToFileURL('api/kit.ts').href);
  const file = `import { cell, holds, race, syscall } from ${kit};
const page = cell('page', ${JSON.stringify(FIELDS)});
export const mechanism = race({ name: 'looks', arches: ['amd'], uses: [page],
  options: { 'looks.counted': ['no', 'yes'] },
  operations: { 'map-page': { summary: 's', source: 's', does: () => syscall('ioctl', 's', [page.store('state', 'mapped')]) } },
  properties: [holds(page, 'looks.one', 's', ({ isFree }) => isFree && 'freed')],
});\n`;
  writeFileSync(bench.path('looks.mjs'), file);
  writeFileSync(bench.path('looks.yaml'), JSON.stringify(SCENARIO));
  for (const words of [['check'], ['explore'], ['compare'], ['verify'], ['run', '--mode', 'memory'], ['explore', '--strategy', 'random']]) {
    const { code, out, err } = await bench.run([words[0]!, 'looks.yaml', '--models', 'looks.mjs', ...words.slice(1)]);
    expect([words, code, `${out}${err}`]).toEqual([words, 2, expect.stringContaining(SAYS)]);
    expect(`${out}${err}`).toMatch(/looks\.mjs:6:\d+/);
  }
});
