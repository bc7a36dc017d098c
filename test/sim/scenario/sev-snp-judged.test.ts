/** Properties of SEV-SNP hold where nothing is wrong, and see what is wrong beside others. */
import { describe, expect, it } from 'vitest';
import { loadScenario } from '../../../sim/scenario/load.ts';
import { KNOWN, play, resolved, seeds } from '../play.ts';
import { refusal } from './combinations.ts';

interface Written {
  readonly options?: string;
  readonly vms?: readonly string[];
  readonly threads: readonly string[];
  readonly firmware?: string;
  readonly always: string;
}

const textOf = ({ options = '', vms = [], threads, firmware, always }: Written) =>
  [
    ...['name: tried', 'summary: Tried', `host: { arch: amd, cpus: 2, features: [sev, sev-es, sev-snp], options: { ${options} } }`],
    ...(vms.length > 0 ? [`vms: { ${vms.join(', ')} }`] : []),
    `processes: { ${threads.map((thread, i) => `p${i}: { threads: [[${thread}]] }`).join(', ')} }`,
    ...(firmware === undefined ? [] : [`firmware: { ${firmware} }`]),
    `properties: { always: [${always}] }`,
  ].join('\n');

const snp = (id: string, asid: number, pages: string, guest = '') =>
  `${id}: { type: snp, options: { asid: ${asid}, pages: [${pages}] }, vcpus: [${guest}] }`;

/** The property that breaks, in order and at random, and why. */
const verdicts = (written: Written, mutant?: string) => {
  const scenario = resolved(loadScenario(textOf(written), 'tried.yaml', KNOWN));
  const mutated = mutant === undefined ? scenario : { ...scenario, mutant };
  const ends = [{ name: 'fifo' } as const, ...seeds(1)].map((order) => play(mutated, order).end);
  return new Set(ends.map(({ violation }) => violation?.message ?? null));
};
const HOLDS = new Set([null]);

describe('rmp.page-given-back', () => {
  const always = 'rmp.page-given-back';
  const command = (given: string) => `{ sev-command: { command: ${given} } }`;

  it('holds of pages that the firmware has when the run begins, and of those it reclaims', () => {
    const firmware = 'state: INIT, pages: [{ pfn: 0x1800, state: firmware }, { pfn: 0x1801, state: reclaim }]';
    expect(verdicts({ firmware, threads: [command('SNP_DF_FLUSH')], always })).toEqual(HOLDS);
    expect(verdicts({ firmware, threads: [command('SNP_PAGE_RECLAIM, pfn: 0x1800')], always })).toEqual(HOLDS);
  });

  it('holds of a context page from GCTX_CREATE to its reclaim', () => {
    const firmware = 'state: INIT, guests: [{ pfn: 0x1900, state: RUNNING, asid: 1 }]';
    expect(verdicts({ firmware, threads: ['{ destroy-guest: { context: 0x1900, asid: 1 } }'], always })).toEqual(HOLDS);
    const launch = 'launched: false, launch: { context: 0x1900, vmsas: [0x1908], pages: [] }';
    const ioctls = ['KVM_CREATE_VM: { vm: vm0 }', 'KVM_SEV_INIT2: { vm: vm0 }', 'KVM_CREATE_VCPU: { vcpu: vm0/0 }'];
    const all = [...ioctls, 'KVM_SEV_SNP_LAUNCH_START: { vm: vm0 }', 'KVM_RUN: { vcpu: vm0/0 }'];
    const threads = [all.map((op) => `{ ${op} }`).join(', ')];
    expect(verdicts({ vms: [`vm0: { type: snp, options: { ${launch} }, vcpus: [[{ insn: {} }]] }`], threads, always })).toEqual(HOLDS);
  });

  it('sees a page that was lent for an earlier command', () => {
    const firmware = 'state: INIT, pages: [{ pfn: 0x1800, state: hypervisor }]';
    const threads = [`${command('SNP_PLATFORM_STATUS, pfn: 0x1800')}, ${command('SNP_DF_FLUSH')}`];
    expect(verdicts({ firmware, threads, always })).toEqual(HOLDS);
    expect(verdicts({ firmware, threads, always }, 'snp-reclaim-half')).toEqual(new Set(['PFN 0x1800 is Reclaim and no command runs']));
  });
});

describe('rmp.mapping-fits', () => {
  const always = 'rmp.mapping-fits';
  const folio = snp('vm0', 1, '{ gfn: 0x200, pfn: 0x1000, state: shared, frames: 2 }');
  const faults = '{ pre-fault: { vm: vm0, gfn: 0x200 } }';

  it('holds of a mapping of 2M whose entry is split later', () => {
    expect(verdicts({ vms: [folio], threads: [`${faults}, { punch-hole: { vm: vm0, gfn: 0x201 } }`], always })).toEqual(HOLDS);
  });

  it('sees a mapping that is larger than the entry, beside a VM that has a 2M entry at that GFN', () => {
    const begun = snp('vm1', 2, '{ gfn: 0x200, pfn: 0x1200, state: shared, frames: 2 }');
    const other = snp('vm2', 3, '{ gfn: 0x9, pfn: 0x1202, state: guest-valid }');
    const threads = [`${faults}, { pre-fault: { vm: vm1, gfn: 0x200 } }`];
    const written = { options: 'kvm.gmemOrder: alignment', vms: [folio, begun, other], threads, always };
    expect(verdicts(written)).toEqual(HOLDS);
    expect(verdicts(written, 'snp-map-unclamped')).toEqual(
      new Set(['the guest of vm:vm1 had GFN 0x200 mapped as 2M, and the entry was of 4K']),
    );
  });
});

describe('rmp.freed-frame-is-hypervisors', () => {
  const always = 'rmp.freed-frame-is-hypervisors';
  const vm = snp('vm0', 1, '{ gfn: 5, pfn: 0x1005, state: guest-valid }', '[{ psc: { gfn: 5, to: private } }]');
  const threads = ['{ KVM_RUN: { vcpu: vm0/0 } }', '{ repeat: { times: 1, do: [{ punch-hole: { vm: vm0, gfn: 5 } }] } }'];

  it('is refused where a guest can take a freed frame again and no guest_memfd tells', () => {
    const refused = /^found rmp.freed-frame-is-hypervisors beside punch-hole and KVM_RUN of vm0; expected kvm.privateMemory guest-memfd/;
    expect(refusal(textOf({ vms: [vm], threads, always }))).toMatch(refused);
    expect(refusal(textOf({ vms: [vm], threads, always: 'rmp.*' }))).toMatch(refused);
    expect(refusal(textOf({ vms: [vm], threads, always: 'rmp.host-panic' }))).toBeNull();
    const alone = snp('vm0', 1, '{ gfn: 5, pfn: 0x1005, state: guest-valid }');
    expect(refusal(textOf({ vms: [alone], threads: threads.slice(1), always }))).toBeNull();
  });

  it('holds with a guest_memfd', () => {
    expect(verdicts({ options: 'kvm.privateMemory: guest-memfd', vms: [vm], threads, always })).toEqual(HOLDS);
  });
});

describe('rmp.frame-follows-attribute', () => {
  it('sees the frame of a VM beside another that has the same GFN private', () => {
    const vms = [
      snp('vm0', 1, '{ gfn: 5, pfn: 0x1005, state: guest-valid }', '[{ psc: { gfn: 5, to: shared } }]'),
      snp('vm1', 2, '{ gfn: 5, pfn: 0x1006, state: guest-valid }'),
    ];
    const written = {
      options: 'kvm.privateMemory: guest-memfd',
      vms,
      threads: ['{ KVM_RUN: { vcpu: vm0/0 } }'],
      always: 'rmp.frame-follows-attribute',
    };
    expect(verdicts(written)).toEqual(HOLDS);
    expect(verdicts(written, 'gmem-hole-keeps-frame')).toEqual(
      new Set(['PFN 0x1005 is assigned to a guest, and user space has made its page shared']),
    );
  });
});

describe('snp.gates-hold', () => {
  const always = 'snp.gates-hold';
  const SHUT = ['host.iommu: passthrough', 'host.rmpTable: short', "host.snpFirmware: '1.50'", "kvm.sevSnp: 'off'"];
  const pages = 'state: INIT, pages: [{ pfn: 0x1800, state: hypervisor }]';
  const programs = ['kexec: { pfn: 0x1800 }', 'store-frame: { pfn: 0x1800 }', 'crash: { pfn: 0x1800 }'];

  it.each(SHUT)('holds on a host whose bring-up lies behind: %s', (options) => {
    for (const program of programs) {
      expect(
        verdicts({ options, firmware: pages, threads: [`{ init-firmware: {} }, { create-snp-vm: {} }, { ${program} }`], always }),
      ).toEqual(HOLDS);
    }
  });

  it.each(SHUT)('is refused with a VM that has been launched beside what the host does not let be: %s', (options) => {
    const vms = [snp('vm0', 1, '{ gfn: 5, pfn: 0x1005, state: guest-valid }')];
    const [, value] = options.replaceAll("'", '').split(': ');
    const said = refusal(textOf({ options, vms, threads: ['{ store-frame: { pfn: 0x1005 } }'], always }));
    expect(said).toMatch(
      new RegExp(`^found "${value}" beside store-frame; expected .*: vm0 is an SNP VM that has been launched, so SNP is on$`),
    );
    expect(refusal(textOf({ options, vms, threads: ['{ make-shared: { vm: vm0, gfn: 5 } }'], always }))).toBeNull();
  });
});
