/** What must hold of every schedule that never ends, whatever the model. */
import { type CpuInCycle, endlessly } from '../property.ts';
import type { ResolvedScenario } from '../scenario/types.ts';

const named = (cpus: readonly CpuInCycle[]): string => cpus.map(({ id }) => id).join(' and ');

/**
 * A CPU that waits for others is let through in the end. *Hang*: all it does in the cycle changes
 * nothing. *Unbounded retry*: it moves, is refused, and is back where it was. *Livelock*: two or
 * more do so to each other. A program that computes forever is none of them.
 */
export const progress = endlessly('cpu.progress', {
  source: 'kernel kernel/watchdog.c: a CPU that gets nowhere for long is reported as a soft lock-up',
  grade: 'read',
  cycle: (cpus) => {
    const waiting = cpus.filter(({ waits }) => waits);
    if (waiting.length === 0) return null;
    const retrying = waiting.filter(({ moves }) => moves);
    if (waiting.length > 1 && retrying.length > 0)
      return { kind: 'livelock', message: `livelock: ${named(waiting)} wait for each other forever` };
    if (retrying.length > 0) {
      const message = `unbounded retry: ${named(retrying)} tries the same again and again, and is refused each time`;
      return { kind: 'unbounded-retry', message };
    }
    const hang = `hang: ${named(waiting)} ${waiting.length > 1 ? 'retire' : 'retires'} nothing any more`;
    return { kind: 'hang', message: `${hang}${wouldEnd(waiting)}` };
  },
});

/** What would let in a thread that may end the wait. */
function wouldEnd(waiting: readonly CpuInCycle[]): string {
  const queued = waiting.flatMap(({ queued: here = [] }) => here);
  if (queued.length === 0) return '';
  const [are, get] = queued.length > 1 ? ['are', 'get'] : ['is', 'gets'];
  return `; ${queued.join(' and ')} ${are} queued there, and ${get} in where that code yields or is preempted`;
}

/** The scenario with the question whether every CPU that waits is let through. */
export function withLiveness(scenario: ResolvedScenario): ResolvedScenario {
  const { properties } = scenario;
  if (properties.eventually.includes(progress.id)) return scenario;
  return { ...scenario, properties: { ...properties, eventually: [...properties.eventually, progress.id] } };
}
