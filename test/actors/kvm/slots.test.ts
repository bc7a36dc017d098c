/**
 * KVM's slots: several mechanisms of one host in one KVM_RUN, in the order that they declare; two
 * that claim one place are refused.
 */
import { describe, expect, it } from 'vitest';
import type { HostThread } from '../../../actors/host/host-env.ts';
import type { KvmParts } from '../../../actors/kvm/slots.ts';
import { ModelError } from '../../../sim/engine/port.ts';
import { type Mechanism, MechanismError } from '../../../sim/host/mechanism.ts';
import { register } from '../../../sim/host/registry.ts';
import { topologyOf } from '../../../sim/host/topology.ts';
import type { GuestStep, HostStep } from '../../../sim/scenario/program.ts';
import * as w from '../../claims/world.ts';
import { microSteps, play } from '../../sim/play.ts';
import { BELL_PARTS, bell, LEDGER_PARTS, ledger } from './toys.ts';

function withMechanisms<T>(mechanisms: readonly Mechanism[], look: () => T): T {
  const undo = mechanisms.map((mechanism) => register(mechanism));
  try {
    return look();
  } finally {
    for (const take of undo.reverse()) take();
  }
}

const ring: GuestStep = { ring: { times: 3 } };
const ding: GuestStep = { ding: { tone: 440 } };
const setBell: HostStep = { KVM_SET_BELL: { vcpu: 'vm0/0' } };
const count: HostStep = { KVM_COUNT_BELLS: { vm: 'vm0' } };

/** One KVM_RUN, with an ioctl on the vCPU before it and one on the VM after it. */
function ran(guest: readonly GuestStep[]) {
  const played = play(
    w.world({ vm0: w.vm([w.page('guest-valid'), w.page('vmsa', 7)], guest) }, { qemu0: [[setBell, w.run(), count, { trip: {} }]] }),
    { name: 'fifo' },
  );
  const steps = microSteps(played, 'thread:qemu0/0').map((name) => name.replace(/^main\./, ''));
  return { played, steps, heard: played.context<HostThread>('thread:qemu0/0').heard };
}

describe('two mechanisms beside SEV-SNP', () => {
  it('are all in one KVM_RUN, each where the skeleton has its slot', () => {
    const { steps, heard } = withMechanisms([bell, ledger], () => ran([w.write(false), ring, ding]));
    const inRun = steps.filter((name) => name.startsWith('KVM_RUN.')).map((name) => name.slice('KVM_RUN.'.length));
    expect(inRun.filter((name) => /bell|ledger|ding|chime|npf|rmp_page_fault$|VMRUN|VMEXIT/i.test(name)).slice(0, 14)).toEqual([
      'vcpu_load.bell_load',
      'vcpu_load.ledger_load',
      'vcpu_enter_guest.kvm_check_requests.handle_chime',
      'vcpu_enter_guest.bell_before_entry',
      'vcpu_enter_guest.ledger_before_entry',
      'vcpu_enter_guest.bell_before_guest',
      'vcpu_enter_guest.svm_vcpu_run.VMRUN_check_vmsa',
      'vcpu_enter_guest.svm_vcpu_run.VMRUN',
      'vcpu_enter_guest.svm_vcpu_run.VMEXIT',
      'vcpu_enter_guest.svm_vcpu_run.bell_after_exit',
      'vcpu_enter_guest.ledger_after_guest',
      'vcpu_enter_guest.ledger_restore',
      'vcpu_enter_guest.bell_before_entry',
      'vcpu_enter_guest.ledger_before_entry',
    ]);
    // The nested fault of SEV-SNP is handled in the same loop, before the exits of the toy.
    const at = (name: string) => inRun.findIndex((one) => one.endsWith(name));
    expect(at('snp_lookup_rmpentry')).toBeGreaterThan(0);
    expect(at('handle_bell')).toBeGreaterThan(at('snp_lookup_rmpentry'));
    expect(at('handle_ding')).toBeGreaterThan(at('handle_bell'));
    expect(inRun.slice(at('bell_leave')).filter((name) => /bell|ledger/.test(name))).toEqual([
      'bell_leave',
      'vcpu_put.ledger_put',
      'vcpu_put.bell_put',
    ]);
    expect(heard).toEqual(['CHIME', 'BELL 3', 'DING', 'COUNT', 'FAULT']);
  });

  it('load and put the vCPU for an ioctl, under its mutex, with the same slots', () => {
    const { steps } = withMechanisms([bell, ledger], () => ran([ring]));
    expect(steps.filter((name) => name.startsWith('KVM_SET_BELL.')).map((name) => name.slice('KVM_SET_BELL.'.length))).toEqual([
      ...[
        'ioctl',
        'mutex_lock_killable.trylock',
        'vcpu_load.get_cpu',
        'vcpu_load.preempt_notifier_register',
        'vcpu_load.kvm_arch_vcpu_load',
      ],
      ...['vcpu_load.bell_load', 'vcpu_load.ledger_load', 'vcpu_load.put_cpu', 'set_bell', 'vcpu_put.preempt_disable'],
      ...['vcpu_put.ledger_put', 'vcpu_put.bell_put', 'vcpu_put.kvm_arch_vcpu_put', 'vcpu_put.preempt_notifier_unregister'],
      ...['vcpu_put.preempt_enable', 'mutex_unlock', 'sysret'],
    ]);
  });

  it('change nothing on hosts of another architecture, and leave no trace behind', () => {
    const scenario = w.world({ vm0: w.vm([], [w.hlt]) }, { qemu0: [[w.run()]] });
    const steps = () => microSteps(play(scenario, { name: 'fifo' }), 'thread:qemu0/vcpu0');
    const before = steps();
    withMechanisms([bell, ledger], () => expect(steps()).not.toEqual(before));
    expect(steps()).toEqual(before);
  });
});

const toy = (name: string, parts: unknown): Mechanism => ({ name, arches: ['amd'], kvm: () => parts as KvmParts });
const SCENARIO = () => w.world({ vm0: w.vm([], [w.hlt]) }, { qemu0: [[w.run()]] });

describe('two that claim one place', () => {
  const item = { items: () => [] };
  it.each([
    [
      'a sequence without an order',
      { beforeEntry: item },
      { beforeEntry: { ...item, order: 1 } },
      'mechanism one and mechanism two both claim the slot beforeEntry; expected an order of its own from each: { order, … }',
    ],
    [
      'a sequence with one order',
      { put: { ...item, order: 4 } },
      { put: { ...item, order: 4 } },
      'mechanism one and mechanism two both claim the slot put; expected an order of its own from each: { order, … }',
    ],
    [
      'an exit',
      { exits: { BELL: () => [] } },
      { exits: { BELL: () => [] } },
      'mechanism one and mechanism two both claim BELL in the slot exits; expected one of them to handle it',
    ],
    [
      'an NAE event',
      { nae: { DING: () => [] } },
      { nae: { DING: () => [] } },
      'mechanism one and mechanism two both claim DING in the slot nae; expected one of them to handle it',
    ],
    [
      'a request',
      { requests: { KVM_REQ_CHIME: () => [] } },
      { requests: { KVM_REQ_CHIME: () => [] } },
      'mechanism one and mechanism two both claim KVM_REQ_CHIME in the slot requests; expected one of them to handle it',
    ],
  ])('%s', (_what, first, second, message) => {
    withMechanisms([toy('one', first), toy('two', second)], () => {
      expect(() => topologyOf(SCENARIO())).toThrow(new MechanismError(message));
    });
  });

  it.each([
    [
      'SEV-SNP handles already',
      { exits: { NPF: () => [] } },
      'mechanism sev-snp and mechanism one both claim NPF in the slot exits; expected one of them to handle it',
    ],
    [
      'the vendor handles',
      { exits: { VMGEXIT: () => [] } },
      'svm and mechanism one both claim VMGEXIT in the slot exits; expected one of them to handle it',
    ],
    [
      'KVM handles on every host',
      { requests: { KVM_REQ_VM_DEAD: () => [] } },
      'kvm and mechanism one both claim KVM_REQ_VM_DEAD in the slot requests; expected one of them to handle it',
    ],
  ])('what %s', (_what, parts, message) => {
    withMechanisms([toy('one', parts)], () => expect(() => topologyOf(SCENARIO())).toThrow(new MechanismError(message)));
  });

  it('a slot that there is not', () => {
    withMechanisms([toy('one', { beforeEnrty: item })], () => {
      expect(() => topologyOf(SCENARIO())).toThrow(
        /^mechanism one: kvm\(\)\.beforeEnrty: expected a slot of this host: ioctlEntry, ioctlExit, eachVcpu, notifierCall, notifierReturn, ioctlLocked, beforeLoad, beforeRun, load, put, injection, cancel, beforeEntry, .*fastpath, nae, userLoop, turnLocals, hasInsns, toUser$/,
      );
    });
  });

  it('a loop of user space that has no reactions', () => {
    withMechanisms([toy('one', { userLoop: () => null })], () => {
      const message = 'mechanism one: kvm().userLoop: expected a map with reactions(), by the end of KVM_RUN';
      expect(() => topologyOf(SCENARIO())).toThrow(new MechanismError(message));
    });
  });

  it('an operation, and the handler of a fault', () => {
    const one: Mechanism = { name: 'one', arches: ['amd'], host: () => ({ faults: { '#PF.RMP': () => [] } }) };
    withMechanisms([one], () => {
      expect(() => topologyOf(SCENARIO())).toThrow(
        new MechanismError('mechanism sev-snp and mechanism one both bring the handler of #PF.RMP; expected one of them to'),
      );
    });
    const run: Mechanism = { name: 'one', arches: ['amd'], host: () => ({ operations: () => [['KVM_RUN', { kind: 'step', name: 'x' }]] }) };
    withMechanisms([run], () => {
      expect(() => topologyOf(SCENARIO())).toThrow(
        new MechanismError('kvm and mechanism one both bring the operation KVM_RUN; expected one of them to'),
      );
    });
  });
});

describe('an operation that nothing carries out', () => {
  it('is refused, where a program would end there without a word', () => {
    const mute: Mechanism = { ...bell, guest: () => ({}) };
    withMechanisms([mute, ledger], () =>
      expect(() => ran([ring])).toThrow(
        new MechanismError('mechanism bell: guestOperations.ring: nothing carries out ring; expected guest().operations to name it'),
      ),
    );
    const { KVM_SET_BELL: setBellIoctl } = BELL_PARTS.vcpuIoctls!;
    const misspelt: Mechanism = { ...bell, kvm: () => ({ ...BELL_PARTS, vcpuIoctls: { KVM_SET_BEL: setBellIoctl! } }) };
    withMechanisms([misspelt, ledger], () =>
      expect(() => ran([ring])).toThrow(
        /^mechanism bell: hostOperations\.KVM_SET_BELL: nothing carries out KVM_SET_BELL; .* did you mean "KVM_SET_BEL"\?$/,
      ),
    );
  });
});

describe('what no handler takes', () => {
  const without = (parts: Partial<KvmParts>): Mechanism => ({ ...bell, kvm: () => ({ ...BELL_PARTS, ...parts }) });
  const running = (parts: Partial<KvmParts>, guest: GuestStep) => () => withMechanisms([without(parts), ledger], () => ran([guest]));

  it('is a mistake of the model at the step, told with its name, the architecture and who takes what', () => {
    expect(running({ exits: {} }, ring)).toThrow(
      /^thread:qemu0\/0 in .* with step from pcpu:0: BELL on svm: no handler of the slot exits takes it; expected kvm\(\)\.exits\.BELL of a mechanism, or toUser with it where KVM_RUN ends; taken are NMI \(kvm\), INTR \(kvm\), HLT \(svm\), .*NPF \(mechanism sev-snp\)/,
    );
    expect(running({ exits: {} }, ring)).toThrow(ModelError);
    expect(running({ nae: { DINGG: () => [] } as KvmParts['nae'] & object }, ding)).toThrow(
      /DING on svm: no handler of the slot nae takes it; .*; did you mean "DINGG"\?; taken are PSC \(mechanism sev-snp\), DINGG \(mechanism bell\)$/,
    );
    expect(running({ requests: {} }, ring)).toThrow(
      /KVM_REQ_CHIME on svm: no handler of the slot requests takes it; .*KVM_REQ_VM_DEAD \(kvm\)/,
    );
  });

  it('ends KVM_RUN where it is declared as left to user space', () => {
    const { heard, steps } = running({ exits: {}, toUser: ['BELL'] }, ring)();
    expect(heard).toEqual(['CHIME', 'COUNT', 'FAULT']);
    expect(steps).toContain('KVM_RUN.bell_leave');
  });
});

describe('two that give one field', () => {
  const one = (name: string, rest: Partial<Mechanism>): Mechanism => ({ name, arches: ['amd'], ...rest });
  it.each([
    ['of a VM', { vm: () => ({ facts: { asid: 7 } }) }, 'mechanism sev-snp and mechanism one both give the fact of a VM asid'],
    ['that every VM has', { vm: () => ({ facts: { vcpus: [] } }) }, 'every host and mechanism one both give the fact of a VM vcpus'],
    ['of a vCPU', { vcpu: () => ({ thread: 'thread:x' }) }, 'every host and mechanism one both give the field of a vCPU thread'],
  ])('%s are refused', (_what, rest, message) => {
    withMechanisms([one('one', rest)], () =>
      expect(() => topologyOf(SCENARIO())).toThrow(new MechanismError(`${message}; expected one of them to`)),
    );
  });
});

describe('a sequence', () => {
  it('goes by the order that is declared, whichever mechanism is registered first', () => {
    const parts = [BELL_PARTS, LEDGER_PARTS].map(({ beforeEntry }) => beforeEntry!.order);
    expect(parts).toEqual([1, 2]);
    const { steps } = withMechanisms([ledger, bell], () => ran([ring]));
    const [first, second] = steps.filter((name) => name.endsWith('_before_entry'));
    expect([first, second]).toEqual(['KVM_RUN.vcpu_enter_guest.bell_before_entry', 'KVM_RUN.vcpu_enter_guest.ledger_before_entry']);
  });
});
