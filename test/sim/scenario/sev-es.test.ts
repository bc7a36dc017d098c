/** Scenarios with SEV-ES guests: what they must have, and what they must not. */
import { describe, expect, it } from 'vitest';
import { knownProperties } from '../../../sim/properties/index.ts';
import { loadScenario } from '../../../sim/scenario/load.ts';
import { resolveScenario } from '../../../sim/scenario/resolve.ts';

const text = ({ features = '[sev, sev-es]', program = '[touch: {}, hlt: {}]', options = '{}', kernel = '6.1' } = {}) => `name: es
summary: s
host: { arch: amd, cpus: 1, features: ${features}, kernel: "${kernel}" }
vms: { vm0: { type: sev-es, options: ${options}, vcpus: [${program}] } }
processes: { qemu0: { threads: [[KVM_RUN: { vcpu: vm0/0 }]] } }
`;
const load = (parts: Parameters<typeof text>[0]) => loadScenario(text(parts), 'es.yaml', knownProperties());

describe('an SEV-ES VM', () => {
  it.each(['6.1', '6.6', '6.12', '6.14'])('is there on kernel %s, with no feature in its VMSAs unless it asks', (kernel) => {
    const resolved = resolveScenario(load({ kernel }), { knownProperties: knownProperties() });
    expect(resolved.vms[0]!.settings).toEqual({ asid: 1, pages: [] });
  });

  it.each([
    [
      'a CPU without SEV-ES',
      { features: '[sev]' },
      'es.yaml:3: host.features: found features "sev"; expected sev-es among them: vm0 is an SEV-ES VM',
    ],
    [
      'pages, which are those of the RMP',
      { options: '{ pages: [{ gfn: 0x5, pfn: 0x1005, state: shared }] }' },
      'found pages; expected none: vm0 is no SNP VM',
    ],
    [
      'OUT, which is an NAE event',
      { program: '[out: { port: 0x3f8 }]' },
      'found out in a guest of type sev-es; expected it in a VM of type svm',
    ],
    ['a feature that no VMSA has', { options: '{ vmsaFeatures: [lbr] }' }, 'vmsaFeatures[0]'],
  ])('is refused with %s', (_, parts, says) => {
    expect(() => load(parts)).toThrow(says);
  });
});
