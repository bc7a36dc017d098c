/** What races declare of KVM: exits, hypercalls, MSRs, NAE events and ioctls, in all schedules. */
import { describe, expect, it } from 'vitest';
import type { HostEnv } from '../../../../actors/host/host-env.ts';
import { cell } from '../../../../actors/kit/cell.ts';
import { local } from '../../../../actors/kit/local.ts';
import type { GuestEnv } from '../../../../actors/kvm/guest-program.ts';
import { toUserSpace } from '../../../../actors/kvm/kit-exits.ts';
import { thisVcpu, thisVm } from '../../../../actors/kvm/kit-here.ts';
import { race } from '../../../../sim/host/race.ts';
import type { Argument } from '../../../../sim/host/race-argument.ts';
import { integer } from '../../../../sim/scenario/fields.ts';
import { ARCHES, comes, kvmRaced, step, TEST, wrong } from './kvm-raced.ts';

const CLEAN = { verdict: 'clean', exhausted: true };
const seen = cell('seen', { value: 0, back: 0 }, { per: 'vcpu' });
const got = local<number>('got');
const args = { value: integer(0, 9) };
const known = { summary: TEST, source: TEST };
/** The guest tells what it finds behind the exit. */
const look = {
  ...known,
  does: (env: GuestEnv) => [seen.load('value', got, { at: thisVcpu(env) }), seen.store('back', got, { at: thisVcpu(env) })],
};
const PROGRAM = [{ asks: { value: 7 } }, { look: {} }];
/** The handler has stored 7 before the guest goes on: it never finds anything else. */
const PROPERTIES = [
  wrong<{ value: number; back: number }>(seen, ({ value, back }) => back !== 0 && value !== 7),
  comes<{ back: number }>(seen, ({ back }) => back === 7),
];
const store = (env: HostEnv, arg: Argument) => [seen.store('value', arg<number>('value'), { at: thisVcpu(env) })];

describe.each(ARCHES)('on %s', (arch) => {
  it('KIT-88 a hypercall tells its handler the arguments, and the guest goes on when it is over', () =>
    expect(
      kvmRaced({
        arch,
        guest: PROGRAM,
        properties: PROPERTIES,
        race: { uses: [seen], guestOperations: { look }, hypercalls: { asks: { ...known, args, does: store } } },
      }),
    ).toMatchObject(CLEAN));

  it('KIT-87 an exit of its own does the same', () =>
    expect(
      kvmRaced({
        arch,
        guest: PROGRAM,
        properties: PROPERTIES,
        race: { uses: [seen], guestOperations: { look }, exits: { asks: { ...known, args, skips: true, does: store } } },
      }),
    ).toMatchObject(CLEAN));
});

describe('an exit', () => {
  const of = (rest: object, properties = PROPERTIES) =>
    kvmRaced({
      guest: PROGRAM,
      properties,
      race: { uses: [seen], guestOperations: { look }, exits: { asks: { ...known, args, ...rest } } },
    });

  it('KIT-94 that user space sees is answered there, and the vCPU is run again', () => expect(of({ user: store })).toMatchObject(CLEAN));
  it('KIT-94 that user space does not answer ends KVM_RUN: the guest gets no further', () =>
    expect(of({}, [wrong<{ back: number }>(seen, ({ back }) => back > 0)])).toMatchObject(CLEAN));
  it('KIT-94 ends KVM_RUN where its handler says so alone', () =>
    expect(
      of({
        does: (env: HostEnv) => [seen.store('value', 7, { at: thisVcpu(env) }), toUserSpace],
        user: () => [step('kvm_cpu_exec_answers')],
      }),
    ).toMatchObject(CLEAN));
  it('KIT-87 is not over before its handler is', () => {
    const at = (env: HostEnv) => ({ at: thisVcpu(env) });
    const late = {
      skips: true,
      does: (env: HostEnv, arg: Argument) => [step('works'), seen.store('value', arg<number>('value'), at(env))],
    };
    expect(of(late)).toMatchObject(CLEAN);
  });
});

describe('an MSR', () => {
  it('is refused where there are none', () =>
    expect(() => race({ name: 'm', arches: ['amd', 'arm64'], msrs: {} })).toThrow(
      'mechanism m: msrs: hosts of arm64 have no MSRs; expected arches: amd, intel',
    ));
});

describe('an NAE event', () => {
  it('is refused where there is no GHCB', () =>
    expect(() => race({ name: 'n', arches: ['amd', 'intel'], naes: {} })).toThrow(
      'mechanism n: naes: hosts of intel have no NAE events; expected arches: amd',
    ));
});

describe('per-vCPU cells', () => {
  const mine = cell('mine', { guest: 0, host: 0 }, { per: 'vcpu' });
  it('are refused where nothing says which', () => {
    const of = { uses: [mine], operations: { stray: { ...known, does: (env: HostEnv) => [mine.store('host', 1, { at: thisVm(env) })] } } };
    expect(() => kvmRaced({ guest: [{ intercept: { name: 'cpuid' } }], beside: [[{ stray: {} }]], race: of })).toThrow(
      'stray names no VM; expected an argument `vm` or `vcpu`, or `at` to say which',
    );
  });
});
