/** The memory order of x86: published verdicts, and random programs against an abstract machine. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { assign, enqueueActions } from 'xstate';
import type * as StoreBuffer from '../../../actors/host/store-buffer.ts';
import { bufferStep, type StoreBufferContext, storeBufferMachine } from '../../../actors/host/store-buffer.ts';
import type { Outgoing, Stamped } from '../../../events/event.ts';
import type { StoreBufferEvent } from '../../../events/memory-order.ts';
import type { Patch } from '../../../sim/host/mechanism.ts';
import { fenced, finals, type Insn, type Threads, threadsOf } from './litmus.ts';
import { hasFinal, LITMUS } from './litmus-table.ts';
import { oracleFinals } from './tso-oracle.ts';

/** Where a test has all CPUs share one store buffer. */
const wrong = vi.hoisted(() => ({ shares: false }));
vi.mock(import('../../../actors/host/store-buffer.ts'), async (original) => {
  const real: typeof StoreBuffer = await original();
  const ordered: typeof real.ordered = (walker, sent, fences) =>
    real
      .ordered(walker, sent, fences)
      .map((message) => (wrong.shares && message.to.startsWith('storeBuffer:') ? { ...message, to: 'storeBuffer:0' } : message));
  return { ...real, ordered };
});

const verdictOf = (isMet: boolean): string => (isMet ? 'allowed' : 'forbidden');

describe('a litmus test', () => {
  const rows: string[] = [];
  it.each(LITMUS)('$name has its published verdict', ({ name, threads, final, allowed, fenced: withFences, source }) => {
    const program = threadsOf(threads);
    const plain = hasFinal(finals(program).finals, final);
    expect(plain).toBe(allowed);
    if (allowed) expect(hasFinal(finals(program, { memory: 'sc' }).finals, final)).toBe(false);
    if (withFences !== null) expect(hasFinal(finals(fenced(program)).finals, final)).toBe(withFences);
    const fences = withFences === null ? '' : verdictOf(withFences);
    const cells = [name, threads.replaceAll(' | ', ' ∥ '), final.replaceAll(' ', ', '), verdictOf(plain), fences, source];
    rows.push(`| ${[cells[0], `\`${cells[1]}\``, `\`${cells[2]}\``, ...cells.slice(3)].join(' | ')} |`.replaceAll('  ', ' '));
  });
  it('stands in the table of docs/kit/memory-order.md with what was found', () => {
    const text = readFileSync('docs/kit/memory-order.md', 'utf8');
    const table = text.split('\n').filter((line) => line.startsWith('|') && line.includes('`r') && line.includes(' = '));
    expect(table).toEqual(rows);
  });
});

const at = fc.constantFrom('x', 'y');
const value = fc.integer({ min: 1, max: 2 });
const insn: fc.Arbitrary<Omit<Insn, 'into'>> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ op: fc.constant('store'), at, value }) },
  { weight: 4, arbitrary: fc.record({ op: fc.constant('load'), at }) },
  { weight: 1, arbitrary: fc.constant({ op: 'mfence' }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('xchg'), at, value }) },
) as fc.Arbitrary<Omit<Insn, 'into'>>;
/** Each load has a register of its own. */
const program: fc.Arbitrary<Threads> = fc
  .array(fc.array(insn, { minLength: 1, maxLength: 4 }), { minLength: 2, maxLength: 2 })
  .map((threads) =>
    threads.map((insns, i) =>
      insns.map((one, k) => ({ ...one, ...((one.op === 'load' || one.op === 'xchg') && { into: `r${i}${k}` }) }) as Insn),
    ),
  );

describe('random programs', () => {
  it('end as on the abstract machine of x86-TSO', () =>
    fc.assert(
      fc.property(program, (threads) => {
        expect(finals(threads).finals).toEqual(oracleFinals(threads));
      }),
      { numRuns: 10 },
    ));
  it('end sequentially consistently where the host, or the cell, says so', () =>
    fc.assert(
      fc.property(program, fc.boolean(), (threads, ofCell) => {
        expect(finals(threads, ofCell ? { cells: 'sc' } : { memory: 'sc' }).finals).toEqual(oracleFinals(threads, { buffers: false }));
      }),
      { numRuns: 4 },
    ));
});

const SB = threadsOf('x = 1; r0 = y | y = 1; r1 = x');
const BESIDE = threadsOf('x = 1; r0 = x; x = 2; r1 = x | y = 1');

describe('threads that the scheduler moves', () => {
  it('see their own stores wherever they run', () => expect(finals(BESIDE, { cpus: 2 }).finals).toEqual(oracleFinals(BESIDE)));
  it('have all orders of x86-TSO on two CPUs', () => expect(finals(SB, { cpus: 2 }).finals).toEqual(oracleFinals(SB)));
  it('are sequentially consistent on one CPU', () => expect(finals(SB, { cpus: 1 }).finals).toEqual(oracleFinals(SB, { buffers: false })));
});

type Take = (c: StoreBufferContext, event: Stamped<StoreBufferEvent>) => ReturnType<typeof bufferStep>;
/** A store buffer that does something else. */
const buffer = (take: Take): Patch => ({
  machines: {
    storeBuffer: () =>
      storeBufferMachine.provide({
        actions: {
          take: enqueueActions(({ context, event, enqueue }) => {
            const { stores, out } = take(context, event);
            for (const message of out as readonly Outgoing[]) enqueue.emit(message);
            enqueue.assign({ stores });
          }),
        },
      }),
  },
});
const noSwitch: Patch = { machines: { pcpu: (machine) => machine.provide({ actions: { drainStores: assign({}) } }) } };
const wrongBy = (name: string) => LITMUS.find((litmus) => litmus.name === name)!;

describe('a wrong store buffer', () => {
  const WRONG: readonly (readonly [string, string, Patch])[] = [
    [
      'that loads nothing of its own',
      'own store',
      buffer((c, e) => (e.type === 'stores.load' ? { ...bufferStep({ stores: [] }, e), stores: c.stores } : bufferStep(c, e))),
    ],
    [
      'that gives the oldest of its own',
      'CoRR',
      buffer((c, e) =>
        e.type === 'stores.load' ? { ...bufferStep({ stores: c.stores.toReversed() }, e), stores: c.stores } : bufferStep(c, e),
      ),
    ],
    [
      'that is last in, first out',
      'MP',
      buffer((c, e) =>
        e.type === 'stores.drain'
          ? { stores: c.stores.slice(0, -1), out: bufferStep({ stores: c.stores.slice(-1) }, e).out }
          : bufferStep(c, e),
      ),
    ],
    [
      'that a locked instruction does not wait for',
      'SB, locked between',
      buffer((c, e) => (e.type === 'stores.locked' ? { ...bufferStep({ stores: [] }, e), stores: c.stores } : bufferStep(c, e))),
    ],
    [
      'that MFENCE does not wait for',
      'SB, mfence',
      buffer((c, e) => (e.type === 'stores.fence' ? { stores: c.stores, out: [] } : bufferStep(c, e))),
    ],
  ];
  const PROGRAMS: Readonly<Record<string, Threads>> = {
    CoRR: threadsOf('x = 1; x = 2; r0 = x'),
    'SB, mfence': fenced(SB),
  };
  it.each(WRONG)('%s is noticed', (_what, name, patch) => {
    const threads = PROGRAMS[name] ?? threadsOf(wrongBy(name).threads);
    expect(finals(threads).finals).toEqual(oracleFinals(threads));
    expect(finals(threads, { patch }).finals).not.toEqual(oracleFinals(threads));
  });
  it('that CPUs share is noticed', () => {
    const { threads, final } = wrongBy('IRIW');
    wrong.shares = true;
    try {
      expect(finals(SB).finals).not.toEqual(oracleFinals(SB));
      expect(hasFinal(finals(threadsOf(threads)).finals, final)).toBe(false);
    } finally {
      wrong.shares = false;
    }
  });
  it('that a switch leaves full is noticed', () => {
    expect(finals(BESIDE, { cpus: 2, patch: noSwitch }).finals).not.toEqual(oracleFinals(BESIDE));
  });
});
