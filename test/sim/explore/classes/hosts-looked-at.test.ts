/**
 * Properties that look at CPUs, and at what the context switch keeps of threads: a run that ends
 * inside a class, evidence in the middle of a switch, and CPUs told apart by name.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { PREEMPTION_MODELS } from '../../../../events/options.ts';
import type { ResolvedScenario, Scenario } from '../../../../sim/scenario/types.ts';
import { resolved } from '../../play.ts';
import { compared } from './against-plain.ts';
import { LOOK_NAMES, lookId, registerLooks } from './sights-of-hosts.ts';

// What it answers is called in the end, and takes the properties away.
beforeAll(registerLooks);

const STATES = 30_000;

const TWO_THREADS: Scenario = {
  name: 'looked-at',
  summary: 'Two threads on two CPUs',
  host: { arch: 'intel', cpus: 2, features: ['split-lock-detect'], options: { 'host.sldWarn': 'gen1-atomic' } },
  processes: { app: { threads: [[{ 'split-lock': {} }]] }, other: { threads: [[{ compute: {} }]] } },
};

const looking = (host: Partial<Scenario['host']>, form: 'always' | 'sometimes', names: readonly string[]): ResolvedScenario => {
  const scenario = resolved({ ...TWO_THREADS, host: { ...TWO_THREADS.host, ...host } });
  return { ...scenario, properties: { ...scenario.properties, [form]: names.map((name) => lookId(form, name)) } };
};

function expectEqual(scenario: ResolvedScenario): { readonly violated: readonly string[]; readonly renamed: boolean } {
  const result = compared(scenario, STATES);
  expect(result?.differences).toEqual([]);
  return result!;
}

describe('a property that looks at what classes are made of', () => {
  const broken = new Set<string>();

  it.each(LOOK_NAMES)('ends runs where they end state by state: %s', (name) => {
    if (expectEqual(looking({}, 'always', [name])).violated.length > 0) broken.add(name);
  });

  it.each(PREEMPTION_MODELS)('is looked at as state by state, all of them together, under preemption %s', (preemption) => {
    for (const ticks of ['direct', 'pending'] as const) expectEqual(looking({ preemption, ticks }, 'sometimes', LOOK_NAMES));
  });

  it('breaks for some', () => {
    expect([...broken]).toEqual(expect.arrayContaining(['all-cpus-busy', 'two-cpus-switch', 'thread-letter', 'threads-on-cpu-1']));
  });
});

describe('CPUs', () => {
  it('are renamed where no property tells them apart', () => {
    expect(expectEqual(looking({}, 'sometimes', ['all-cpus-busy', 'threads-run-together'])).renamed).toBe(true);
  });

  it.each(['cpu-0-by-name', 'higher-cpu-alone', 'threads-on-cpu-1'])('are not renamed where one does: %s', (name) => {
    expect(expectEqual(looking({}, 'always', [name])).renamed).toBe(false);
    expect(expectEqual(looking({}, 'sometimes', [name])).renamed).toBe(false);
  });
});
