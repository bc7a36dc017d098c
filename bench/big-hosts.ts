/**
 * What a step costs on hosts of 4 to 1,024 CPUs with a vCPU and its thread for each: time, and
 * bytes of memory and of the journal.
 */
import { JournalWriter } from '../replay/writer.ts';
import { knownProperties } from '../sim/properties/index.ts';
import { loadScenario } from '../sim/scenario/load.ts';
import { resolveScenario } from '../sim/scenario/resolve.ts';
import type { ResolvedScenario } from '../sim/scenario/types.ts';
import { type ChooserSpec, openSession } from '../sim/session.ts';
import { type Contender, collect, type Figure, race, type Table, type Value } from './harness.ts';

const SIZES = [4, 16, 64, 256, 1024];
/** Steps of each CPU before anything is measured: what each does first is new on every host. */
const STARTING = 40;
const STEPS = 2000;
const ROUNDS = 5;
/** Steps that bytes are measured over. */
const LONG = 10_000;

const nameOf = (size: number): string => `${size.toLocaleString('en-US')} vCPUs`;

function hostOf(size: number): ResolvedScenario {
  const all = Array.from({ length: size }, (_, vcpu) => vcpu);
  const program = '[{ repeat: { times: 65536, do: [{ touch: {} }, { intercept: { name: CPUID } }] } }]';
  const text = [
    'name: big-host',
    'summary: A guest with a vCPU for each CPU',
    `host: { arch: amd, cpus: ${size}, preemption: full, kernel: "6.12" }`,
    `vms: { vm0: { type: svm, vcpus: [${all.map(() => program).join(', ')}] } }`,
    `processes: { vmm: { threads: [${all.map((vcpu) => `[{ KVM_RUN: { vcpu: vm0/${vcpu} } }]`).join(', ')}] } }`,
    'bounds: { steps: 100000000 }',
  ].join('\n');
  return resolveScenario(loadScenario(text, 'big-host.yaml', knownProperties()), { knownProperties: knownProperties() });
}

/** A run that stands behind its start, with its journal in memory. */
function started(size: number, chooser: ChooserSpec) {
  let writer: JournalWriter | null = null;
  const session = openSession({
    scenario: hostOf(size),
    engine: 'live',
    chooser,
    sink: (block, names) => writer!.block(block, names),
  });
  writer = JournalWriter.open(null, session.start, { mode: 'memory' });
  session.run.start();
  goOn(session.run, STARTING * size);
  return { run: session.run, writer };
}

/** @throws Error if the run ends before */
function goOn(run: ReturnType<typeof started>['run'], steps: number): void {
  const end = run.sequencer.step + steps;
  while (run.sequencer.step < end && run.advance());
  if (run.sequencer.step < end) throw new Error(`the run ended at step ${run.sequencer.step}`);
}

function rates(chooser: ChooserSpec): Table {
  const contenders = SIZES.map((size): Contender => {
    const { run } = started(size, chooser);
    const against = size === SIZES[0] ? [] : [{ base: nameOf(SIZES[0]!), ...(size === 256 && { aim: 0.5 }) }];
    return { name: nameOf(size), work: () => goOn(run, STEPS), against };
  });
  return {
    title: `${chooser.name}, live engine with a journal, after ${STARTING} steps of each CPU`,
    rates: race(contenders, { unit: 'steps', units: STEPS, rounds: ROUNDS, clock: 'cpu' }),
  };
}

function bytes(chooser: ChooserSpec): Table {
  const values = SIZES.flatMap((size): Value[] => {
    const first = started(size, chooser);
    const atStart = first.writer.seal(first.run.stop()).bytes;
    const { run, writer } = started(size, chooser);
    collect();
    const heap = process.memoryUsage().heapUsed;
    goOn(run, LONG);
    collect();
    const grown = process.memoryUsage().heapUsed - heap;
    const later = writer.seal(run.stop()).bytes - atStart;
    return [
      { name: `${nameOf(size)}: journal of the start`, value: atStart / (STARTING * size), unit: 'bytes a step' },
      { name: `${nameOf(size)}: journal after it`, value: later / LONG, unit: 'bytes a step' },
      { name: `${nameOf(size)}: memory after it`, value: Math.max(0, grown) / LONG, unit: 'bytes a step' },
      { name: `${nameOf(size)}: memory in all`, value: (heap + grown) / 1e6, unit: 'MB' },
    ];
  });
  return { title: `${chooser.name}: what ${LONG} steps add to the journal, and to memory with the journal in it`, values };
}

export const bigHosts: Figure = {
  name: 'big-hosts',
  summary: 'steps a second and bytes a step of hosts of 4 to 1,024 CPUs',
  run: () => {
    const choosers: readonly ChooserSpec[] = [{ name: 'fifo' }, { name: 'random', seed: 1 }];
    return [...choosers.map(bytes), ...choosers.map(rates)];
  },
};
