/**
 * Names that two mechanisms bring: what clashes, what they may share, and that those that are
 * shipped fit together.
 */
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type Mechanism, MechanismError } from '../../sim/host/mechanism.ts';
import { clashesOf } from '../../sim/host/names.ts';
import { hostOwn } from '../../sim/host/own-mechanism.ts';
import { register } from '../../sim/host/registry.ts';
import { SHIPPED_MECHANISMS } from '../../sim/mechanisms/index.ts';
import type { alwaysEach } from '../../sim/property.ts';
import type { operation } from '../../sim/scenario/operation.ts';

type Parts = Omit<Partial<Mechanism>, 'name'>;

const one = (name: string, parts: Parts): Mechanism => ({ name, arches: ['amd'], ...parts });
const SCHEMA = z.boolean();
const OPERATION = { summary: 'Does it', args: {}, fields: {}, compiled: z.object({}) } as unknown as ReturnType<typeof operation>;
const PROPERTY = { id: 'nic.answers' } as ReturnType<typeof alwaysEach>;

/** What two mechanisms of one architecture bring, and what the second is told. */
const PAIRS: readonly (readonly [says: string, first: Parts, second?: Parts])[] = [
  ['option nic.fix', { options: { 'nic.fix': ['off'] } }],
  ['VM setting nic', { vmSettings: { nic: { schema: SCHEMA } } }],
  ['guest operation send', { guestOperations: { send: OPERATION } }],
  ['host operation send', { hostOperations: { send: OPERATION } }],
  ['property nic.answers', { properties: [PROPERTY] }],
  ['property nic.answers', { properties: [PROPERTY] }, { models: [{ name: 'm', topology: () => ({}) as never, properties: [PROPERTY] }] }],
  ['mutant nic-lost', { mutants: { 'nic-lost': { summary: 'Loses one' } } }],
  ['model nic', { models: [{ name: 'nic', topology: () => ({}) as never, properties: [] }] }],
  ['event type nic.sent', { catalogue: { 'nic.sent': 'bus' } }, { catalogue: { 'nic.sent': 'queued' } }],
  ['core of a pCPU', { core: () => 'core:0' }],
  ['allow nic-error', { allow: ['nic-error'] }],
  ['outcome oopses', { outcomes: [{ name: 'oopses', title: 'oopses', count: () => 0 }] }],
  [
    'completion nic',
    { completions: [{ name: 'nic', handler: 'a', driver: 'nic' }] },
    { completions: [{ name: 'nic', handler: 'b', driver: 'nic' }] },
  ],
  [
    'interrupt handler nic_irq',
    { completions: [{ name: 'a', handler: 'nic_irq', driver: 'nic' }] },
    { completions: [{ name: 'b', handler: 'nic_irq', driver: 'nic' }] },
  ],
];
const CLASHES = PAIRS.map(([says, first, second = first]) => ({ says, first, second }));
const SHARED: readonly (readonly [what: string, parts: Parts])[] = [
  ['a feature', { features: ['nic'] }],
  ['a VM type', { vmTypes: ['nic'] }],
  ['an event type that travels in one way', { catalogue: { 'nic.sent': 'bus' } }],
];
/** What only one host has at a time. */
const APART = ['event type', 'VM setting', 'core', 'allow', 'outcome', 'completion', 'interrupt handler'];

function registered(mechanisms: readonly Mechanism[], look: () => void): void {
  const undo = mechanisms.map((mechanism) => register(mechanism));
  try {
    look();
  } finally {
    for (const take of undo.reverse()) take();
  }
}

describe('two mechanisms', () => {
  it.each(CLASHES)('of one architecture cannot both bring the $says', ({ says, first, second }) => {
    registered([one('first', first)], () => {
      expect(() => register(one('second', second))).toThrow(new MechanismError(`mechanisms first and second both bring the ${says}`));
    });
  });

  it.each(CLASHES)('of different architectures may both bring the $says only where one host has one', ({ says, first, second }) => {
    const clashes = clashesOf({ ...one('second', second), arches: ['arm64', 'intel'] }, [one('first', first)]);
    expect(clashes.length === 0).toBe(APART.some((noun) => says.startsWith(noun)));
  });

  it.each(SHARED)('may share %s', (_what, parts) => {
    registered([one('first', parts), one('second', parts)], () => {});
  });
});

describe('a mechanism', () => {
  it('cannot bring a name twice', () => {
    const twice = one('twice', { properties: [PROPERTY, PROPERTY] });
    expect(clashesOf(twice, [])).toEqual([{ path: ['properties'], noun: 'property', name: 'nic.answers', other: twice }]);
  });

  it.each(SHIPPED_MECHANISMS.map((mechanism, at) => [mechanism.name, mechanism, at] as const))(
    'that is shipped, %s, clashes with none before it and with nothing that every host has',
    (_name, mechanism, at) => {
      expect(clashesOf(mechanism, [hostOwn(), ...SHIPPED_MECHANISMS.slice(0, at)])).toEqual([]);
    },
  );
});
