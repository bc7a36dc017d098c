/**
 * The walks of a vCPU thread: the run skeleton R1 to R20 in order, and S1 to S6 when it is
 * preempted.
 * @see domain debug-and-split-lock 0.1
 */
import { describe, expect, it } from 'vitest';
import type { JournalRecord } from '../../../events/journal.ts';
import { topologyOf } from '../../../sim/host/topology.ts';
import * as w from '../../claims/world.ts';
import { microSteps, play, shipped } from '../../sim/play.ts';
import { choose, finish, steer, to } from '../../sim/steer.ts';

/**
 * What the model does for each number of the list; empty: nothing, by decision (docs/fidelity.md).
 */
const ENTER = 'vcpu_enter_guest';
const SKELETON: Readonly<Record<string, readonly string[]>> = {
  R1: ['mutex_lock_killable.trylock'],
  R2: ['vcpu_load.get_cpu'],
  R3: ['vcpu_load.preempt_notifier_register'],
  R4: ['vcpu_load.kvm_arch_vcpu_load'],
  R5: ['vcpu_load.put_cpu'],
  R5a: ['kvm_load_guest_fpu'],
  R6: [`${ENTER}.kvm_check_requests.test`],
  R7: [`${ENTER}.preempt_disable`],
  R8: [`${ENTER}.svm_prepare_switch_to_guest`],
  R9: [`${ENTER}.local_irq_disable`],
  R10: [`${ENTER}.IN_GUEST_MODE`, `${ENTER}.kvm_vcpu_exit_request.test_requests`, `${ENTER}.kvm_vcpu_exit_request.test_need_resched`],
  R11: [],
  R12: [`${ENTER}.svm_vcpu_run.VMRUN`, `${ENTER}.svm_vcpu_run.guest`, `${ENTER}.svm_vcpu_run.VMEXIT`],
  R13: [],
  R14: [],
  R15: [`${ENTER}.OUTSIDE_GUEST_MODE`],
  R16: [`${ENTER}.local_irq_enable`, `${ENTER}.preempt_enable`],
  R17: ['snp_handle_page_state_change.snp_make_page_state'],
  R18: ['xfer_to_guest_mode_handle_work'],
  R18a: ['kvm_put_guest_fpu'],
  R19: ['vcpu_put.preempt_disable', 'vcpu_put.kvm_arch_vcpu_put', 'vcpu_put.preempt_notifier_unregister', 'vcpu_put.preempt_enable'],
  R20: ['mutex_unlock'],
  R21: ['syscall_exit_to_user_mode', 'kvm_on_user_return'],
};
const numbers = Object.keys(SKELETON);
const NUMBER_OF = new Map(numbers.flatMap((number) => SKELETON[number]!.map((step) => [step, number] as const)));

const fifo = play(shipped('rmp-host-write-race', 'panic-sigbus'), { name: 'fifo' });
const walked = microSteps(fifo, w.VCPU)
  .filter((name) => name.startsWith('main.KVM_RUN.'))
  .map((name) => name.slice('main.KVM_RUN.'.length));

/** Repetitions taken out: a guest runs many steps in one turn. */
const once = <T>(items: readonly T[]): T[] => items.filter((item, i) => item !== items[i - 1]);

describe('KVM_RUN', () => {
  it('has a number for each of its steps but those of the exit handlers and the ioctl itself', () => {
    const others = once(walked.filter((step) => !NUMBER_OF.has(step)));
    const handlers =
      /^(?:ioctl|sysret|snp_handle_page_state_change\..*|handle_rmp_page_fault\..*|vcpu_enter_guest\.svm_vcpu_run\.guest_insn)$/;
    expect(others.filter((step) => !handlers.test(step))).toEqual([]);
  });

  it('walks R1 to R17 up to the first exit', () => {
    const end = walked.indexOf(SKELETON.R17![0]!);
    expect(once(walked.slice(0, end + 1))).toEqual(['ioctl', ...numbers.slice(0, 18).flatMap((number) => SKELETON[number]!)]);
  });

  it('walks R6 to R18 again for each exit, and leaves where one is for user space', () => {
    const turns = once(walked.flatMap((step) => NUMBER_OF.get(step) ?? []));
    const turn = 'R6 R7 R8 R9 R10 R12 R15 R16';
    expect(turns.join(' ')).toBe(`R1 R2 R3 R4 R5 R5a ${turn} R17 R18 ${turn} R18a R19 R20 R21`);
  });

  it("ends with the host's FPU, R19, R20, and the MSRs of user mode", () => {
    const end = ['R18a', 'R19', 'R20', 'R21'].flatMap((number) => SKELETON[number]!);
    expect(walked.slice(-end.length - 1)).toEqual([...end, 'sysret']);
  });

  it('goes by R18 back to R6 with interrupts and preemption on when R10 finds something pending', () => {
    const scenario = w.oneGuest([w.page('guest-valid')], [w.read(true)], { netd: [[w.dmaWrite()]] }, { 'kvm.rmpFault': 'kill-guest' });
    const played = play(scenario, steer(to(w.VCPU, 'kvm_vcpu_exit_request.test_requests'), finish(w.NETD)));
    const names = microSteps(played, w.VCPU).map((name) => name.split('.').slice(-2).join('.'));
    const after = names.slice(names.indexOf('kvm_vcpu_exit_request.test_requests') + 1);
    expect(after.slice(0, 6)).toEqual([
      'vcpu_enter_guest.OUTSIDE_GUEST_MODE',
      'vcpu_enter_guest.local_irq_enable',
      'vcpu_enter_guest.preempt_enable',
      'KVM_RUN.xfer_to_guest_mode_handle_work',
      'kvm_check_requests.test',
      'KVM_RUN.kvm_put_guest_fpu',
    ]);
    expect(w.exits(played)).toEqual([]);
  });
});

describe('an interrupt that is pending at R12', () => {
  it('lets the guest be entered, and ends its run by #VMEXIT(INTR) before its first instruction', () => {
    const scenario = w.oneGuest([w.page('shared')], [w.read(false)], {}, {}, { allow: ['interrupt'], bounds: { steps: 300 } });
    const pending = [to(w.VCPU, 'kvm_vcpu_exit_request.test_requests'), choose('interrupt(pcpu:0)')];
    const played = play(scenario, steer(...pending, to(w.VCPU, 'svm_vcpu_run.VMEXIT'), finish(w.VCPU)));
    const names = microSteps(played, w.VCPU).map((name) => name.split('.').at(-1)!);
    const from = names.indexOf('test_requests');
    const turn =
      'test_requests test_need_resched VMRUN VMEXIT OUTSIDE_GUEST_MODE local_irq_enable preempt_enable handle_external_interrupt';
    expect(names.slice(from, from + 8).join(' ')).toBe(turn);
    expect(w.accesses(played)).toEqual(['ok']);
  });
});

describe('the letters of KVM_RUN', () => {
  const CONTEXT: Readonly<Record<string, string>> = {
    R1: 'R',
    R2: 'P',
    R3: 'N',
    R4: 'N',
    R5: 'N',
    R5a: 'P',
    R6: 'P',
    R7: 'P',
    R8: 'N',
    R9: 'N',
    R10: 'I',
    R15: 'I',
    R18: 'R',
    R18a: 'P',
    R20: 'P',
  };
  const letters = new Map<string, string>();
  const collect = (states: object, prefix: string): void => {
    for (const [name, state] of Object.entries(states) as [
      string,
      { readonly meta?: { readonly letter: string }; readonly states: object },
    ][]) {
      if (state.meta) letters.set(`${prefix}${name}`.replace(/^.*?main\.KVM_RUN\./, ''), state.meta.letter);
      collect(state.states ?? {}, `${prefix}${name}.`);
    }
  };
  collect(topologyOf(shipped('rmp-host-write-race')).machines.hostThread!.config.states!, '');

  it.each(Object.entries(CONTEXT))('before %s the context is %s, as the list has it', (number, letter) => {
    expect(SKELETON[number]!.map((step) => letters.get(step))).toEqual(SKELETON[number]!.map(() => letter));
  });

  it('restores the MSRs of user mode with interrupts off', () => {
    expect([letters.get('syscall_exit_to_user_mode'), letters.get('kvm_on_user_return'), letters.get('sysret')]).toEqual(['P', 'I', 'I']);
  });

  it('lets nothing in between the micro-steps of an instruction, on this CPU', () => {
    const insn = [...letters].filter(([name]) => /RMPUPDATE\.(?:check|writeEntry|unlock)$|guest_insn$/.test(name));
    expect(insn.length).toBeGreaterThan(3);
    expect(new Set(insn.map(([, letter]) => letter))).toEqual(new Set(['X']));
  });
});

describe('a preemption of the vCPU thread', () => {
  /** One pCPU, preempted in R17, so that the daemon runs and the vCPU thread comes back. */
  const scenario = w.oneGuest(
    [w.page('shared')],
    [w.psc('private')],
    { netd: [[w.dmaWrite()]] },
    {},
    { host: { arch: 'amd', cpus: 1, features: ['sev-snp'] } },
  );
  const at = to(w.VCPU, 'snp_handle_page_state_change.snp_make_page_state');
  const played = play(scenario, steer(at, choose('preempt(pcpu:0)'), to(w.NETD, 'start'), to(w.NETD, 'do_exit')));
  const preempted = played.records.find(({ kind, payload }) => kind === 'choice' && payload.label === 'preempt(pcpu:0)')!.step;
  const tell = ({ kind, type, actor, payload }: JournalRecord) =>
    kind === 'deliver' ? `${actor} ${type}` : `${kind} ${String(payload.label)}`;
  const stepsAfter = (from: number, count: number) =>
    Array.from({ length: count }, (_, i) => played.records.filter(({ step, kind }) => step === from + i && kind !== 'change').map(tell));

  it('S1 and S2: __schedule picks, the notifier puts the vCPU while the thread is still current', () => {
    const [preempt, pick, notify] = stepsAfter(preempted, 3);
    expect(preempt).toEqual(['choice preempt(pcpu:0)']);
    expect(pick).toEqual(['choice exec(pcpu:0)', 'sched rq.take', `${w.VCPU} sched.out`, 'pcpu:0 rq.waiting']);
    expect(notify!.slice(0, 2)).toEqual(['choice exec(pcpu:0)', `${w.VCPU} notify.step`]);
    expect(notify!.slice(2).sort()).toEqual(['pcpu:0 sched.done', `${w.GUEST} vcpu.put`]);
  });

  it('S3: switch_to comes after the put, and only then is the thread queued again', () => {
    const [, , , switchTo] = stepsAfter(preempted, 4);
    expect(switchTo).toEqual([
      'choice exec(pcpu:0)',
      `${w.VCPU} sched.swapOut`,
      'pcpu:0 sched.swappedOut',
      `${w.NETD} sched.swapIn`,
      'sched rq.put',
      'pcpu:0 cpu.context',
      'pcpu:0 sched.done',
      'pcpu:0 rq.waiting',
    ]);
  });

  it('S4 to S6: another task runs, the notifier loads the vCPU again, and the thread goes on where it was', () => {
    const own = played.records.filter(
      ({ step, kind, actor, type }) => step > preempted && kind === 'deliver' && actor === w.VCPU && /step$/.test(type),
    );
    expect(own.slice(0, 3).map(({ type }) => type)).toEqual(['notify.step', 'notify.step', 'step']);
    const loaded = played.records.find(({ step, actor, type }) => step > preempted && actor === w.GUEST && type === 'vcpu.load')!;
    expect(loaded.step).toBe(own[1]!.step);
    const between = played.records.filter(
      ({ step, kind, actor }) => step > own[0]!.step && step < own[1]!.step && kind === 'deliver' && actor === w.NETD,
    );
    expect(between.some(({ type }) => type === 'step')).toBe(true);
    expect(microSteps(played, w.VCPU).filter((name) => name.endsWith('snp_make_page_state'))).toHaveLength(1);
  });

  it('runs no notifier for a thread without one', () => {
    const netd = played.records.filter(({ kind, actor, type }) => kind === 'deliver' && actor === w.NETD && type === 'notify.step');
    expect(netd).toEqual([]);
  });
});
