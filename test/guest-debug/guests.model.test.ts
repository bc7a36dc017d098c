/**
 * Guests with debug registers of their own on SVM and VMX: what each program has to meet, on every
 * schedule, and what a debugger in user space sees of it.
 */
import { describe, expect, it } from 'vitest';
import type { DebugAccount } from '../../actors/guest-debug/guest-account.ts';
import type { VcpuDebugState } from '../../actors/guest-debug/vcpu-debug-state.ts';
import type { Vcpu } from '../../actors/kvm/guest-program.ts';
import { explore } from '../../sim/explore/explore.ts';
import { finish } from '../../sim/explore/turns.ts';
import type { ResolvedScenario } from '../../sim/scenario/types.ts';
import { type Played, play } from '../sim/play.ts';
import { DR7, debugHost, type Host, VENDORS } from './hosts.ts';

const STATES = 400_000;

const explored = (scenario: ResolvedScenario) => {
  const { exhausted, violations, reached } = { reached: new Set<string>(), ...finish(explore({ scenario, maxStates: STATES })) };
  return { exhausted, broken: violations.map(({ property }) => property), reached };
};

const accountIn = (run: Played): DebugAccount => run.context<Vcpu>('vcpu:vm0/0').debug!;
const kvmIn = (run: Played): VcpuDebugState => run.context<VcpuDebugState>('kdb:vm0/0');
const ran = (host: Host): Played => play(debugHost(host), { name: 'fifo' });

const PROGRAMS: readonly (readonly [what: string, guest: readonly string[], exceptions: number])[] = [
  [
    'a watchpoint',
    ['mov-to-dr: { dr: 0, value: 0x5000 }', `mov-to-dr: { dr: 7, value: ${DR7.write4} }`, 'insn: { writes: 0x5002, length: 1 }'],
    1,
  ],
  [
    'a watchpoint that is missed',
    ['mov-to-dr: { dr: 0, value: 0x5000 }', `mov-to-dr: { dr: 7, value: ${DR7.write4} }`, 'insn: { writes: 0x5004, length: 4 }'],
    0,
  ],
  [
    'a watchpoint that is only read',
    ['mov-to-dr: { dr: 0, value: 0x5000 }', `mov-to-dr: { dr: 7, value: ${DR7.write4} }`, 'insn: { reads: 0x5000, length: 4 }'],
    0,
  ],
  [
    'a breakpoint, which its handler gets behind',
    ['mov-to-dr: { dr: 0, value: 0x4000 }', `mov-to-dr: { dr: 7, value: ${DR7.code} }`, 'insn: { at: 0x4000 }'],
    1,
  ],
  ['single-step, of each instruction behind POPF', ['popf: { tf: true }', 'insn: {}', 'insn: {}', 'popf: { tf: false }'], 3],
  ['general detect, at the next MOV DR', [`mov-to-dr: { dr: 7, value: ${DR7.gd} }`, 'mov-from-dr: { dr: 0 }'], 1],
  [
    'MOV SS, behind which a watchpoint waits',
    ['mov-to-dr: { dr: 0, value: 0x5000 }', `mov-to-dr: { dr: 7, value: ${DR7.write8} }`, 'mov-ss: { writes: 0x5000 }', 'insn: {}'],
    1,
  ],
  [
    'WRMSR of the deadline, which a step follows',
    ['popf: { tf: true }', 'wrmsr-fastpath: { msr: tsc-deadline }', 'popf: { tf: false }'],
    2,
  ],
  [
    'WRMSR of the ICR, with the registers its own',
    ['mov-to-dr: { dr: 3, value: 0x7000 }', 'wrmsr-fastpath: { msr: x2apic-icr }', 'mov-from-dr: { dr: 3 }'],
    0,
  ],
  [
    'breakpoints at two instructions in a row',
    [
      'mov-to-dr: { dr: 0, value: 0x4000 }',
      'mov-to-dr: { dr: 1, value: 0x4003 }',
      'mov-to-dr: { dr: 7, value: 0x405 }',
      'insn: { at: 0x4000 }',
      'insn: { at: 0x4003 }',
    ],
    2,
  ],
  [
    'general detect, behind which it writes and reads back',
    [`mov-to-dr: { dr: 7, value: ${DR7.gd} }`, 'mov-to-dr: { dr: 0, value: 0x5000 }', 'mov-from-dr: { dr: 0 }'],
    1,
  ],
  [
    'a breakpoint at a MOV DR',
    [
      'mov-to-dr: { dr: 0, value: 0x4000 }',
      `mov-to-dr: { dr: 7, value: ${DR7.code} }`,
      'mov-to-dr: { at: 0x4000, dr: 2, value: 0x7000 }',
      'mov-from-dr: { dr: 2 }',
    ],
    1,
  ],
  [
    'a breakpoint at a WRMSR',
    [
      'mov-to-dr: { dr: 0, value: 0x4000 }',
      `mov-to-dr: { dr: 7, value: ${DR7.code} }`,
      'wrmsr-fastpath: { at: 0x4000, msr: tsc-deadline }',
      'insn: {}',
    ],
    1,
  ],
  ['ICEBP', ['icebp: {}'], 1],
  ['INT3', ['int3: {}'], 1],
  ['DR4 and DR5, which are DR6 and DR7', ['mov-to-dr: { dr: 5, value: 0x400 }', 'mov-from-dr: { dr: 7 }', 'mov-from-dr: { dr: 4 }'], 0],
  ['a value that DR7 does not take', ['mov-to-dr: { dr: 7, value: "0x100000400" }'], 1],
];

const asOps = (guest: readonly string[]): readonly string[] => guest.map((op) => `{ ${op} }`);

describe.each(VENDORS)('a plain guest on %s', (vendor) => {
  it.each(PROGRAMS)('meets %s', (_what, guest, exceptions) => {
    const { end, ...run } = ran({ vendor, guest: asOps(guest) });
    expect(end.violation).toBeNull();
    expect(end.ended).toBe('done');
    expect(accountIn({ end, ...run } as Played).taken).toBe(exceptions);
  });

  it('keeps what it wrote and is told of each cause, wherever its vCPU is preempted and moved', { timeout: 120_000 }, () => {
    const guest = [
      'mov-to-dr: { dr: 0, value: 0x5000 }',
      `mov-to-dr: { dr: 7, value: ${DR7.write4} }`,
      'insn: { writes: 0x5000, length: 4 }',
      'mov-from-dr: { dr: 0 }',
    ];
    const found = explored(debugHost({ vendor, guest: asOps(guest), cpus: 2, preemption: 'full', beside: true }));
    expect(found).toMatchObject({ exhausted: true, broken: [] });
  });
});

describe.each(VENDORS)('a debugger in user space, on %s', (vendor) => {
  const insns = asOps(['insn: { at: 0x4000 }', 'insn: { writes: 0x5000, length: 4 }', 'insn: {}']);

  it('steps through each instruction', () => {
    const run = ran({ vendor, guest: insns, debug: 'step: true' });
    expect(run.end.violation).toBeNull();
    expect(run.delivered('kdb.exit?')).toHaveLength(3);
    expect(kvmIn(run).run).toMatchObject({ exception: 'DB', dr6: 0xffff4ff0 });
    expect(accountIn(run).taken).toBe(0);
  });

  it.each([
    ['6.1', ['debug.debugger-sees-each-step']],
    ['6.6', ['debug.debugger-sees-each-step']],
    ['6.12', []],
    ['6.14', []],
  ] as const)('steps over a WRMSR of the fastpath on kernel %s, which breaks %j', (kernel, broken) => {
    const guest = ['{ wrmsr-fastpath: { msr: x2apic-icr } }', '{ insn: {} }'];
    const scenario = debugHost({ vendor, kernel, guest, debug: 'step: true', sometimes: ['debug.user-space-sees'] });
    expect(explored(scenario).broken).toEqual(broken);
  });

  it('goes on stepping behind a handler of the guest', () => {
    const run = ran({ vendor, guest: asOps(['int3: {}', 'insn: {}', 'insn: {}']), debug: 'step: true', always: [] });
    expect(run.end.ended).toBe('done');
    expect(kvmIn(run).run).toMatchObject({ exception: 'DB' });
    expect(run.delivered('kdb.exit?')).toHaveLength(2);
  });

  it('steps over general detect', () => {
    const guest = asOps([`mov-to-dr: { dr: 7, value: ${DR7.gd} }`, 'mov-from-dr: { dr: 0 }', 'insn: {}']);
    expect(ran({ vendor, guest, debug: 'step: true', always: [] }).end.ended).toBe('done');
  });

  it('is told of its breakpoint, which it takes away', () => {
    const run = ran({ vendor, guest: insns, debug: `hw: true, dr0: 0x4000, dr7: ${DR7.code}` });
    expect(kvmIn(run).run).toMatchObject({ exception: 'DB', rip: 0x4000 });
    expect(kvmIn(run).guestDebug).toEqual([]);
    expect(accountIn(run).taken).toBe(0);
  });

  it('is told of its watchpoint, behind the instruction', () => {
    const run = ran({ vendor, guest: insns, debug: `hw: true, dr0: 0x5000, dr7: ${DR7.write4}` });
    expect(kvmIn(run).run).toMatchObject({ exception: 'DB' });
    expect(accountIn(run).taken).toBe(0);
  });

  it('has the INT3 of the guest where it asks for it, and the guest has it where it does not', () => {
    expect(kvmIn(ran({ vendor, guest: asOps(['int3: {}']), debug: 'sw: true' })).run).toMatchObject({ exception: 'BP' });
    const run = ran({ vendor, guest: asOps(['int3: {}']), debug: 'step: true', always: [] });
    expect(accountIn(run).taken).toBe(1);
  });

  it('gives back what it does not know', () => {
    const run = ran({ vendor, guest: asOps(['int3: {}', 'insn: {}']), debug: 'sw: true, known: false', always: [] });
    expect(run.end.ended).toBe('done');
    expect(kvmIn(run).guestDebug).toEqual([]);
    expect(accountIn(run).taken).toBe(1);
  });

  it('stops the guest from arming the CPU: its MOV DR are KVM’s, and it reads back what it wrote', () => {
    const guest = asOps(['mov-to-dr: { dr: 1, value: 0x7000 }', 'mov-from-dr: { dr: 1 }']);
    const run = ran({ vendor, guest, debug: `hw: true, dr0: 0x9000, dr7: ${DR7.code}` });
    expect(run.end.violation).toBeNull();
    expect(kvmIn(run)).toMatchObject({ db: [0, 0x7000, 0, 0], effDb: [0x9000, 0, 0, 0], wontExit: false });
  });

  it('that attaches while the guest has the registers to itself takes them from it, and KVM warns', { timeout: 120_000 }, () => {
    const guest = asOps(['mov-to-dr: { dr: 0, value: 0x5000 }', 'mov-from-dr: { dr: 0 }']);
    const attached = (attaches: string) => {
      const scenario = debugHost({ vendor, guest, attaches, cpus: 2, always: ['debug.one-owner'] });
      return finish(explore({ scenario, maxStates: STATES, limits: { deviations: 3 } })).violations.map(({ property }) => property);
    };
    expect(attached(`hw: true, dr1: 0x9000, dr7: ${DR7.code}`)).toEqual(['debug.one-owner']);
    expect(attached('step: true')).toEqual([]);
  });
});

describe.each(VENDORS)('a guest on %s that writes DR6 in front of an exit of the fastpath', (vendor) => {
  const guest = [
    '{ mov-to-dr: { dr: 0, value: 0x5000 } }',
    '{ mov-to-dr: { dr: 6, value: 0xffff0ff1 } }',
    '{ wrmsr-fastpath: { msr: x2apic-icr } }',
    '{ mov-from-dr: { dr: 6 } }',
  ];
  const brokenWith = (guestDr6: string) =>
    explored(debugHost({ vendor, guest, sometimes: [], options: { 'kvm.guestDr6': guestDr6 } })).broken;

  it('reads it back behind that exit', () => {
    expect(brokenWith('once')).toEqual([]);
  });

  it('reads what KVM had before, where each run loads DR6 again', () => {
    expect(brokenWith('each-run')).toEqual(['debug.registers-read-back']);
  });
});
