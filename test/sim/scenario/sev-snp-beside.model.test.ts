/** What runs by itself runs beside others too, and is told the truth about. */
import { describe, expect, it } from 'vitest';
import { loadScenario } from '../../../sim/scenario/load.ts';
import { KNOWN, play, resolved, seeds } from '../play.ts';
import { refusal } from './combinations.ts';

interface Written {
  readonly options?: string;
  readonly vm?: string;
  readonly guest?: string;
  readonly first?: string;
  readonly threads?: readonly string[];
  readonly rest?: readonly string[];
}

const textOf = ({
  options = '',
  vm = 'pages: [{ gfn: 5, pfn: 0x1005, state: shared }]',
  guest,
  first = '',
  threads = [],
  rest = [],
}: Written) =>
  [
    ...['name: tried', 'summary: Tried', `host: { arch: amd, cpus: 1, features: [sev, sev-es, sev-snp], options: { ${options} } }`],
    `vms: { vm0: { type: snp, options: { ${vm} }, vcpus: [[${guest ?? '{ read: { gfn: 5, private: false } }'}]] } }`,
    'processes:',
    `  qemu0: { threads: [[${first}{ KVM_RUN: { vcpu: vm0/0 } }]] }`,
    ...threads.map((thread, i) => `  p${i}: { threads: [[${thread}]] }`),
    ...rest,
  ].join('\n');

/** The verdicts in order and at random. */
const verdicts = (written: Written) => {
  const scenario = resolved(loadScenario(textOf(written), 'tried.yaml', KNOWN));
  return new Set([{ name: 'fifo' } as const, ...seeds(3)].map((order) => play(scenario, order).end.violation?.property ?? null));
};

describe('two handlers of one function', () => {
  it('touch and faults on private pages of a guest_memfd go the same way', () => {
    const guest = '{ touch: {} }, { write: { gfn: 5, private: true } }, { touch: {} }';
    expect(refusal(textOf({ options: "'kvm.privateMemory': guest-memfd", guest }))).toBeNull();
  });

  it('kexec and crash are in one program, and in two', () => {
    const [kexec, crash] = ['{ kexec: { pfn: 0x1005 } }', '{ crash: { pfn: 0x1005 } }'];
    for (const threads of [[`${kexec}, ${crash}`], [crash, kexec], [`${kexec}, ${kexec}`]]) expect(refusal(textOf({ threads }))).toBeNull();
  });
});

describe('an ID block', () => {
  const launch = (given: string) => ({
    vm: `launched: false, launch: { context: 0x1900, vmsas: [0x1908], pages: [], ${given} }`,
    guest: '{ insn: {} }',
    first: [
      ...['KVM_CREATE_VM: { vm: vm0 }', 'KVM_SEV_INIT2: { vm: vm0 }', 'KVM_CREATE_VCPU: { vcpu: vm0/0 }'],
      ...['KVM_SEV_SNP_LAUNCH_START: { vm: vm0 }', 'KVM_SEV_SNP_LAUNCH_FINISH: { vm: vm0 }'],
    ]
      .map((op) => `{ ${op} }, `)
      .join(''),
    rest: ['properties: { always: [], sometimes: [psp.id-block-refused] }'],
  });
  const digest = "idBlock: { digest: '".concat('0'.repeat(96), "'");

  it.each(['policy: 0 }', '}, policy: 0xffffffff'])('whose policy no guest can have is compared all the same: %s', (policy) =>
    expect(refusal(textOf(launch(`${digest}, ${policy}`)))).toBeNull(),
  );
});

describe('a frame of a guest_memfd', () => {
  const gmem = "'kvm.privateMemory': guest-memfd";
  const vm = 'pages: [{ gfn: 5, pfn: 0x1005, state: guest-valid }]';
  const read = '{ write: { gfn: 5, private: true } }';
  const hole = '{ punch-hole: { vm: vm0, gfn: 5 } }';

  it('that was freed is not free once a fault, or KVM_PRE_FAULT_MEMORY, has taken it again', () => {
    const rest = ['properties: { always: [rmp.freed-frame-is-hypervisors] }'];
    const again = '{ pre-fault: { vm: vm0, gfn: 5 } }';
    expect(verdicts({ options: gmem, vm, guest: `${read}, ${read}`, threads: [`${hole}, ${again}, ${hole}`], rest })).toEqual(
      new Set([null]),
    );
  });

  it('that prepare-page takes has no page of the scenario whose attribute it could follow', () => {
    const rest = ['properties: { always: [rmp.frame-follows-attribute] }', 'firmware: { state: INIT, memory: { free: [0x1a00] } }'];
    const threads = ['{ prepare-page: { vm: vm0 } }'];
    expect(verdicts({ options: gmem, vm, guest: read, threads, rest })).toEqual(new Set([null]));
  });
});

describe('a folio', () => {
  it('is locked while KVM has its page mapped: the GHCB of a vCPU that is not entered again', () => {
    const run = '{ KVM_RUN: { vcpu: vm0/0 } }';
    const text = textOf({
      options: "'kvm.mapLock': user, 'kvm.ghcbMap': until-entry",
      vm: 'pages: [{ gfn: 5, pfn: 0x1005, state: shared }], ghcbs: [{ gfn: 5, vcpu: 0 }]',
      guest: '{ vmgexit: { ghcb: 5, code: 0x8000fffe, info1: 0, info2: 0 } }',
    }).replace(run, `${run}, { pre-fault: { vm: vm0, gfn: 5 } }`);
    const played = play(resolved(loadScenario(text, 'tried.yaml', KNOWN)), { name: 'fifo' });
    expect(played.delivered('pages.lock')).toHaveLength(1);
    expect([played.end.ended, played.delivered('pages.unlockFolio').length]).toEqual(['done', 1]);
  });
});

describe('asid-new', () => {
  it('is refused nothing where every ASID is of a guest that lives', () => {
    const threads = ['{ asid-new: {} }, { asid-new: {} }'];
    expect(verdicts({ threads, rest: ['properties: { always: [psp.asid-recycled] }'] })).toEqual(new Set([null]));
  });
});

describe('enable-snp', () => {
  it('stands in a scenario once', () => {
    const threads = ['[{ enable-snp: {} }]', '[{ store-frame: { pfn: 0x1800 } }, { enable-snp: {} }]'];
    const head = ['name: tried', 'summary: Tried', 'host: { arch: amd, cpus: 1, features: [sev-snp] }'];
    const rest = [
      `processes: { a: { threads: [${threads.join(', ')}] } }`,
      'firmware: { state: UNINIT, pages: [{ pfn: 0x1800, state: hypervisor }] }',
    ];
    expect(refusal([...head, ...rest].join('\n'))).toBe('found a second enable-snp; expected one: a kernel enables SNP once, as it boots');
  });
});

describe('destroy-guest', () => {
  const of = (context: string, asid: number, guests = '[{ pfn: 0x1900, state: RUNNING, asid: 3 }]') => {
    const threads = [`{ destroy-guest: { context: ${context}, asid: ${asid} } }`];
    return refusal(textOf({ threads, rest: [`firmware: { state: INIT, guests: ${guests} }`] }));
  };

  it('is of a guest that the firmware has, with its ASID', () => {
    expect(of('0x1900', 3)).toBeNull();
    expect(of('0x1900', 3, '[{ pfn: 0x1900, state: INIT }]')).toBeNull();
    expect(of('0x1901', 3)).toBe('found PFN 0x1901; expected that of one of firmware.guests (0x1900)');
    expect(of('0x1005', 3, '[]')).toBe('found PFN 0x1005; expected that of one of firmware.guests (none)');
    expect(of('0x1900', 1)).toBe('found ASID 1; expected 3, which the guest has in firmware.guests');
  });
});

describe('pages that no one has lent', () => {
  const always = ['properties: { always: [rmp.page-given-back, sev.launch-gives-back] }'];
  const command = (name: string) => `{ sev-command: { command: ${name} } }`;

  it('are those behind the head of a 2M entry', () => {
    const vm = 'pages: [{ gfn: 0x400, pfn: 0x1000, state: guest-valid, frames: 2 }]';
    const written = { vm, guest: '{ read: { gfn: 0x401, private: true } }', threads: [command('SNP_DF_FLUSH')], rest: always };
    expect(verdicts(written)).toEqual(new Set([null]));
  });

  it('are contexts of guests', () => {
    const rest = [...always, 'firmware: { state: INIT, guests: [{ pfn: 0x1900, state: RUNNING, asid: 3 }] }'];
    expect(verdicts({ threads: [command('SNP_DF_FLUSH')], rest })).toEqual(new Set([null]));
  });
});
