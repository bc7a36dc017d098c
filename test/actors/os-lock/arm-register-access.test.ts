/**
 * Which accesses of debug registers are UNDEFINED: every register, read and written, at EL0 and
 * EL1, whatever MDCR_EL2 traps; and guests that try.
 */
import { describe, expect, it } from 'vitest';
import { armCpuDebugMachine } from '../../../actors/os-lock/arm-cpu-debug.ts';
import { OSLAR_KEY } from '../../../actors/os-lock/arm-debug-rule.ts';
import type { GuestDebugView } from '../../../actors/os-lock/arm-guest-account.ts';
import type { ArmVcpuState } from '../../../actors/os-lock/arm-vcpu-state.ts';
import type { CpuDebugState, DebugTraps } from '../../../events/os-lock/arm-debug.ts';
import { SYSREGS, type Sysreg } from '../../../events/os-lock/sysregs.ts';
import { knownProperties } from '../../../sim/properties/index.ts';
import { loadScenario } from '../../../sim/scenario/load.ts';
import * as w from '../../claims/os-lock/arm64.ts';
import { type Played, play, resolved } from '../../sim/play.ts';
import { Given } from '../given.ts';

const NONE: DebugTraps = { tda: false, tdosa: false, tde: false };
const TRAPS: readonly DebugTraps[] = [NONE, { ...NONE, tda: true }, { ...NONE, tdosa: true }, { tda: true, tdosa: true, tde: true }];

const cpu = (el: 0 | 1, traps: DebugTraps): CpuDebugState => ({
  mdscr: 0,
  traps,
  bank: 'guest',
  bcr: 0,
  wcr: 0,
  pstate: { el, d: false, ss: false },
  osLock: false,
});

/** An access of every bit that the model keeps. */
const access = (state: CpuDebugState, reg: Sysreg, write: boolean, value = OSLAR_KEY) =>
  Given.standing(armCpuDebugMachine, 'on', state).when({ type: 'dbg.access?', reg, write, value, from: 'vcpu:vm0/0' });

/** Accesses that EL1 has, by the sections of the Arm ARM; EL0 has none. */
const AT_EL1: Readonly<Record<Sysreg, string>> = {
  oslar_el1: 'write',
  oslsr_el1: 'read',
  osdlr_el1: 'read, write',
  mdscr_el1: 'read, write',
  dbgbcr0_el1: 'read, write',
  dbgwcr0_el1: 'read, write',
  dbgvcr: 'read, write',
  dbgoslar: 'write',
};

describe.each(TRAPS)('under MDCR_EL2 %o', (traps) => {
  const allowed = (el: 0 | 1, reg: Sysreg): string =>
    ['read', 'write'].filter((kind) => access(cpu(el, traps), reg, kind === 'write').sent[0]!.event.undef !== true).join(', ');

  it.each(SYSREGS)('%s has the accesses of EL1, and none at EL0', (reg) => {
    expect({ el0: allowed(0, reg), el1: allowed(1, reg) }).toEqual({ el0: '', el1: AT_EL1[reg] });
  });

  it.each(SYSREGS)('%s is as before an UNDEFINED write at EL0, and nothing traps', (reg) => {
    const before = cpu(0, traps);
    const { sent, context } = access(before, reg, true);
    expect(sent[0]!.event).toMatchObject({ type: 'dbg.accessed', trap: false, undef: true });
    expect(context).toEqual(before);
  });
});

it('locks a CPU that no KVM guards by the key of DBGOSLAR, and unlocks it by all else', () => {
  expect(access(cpu(1, NONE), 'dbgoslar', true).context).toMatchObject({ osLock: true });
  expect(access({ ...cpu(1, NONE), osLock: true }, 'dbgoslar', true, 1).context).toMatchObject({ osLock: false });
});

/** A run of a scenario that is written as users write it. */
const runOf = (text: string): Played => play(resolved(loadScenario(text, 'inline.yaml', knownProperties())), { name: 'fifo' });
const viewOf = (played: Played) => played.context<{ readonly arm: GuestDebugView }>('vcpu:vm0/0').arm;
const oslsrIn = (played: Played) => played.context<{ readonly oslsr: number }>('arm:vm0/0').oslsr;

const HEAD = (name: string, kernel: string) => `
name: ${name}
summary: Accesses that are UNDEFINED
host: { arch: arm64, cpus: 1, preemption: none, kernel: "${kernel}" }
processes:
  qemu0: { threads: [[{ KVM_RUN: { vcpu: vm0/0 } }]] }
properties: { always: [oslock.*] }
vms:
  vm0:
    type: arm64
    vcpus:`;

describe.each(['6.12', '6.14'])('on kernel %s', (kernel) => {
  it('a program at EL0 does not lock the guest by OSLAR_EL1, and its breakpoint comes', () => {
    const played = runOf(`${HEAD('oslar-from-el0', kernel)}
      - - { msr: { reg: mdscr_el1, value: 0x8000 } }
        - { msr: { reg: dbgbcr0_el1, value: 1 } }
        - { eret: { el: 0 } }
        - { msr: { reg: oslar_el1, value: 1 } }
        - { execute: { breakpoint: true } }
`);
    expect(played.end).toMatchObject({ ended: 'done', violation: null });
    expect({ undefined: viewOf(played).undefined, oslsr: oslsrIn(played), met: w.met(played) }).toEqual({
      undefined: 'oslar_el1',
      oslsr: 0x8,
      met: ['breakpoint to EL1'],
    });
  });

  it('a program at EL0 arms no breakpoint and reads nothing', () => {
    const played = runOf(`${HEAD('debug-from-el0', kernel)}
      - - { eret: { el: 0 } }
        - { msr: { reg: mdscr_el1, value: 0x8000 } }
        - { msr: { reg: dbgbcr0_el1, value: 1 } }
        - { mrs: { reg: oslsr_el1 } }
        - { execute: { breakpoint: true } }
`);
    expect(played.end).toMatchObject({ ended: 'done', violation: null });
    expect(w.met(played)).toEqual(['nothing']);
    expect(viewOf(played)).toMatchObject({ mdscr: 0, bcr: 0, read: null });
  });

  it('a read of DBGOSLAR does not unlock the guest, and the lock holds its breakpoint back', () => {
    const played = runOf(`${HEAD('dbgoslar-read', kernel)}
      - - { msr: { reg: oslar_el1, value: 1 } }
        - { mrs: { reg: dbgoslar } }
        - { mrs: { reg: oslsr_el1 } }
        - { msr: { reg: mdscr_el1, value: 0xA000 } }
        - { msr: { reg: dbgbcr0_el1, value: 1 } }
        - { execute: { breakpoint: true } }
`);
    expect(played.end).toMatchObject({ ended: 'done', violation: null });
    expect({ ...viewOf(played), met: w.met(played) }).toMatchObject({
      undefined: 'dbgoslar',
      read: { reg: 'oslsr_el1', value: 0xa },
      met: ['nothing'],
    });
  });

  it('each vCPU of a guest has its own registers and its own lock', () => {
    const text = `${HEAD('two-vcpus', kernel)}
      - - { msr: { reg: mdscr_el1, value: 0x8000 } }
        - { msr: { reg: dbgbcr0_el1, value: 1 } }
        - { execute: { breakpoint: true } }
        - { mrs: { reg: dbgbcr0_el1 } }
      - - { msr: { reg: oslar_el1, value: 1 } }
        - { msr: { reg: dbgbcr0_el1, value: 2 } }
        - { mrs: { reg: dbgbcr0_el1 } }
`.replace('threads: [[{ KVM_RUN: { vcpu: vm0/0 } }]]', 'threads: [[{ KVM_RUN: { vcpu: vm0/1 } }], [{ KVM_RUN: { vcpu: vm0/0 } }]]');
    const played = runOf(text);
    expect(played.end).toMatchObject({ ended: 'done', violation: null });
    const kept = ['arm:vm0/0', 'arm:vm0/1'].map((id) => played.context<ArmVcpuState>(id));
    expect(kept.map(({ bcr, oslsr }) => ({ bcr, oslsr }))).toEqual([
      { bcr: 1, oslsr: 0x8 },
      { bcr: 2, oslsr: 0xa },
    ]);
  });
});
