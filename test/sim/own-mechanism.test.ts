/**
 * Whatever a file exports: it is registered, or refused by a sentence that says where; and nothing
 * of it stays.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { isDeviating } from '../../sim/explore/in-order/deviations.ts';
import { MechanismError } from '../../sim/host/mechanism.ts';
import { registerOwn } from '../../sim/host/own-mechanism.ts';
import { mechanisms, modulesFor, perRegistry, register } from '../../sim/host/registry.ts';
import { topologyOf } from '../../sim/host/topology.ts';
import { knownProperties } from '../../sim/properties/index.ts';
import { scenario } from '../../sim/scenario/build.ts';
import { variantNames } from '../../sim/scenario/checks.ts';
import { resolveScenario } from '../../sim/scenario/resolve.ts';
import type { Scenario } from '../../sim/scenario/types.ts';

const SOURCE = { file: 'mine.js', sha256: 'ab'.repeat(32) };
const KEYS = [
  ...[
    'name',
    'arches',
    'options',
    'presets',
    'features',
    'allow',
    'vmTypes',
    'vmSettings',
    'guestOperations',
    'hostOperations',
    'properties',
  ],
  ...['outcomes', 'catalogue', 'checks', 'host', 'guest', 'core', 'actors', 'machines', 'vcpu', 'patch', 'mutants', 'variants', 'models'],
  ...['sections', 'quiet', 'structureChecks', 'operationChecks', 'completions', 'creates', 'vm', 'taskFlags', 'kernelThreads'],
];
const anything = fc.anything({ withNullPrototype: true, withBigInt: true, withDate: true, withMap: true });
const near = fc.record(Object.fromEntries(KEYS.map((key) => [key, anything])), { requiredKeys: [] });
const named = near.map((value) => ({ ...value, name: 'mine', arches: ['amd'] }));
const IDLE: Scenario = {
  name: 'idle',
  summary: 'A thread that firmware answers',
  host: { arch: 'amd', features: ['sev-snp'] },
  processes: { p: { threads: [[{ 'sev-command': { command: 'SNP_DF_FLUSH' } }]] } },
};
const resolve = (source: Scenario, variant: string) => resolveScenario(source, { variant, knownProperties: knownProperties() });

describe('a mechanism of the user’s own', () => {
  it('is registered or refused, whatever it is', () => {
    const before = mechanisms().length;
    fc.assert(
      fc.property(fc.oneof(anything, near, named), (value) => {
        try {
          registerOwn(value, 'mine.js: mechanism', SOURCE, ['rmp-churn'])();
        } catch (error) {
          expect(error).toBeInstanceOf(MechanismError);
          expect((error as Error).message.startsWith('mine.js: mechanism')).toBe(true);
        }
        expect(mechanisms()).toHaveLength(before);
      }),
      { numRuns: 500 },
    );
  });

  it('adds variants behind those of a scenario, and behind the default of one that has none', () => {
    const mine = { name: 'mine', arches: ['amd'], options: { 'my.fix': ['off', 'on'] }, variants: { idle: { mine: { 'my.fix': 'on' } } } };
    const undo = registerOwn(mine, 'mine.js: mechanism', SOURCE, []);
    try {
      expect(variantNames(scenario(IDLE))).toEqual(['default', 'mine']);
      const two = scenario({ ...IDLE, variants: { a: {}, b: {} }, expect: { a: 'clean' } });
      expect(variantNames(two)).toEqual(['a', 'b', 'mine']);
      expect(resolve(two, 'mine')).toMatchObject({ expect: null, host: { options: { 'my.fix': 'on' } } });
      expect(resolve(two, 'a').host.options).toMatchObject({ 'my.fix': 'off' });
      expect(modulesFor(resolve(two, 'a'))).toEqual([{ name: 'mine', sha256: SOURCE.sha256 }]);
      expect(() => scenario({ ...IDLE, variants: { mine: {} } })).toThrow('which mechanism mine adds too');
    } finally {
      undo();
    }
    expect(variantNames(scenario(IDLE))).toEqual(['default']);
    expect(modulesFor(resolve(scenario(IDLE), 'default'))).toEqual([]);
  });

  it('takes part on its hosts alone', () => {
    const undo = registerOwn({ name: 'mine', arches: ['arm64'], options: { 'my.fix': ['off'] } }, 'mine.js', SOURCE, []);
    try {
      const ready = resolve(scenario(IDLE), 'default');
      expect([modulesFor(ready), Object.keys(ready.host.options).includes('my.fix')]).toEqual([[], false]);
    } finally {
      undo();
    }
  });
});

describe('what a mechanism brings to hosts', () => {
  const NIC = {
    name: 'nic',
    arches: ['amd'],
    allow: ['nic-error'],
    completions: [{ name: 'nic', handler: 'nic_irq', driver: 'nic' }],
    operationChecks: () => [{ path: ['processes'], message: 'found a NIC that no thread asks' }],
  };
  const INTEL: Scenario = {
    ...IDLE,
    host: { arch: 'intel' },
    processes: { p: { threads: [[{ compute: {} }]] } },
  };
  const cpuOf = (source: Scenario) => {
    const { actors, machines } = topologyOf(resolve(scenario(source), 'default'));
    return { input: actors.find(({ id }) => id === 'pcpu:0')!.input, events: machines.pcpu!.events };
  };
  const withNic = (look: () => void, changes: object = {}) => {
    const undo = registerOwn({ ...NIC, operationChecks: undefined, ...changes }, 'nic.js', SOURCE, []);
    try {
      look();
    } finally {
      undo();
    }
  };

  it('interrupts the CPUs of its own hosts, and no others', () => {
    const before = cpuOf(INTEL);
    expect(before.events).not.toContain('irq.psp');
    withNic(() => {
      expect(cpuOf(IDLE).events).toEqual(expect.arrayContaining(['irq.psp', 'irq.nic']));
      expect(cpuOf(INTEL)).toEqual(before);
    });
  });

  it('brings offers that are disturbances', () => {
    expect(isDeviating('nic-error')).toBe(false);
    withNic(() => {
      expect(isDeviating('nic-error')).toBe(true);
      expect(resolve(scenario({ ...IDLE, allow: ['nic-error'] }), 'default').allow).toEqual(['nic-error']);
    });
  });

  it('checks operations, on its own hosts alone', () => {
    const checks = { operationChecks: NIC.operationChecks };
    withNic(() => expect(() => scenario(IDLE)).toThrow('found a NIC that no thread asks'), checks);
    withNic(() => expect(scenario(INTEL).name).toBe('idle'), checks);
  });

  it('refuses a setting of VMs, and a section, that another mechanism of its hosts brings, and names both', () => {
    const tape = (arch: 'amd' | 'arm64') => ({ name: 'tape', arches: [arch], vmSettings: { asid: { schema: z.int() } } }) as const;
    expect(() => register(tape('amd'))).toThrow(MechanismError);
    expect(() => register(tape('amd'))).toThrow('mechanisms sev-snp and tape both bring the VM setting asid');
    register(tape('arm64'))();
    const host = { description: 'd', written: z.int(), resolved: z.int(), resolve: () => undefined };
    expect(() => register({ name: 'tape', arches: ['amd'], sections: { host } })).toThrow(
      'mechanism tape brings the section host, a key of every scenario',
    );
  });

  it('refuses a device of a name that is taken', () => {
    const twice = { ...NIC, completions: [{ name: 'psp', handler: 'nic_irq', driver: 'nic' }] };
    expect(() => registerOwn({ ...twice, arches: ['intel'] }, 'nic.js', SOURCE, [])()).not.toThrow();
    const tick = { ...NIC, completions: [{ name: 'timer', handler: 'nic_irq', driver: 'nic' }] };
    expect(() => registerOwn(tick, 'nic.js', SOURCE, [])).toThrow('found "timer", a name that is taken by every host');
    expect(() => registerOwn(twice, 'nic.js', SOURCE, [])).toThrow('completions: found "psp", a name that is taken by mechanism sev-snp');
  });
});

describe('what is made of the registry', () => {
  it('is made again when one mechanism has taken the place of another', () => {
    const names = perRegistry(() => mechanisms().map(({ name }) => name));
    const first = register({ name: 'first', arches: ['amd'] });
    expect(names()).toContain('first');
    first();
    const second = register({ name: 'second', arches: ['amd'] });
    expect([names().includes('first'), names().includes('second')]).toEqual([false, true]);
    expect(() => register({ name: 'second', arches: ['amd'] })).toThrow('mechanisms second and second both bring the name second');
    second();
  });
});
