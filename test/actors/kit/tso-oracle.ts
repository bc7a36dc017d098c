/**
 * The abstract machine of x86-TSO, by itself: memory, and a list of stores for each thread. It
 * shares nothing with the model but the instructions.
 *
 * @see Owens, Sarkar, Sewell: A Better x86 Memory Model: x86-TSO, TPHOLs 2009
 */
import { finalText, type Threads } from './litmus.ts';

interface Machine {
  readonly memory: Readonly<Record<string, number>>;
  readonly registers: Readonly<Record<string, number>>;
  readonly threads: readonly { readonly pc: number; readonly stores: readonly (readonly [at: string, value: number])[] }[];
}

/** The machine with thread `i` a step further, and what else has changed. */
const moved = (m: Machine, i: number, thread: Partial<Machine['threads'][number]>, rest: Partial<Machine> = {}): Machine => ({
  ...m,
  ...rest,
  threads: m.threads.map((one, at) => (at === i ? { ...one, ...thread } : one)),
});

/** What can happen next to thread `i`. */
function nextOf(m: Machine, program: Threads, i: number, buffers: boolean): readonly Machine[] {
  const { pc, stores } = m.threads[i]!;
  const [oldest, ...rest] = stores;
  const drained = oldest ? [moved(m, i, { stores: rest }, { memory: { ...m.memory, [oldest[0]]: oldest[1] } })] : [];
  const insn = program[i]![pc];
  if (insn === undefined) return drained;
  switch (insn.op) {
    case 'store':
      return buffers
        ? [...drained, moved(m, i, { pc: pc + 1, stores: [...stores, [insn.at, insn.value]] })]
        : [moved(m, i, { pc: pc + 1 }, { memory: { ...m.memory, [insn.at]: insn.value } })];
    case 'load': {
      const own = stores.filter(([at]) => at === insn.at).at(-1);
      return [...drained, moved(m, i, { pc: pc + 1 }, { registers: { ...m.registers, [insn.into]: own ? own[1] : m.memory[insn.at]! } })];
    }
    case 'mfence':
      return stores.length > 0 ? drained : [moved(m, i, { pc: pc + 1 })];
    case 'xchg': {
      if (stores.length > 0) return drained;
      const registers = { ...m.registers, [insn.into]: m.memory[insn.at]! };
      return [moved(m, i, { pc: pc + 1 }, { registers, memory: { ...m.memory, [insn.at]: insn.value } })];
    }
  }
}

/** All final states of a program, sorted; without buffers: of sequential consistency. */
export function oracleFinals(program: Threads, { buffers = true } = {}): readonly string[] {
  const at = program.flat().flatMap((insn) => (insn.op === 'mfence' ? [] : [insn.at]));
  const start: Machine = {
    memory: Object.fromEntries(at.map((name) => [name, 0])),
    registers: {},
    threads: program.map(() => ({ pc: 0, stores: [] })),
  };
  const seen = new Map([[JSON.stringify(start), start]]);
  const ended = new Set<string>();
  for (const machine of seen.values()) {
    const next = program.flatMap((_, i) => nextOf(machine, program, i, buffers));
    if (next.length === 0) ended.add(finalText({ ...machine.memory, ...machine.registers }));
    for (const one of next) seen.set(JSON.stringify(one), one);
  }
  return [...ended].sort();
}
