/** What the records of a journal say must be on its timeline, counted without the projection. */
import type { JsonObject } from '../../events/journal.ts';
import { pointsOf } from '../../replay/points.ts';
import type { Journal } from '../../replay/reader.ts';

export interface TimelineFacts {
  /** How many micro-steps each actor executed, by its id. */
  readonly microSteps: ReadonlyMap<string, number>;
  /** Messages that were sent and delivered, and all that were sent. */
  readonly arrows: number;
  readonly sends: number;
  /** Changes of the current task, by the index of the CPU. */
  readonly switches: readonly number[];
  /** Changes of the length of the run queue, the first length included, by the index of the CPU. */
  readonly queueChanges: readonly number[];
  /** Virtual time at the end. */
  readonly end: number;
}

export function factsOf(journal: Journal): TimelineFacts {
  const cpus = journal.start.actors.filter(({ kind }) => kind === 'pcpu').map(({ id }) => id);
  const microSteps = new Map<string, number>();
  for (const point of pointsOf(journal)) for (const { actor } of point.microSteps) microSteps.set(actor, (microSteps.get(actor) ?? 0) + 1);
  const queues = cpus.map((): number => -1);
  const queueChanges = cpus.map(() => 0);
  const sent = new Set<number>();
  let arrows = 0;
  for (const { kind, actor, payload, seq, cause } of journal.recordsFrom()) {
    if (kind === 'send') sent.add(seq);
    if (kind === 'deliver' && sent.has(cause)) arrows++;
    if (kind === 'change' && actor === 'sched') {
      const { rq } = payload.context as { readonly rq: Readonly<Record<string, readonly string[]>> };
      for (const [index, cpu] of cpus.entries()) {
        if (rq[cpu]!.length !== queues[index]) queueChanges[index]!++;
        queues[index] = rq[cpu]!.length;
      }
    }
  }
  const end = journal.stepEnd(journal.steps).vtime;
  return { microSteps, arrows, sends: sent.size, switches: switchesOf(journal, cpus), queueChanges, end };
}

/** A switch is what a step leaves behind: within a step, a CPU may seem to be between two tasks. */
function switchesOf(journal: Journal, cpus: readonly string[]): number[] {
  const current = cpus.map((): unknown => null);
  const next = [...current];
  const switches = cpus.map(() => 0);
  let step = 0;
  const settle = () => {
    for (const [index, task] of next.entries()) if (task !== current[index]) switches[index]!++;
    current.splice(0, current.length, ...next);
  };
  for (const record of journal.recordsFrom()) {
    if (record.step !== step) settle();
    step = record.step;
    if (record.kind === 'change' && cpus.includes(record.actor)) {
      next[cpus.indexOf(record.actor)] = (record.payload.context as JsonObject).current;
    }
  }
  settle();
  return switches;
}
