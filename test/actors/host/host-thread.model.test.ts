/** The machine of host threads expands whatever the design of its host. */
import { describe, expect, it } from 'vitest';
import { hostThreadMachine } from '../../../actors/host/host-thread.ts';
import type { HostOptions } from '../../../events/options.ts';
import { SEV_SNP_OPTIONS } from '../../../events/sev-snp/sev-snp.ts';
import { hostEnvOf } from '../../../sim/host/host-code.ts';
import { shipped } from '../../sim/play.ts';

describe('the machine of host threads', () => {
  const combinations = Object.entries(SEV_SNP_OPTIONS).reduce<readonly Partial<HostOptions>[]>(
    (all, [name, values]) => all.flatMap((options) => values.map((value) => ({ ...options, [name]: value }))),
    [{}],
  );
  const programs = programsOfAll();
  const scenario = shipped('rmp-host-write-race', 'panic-sigbus');

  it(`expands under every combination of options, of which there are ${combinations.length}`, () => {
    for (const options of combinations) {
      const asked = { ...scenario, host: { ...scenario.host, options: options as HostOptions } };
      const env = hostEnvOf(asked, { programs, images: [], vms: {}, patches: {} });
      expect(() => hostThreadMachine(env), JSON.stringify(options)).not.toThrow();
    }
  });
});

/** One program with every operation. */
function programsOfAll() {
  const ops = [
    { op: 'KVM_RUN', vm: 'vm0', vcpu: 0 },
    { op: 'write', vm: 'vm0', gfn: 5, stores: 1 },
    { op: 'kvm-write-guest', vm: 'vm0', gfn: 5 },
    { op: 'kvm-write-unchecked', vm: 'vm0', gfn: 5 },
    { op: 'make-shared', vm: 'vm0', gfn: 5 },
    { op: 'sev-command', command: 'SNP_PLATFORM_STATUS', pfn: 0x1800 },
    { op: 'next', loop: 0, to: 0 },
    { op: 'end' },
  ] as const;
  return [{ ops, loops: [2] }];
}
