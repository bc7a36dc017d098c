/**
 * Every operation of arm64 debugging under every option, in the old model and in the owner model:
 * it runs, or the scenario is refused with a reason.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SYSREGS } from '../../../events/os-lock/sysregs.ts';
import { OS_LOCK_OPTIONS } from '../../../sim/mechanisms/os-lock/design.ts';
import type { OS_LOCK_GUEST_OPERATIONS, OS_LOCK_HOST_OPERATIONS } from '../../../sim/mechanisms/os-lock/operations.ts';
import { shippedNames, source } from '../play.ts';
import { every, expectReasons, namedIn, othersIn, pairsIn, refusal } from './combinations.ts';

const VCPU = 'vcpu: vm0/0';
const RUN = `{ KVM_RUN: { ${VCPU} } }`;
const INCOMING = `{ incoming: { ${VCPU} } }`;
const MIGRATE = `{ migrate: { ${VCPU} } }`;

/** Every choice of these arguments. */
const flags = (...names: readonly string[]): readonly string[] =>
  names.reduce<readonly string[]>((all, name) => all.flatMap((given) => [given, `${given}, ${name}: true`]), ['']);
const VALUES = [0, 0xa, 0xa001];
const written = (of: string) => SYSREGS.flatMap((reg) => VALUES.map((value) => `{ ${of}reg: ${reg}, value: ${value} }`));

const HOST: Readonly<Record<keyof typeof OS_LOCK_HOST_OPERATIONS | 'KVM_SET_GUEST_DEBUG', readonly string[]>> = {
  KVM_SET_GUEST_DEBUG: ['', ', enable: false'].flatMap((first) =>
    flags('hw', 'step', 'sw').flatMap((given) => [`{ ${VCPU}${first}${given} }`, `{ ${VCPU}${first}${given}, known: false }`]),
  ),
  KVM_GET_REG_LIST: [`{ ${VCPU} }`],
  KVM_GET_ONE_REG: SYSREGS.map((reg) => `{ ${VCPU}, reg: ${reg} }`),
  KVM_SET_ONE_REG: written(`${VCPU}, `),
  migrate: [`{ ${VCPU} }`],
  incoming: [`{ ${VCPU} }`],
  'user-work': ['{}'],
};
const GUEST: Readonly<Record<keyof typeof OS_LOCK_GUEST_OPERATIONS, readonly string[]>> = {
  msr: written(''),
  mrs: SYSREGS.map((reg) => `{ reg: ${reg} }`),
  brk: ['{}'],
  execute: flags('breakpoint', 'watchpoint', 'vector').map((given) => `{ ${given.slice(2)} }`),
  eret: flags('d', 'ss').flatMap((given) => [`{ el: 0${given} }`, `{ el: 1${given} }`]),
  pause: ['{}'],
};

const textOf = (host: string, options: string, guest: string, threads: readonly string[], vm = ''): string =>
  [
    'name: tried',
    'summary: Tried',
    `host: { arch: arm64, ${host}, options: { ${options} } }`,
    `vms: { vm0: { type: arm64, ${vm}vcpus: [[${guest}]] } }`,
    `processes: { qemu0: { threads: [${threads.map((thread) => `[${thread}]`).join(', ')}] } }`,
    'properties: { always: [oslock.*, armdbg.*] }',
  ].join('\n');

/** The old model and the owner model, as kernels preset them. */
const KERNELS = ['6.1', '6.14'];
const HOSTS = KERNELS.map((kernel) => `cpus: 1, preemption: none, kernel: "${kernel}"`);
/** Each option by itself, and none. */
const OPTIONS = ['', ...othersIn(OS_LOCK_OPTIONS)];

/** A guest that does what can be done with a lock, and an instruction that meets everything. */
const ALL_ARMED = [
  '{ msr: { reg: mdscr_el1, value: 0xA001 } }',
  ...['dbgbcr0_el1', 'dbgwcr0_el1', 'dbgvcr'].map((reg) => `{ msr: { reg: ${reg}, value: 1 } }`),
];
const MEETS = ['{ execute: { breakpoint: true, watchpoint: true, vector: true } }', '{ brk: {} }'];
const LOCKS = ['{ msr: { reg: oslar_el1, value: 1 } }', '{ mrs: { reg: oslsr_el1 } }'];
const BUSY = [...ALL_ARMED, ...LOCKS, ...MEETS].join(', ');
const MOVED = [...ALL_ARMED, ...LOCKS, '{ pause: {} }', '{ mrs: { reg: mdscr_el1 } }', ...MEETS].join(', ');

/** All that was said of these scenarios, each once; null of those that run. */
const said = (texts: readonly string[]) => new Set(texts.map((text) => refusal(text)));

/** A thread that does the operation and runs the vCPU; one that moves has its migration. */
const threadsOf = (operation: string): readonly string[] =>
  operation === MIGRATE || operation === INCOMING ? [`${RUN}, ${INCOMING}, ${RUN}`, MIGRATE] : [`${operation}, ${RUN}, ${operation}`];

describe('an operation of arm64 debugging', () => {
  it.each(namedIn(HOST))('of the host runs in both models: %s', (operation) => {
    const guest = operation === MIGRATE || operation === INCOMING ? MOVED : BUSY;
    const texts = HOSTS.map((host) => textOf(host, '', guest, threadsOf(operation)));
    expect(said(texts)).toEqual(new Set([null]));
  });

  it.each(namedIn(GUEST))('of a guest runs in both models: %s', (operation) => {
    const threads = operation.includes('pause') ? threadsOf(MIGRATE) : [RUN];
    expect(said(HOSTS.map((host) => textOf(host, '', operation, threads)))).toEqual(new Set([null]));
  });

  it.each([...OPTIONS, ...every(8, pairsIn(OS_LOCK_OPTIONS))])('runs, with all others, in both models under: %s', (options) => {
    const debuggers = ['enable: true', 'hw: true, step: true, known: false'];
    const texts = HOSTS.flatMap((host) => [
      ...debuggers.map((given) => textOf(host, options, BUSY, [`{ KVM_SET_GUEST_DEBUG: { ${VCPU}, ${given} } }, ${RUN}`])),
      ...['', 'options: { osLock: ignored }, '].map((vm) => textOf(host, options, MOVED, threadsOf(MIGRATE), vm)),
    ]);
    expect(said(texts)).toEqual(new Set([null]));
  });
});

describe('random programs', () => {
  const few = (table: readonly string[], max: number) => fc.array(fc.constantFrom(...table), { maxLength: max });
  const ioctls = namedIn(HOST).filter((operation) => operation !== MIGRATE);
  const programs = fc.record({
    host: fc.constantFrom(...KERNELS.flatMap((kernel) => [1, 2].map((cpus) => `cpus: ${cpus}, preemption: full, kernel: "${kernel}"`))),
    options: fc.constantFrom(...OPTIONS),
    vm: fc.constantFrom('', 'options: { osLock: ignored }, '),
    guest: few(namedIn(GUEST), 6),
    before: few(ioctls, 3),
    after: few([...ioctls, INCOMING, RUN], 3),
    migrate: few([MIGRATE, ...ioctls], 2),
    aside: few(ioctls, 3),
    seed: fc.nat(1000),
  });

  it('run, or are refused with a reason', { timeout: 120_000 }, () => {
    const why = new Set<string | null>();
    fc.assert(
      fc.property(programs, ({ host, options, vm, guest, before, after, migrate, aside, seed }) => {
        const threads = [[...before, RUN, ...after], migrate, aside].filter((program) => program.length > 0);
        const text = textOf(
          host,
          options,
          ['{ brk: {} }', ...guest].join(', '),
          threads.map((program) => program.join(', ')),
          vm,
        );
        const reason = refusal(text, { orders: [{ name: 'random-uniform', seed }], stepsMax: 400 });
        why.add(reason);
        expectReasons([reason]);
      }),
      { numRuns: 60, seed: 10 },
    );
    expect(why).toContain(null);
  });
});

describe('a shipped scenario of the OS Lock', () => {
  /** Those that do not choose the model. */
  const FREE = OPTIONS.filter((option) => !option.startsWith('kvm.armDebug'));
  const lockNames = shippedNames.filter((name) => name.startsWith('oslock-'));

  // A quarter of the options each, in turn: four scenarios have them all.
  it.each(lockNames.map((name, i) => [name, i] as const))('runs in both models, whatever else is chosen: %s', (name, i) => {
    const { vms, processes } = source(name);
    const head = { name: 'tried', summary: 'Tried', vms, processes };
    const texts = ['each-entry', 'owner'].flatMap((model) =>
      every(4, FREE, i).map((option) =>
        JSON.stringify({
          ...head,
          host: {
            arch: 'arm64',
            cpus: 2,
            options: { 'kvm.armDebug': model, ...(option !== '' && Object.fromEntries([option.replaceAll("'", '').split(': ')])) },
          },
        }),
      ),
    );
    expect(said(texts)).toEqual(new Set([null]));
  });
});

describe('a vCPU', () => {
  const tried = (guest: string, ...threads: readonly string[]) => refusal(textOf(HOSTS[0]!, '', guest, threads));

  it('that pauses a second time is refused: a migration has one destination', () => {
    expect(tried('{ pause: {} }, { pause: {} }', `${RUN}, ${INCOMING}, ${RUN}`, MIGRATE)).toMatch(/found 2 pause; expected 1 at most/);
    const looped = tried('{ repeat: { times: 2, do: [{ pause: {} }] } }', `${RUN}, ${INCOMING}, ${RUN}`, MIGRATE);
    expect(looped).toMatch(/found 2 pause; expected 1 at most/);
    expect(tried('{ choose: { of: [[{ pause: {} }], [{ brk: {} }, { pause: {} }]] } }', `${RUN}, ${INCOMING}, ${RUN}`, MIGRATE)).toBe(null);
  });

  it('that is run where it has left is refused, and in a loop too', () => {
    expect(tried('{ pause: {} }, { brk: {} }', `${RUN}, ${RUN}`, MIGRATE)).toMatch(/found KVM_RUN of vm0\/0 again; expected incoming/);
    expect(tried('{ pause: {} }, { brk: {} }', `${RUN}, ${INCOMING}, ${RUN}`, MIGRATE)).toBe(null);
    const twice = (program: string) => tried('{ pause: {} }, { brk: {} }', `{ repeat: { times: 2, do: [${program}] } }`, MIGRATE);
    expect(twice(RUN)).toMatch(/^found KVM_RUN of vm0\/0 again; expected incoming/);
    expect(twice(`${RUN}, ${INCOMING}`)).toBe(null);
    expect(twice(`{ choose: { of: [[${RUN}], [${INCOMING}]] } }`)).toMatch(/^found KVM_RUN of vm0\/0 again/);
  });

  it('that never pauses is not said to have paused', () => {
    expect(tried('{ brk: {} }', `${RUN}, ${RUN}`)).toMatch(/^found 2 KVM_RUN of vm0\/0; expected 1 at most: [^;]*$/);
  });
});
