/**
 * All schedules of a small model, each walked by a run of its own: what the searches are compared
 * with.
 */
import { hexOf } from '../../sim/canonical.ts';
import { MemoEngine } from '../../sim/engine/memo.ts';
import { ModelError } from '../../sim/engine/port.ts';
import { topologyOf } from '../../sim/host/topology.ts';
import { Run } from '../../sim/run.ts';
import type { ResolvedScenario } from '../../sim/scenario/types.ts';

export interface EveryRun {
  /** How a run ends in a state, by digest: `ended property`; null where it goes on. */
  readonly ends: ReadonlyMap<string, string | null>;
  /** Digests of what follows, by digest, in the order of the alternatives. */
  readonly next: ReadonlyMap<string, readonly string[]>;
  readonly transitions: number;
  readonly unchanged: number;
  /** `sometimes` properties that came true in some run. */
  readonly met: ReadonlySet<string>;
  /** Messages of the rules that some schedule breaks. */
  readonly errors: ReadonlySet<string>;
}

export const digestOf = (run: Run): string => hexOf(run.sequencer.digest.a, run.sequencer.digest.b);

/** What an error says, with the step left out: engines name it differently. */
export const ruleOf = (error: unknown): string => {
  if (!(error instanceof ModelError)) throw error;
  return error.message.replace(/(in|within) (step \d+|one step)/, '$1 a step');
};

/** The run has not ended: another choice is asked for. */
const GOES_ON = new Error('the run goes on');

/** Null where there are more states than `most`. */
export function everyRun(scenario: ResolvedScenario, most: number): EveryRun | null {
  const engine = new MemoEngine(topologyOf(scenario));
  const ends = new Map<string, string | null>();
  const next = new Map<string, string[]>();
  const met = new Set<string>();
  const errors = new Set<string>();
  let transitions = 0;
  let unchanged = 0;
  /** A run that has taken these alternatives. */
  const after = (indices: readonly number[]): Run => {
    let at = 0;
    let changed = false;
    const observe = (outcome: { readonly changed: boolean }) => {
      changed = outcome.changed;
    };
    const choose = () => {
      if (at === indices.length) throw GOES_ON;
      return indices[at++]!;
    };
    const run = new Run({ scenario, engine, chooser: { name: 'listed', choose, observe } });
    run.start();
    run.toEnd(indices.length);
    if (indices.length > 0) changed ? transitions++ : unchanged++;
    for (const id of run.met.keys()) met.add(id);
    return run;
  };
  const queue: (readonly number[])[] = [];
  const meet = (run: Run, indices: readonly number[]): string => {
    const digest = digestOf(run);
    if (ends.has(digest)) return digest;
    queue.push(indices);
    try {
      run.advance();
    } catch (error) {
      if (error !== GOES_ON) throw error;
    }
    ends.set(digest, run.end && `${run.end.ended} ${run.end.violation?.property ?? ''}`);
    next.set(digest, []);
    return digest;
  };
  meet(after([]), []);
  for (const indices of queue) {
    if (ends.size > most) return null;
    const counted = { transitions, unchanged };
    const run = after(indices);
    ({ transitions, unchanged } = counted);
    if (run.end) continue;
    const from = digestOf(run);
    if (ends.get(from) !== null) {
      // A run does not wait in a dead state. In these models nothing but waits leads back to it,
      // which a search counts.
      unchanged += run.sequencer.count;
      continue;
    }
    for (let index = 0; index < run.sequencer.count; index++) {
      const way = [...indices, index];
      try {
        next.get(from)!.push(meet(after(way), way));
      } catch (error) {
        errors.add(ruleOf(error));
      }
    }
  }
  return { ends, next, transitions, unchanged, met, errors };
}
