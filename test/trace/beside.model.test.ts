/** A recording and the run that was imported from it, side by side at the recording's times. */
import { describe, expect, it } from 'vitest';
import type { TimelineEvent } from '../../timeline/event.ts';
import { besideTimeline } from '../../trace/beside.ts';
import { planOf } from '../../trace/import/plan.ts';
import { mistakesOf } from './nesting.ts';
import { recordingNamed, runOf } from './traces.ts';

const recording = recordingNamed('6.12-full/ev-kick');
const plan = planOf(recording);
const events: readonly TimelineEvent[] = [...besideTimeline(recording, runOf(plan).journal, plan.drive.anchors)];
const lanes = events.flatMap((event) => (event.kind === 'lane' ? [event.lane] : []));
const begins = (lane: string, name: string): number[] =>
  events.flatMap((event) => (event.kind === 'begin' && event.lane.name === lane && event.name === name ? [event.at] : []));

describe('a recording beside its run', () => {
  it('nests the spans of both, forward in time, with numbers of their own', () => {
    expect(mistakesOf(events)).toEqual([]);
    expect(new Set(lanes.map(({ id }) => id)).size).toBe(lanes.length);
  });

  it('has the pCPUs of both in one group, and tells them apart', () => {
    const cpus = lanes.filter(({ group, kind }) => group.kind === 'cpus' && kind === 'cpu');
    expect(cpus.map(({ name }) => name).sort()).toEqual(['pCPU 0 imported', 'pCPU 0 recorded', 'pCPU 1 imported', 'pCPU 1 recorded']);
    expect(new Set(cpus.map(({ group }) => group)).size).toBe(1);
  });

  it('enters guest mode in the run when the recording does, and as often', () => {
    const [recorded, imported] = [begins('vCPU 1 (vcpu1-227) recorded', 'guest mode'), begins('vCPU vm0/1 imported', 'guest mode')];
    expect(recorded.length).toBeGreaterThan(50);
    expect(Math.abs(recorded.length - imported.length)).toBeLessThan(3);
    const last = (of: readonly number[]) => of.at(-1)!;
    // A millisecond in a recording of 120: an event is told after what it tells.
    expect(Math.abs(last(recorded) - last(imported))).toBeLessThan(1_000_000);
  });
});
