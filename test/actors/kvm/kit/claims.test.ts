/** What races declare of KVM, as claims: ioctls, MSRs, NAE events, and cells of vCPUs. */
import { expect } from 'vitest';
import { assign } from 'xstate';
import type { HostEnv } from '../../../../actors/host/host-env.ts';
import { cell } from '../../../../actors/kit/cell.ts';
import { fail } from '../../../../actors/kit/errno.ts';
import { atEnd, instead } from '../../../../actors/kit/fn.ts';
import { local } from '../../../../actors/kit/local.ts';
import type { GuestEnv } from '../../../../actors/kvm/guest-program.ts';
import { thisVcpu } from '../../../../actors/kvm/kit-here.ts';
import type { Argument } from '../../../../sim/host/race-argument.ts';
import { sometimes } from '../../../../sim/property.ts';
import { integer } from '../../../../sim/scenario/fields.ts';
import { kitClaims, provides, walks } from '../../kit/claims.ts';
import { comes, kvmRaced, step, TEST, when, wrong } from './kvm-raced.ts';

const CLEAN = { verdict: 'clean', exhausted: true };
const known = { summary: TEST, source: TEST };
const args = { value: integer(0, 9) };
const RUN = { KVM_RUN: { vcpu: 'vm0/0' } };
const stores = { write: assign({}) };

const inside = cell('inside', { guest: false, ioctl: false });
const errnoIs = (errno: string) =>
  sometimes('t.errno', {
    source: TEST,
    grade: 'decision',
    kinds: ['hostThread'],
    check: (world) => (world.actors<{ errno?: string }>('hostThread').some(({ context }) => context.errno === errno) ? 'so' : null),
  });
const both = wrong<{ guest: boolean; ioctl: boolean }>(inside, ({ guest, ioctl }) => guest && ioctl);
const ioctlOf = (kind: 'vcpu' | 'vm', properties: readonly (typeof both)[]) =>
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

const result = cell('result', { first: '', second: '' });
const tells = (as: 'first' | 'second') => ({
  ...known,
  does: () => [result.store(as, (t: { errno?: string | undefined }) => t.errno ?? 'none')],
});

const msr = cell('MSR_TEST', { value: 0, read: 0 }, { per: 'vcpu' });
const handled = cell('handled', { reads: 0, writes: 0 });
interface Handled {
  readonly reads: number;
  readonly writes: number;
}
const accesses = (intercepts: 'all' | 'reads' | 'writes' | 'none', arch: 'amd' | 'intel') => {
  const expected = {
    reads: Number(intercepts === 'all' || intercepts === 'reads'),
    writes: Number(intercepts === 'all' || intercepts === 'writes'),
  };
  return kvmRaced({
    arch,
    arches: ['amd', 'intel'],
    guest: [{ MSR_TEST: { write: 3 } }, { MSR_TEST: {} }],
    properties: [
      comes<{ read: number }>(msr, ({ read }) => read === 3),
      wrong<Handled>(handled, ({ reads, writes }) => reads > expected.reads || writes > expected.writes),
      comes<Handled>(handled, ({ reads, writes }) => reads === expected.reads && writes === expected.writes, 't.all'),
    ],
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
};

const seen = cell('seen', { value: 0, back: 0 }, { per: 'vcpu' });
const got = local<number>('got');
const mine = cell('mine', { guest: 0, host: 0 }, { per: 'vcpu' });

kitClaims([
  {
    id: 'KIT-85',
    says: 'an ioctl on a vCPU waits for KVM_RUN, which holds its mutex; one on a VM does not',
    source: 'virt/kvm/kvm_main.c, kvm_vcpu_ioctl(), kvm_vm_ioctl()',
    grade: 'read',
    mutants: {
      'the mutex is always free': {
        host: { machines: { mutex: provides({ guards: { isFree: () => true }, actions: { release: assign({ owner: null }) } }) } },
      },
      'it says nothing of its failure': walks({ do_KVM_TEST: (path) => instead({ ...path, items: path.items.slice(0, 2) }, 'done') }),
    },
    check: () => {
      expect(ioctlOf('vcpu', [both, errnoIs('EBUSY')])).toMatchObject(CLEAN);
      expect(ioctlOf('vm', [both]).broken).toEqual(['t.wrong']);
    },
  },
  {
    id: 'KIT-86',
    says: 'an ioctl that fails returns its errno, and one that goes well leaves none',
    source: 'fs/ioctl.c, ioctl(), vfs_ioctl(), 6.12',
    grade: 'read',
    mutants: {
      'it always goes well': walks({ do_KVM_TEST: (path) => ({ ...path, items: path.items.slice(0, 1) }) }),
      'it always fails': walks({ do_KVM_TEST: (path) => atEnd(path, ...fail('EINVAL')) }),
    },
    check: () => {
      const made = kvmRaced({
        guest: [{ intercept: { name: 'cpuid' } }],
        runner: [{ KVM_TEST: { vm: 'vm0', value: 0 } }, { first: {} }, { KVM_TEST: { vm: 'vm0', value: 1 } }, { second: {} }, RUN],
        properties: [comes<{ first: string; second: string }>(result, ({ first, second }) => first === 'EINVAL' && second === 'none')],
        race: {
          uses: [result],
          operations: { first: tells('first'), second: tells('second') },
          ioctls: {
            KVM_TEST: {
              ...known,
              of: 'vm',
              args,
              does: (_env, arg) => [step('looks'), when([(t) => arg<number>('value')(t) === 0, fail('EINVAL')])],
            },
          },
        },
      });
      expect(made).toMatchObject(CLEAN);
    },
  },
  {
    id: 'KIT-89',
    says: 'RDMSR gives what WRMSR has written; what is not intercepted does not exit',
    source: 'arch/x86/kvm/x86.c, kvm_set_msr_common(), kvm_get_msr_common()',
    grade: 'read',
    mutants: {
      'WRMSR stores nothing': { host: { machines: { MSR_TEST: provides({ actions: stores }) } } },
      'RDMSR gives nothing': walks({ kvm_get_msr_common: (path) => instead(path, 'kvm_rax_write') }),
    },
    check: () => {
      for (const intercepts of ['all', 'reads', 'writes', 'none'] as const) expect(accesses(intercepts, 'amd')).toMatchObject(CLEAN);
      expect(accesses('all', 'intel')).toMatchObject(CLEAN);
    },
  },
  {
    id: 'KIT-90',
    says: 'an NAE event of an SNP guest reaches its handler, and the guest goes on behind VMGEXIT',
    source: 'arch/x86/kvm/svm/sev.c, sev_handle_vmgexit(); APM vol. 2, "VMGEXIT"',
    grade: 'read',
    mutants: {
      'its handler stores nothing': { host: { machines: { seen: provides({ actions: stores }) } } },
      'the guest does not look behind it': walks({ look: (path) => instead(path, 'store_back') }),
    },
    check: () => {
      const made = kvmRaced({
        type: 'snp',
        features: ['sev', 'sev-es', 'sev-snp'],
        arches: ['amd'],
        guest: [{ asks: { value: 7 } }, { look: {} }],
        properties: [
          wrong<{ value: number; back: number }>(seen, ({ value, back }) => back !== 0 && value !== 7),
          comes<{ back: number }>(seen, ({ back }) => back === 7),
        ],
        race: {
          uses: [seen],
          guestOperations: {
            look: {
              ...known,
              does: (env: GuestEnv) => [seen.load('value', got, { at: thisVcpu(env) }), seen.store('back', got, { at: thisVcpu(env) })],
            },
          },
          naes: {
            asks: {
              ...known,
              args,
              does: (env: HostEnv, arg: Argument) => [seen.store('value', arg<number>('value'), { at: thisVcpu(env) })],
            },
          },
        },
      });
      expect(made).toMatchObject(CLEAN);
    },
  },
  {
    id: 'KIT-91',
    says: 'a per-vCPU cell is that of the vCPU whose guest or thread walks',
    source: 'a decision',
    grade: 'decision',
    mutants: {
      'its guest counts in no cell': walks({ asks: (path) => instead(path, 'add_guest') }),
      'its thread counts in no cell': walks({ VMMCALL_asks: (path) => instead(path, 'add_host') }),
    },
    check: () => {
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
    },
  },
]);
