/**
 * Litmus tests as races of the kit: one thread on each CPU, cells for memory, and all final states
 * that `explore` reaches.
 */
import type { HostItem } from '../../../actors/host/host-env.ts';
import { smpMb } from '../../../actors/kit/barriers.ts';
import { cell } from '../../../actors/kit/cell.ts';
import { local } from '../../../actors/kit/local.ts';
import type { ExploreOptions } from '../../../api/search.ts';
import type { Patch } from '../../../sim/host/mechanism.ts';
import { always } from '../../../sim/property.ts';
import { raced } from './raced.ts';
import { changedBy } from './wrong-buffers.ts';

/** A store, a load, MFENCE, or an exchange that leaves the old value in a register. */
export type Insn =
  | { readonly op: 'store'; readonly at: string; readonly value: number }
  | { readonly op: 'load'; readonly at: string; readonly into: string }
  | { readonly op: 'mfence' }
  | { readonly op: 'xchg'; readonly at: string; readonly value: number; readonly into: string };
export type Threads = readonly (readonly Insn[])[];

function insnOf(text: string): Insn {
  const [, into, at, value] = /^(\w+) = xchg\((\w+), (\d)\)$/.exec(text) ?? [];
  if (into !== undefined) return { op: 'xchg', at: at!, value: Number(value), into };
  const [, to, from] = /^(\w+) = (\w+)$/.exec(text) ?? [];
  if (text === 'mfence') return { op: 'mfence' };
  if (to === undefined || from === undefined) throw new Error(`found ${text}; expected x = 1, r0 = x, r0 = xchg(x, 1) or mfence`);
  return /^\d/.test(from) ? { op: 'store', at: to, value: Number(from) } : { op: 'load', at: from, into: to };
}

/** `x = 1; r0 = y | y = 1; r1 = x`: threads and their instructions. */
export const threadsOf = (text: string): Threads =>
  text.split('|').map((thread) =>
    thread
      .split(';')
      .map((insn) => insn.trim())
      .filter((insn) => insn !== '')
      .map(insnOf),
  );

/** With MFENCE between each two instructions. */
export const fenced = (threads: Threads): Threads =>
  threads.map((insns) => insns.flatMap((insn, at): readonly Insn[] => (at === 0 ? [insn] : [{ op: 'mfence' }, insn])));

/** Registers and memory at the end, as `r0=0 x=1`, sorted. */
export const finalText = (values: Readonly<Record<string, number>>): string =>
  Object.entries(values)
    .map(([name, value]) => `${name}=${value}`)
    .sort()
    .join(' ');

export interface Run {
  readonly memory?: 'sc' | 'tso';
  /** `sc`: what the cells say of themselves. */
  readonly cells?: 'sc';
  /** Without it each thread is bound to a CPU of its own. */
  readonly cpus?: number;
  /** A change of machines that the verdict has to notice. */
  readonly patch?: Patch;
  readonly search?: ExploreOptions;
}

/** All final states that the schedules lead to, sorted, and how many states there are between. */
export function finals(threads: Threads, { memory = 'tso', cells, cpus, patch, search }: Run = {}) {
  const at = [...new Set(threads.flat().flatMap((insn) => (insn.op === 'mfence' ? [] : [insn.at])))].sort();
  const mem = cell('mem', Object.fromEntries(at.map((name) => [name, 0 as number])), { ...(cells && { memory: cells }) });
  const ended = cell('ended', Object.fromEntries(threads.map((_, i) => [`t${i}`, ''])), { memory: 'sc' });
  const item = (insn: Insn): HostItem => {
    if (insn.op === 'store') return mem.store(insn.at, insn.value);
    if (insn.op === 'load') return mem.load(insn.at, local<number>(insn.into));
    return insn.op === 'mfence' ? smpMb() : mem.xchg(insn.at, insn.value, local<number>(insn.into));
  };
  const registers = (insns: readonly Insn[]) => insns.flatMap((insn) => ('into' in insn ? [insn.into] : []));
  const textOf = (insns: readonly Insn[]) => (_t: object, l: object) =>
    JSON.stringify(Object.fromEntries(registers(insns).map((name) => [name, local<number>(name).of(l)])));
  const found = new Set<string>();
  const collect = always('litmus.final', {
    kinds: ['mem', 'ended'],
    source: 'a test',
    grade: 'decision',
    check: (world) => {
      const said = Object.values(world.actors<Record<string, string>>('ended')[0]!.context);
      if (said.includes('')) return null;
      const memory = world.actors<Record<string, number>>('mem')[0]!.context;
      found.add(finalText(Object.assign({}, memory, ...said.map((text) => JSON.parse(text) as object))));
      return null;
    },
  });
  const operations = Object.fromEntries(
    threads.map((insns, i) => [
      `t${i}`,
      {
        summary: 'a thread of a litmus test',
        source: 'a test',
        does: () => [...insns.map(item), ended.store(`t${i}`, textOf(insns))],
      },
    ]),
  );
  const { states, exhausted } = changedBy(patch, () =>
    raced({
      race: { uses: [mem, ended], operations },
      host: { cpus: cpus ?? threads.length, options: { memory } },
      properties: [collect],
      ...(search && { search }),
      processes: Object.fromEntries(
        threads.map((_, i) => [`p${i}`, { ...(cpus === undefined && { cpu: i }), threads: [[{ [`t${i}`]: {} }]] }]),
      ),
    }),
  );
  if (!exhausted) throw new Error('the space is too large');
  return { states, finals: [...found].sort() };
}
