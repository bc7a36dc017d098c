/** The memory order of x86: published verdicts, and random programs against an abstract machine. */
import { readFileSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Grade } from '../../../actors/path/path.ts';
import type { Patch } from '../../../sim/host/mechanism.ts';
import { fenced, finals, type Insn, type Run, type Threads, threadsOf } from './litmus.ts';
import { hasFinal, LITMUS } from './litmus-table.ts';
import { oracleFinals } from './tso-oracle.ts';
import { LIFO, NO_BUFFER, NO_FENCE, NO_FORWARDING, NO_LOCK, NO_SWITCH, OLDEST_FIRST } from './wrong-buffers.ts';

const PAGE = 'docs/kit/memory-order.md';
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
  it('stands in the table of the page with what was found: WORLDSWITCH_DOCS=write puts it there', () => {
    const text = readFileSync(PAGE, 'utf8');
    const [head, table, rest] = text.split(/(?<=^\| Test \| .*\n\| --- .*\n)((?:\|.*\n)*)/m);
    const found = rows.map((row) => `${row}\n`).join('');
    if (process.env.WORLDSWITCH_DOCS === 'write') writeFileSync(PAGE, `${head}${found}${rest}`);
    else expect(table).toBe(found);
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
/** RWC with a fence: two on one CPU see the store of the first at the same time as all. */
const TWO_ON_ONE = threadsOf('x = 1 | r0 = x; r1 = y | y = 1; mfence; r2 = x');
const BESIDE = threadsOf('x = 1; r0 = x; x = 2; r1 = x | y = 1');

describe('threads that the scheduler moves', () => {
  it('have all orders of x86-TSO on two CPUs', () => expect(finals(SB, { cpus: 2 }).finals).toEqual(oracleFinals(SB)));
  it('are sequentially consistent on one CPU', () => expect(finals(SB, { cpus: 1 }).finals).toEqual(oracleFinals(SB, { buffers: false })));
});

/** The final states, with a mutant or without. */
const endsWith =
  (patch: Patch | undefined) =>
  (threads: Threads, run: Run = {}): readonly string[] =>
    finals(threads, { ...run, ...(patch && { patch }) }).finals;
const named = (name: string): Threads => threadsOf(LITMUS.find((litmus) => litmus.name === name)!.threads);

interface OrderClaim {
  readonly id: string;
  readonly says: string;
  readonly source: string;
  readonly grade: Grade;
  readonly mutants: Readonly<Record<string, Patch>>;
  readonly check: (ends: ReturnType<typeof endsWith>) => void;
}
const SDM = 'Intel SDM vol. 3';
const CLAIMS: readonly OrderClaim[] = [
  {
    id: 'KIT-110',
    says: 'a load may be carried out before an earlier store of its CPU is seen, and stores are seen in their order',
    source: `${SDM}, 8.2.3.2 and 8.2.3.4`,
    grade: 'memory',
    mutants: { 'a buffer that is last in, first out': LIFO, 'one that holds nothing back': NO_BUFFER },
    check: (ends) => {
      for (const name of ['SB', 'MP']) expect(ends(named(name))).toEqual(oracleFinals(named(name)));
    },
  },
  {
    id: 'KIT-111',
    says: 'a CPU finds the newest of its own stores, seen by others or not',
    source: `${SDM}, 8.2.3.4 and 8.2.3.5`,
    grade: 'memory',
    mutants: { 'a buffer that loads do not look into': NO_FORWARDING, 'one that gives the oldest': OLDEST_FIRST },
    check: (ends) => {
      for (const threads of [threadsOf('x = 1; x = 2; r0 = x'), named('own store')]) expect(ends(threads)).toEqual(oracleFinals(threads));
    },
  },
  {
    id: 'KIT-112',
    says: 'MFENCE and locked instructions wait until all stores before them are seen',
    source: `${SDM}, 8.2.3.9; Store Buffer`,
    grade: 'memory',
    mutants: { 'a buffer that MFENCE does not wait for': NO_FENCE, 'one that locked instructions do not wait for': NO_LOCK },
    check: (ends) => {
      for (const threads of [fenced(SB), named('SB, locked between')]) expect(ends(threads)).toEqual(oracleFinals(threads));
    },
  },
  {
    id: 'KIT-113',
    says: 'all other CPUs see stores in one order',
    source: `${SDM}, 8.2.3.6 and 8.2.3.7`,
    grade: 'memory',
    mutants: { 'a switch that leaves the buffer to the next thread': NO_SWITCH, 'a buffer that loads do not look into': NO_FORWARDING },
    check: (ends) => {
      for (const name of ['WRC', 'forwarding']) expect(ends(named(name))).toEqual(oracleFinals(named(name)));
      expect(ends(TWO_ON_ONE, { on: [0, 0, 1] })).toEqual(oracleFinals(TWO_ON_ONE));
    },
  },
  {
    id: 'KIT-114',
    says: 'a thread that goes on on another CPU finds its own stores',
    source: 'kernel/sched/core.c, __schedule(), smp_mb__after_spinlock(); finish_task(), 6.12',
    grade: 'memory',
    mutants: { 'a switch that leaves the buffer full': NO_SWITCH, 'a buffer that nothing empties': NO_FENCE },
    check: (ends) => expect(ends(BESIDE, { cpus: 2 })).toEqual(oracleFinals(BESIDE)),
  },
];

describe.each(CLAIMS)('claim $id', ({ id, says, source, grade, mutants, check }) => {
  it(`${id} ${says}`, () => check(endsWith(undefined)));
  it.each(Object.entries(mutants))(`${id} fails with %s`, (_name, mutant) => {
    expect(() => check(endsWith(mutant))).toThrow('to deeply equal');
  });
  it(`${id} stands in docs/domain/kit.md`, () =>
    expect(readFileSync('docs/domain/kit.md', 'utf8').split('\n')).toContain(`| ${id} | ${says} | ${source} | ${grade} |`));
});
