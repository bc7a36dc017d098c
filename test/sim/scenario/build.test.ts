/** The builder: the same object in TypeScript, under the same rules. */
import { describe, expect, it } from 'vitest';
import { scenario } from '../../../sim/scenario/build.ts';
import { loadScenario } from '../../../sim/scenario/load.ts';
import type { GuestStep } from '../../../sim/scenario/program.ts';
import { FILE, KNOWN, SAMPLE } from './sample.ts';
import { small } from './small.ts';

const sample = loadScenario(SAMPLE, FILE, KNOWN);

describe('a scenario built in TypeScript', () => {
  it('equals the one from a file', () => {
    expect(scenario(sample)).toEqual(sample);
  });

  it('is checked as a file is', () => {
    expect(() => small({ host: { arch: 'amd', kernel: '6.6', features: ['sev-snp'] } })).toThrow(/host\.kernel: found "6\.6"/);
    expect(() => small({ host: { arch: 'amd', cpus: Number.NaN } })).toThrow(/host\.cpus: found NaN; expected a finite number/);
  });

  it('may hold no cycle and no instance', () => {
    const steps: GuestStep[] = [];
    steps.push({ repeat: { times: 2, do: steps } });
    const options = { pages: [] };
    expect(() => small({ vms: { vm0: { type: 'snp', options, vcpus: [steps] } } })).toThrow(/nested too deep/);
    expect(() => small({ params: new Map() as never })).toThrow(/params: found an instance of a class; expected a map/);
  });

  it('may nest repeat four deep', () => {
    const nested = (depth: number): GuestStep => (depth === 0 ? { hlt: {} } : { repeat: { times: 2, do: [nested(depth - 1)] } });
    const built = (depth: number) => small({ vms: { vm0: { type: 'snp', options: { pages: [] }, vcpus: [[nested(depth)]] } } });
    expect(built(4).vms).toBeDefined();
    expect(() => built(5)).toThrow(/found repeat nested too deep; expected at most 4 levels/);
  });
});
