/** What perf refuses of a breakpoint, with its line, and what code of the host cannot touch. */
import { describe, expect, it } from 'vitest';
import { knownProperties } from '../../../sim/properties/index.ts';
import { ScenarioError } from '../../../sim/scenario/issues.ts';
import { loadScenario } from '../../../sim/scenario/load.ts';

/** Line and message of each mistake. */
function issuesOf(operation: string, host = 'arch: amd, cpus: 2', vm = 'type: svm'): readonly string[] {
  const text = [
    'name: told',
    'summary: Told',
    `host: { ${host} }`,
    `vms: { vm0: { ${vm}, vcpus: [[{ hlt: {} }]] } }`,
    'processes:',
    `  perf: { threads: [[{ ${operation} }], [{ KVM_RUN: { vcpu: vm0/0 } }]] }`,
  ].join('\n');
  try {
    loadScenario(text, 'told.yaml', knownProperties());
    return [];
  } catch (error) {
    if (!(error instanceof ScenarioError)) throw error;
    return error.issues.map(({ line, message }) => `${line} | ${message}`);
  }
}

const INTEL = 'arch: intel, cpus: 2';
const SNP = ['arch: amd, cpus: 2, features: [sev-snp]', 'type: snp, options: { pages: [] }'] as const;

describe('a breakpoint of perf', () => {
  it.each(['{ address: 0x1001, length: 1 }', '{ address: 0x1000, length: 4096, type: rw }', '{ address: 0x1008, cpu: 1, slot: 3 }'])(
    'is taken on AMD: %s',
    (args) => {
      expect(issuesOf(`perf-breakpoint: ${args}`)).toEqual([]);
    },
  );

  it.each([
    ['{ address: 0x1004 }', 'found 0x1004; expected a multiple of the length, 8'],
    ['{ address: 0x1100, length: 4096 }', 'found 0x1100; expected a multiple of the length, 4096'],
    ['{ address: 0x1000, length: 24 }', 'found 24; expected a power of two'],
    ['{ address: 0x1000, cpu: 2 }', 'found 2; expected a CPU of the host, 0 to 1'],
    ['{ address: 0x1000, slot: 4 }', 'found 4; expected 0, 1, 2 or 3'],
  ])('is refused: %s', (args, message) => {
    expect(issuesOf(`perf-breakpoint: ${args}`)).toEqual([`6 | ${message}`]);
  });

  it('is refused on Intel where it needs an address mask, and taken up to 8 bytes', () => {
    expect(issuesOf('perf-breakpoint: { address: 0x1000, length: 16 }', INTEL, 'type: vmx')).toEqual([
      "6 | found 16; expected 1, 2, 4 or 8: only AMD's processors have address masks",
    ]);
    expect(issuesOf('perf-breakpoint: { address: 0x1000, length: 8 }', INTEL, 'type: vmx')).toEqual([]);
  });

  it('is removed on a CPU of the host alone', () => {
    expect(issuesOf('perf-remove: { cpu: 7 }')).toEqual(['6 | found 7; expected a CPU of the host, 0 to 1']);
  });

  it.each(['perf-breakpoint: { address: 0x1000 }', 'touch-address: { address: 0x1000 }'])(
    'is taken beside encrypted guests: %s',
    (operation) => {
      expect(issuesOf(operation, ...SNP)).toEqual([]);
    },
  );
});
