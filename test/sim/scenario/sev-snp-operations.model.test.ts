/**
 * Every operation of SEV-SNP on a page of every state, under every option of the host: it runs, or
 * the scenario is refused with a reason.
 */
import { describe, expect, it } from 'vitest';
import { PREEMPTION_MODELS } from '../../../events/options.ts';
import { SEV_SNP_OPTIONS } from '../../../events/sev-snp/sev-snp.ts';
import type { SnpCommand } from '../../../events/sev-snp/snp-command.ts';
import type { AP_GUEST_OPERATIONS } from '../../../sim/mechanisms/sev-snp/ap-operations.ts';
import type { GHCB_GUEST_OPERATIONS } from '../../../sim/mechanisms/sev-snp/ghcb-operations.ts';
import type { SNP_GUEST_OPERATIONS, SNP_HOST_OPERATIONS } from '../../../sim/mechanisms/sev-snp/operations.ts';
import { every, expectReasons, namedIn, pairsOf, refusal, settingsOf } from './combinations.ts';

const STATES = ['shared', 'guest-invalid', 'guest-valid', 'vmsa'];
const BOTH = [false, true];
/** In order, and at random: what is asked for comes before or after what the others do. */
const WALK = { orders: [{ name: 'fifo' }, { name: 'random-uniform', seed: 1 }], stepsMax: 400 } as const;

const onPage = (given: string): string => (given === '' ? '{ gfn: 0x5 }' : `{ gfn: 0x5, ${given} }`);
/** Each operation with its arguments, on the page at GFN 5. */
const GUEST: Readonly<
  Record<keyof typeof SNP_GUEST_OPERATIONS | keyof typeof GHCB_GUEST_OPERATIONS | keyof typeof AP_GUEST_OPERATIONS, readonly string[]>
> = {
  pvalidate: BOTH.flatMap((validated) => ['', ', size: 2M'].map((size) => onPage(`validated: ${validated}${size}`))),
  rmpadjust: BOTH.flatMap((vmsa) =>
    ['vmpl: 0', 'vmpl: 3', 'vmpl: 1, perms: 3', 'vmpl: 1, size: 2M'].map((rest) => onPage(`${rest}, vmsa: ${vmsa}`)),
  ),
  rmpquery: [0, 1, 3].map((vmpl) => onPage(`vmpl: ${vmpl}`)),
  psc: ['private', 'shared'].map((to) => onPage(`to: ${to}`)),
  'svsm-pvalidate': [onPage('')],
  'svsm-create-vcpu': [onPage('')],
  'request-report': ['vmpl: 0', 'vmpl: 3', 'vmpl: 0, certs: 0'].map((rest) => `{ data: 0x1234, ${rest} }`),
  read: [...BOTH.map((isPrivate) => onPage(`private: ${isPrivate}`)), onPage('private: true, expects: own')],
  write: BOTH.map((isPrivate) => onPage(`private: ${isPrivate}`)),
  'ghcb-msr': [0x002, 0x010, 0x012, 0x014, 0xabc].map((request) => `{ request: ${request}, payload: 0x10000000005 }`),
  vmgexit: [0x8000_fffd, 0x8000_0005, 0x8000_0010, 0x1234].map(
    (code) => `{ ghcb: 0x5, code: ${code}, info1: 0, info2: 0, scratch: 0x5800 }`,
  ),
  'psc-header': ['{ ghcb: 0x5, cur: 0, end: 0 }', '{ ghcb: 0x5, cur: 1, end: 0xffff }'],
  'psc-entry': [1, 3].map((operation) => `{ ghcb: 0x5, index: 0, done: 0, gfn: 0x5, operation: ${operation}, huge: false }`),
  'psc-buffer': ['{ ghcb: 0x5 }'],
  'send-sipi': ['{ apicId: 0 }'],
  'ap-create': ['', ', onInit: true', ', replaces: 0x8'].map((rest) => `{ ghcb: 0x5, apicId: 0, gfn: 0x5${rest} }`),
  'ap-destroy': ['{ ghcb: 0x5, apicId: 0 }', '{ ghcb: 0x5, apicId: 0, clears: 0x5 }'],
};
/** The page that a command names: one of the guest, or one of each state that the firmware has. */
const PFNS = [0x1005, 0x1800, 0x1801, 0x1802];
const takesPage = (command: string) => command === 'SNP_PLATFORM_STATUS' || command === 'SNP_PAGE_RECLAIM';
const PLAIN = ['SNP_INIT_EX', 'SNP_SHUTDOWN_EX', 'SNP_PLATFORM_STATUS', 'SNP_PAGE_RECLAIM', 'SNP_DF_FLUSH'] as const;
/** What each command about guests takes beside its name. */
const OF_GUESTS_AND_PAGES: Readonly<Record<Exclude<SnpCommand, (typeof PLAIN)[number]>, string>> = {
  SNP_INIT: '',
  SNP_SHUTDOWN: '',
  SNP_DECOMMISSION: 'context: 0x1900',
  SNP_ACTIVATE: 'context: 0x1900, asid: 3',
  SNP_ACTIVATE_EX: 'context: 0x1900, asid: 0',
  SNP_GUEST_STATUS: 'context: 0x1900, pfn: 0x1801',
  SNP_GCTX_CREATE: 'pfn: 0x1801',
  SNP_GUEST_REQUEST: 'context: 0x1900, pfn: 0x1801',
  SNP_LAUNCH_START: 'context: 0x1900, policy: 0x30000',
  SNP_LAUNCH_UPDATE: 'context: 0x1900, pfn: 0x1005, type: secrets',
  SNP_LAUNCH_FINISH: 'context: 0x1900',
  SNP_DBG_DECRYPT: 'context: 0x1900, pfn: 0x1801',
  SNP_DBG_ENCRYPT: 'context: 0x1900, pfn: 0x1801',
  SNP_PAGE_SWAP_OUT: 'context: 0x1900',
  SNP_PAGE_SWAP_IN: 'context: 0x1900',
  SNP_PAGE_MOVE: 'context: 0x1900',
  SNP_PAGE_MD_INIT: 'context: 0x1900, pfn: 0x1801',
  SNP_PAGE_SET_STATE: 'pfn: 0x1800',
  SNP_PAGE_UNSMASH: 'pfn: 0x1800',
  SNP_CONFIG: 'reportedTcb: "0x7308000000000003", maskChipId: true, maskChipKey: true',
  SNP_DOWNLOAD_FIRMWARE_EX: '',
  SNP_COMMIT: '',
  SNP_VLEK_LOAD: '',
  SNP_FEATURE_INFO: '',
};
const COMMANDS = [
  ...PLAIN.flatMap((command) =>
    takesPage(command) ? PFNS.map((pfn) => `{ command: ${command}, pfn: ${pfn} }`) : [`{ command: ${command} }`],
  ),
  ...Object.entries(OF_GUESTS_AND_PAGES).map(([command, args]) => `{ command: ${command}${args === '' ? '' : `, ${args}`} }`),
];
const ON_PAGE = 'vm: vm0, gfn: 0x5';
const HOST: Readonly<Record<keyof typeof SNP_HOST_OPERATIONS, readonly string[]>> = {
  write: [`{ ${ON_PAGE}, stores: 1 }`, `{ ${ON_PAGE}, stores: 2 }`],
  'kvm-write-guest': [`{ ${ON_PAGE} }`],
  'kvm-write-unchecked': [`{ ${ON_PAGE} }`],
  'kvm-read-guest': [`{ ${ON_PAGE} }`],
  'device-write': [`{ ${ON_PAGE} }`],
  'make-shared': [`{ ${ON_PAGE} }`],
  'make-private': [`{ ${ON_PAGE} }`, `{ ${ON_PAGE}, immutable: true }`],
  rmpread: ['{ pfn: 0x1005 }', '{ pfn: 0x1801 }'],
  'zap-mapping': [`{ ${ON_PAGE} }`],
  'pre-fault': [`{ ${ON_PAGE} }`],
  'unregister-region': ['{ vm: vm0 }'],
  'punch-hole': [`{ ${ON_PAGE} }`, `{ ${ON_PAGE}, size: 4K }`],
  wbinvd: ['{}'],
  'asid-new': ['{}'],
  'destroy-guest': ['{ context: 0x1900, asid: 1 }'],
  'sev-command': COMMANDS,
  'legacy-command': [
    '{ command: PLATFORM_STATUS }',
    '{ command: GET_ID, buffer: 0x1800 }',
    '{ command: GET_ID, buffer: 0x1801 }',
    '{ command: PDH_CERT_EXPORT, buffer: 0x1800, chain: 0x1802 }',
  ],
  'enable-snp': ['{}'],
  'init-firmware': ['{}'],
  'create-snp-vm': ['{}'],
  'ksm-scan': [`{ ${ON_PAGE} }`],
  'prepare-page': ['{ vm: vm0 }'],
  kexec: ['{ pfn: 0x1005 }', '{ pfn: 0x1800, mapping: 2M }'],
  crash: ['{ pfn: 0x1005, mapping: 4K }', '{ pfn: 0x1800 }'],
  'store-frame': ['{ pfn: 0x1800 }', '{ pfn: 0x1005 }'],
};
const GUEST_OPS = namedIn(GUEST);
const HOST_OPS = namedIn(HOST);

interface Tried {
  readonly options?: string;
  readonly page: string;
  readonly guest?: string;
  readonly threads?: readonly string[];
  readonly host?: string;
}

/** A guest context, for operations that name one. */
const GUESTS = (threads: readonly string[]) =>
  threads.some((ops) => ops.includes('0x1900')) ? 'guests: [{ pfn: 0x1900, state: LAUNCH, asid: 1 }], ' : '';

/** The driver's command buffer, for operations that have one. */
const BUFFER = (threads: readonly string[]) => (threads.some((ops) => ops.includes('legacy-command')) ? 'commandBuffer: 0x1b00, ' : '');

/** Free frames, for operations that take one. */
const MEMORY = (threads: readonly string[]) => (threads.some((ops) => ops.includes('prepare-page')) ? 'memory: { free: [0x1a00] }, ' : '');

/** A guest, whose second page is the VMSA of its vCPU, and threads of a daemon. */
const textOf = ({
  options = '',
  page,
  guest = '{ read: { gfn: 0x5, private: true } }',
  threads = [],
  host = 'preemption: full',
}: Tried): string =>
  [
    'name: tried',
    'summary: Tried',
    `host: { arch: amd, cpus: 2, ${host}, features: [sev, sev-es, sev-snp], options: { ${options} } }`,
    'vms:',
    `  vm0: { type: snp, options: { pages: [{ gfn: 8, pfn: 0x1008, state: vmsa }, { gfn: 0x5, pfn: 0x1005, state: ${page} }], ghcbs: [{ gfn: 0x5, vcpu: 0 }] }, vcpus: [[${guest}]] }`,
    'processes:',
    '  qemu0: { threads: [[{ KVM_RUN: { vcpu: vm0/0 } }]] }',
    ...(threads.length > 0 ? [`  netd: { threads: [${threads.map((ops) => `[${ops}]`).join(', ')}] }`] : []),
    `firmware: { state: INIT, ${GUESTS(threads)}${BUFFER(threads)}${MEMORY(threads)}pages: [{ pfn: 0x1800, state: hypervisor }, { pfn: 0x1801, state: firmware }, { pfn: 0x1802, state: reclaim }] }`,
    ...(threads.length > 0 ? ['mappings: [{ of: kernel, pfn: 0x1000, size: 2M }, { of: netd, pfn: 0x1000, size: 2M }]'] : []),
    'allow: [psp-error, psp-interrupt, psp-slow, psp-stuck, spurious-exit, interrupt]',
    'properties: { always: [] }',
  ].join('\n');

const { 'kvm.rmpFault': faults, 'kvm.mapLock': locks, ...others } = SEV_SNP_OPTIONS;
/** Each fault policy with each map lock, and the values of all other options in turn. */
const POLICIES = settingsOf({ 'kvm.rmpFault': faults, 'kvm.mapLock': locks }).map((policy, i) =>
  [policy, ...Object.entries(others).map(([name, values]) => `${name}: '${values[i % values.length]!}'`)].join(', '),
);
/** Beside these, a VM that has been launched is refused where the host does not let SNP be on. */
const OF_PLATFORM = /init-firmware|create-snp-vm|kexec|crash|store-frame/;
const OPEN = { 'host.iommu': 'enforcing', 'host.rmpTable': 'covers-ram', 'host.snpFirmware': '1.51', 'kvm.sevSnp': 'on' };
const SHUT = /(host\.iommu|host\.rmpTable|host\.snpFirmware|kvm\.sevSnp): '(?:passthrough|short|1\.50|off)'/g;
const opened = (options: string) => options.replace(SHUT, (_, name: keyof typeof OPEN) => `${name}: '${OPEN[name]}'`);
/** What matters to a guest. */
const { 'kvm.npfLock': npf, 'guest.notValidated': notValidated } = SEV_SNP_OPTIONS;
const OF_GUESTS = settingsOf({ 'kvm.npfLock': npf, 'guest.notValidated': notValidated });
/** Those of the GHCB change nothing of a guest that uses none. */
const { 'kvm.ghcbMap': ghcbMap, 'kvm.ghcbFetch': ghcbFetch, 'kvm.pscCodes': pscCodes } = SEV_SNP_OPTIONS;
const OF_GHCBS = settingsOf({ 'kvm.mapLock': locks, 'kvm.ghcbMap': ghcbMap, 'kvm.ghcbFetch': ghcbFetch, 'kvm.pscCodes': pscCodes });
/** What is said of a page of each state, under one of so many of these options, in turn. */
const everywhere = (options: readonly string[], of: (page: string, options: string) => Tried, share = 2) =>
  new Set(STATES.flatMap((page, i) => every(share, options, i).map((each) => refusal(textOf(of(page, each)), WALK))));
const RUNS = new Set([null]);

describe('an operation of SEV-SNP', () => {
  it.each(HOST_OPS.filter((operation) => !/command|enable-snp/.test(operation)))('of the host runs on every page: %s', (operation) => {
    const ofPlatform = OF_PLATFORM.test(operation);
    const tried = (page: string, options: string) => ({ options: ofPlatform ? opened(options) : options, page, threads: [operation] });
    expect(everywhere(POLICIES, tried, 4)).toEqual(RUNS);
    if (ofPlatform) expectReasons(POLICIES.map((options) => refusal(textOf({ options, page: 'shared', threads: [operation] }), WALK)));
  });

  it.each(HOST_OPS.filter((operation) => operation.includes('command')))('of the firmware runs on every page: %s', (operation) => {
    const again = '{ sev-command: { command: SNP_DF_FLUSH } }';
    const tried = (page: string, options: string) => ({ options, page, threads: [operation, again] });
    // What a command about guests does to a page of the VM is the same whatever the page is.
    const said = PLAIN.some((command) => operation.includes(`command: ${command}`))
      ? everywhere(POLICIES.slice(0, 1), tried, 1)
      : new Set([refusal(textOf(tried('guest-valid', POLICIES[0]!)), WALK)]);
    expect(said).toEqual(RUNS);
  });

  it('that enables SNP runs where no guest is, and is refused beside one', () => {
    const operation = HOST_OPS.find((each) => each.includes('enable-snp'))!;
    const alone = [
      ...['name: tried', 'summary: Tried', 'host: { arch: amd, cpus: 2, preemption: full, features: [sev-snp] }'],
      `processes: { a: { threads: [[${operation}, { init-firmware: {} }, { create-snp-vm: {} }]] } }`,
    ].join('\n');
    expect(refusal(alone, WALK)).toBeNull();
    expect(refusal(textOf({ page: 'shared', threads: [operation] }), WALK)).not.toBeNull();
  });

  it('of the firmware runs before it is initialized', () => {
    const alone = (command: string) => [
      ...['name: tried', 'summary: Tried', 'host: { arch: amd, cpus: 1, preemption: full, features: [sev-snp] }'],
      ...[
        `processes: { a: { threads: [[${command}, ${command}]] } }`,
        'firmware: { state: UNINIT, pages: [{ pfn: 0x1800, state: hypervisor }] }',
      ],
    ];
    const commands = HOST_OPS.filter((operation) => /sev-command: \{ command: (?!.*(?:pfn: (?!6144)|0x1))/.test(operation));
    expect(commands.length).toBe(12);
    expect(new Set(commands.map((command) => refusal(alone(command).join('\n'), WALK)))).toEqual(RUNS);
  });

  it.each(GUEST_OPS)('of a guest runs on every page: %s', (operation) => {
    expect(everywhere(OF_GUESTS, (page, options) => ({ options, page, guest: `${operation}, ${operation}` }))).toEqual(RUNS);
  });

  it('runs under every preemption model, with others at the same time', () => {
    const [writes, takes] = ['kvm-write-guest', 'make-shared'].map((name) => `{ ${name}: { ${ON_PAGE} } }`);
    const guest = GUEST_OPS.join(', ');
    const said = PREEMPTION_MODELS.flatMap((model) =>
      ['direct', 'pending'].map((ticks) =>
        refusal(textOf({ page: 'shared', guest, threads: [writes!, takes!], host: `preemption: ${model}, ticks: ${ticks}` }), WALK),
      ),
    );
    expect(new Set(said)).toEqual(RUNS);
  });

  it('is refused with a reason where there is no such page, command or VM, and on kernels without SNP', () => {
    const page = 'shared';
    const said = [
      ...['{ sev-command: { command: SNP_DF_FLUSH, pfn: 0x1800 } }', '{ sev-command: { command: SNP_PAGE_RECLAIM } }'],
      ...[
        '{ make-shared: { vm: vm0, gfn: 0x6 } }',
        '{ write: { vm: vm1, gfn: 0x5, stores: 1 } }',
        '{ write: { vm: vm0, gfn: 0x5, stores: 0 } }',
      ],
    ].map((operation) => refusal(textOf({ page, threads: [operation] }), WALK));
    const kernels = ['6.1', '6.6'].map((kernel) => refusal(textOf({ page, host: `preemption: full, kernel: '${kernel}'` }), WALK));
    expect([...said, ...kernels]).not.toContain(null);
    expectReasons([...said, ...kernels]);
  });
});

describe('a GHCB', () => {
  const text = (ghcbs: string, guest: string, type = 'snp') =>
    [
      ...['name: tried', 'summary: Tried', 'host: { arch: amd, cpus: 1, features: [sev, sev-es, sev-snp] }', 'vms:'],
      `  vm0: { type: ${type}, options: { pages: [{ gfn: 5, pfn: 0x1005, state: shared }], ghcbs: [${ghcbs}] }, vcpus: [[${guest}]] }`,
      'processes: { qemu0: { threads: [[{ KVM_RUN: { vcpu: vm0/0 } }]] } }',
    ].join('\n');
  const ask = '{ psc-buffer: { ghcb: 5 } }';

  describe('a combination of the options of the GHCB', () => {
    it('runs, with a buffer of two entries', () => {
      const entries = [1, 2].map(
        (operation, index) => `{ psc-entry: { ghcb: 5, index: ${index}, done: 0, gfn: 8, operation: ${operation}, huge: false } }`,
      );
      const guest = [...entries, '{ psc-header: { ghcb: 5, cur: 0, end: 1 } }', '{ psc-buffer: { ghcb: 5 } }'].join(', ');
      const said = every(3, OF_GHCBS).map((options) => refusal(textOf({ options, page: 'shared', guest }), WALK));
      expect(new Set(said)).toEqual(RUNS);
    });
  });

  it('is refused with a reason where it is no page, named twice, of no vCPU, or not of the VM', () => {
    const said = [
      ['{ gfn: 6 }', ask],
      ['{ gfn: 5 }, { gfn: 5 }', ask],
      ['{ gfn: 5, vcpu: 1 }', ask],
      ['', ask],
      ['{ gfn: 5 }', '{ psc-buffer: { ghcb: 6 } }'],
      ['{ gfn: 5 }', '{ send-sipi: { apicId: 1 } }'],
      ['{ gfn: 5 }', '{ vmgexit: { ghcb: 5, code: 0x80000013, info1: 2, info2: 0 } }'],
      ['{ gfn: 5 }', '{ ghcb-msr: { request: 0, payload: 0 } }'],
      ['{ gfn: 5 }', '{ psc-entry: { ghcb: 5, index: 253, done: 0, gfn: 5, operation: 1, huge: false } }'],
    ].map(([ghcbs, guest]) => refusal(text(ghcbs!, guest!), WALK));
    expect(said).not.toContain(null);
    expectReasons(said);
    expectReasons([refusal(text('{ gfn: 5 }', ask, 'svm'), WALK)]);
  });
});

describe('each value of an option of SEV-SNP with each of another', () => {
  it('runs, with a guest and a host that use one page', () => {
    const guest =
      '{ psc: { gfn: 0x5, to: private } }, { pvalidate: { gfn: 0x5, validated: true } }, { write: { gfn: 0x5, private: true } }';
    const threads = [`{ write: { ${ON_PAGE}, stores: 1 } }`];
    const said = pairsOf(SEV_SNP_OPTIONS).map((options) => refusal(textOf({ options, page: 'shared', guest, threads }), WALK));
    expect(new Set(said)).toEqual(RUNS);
  });
});
