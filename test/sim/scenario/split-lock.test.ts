/** What the schema of a scenario cannot see of an Intel host. */
import { describe, expect, it } from 'vitest';
import { knownProperties } from '../../../sim/properties/index.ts';
import { ScenarioError } from '../../../sim/scenario/issues.ts';
import { loadScenario } from '../../../sim/scenario/load.ts';

/** Mistakes of a scenario with this host and these programs. */
function mistakes(host: string, program: string): readonly string[] {
  const text = `name: small\nsummary: Small\nhost: { arch: intel, cpus: 1, ${host} }\nprocesses:\n  a: { threads: [${program}] }\n`;
  try {
    loadScenario(text, 'small.yaml', knownProperties());
    return [];
  } catch (error) {
    if (!(error instanceof ScenarioError)) throw error;
    return error.issues.map(({ message }) => message);
  }
}

describe('an Intel host', () => {
  it('refuses exits for bus locks that its processor does not detect', () => {
    const options = 'options: { kvm.busLockExit: exit }';
    expect(mistakes(`features: [bus-lock-detect], ${options}`, '[{ compute: {} }]')).toEqual([]);
    expect(mistakes(`features: [split-lock-detect], ${options}`, '[{ compute: {} }]')).toEqual([
      'found exit; expected off: the host lacks the feature bus-lock-detect',
    ]);
  });

  it('refuses a task that is frozen, in a loop or not, and never thawed', () => {
    const found = 'found frozen, and no thread with resume; expected one that thaws it';
    expect(mistakes('features: []', '[{ frozen: {} }]')).toEqual([found]);
    expect(mistakes('features: []', '[{ repeat: { times: 2, do: [{ frozen: {} }] } }]')).toEqual([found]);
    expect(mistakes('features: []', '[{ frozen: {} }], [{ resume: {} }]')).toEqual([]);
  });

  it('says that an operation without arguments has none', () => {
    expect(mistakes('features: []', '[{ resume: { cpu: 1 } }]')).toEqual(['found the key "cpu"; expected no key']);
  });

  it('refuses a series with a warning that has no flag of the task', () => {
    expect(mistakes('features: [split-lock-detect], options: { kvm.sldVirt: v8 }', '[{ compute: {} }]')).toEqual([
      'found v8 with host.sldWarn gen2-global; expected gen1 or gen1-atomic: the series keep the flag of the task',
    ]);
  });
});
