/** What races declare of KVM: exits, hypercalls, MSRs, NAE events and ioctls, in all schedules. */
import { describe, expect, it } from 'vitest';
import type { HostEnv } from '../../../../actors/host/host-env.ts';
import { cell } from '../../../../actors/kit/cell.ts';
import { fail } from '../../../../actors/kit/errno.ts';
import { local } from '../../../../actors/kit/local.ts';
import type { GuestEnv } from '../../../../actors/kvm/guest-program.ts';
import { toUserSpace } from '../../../../actors/kvm/kit-exits.ts';
import { thisVcpu, thisVm } from '../../../../actors/kvm/kit-here.ts';
import { race } from '../../../../sim/host/race.ts';
import type { Argument } from '../../../../sim/host/race-argument.ts';
import { sometimes } from '../../../../sim/property.ts';
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
  const msr = cell('MSR_TEST', { value: 0, read: 0 }, { per: 'vcpu' });
  const handled = cell('handled', { reads: 0, writes: 0 });
  const of = (intercepts: 'all' | 'reads' | 'writes' | 'none', properties: ReturnType<typeof wrong>[], arch: 'amd' | 'intel' = 'amd') =>
    kvmRaced({
      arch,
      arches: ['amd', 'intel'],
      guest: [{ MSR_TEST: { write: 3 } }, { MSR_TEST: {} }],
      properties,
      race: {
        uses: [msr, handled],
        msrs: {
          MSR_TEST: {
            ...known,
            of: msr,
            intercepts,
            onWrite: () => [handled.addReturn('writes', 1)],
            onRead: () => [handled.addReturn('reads', 1)],
          },
        },
      },
    });
  const gives3 = comes<{ read: number }>(msr, ({ read }) => read === 3);
  type Handled = { reads: number; writes: number };

  it.each(['all', 'reads', 'writes', 'none'] as const)(
    'KIT-89 gives what was written to it, %s exiting, and exits where it says so',
    (intercepts) => {
      const expected = {
        reads: Number(intercepts === 'all' || intercepts === 'reads'),
        writes: Number(intercepts === 'all' || intercepts === 'writes'),
      };
      const over = wrong<Handled>(handled, ({ reads, writes }) => reads > expected.reads || writes > expected.writes);
      const all = comes<Handled>(handled, ({ reads, writes }) => reads === expected.reads && writes === expected.writes, 't.all');
      expect(of(intercepts, [gives3, over, all])).toMatchObject(CLEAN);
    },
  );
  it('KIT-89 is there on Intel', () => expect(of('all', [gives3], 'intel')).toMatchObject(CLEAN));
  it('is refused where there are none', () =>
    expect(() => race({ name: 'm', arches: ['amd', 'arm64'], msrs: {} })).toThrow(
      'mechanism m: msrs: hosts of arm64 have no MSRs; expected arches: amd, intel',
    ));
});

describe('an NAE event', () => {
  it('KIT-90 of an SNP guest reaches its handler, and the guest goes on behind VMGEXIT', () =>
    expect(
      kvmRaced({
        type: 'snp',
        features: ['sev', 'sev-es', 'sev-snp'],
        arches: ['amd'],
        guest: PROGRAM,
        properties: PROPERTIES,
        race: { uses: [seen], guestOperations: { look }, naes: { asks: { ...known, args, does: store } } },
      }),
    ).toMatchObject(CLEAN));
  it('is refused where there is no GHCB', () =>
    expect(() => race({ name: 'n', arches: ['amd', 'intel'], naes: {} })).toThrow(
      'mechanism n: naes: hosts of intel have no GHCB; expected arches: amd',
    ));
});

describe('an ioctl', () => {
  const errnoIs = (errno: string | undefined) =>
    sometimes('t.errno', {
      source: TEST,
      grade: 'decision',
      kinds: ['hostThread'],
      check: (world) => (world.actors<{ errno?: string }>('hostThread').some(({ context }) => context.errno === errno) ? 'so' : null),
    });
  const inside = cell('inside', { guest: false, ioctl: false });
  const of = (kind: 'vcpu' | 'vm', properties: ReturnType<typeof wrong>[]) =>
    kvmRaced({
      guest: [{ intercept: { name: 'cpuid' } }],
      properties,
      beside: [[{ KVM_TEST: kind === 'vcpu' ? { vcpu: 'vm0/0' } : { vm: 'vm0' } }]],
      race: {
        uses: [inside],
        onEntry: () => [inside.store('guest', true)],
        onExit: () => [inside.store('guest', false)],
        ioctls: {
          KVM_TEST: {
            ...known,
            of: kind,
            does: () => [inside.store('ioctl', true), inside.store('ioctl', false, { as: 'done' }), ...fail('EBUSY')],
          },
        },
      },
    });
  type Inside = { guest: boolean; ioctl: boolean };
  const both = ({ guest, ioctl }: Inside) => guest && ioctl;

  it('KIT-85 on a vCPU waits for its mutex, which KVM_RUN holds', () =>
    expect(of('vcpu', [wrong(inside, both), errnoIs('EBUSY')])).toMatchObject(CLEAN));
  it('KIT-85 on a VM does not', () => expect(of('vm', [wrong(inside, both)]).broken).toEqual(['t.wrong']));

  it('KIT-86 fails with its errno, and the next one that goes well leaves none', () => {
    const result = cell('result', { first: '', second: '' });
    const note = (as: 'first' | 'second') => ({
      ...known,
      does: () => [result.store(as, (t: { errno?: string | undefined }) => t.errno ?? 'none')],
    });
    const made = kvmRaced({
      guest: [{ intercept: { name: 'cpuid' } }],
      beside: [[{ KVM_TEST: { vm: 'vm0', value: 0 } }, { first: {} }, { KVM_TEST: { vm: 'vm0', value: 1 } }, { second: {} }]],
      properties: [comes<{ first: string; second: string }>(result, ({ first, second }) => first === 'EINVAL' && second === 'none')],
      race: {
        uses: [result],
        operations: { first: note('first'), second: note('second') },
        ioctls: {
          KVM_TEST: {
            ...known,
            of: 'vm',
            args,
            does: (_env, arg) => [
              step('looks', { local: (t) => ({ option: arg<number>('value')(t) }) }),
              { kind: 'when', cases: [[(t) => arg<number>('value')(t) === 0, fail('EINVAL')]] },
            ],
          },
        },
      },
    });
    expect(made).toMatchObject(CLEAN);
  });
});

describe('per-vCPU cells', () => {
  const mine = cell('mine', { guest: 0, host: 0 }, { per: 'vcpu' });
  it('KIT-91 are those of the vCPU that is here, for its guest and for its thread', () => {
    const made = kvmRaced({
      guest: [{ asks: {} }],
      properties: [comes<{ guest: number; host: number }>(mine, ({ guest, host }) => guest === 1 && host === 1)],
      race: {
        uses: [mine],
        hypercalls: {
          asks: {
            ...known,
            guest: (env, _arg, exit) => [mine.addReturn('guest', 1, undefined, { at: thisVcpu(env) }), exit],
            does: (env) => [mine.addReturn('host', 1, undefined, { at: thisVcpu(env) })],
          },
        },
      },
    });
    expect(made).toMatchObject(CLEAN);
  });
  it('are refused where nothing says which', () => {
    const of = { uses: [mine], operations: { stray: { ...known, does: (env: HostEnv) => [mine.store('host', 1, { at: thisVm(env) })] } } };
    expect(() => kvmRaced({ guest: [{ intercept: { name: 'cpuid' } }], beside: [[{ stray: {} }]], race: of })).toThrow(
      'stray names no VM; expected an argument `vm` or `vcpu`, or `at` to say which',
    );
  });
});
