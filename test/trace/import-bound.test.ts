/** How much of a recording becomes a scenario: what a journal can hold, and no more. */
import { describe, expect, it } from 'vitest';
import { decodePlain, encodeShared } from '../../replay/codec-msgpack.ts';
import { knownProperties } from '../../sim/properties/index.ts';
import { resolveScenario } from '../../sim/scenario/resolve.ts';
import { bounded } from '../../trace/import/bound.ts';
import { castOf } from '../../trace/import/cast.ts';
import { scenarioOf } from '../../trace/import/derive.ts';
import { exitsOf } from '../../trace/import/exits.ts';
import { needsOf } from '../../trace/import/need.ts';
import { entered, left, recorded, type Told } from './traces.ts';

const V0 = 'vcpu0-10';
const CTL = 'control-30';
const SIGNAL: Told = [CTL, 1, 'signal_generate: sig=10 errno=0 code=-6 comm=vcpu0 pid=10 grp=0 res=0'];

function asked(...lines: readonly Told[]) {
  const recording = recorded(...lines);
  const cast = castOf(recording);
  return { cast, all: needsOf(recording, cast) };
}

describe('the scenario of a recording', () => {
  it('has operations up to a bound, and the first line beyond it is told', () => {
    const { all } = asked([V0, 0, entered()], SIGNAL, [V0, 0, left('msr')], [V0, 0, entered()], SIGNAL, SIGNAL);
    const { needs, gap } = bounded(all, 3);
    expect(needs.map(({ line }) => line)).toEqual([1, 2, 3, 4, 5]);
    expect(gap).toEqual({ line: 6, why: 'the scenario has 3 operations, and may have no more' });
    expect(bounded(all, 4)).toBe(all);
  });

  it('fits into one frame of a journal, however many signals were sent', () => {
    const { cast, all } = asked([V0, 0, entered()], SIGNAL);
    const many = Array.from({ length: 200_000 }, () => all.needs[1]!);
    const { needs } = bounded({ ...all, needs: many });
    const scenario = scenarioOf({ cast, exits: exitsOf(needs, cast), needs }, { arch: 'amd', kernel: '6.12', preemption: 'full' });
    const read = decodePlain(encodeShared(resolveScenario(scenario, { knownProperties: knownProperties() }))) as ReturnType<
      typeof resolveScenario
    >;
    expect(Math.max(...read.processes.map(({ threads }) => threads[0]!.program.ops.length))).toBeGreaterThan(60_000);
  });
});
