/**
 * Requests to all vCPUs of a VM: their flags, the one IPI, the wait for it, and whom they leave
 * asleep.
 * @see kernel virt/kvm/kvm_main.c, kvm_make_all_cpus_request_except(), kvm_make_vcpu_request()
 */
import { describe, expect, it } from 'vitest';
import type { Vcpu } from '../../../actors/kvm/guest-program.ts';
import type { RequestFlags, VcpuRequest } from '../../../events/kvm.ts';
import { Explorer } from '../../../sim/explore/breadth/explorer.ts';
import { finish as searched } from '../../../sim/explore/turns.ts';
import { topologyOf } from '../../../sim/host/topology.ts';
import { scenario } from '../../../sim/scenario/build.ts';
import type { GuestStep, HostStep } from '../../../sim/scenario/program.ts';
import type { Arch, ResolvedScenario, Scenario } from '../../../sim/scenario/types.ts';
import * as w from '../../claims/world.ts';
import { microSteps, type Played, play, resolved } from '../../sim/play.ts';
import { choose, finish, steer, to } from '../../sim/steer.ts';
import { Given, told } from '../given.ts';

const ZAPPER = 'thread:zap/0';
const FIRST = 'thread:qemu0/vcpu0';
const SECOND = 'thread:qemu0/vcpu1';
const madvise: HostStep = { madvise: { vm: 'vm0' } };
const compute: GuestStep = { compute: {} };

/** A VM with a vCPU for each program, and a thread that gives its memory back. */
const zapped = (programs: readonly (readonly GuestStep[])[], rest: Partial<Scenario> = {}) =>
  w.world({ vm0: w.vm([], ...programs) }, { qemu0: programs.map((_, k) => [w.run(`vm0/${k}`)]), zap: [[madvise]] }, {}, rest);
const inGuest = (thread: string) => to(thread, 'svm_vcpu_run.guest');
const waits = to(ZAPPER, 'csd_lock_wait');
const delivered = (played: Played, ...names: readonly string[]) =>
  played.records.flatMap(({ kind, type, actor }) => (kind === 'deliver' && names.includes(type) ? [`${actor} ${type}`] : []));
const lastNames = (played: Played, thread: string) => microSteps(played, thread).map((name) => name.split('.').at(-1)!);
const hasEnded = (played: Played, thread: string) => lastNames(played, thread).at(-1) === 'do_exit';

describe('a request of all vCPUs', () => {
  it('is made of every vCPU before the first IPI goes out', () => {
    const played = play(zapped([[w.spin], [w.spin]]), steer(inGuest(FIRST), inGuest(SECOND), waits, finish(ZAPPER)));
    expect(delivered(played, 'vcpu.makeRequest', 'csd.queue')).toEqual([
      'vcpu:vm0/0 vcpu.makeRequest',
      'vcpu:vm0/1 vcpu.makeRequest',
      'pcpu:0 csd.queue',
      'pcpu:1 csd.queue',
    ]);
    expect(delivered(played, 'irq.call_function')).toHaveLength(2);
  });

  it('has its sender spin until every CPU has run the handler of the IPI, with interrupts off there too', () => {
    const irqsOff = to(FIRST, 'kvm_vcpu_exit_request.test_requests');
    const spins = [1, 2, 3].map(() => choose('exec(pcpu:2)'));
    const played = play(zapped([[w.hlt], [w.spin]]), steer(irqsOff, inGuest(SECOND), waits, ...spins, finish(ZAPPER)));
    const steps = lastNames(played, ZAPPER);
    expect(steps.filter((name) => name === 'csd_lock_wait').length).toBeGreaterThan(2);
    const order = delivered(played, 'csd.unlock', 'vm.unlockMmu');
    expect(order.slice(0, 3)).toEqual([`${ZAPPER} csd.unlock`, `${ZAPPER} csd.unlock`, 'vm:vm0 vm.unlockMmu']);
  });

  it('runs with preemption off from the first request to the last acknowledgement', () => {
    const letters: string[] = [];
    const collect = (states: object): void => {
      for (const state of Object.values(states) as {
        readonly meta?: { readonly step: string; readonly letter: string };
        states: object;
      }[]) {
        if (state.meta?.step.includes('kvm_make_all_cpus_request.'))
          letters.push(`${state.meta.step.split('.').at(-1)} ${state.meta.letter}`);
        collect(state.states ?? {});
      }
    };
    const killed = w.oneGuest([w.page('guest-valid')], [w.spin], { netd: [[w.dmaWrite()]] }, { 'kvm.rmpFault': 'kill-guest' });
    collect(topologyOf(killed).machines.hostThread!.config.states!);
    expect(letters).toEqual(['get_cpu P', 'kvm_make_vcpu_request N', 'send_call_function_ipi_mask N', 'csd_lock_wait N', 'put_cpu N']);
  });

  it('ends the run of a guest as any interrupt does, and R6 flushes its TLB before it enters again', () => {
    const played = play(zapped([[w.spin]]), steer(inGuest(FIRST), waits, finish(ZAPPER), finish(FIRST)));
    const names = lastNames(played, FIRST);
    const turn = ['VMEXIT', 'OUTSIDE_GUEST_MODE', 'local_irq_enable', 'preempt_enable', 'handle_external_interrupt'];
    const out = names.indexOf('VMEXIT');
    expect(names.slice(out, out + 9)).toEqual([...turn, 'xfer_to_guest_mode_handle_work', 'test', 'kvm_vcpu_flush_tlb_all', 'test']);
    expect(w.exits(played)).toEqual(['SHUTDOWN']);
    expect(played.context<Vcpu>(w.GUEST).requests).toEqual([]);
  });

  it('sends no IPI where no vCPU is in guest mode: R6 sees it before the next entry', () => {
    const played = play(zapped([[w.hlt]]), steer(to(FIRST, 'kvm_check_requests.test'), finish(ZAPPER)));
    expect(delivered(played, 'irq.call_function')).toEqual([]);
    const names = lastNames(played, FIRST);
    expect(names.indexOf('kvm_vcpu_flush_tlb_all')).toBeGreaterThan(0);
    expect(names.indexOf('kvm_vcpu_flush_tlb_all')).toBeLessThan(names.indexOf('VMRUN'));
  });

  it('leaves a halted vCPU asleep, and sends no IPI for it', () => {
    const asleep = to(FIRST, 'kvm_vcpu_block.kvm_vcpu_check_block');
    const played = play(zapped([[w.hlt]]), steer(asleep, finish(ZAPPER)));
    expect(delivered(played, 'sched.wake', 'irq.call_function')).toEqual([]);
    expect(played.end).toMatchObject({ ended: 'done', violation: null });
  });

  it('goes to no vCPU of a VM that has none', () => {
    const played = play(w.world({ vm0: w.vm([]) }, { zap: [[madvise]] }), { name: 'fifo' });
    expect(hasEnded(played, ZAPPER)).toBe(true);
  });

  it('ends for each of two senders, one of which waits for the CPU that the other spins on', () => {
    const two = resolved(
      scenario({
        name: 'two',
        summary: 'Two VMs are zapped at once',
        host: { arch: 'amd', cpus: 3, preemption: 'full', features: ['sev-snp'] },
        vms: { vm0: { type: 'snp', vcpus: [[w.hlt]] }, vm1: { type: 'snp', vcpus: [[w.hlt]] } },
        processes: {
          qemu0: { cpu: 1, threads: [[w.run('vm0/0')]] },
          qemu1: { cpu: 2, threads: [[w.run('vm1/0')]] },
          zap: { cpu: 0, threads: [[madvise]] },
          other: { cpu: 1, threads: [[{ madvise: { vm: 'vm1' } }]] },
        },
      }),
    );
    const other = 'thread:other/0';
    const asked = 'send_call_function_ipi_mask';
    const sends = [choose('exec(pcpu:0)'), choose('exec(pcpu:1)')];
    const acknowledges = [choose(`deliver(irq.call_function, ${ZAPPER}, pcpu:1)`), choose('exec(pcpu:1)'), choose('exec(pcpu:1)')];
    const moved = [choose('preempt(pcpu:1)'), to(other, asked), ...sends];
    const played = play(
      two,
      steer(
        inGuest(FIRST),
        inGuest('thread:qemu1/vcpu0'),
        to(ZAPPER, asked),
        ...moved,
        to(other, 'csd_lock_wait'),
        ...acknowledges,
        finish(ZAPPER),
        to(other, 'csd_lock_wait'),
        finish(other),
      ),
    );
    expect(played.end).toMatchObject({ ended: 'done', violation: null });
    expect([hasEnded(played, ZAPPER), hasEnded(played, other)]).toEqual([true, true]);
  });

  it('never ends where the host panics meanwhile, and the run says that it has halted', () => {
    const panics = w.world(
      { vm0: w.vm([w.page('guest-valid')], [w.spin]) },
      { qemu0: [[w.run()]], zap: [[madvise]], vhost0: [[w.strayWrite()]] },
      { 'kvm.rmpFault': 'panic-sigbus' },
    );
    const irqsOff = to(FIRST, 'kvm_vcpu_exit_request.test_requests');
    const played = play(panics, steer(irqsOff, waits, to('thread:vhost0/0', 'halted')));
    expect(played.end).toMatchObject({ ended: 'halted', violation: null });
    expect(hasEnded(played, ZAPPER)).toBe(false);
  });
});

describe('the flags of a request', () => {
  const { machines, actors } = topologyOf(zapped([[w.spin]]));
  const fresh = Given.start<Vcpu>(machines.vcpu!, actors.find(({ id }) => id === w.GUEST)!.input).after({
    type: 'vcpu.load',
    cpu: 'pcpu:1',
  });
  const kicked = fresh.after({ type: 'vcpu.setMode', mode: 'IN_GUEST_MODE' }, { type: 'vcpu.exitGuestMode', from: ZAPPER });
  const block = { type: 'vcpu.block', until: 'request', from: FIRST };
  const halted = fresh.after(block);
  const made = (given: Given<Vcpu>, flags: RequestFlags, request: VcpuRequest = 'KVM_REQ_TLB_FLUSH') =>
    given.when({ type: 'vcpu.makeRequest', request, flags, from: ZAPPER });
  const sleeps = (given: Given<Vcpu>) => given.when(block).sent[0]!.event.sleep;

  it('WAIT asks for an IPI to a vCPU too that was kicked already and is not out yet', () => {
    const cpuOf = (flags: RequestFlags) => made(kicked, flags).sent[0]!.event.cpu;
    expect([cpuOf({ wait: true }), cpuOf({})]).toEqual(['pcpu:1', null]);
    expect(made(fresh, { wait: true }).sent[0]!.event.cpu).toBeNull();
  });

  it('NO_WAKEUP leaves a halted vCPU asleep, and without it the vCPU is woken and needs no IPI', () => {
    expect(told(made(halted, { noWakeup: true }).sent)).toEqual([`${ZAPPER} vcpu.kick`]);
    expect(told(made(halted, {}).sent)).toEqual([`${ZAPPER} vcpu.kick`, 'sched sched.wake']);
    expect(made(halted, { noWakeup: true }).context.requests).toEqual(['KVM_REQ_TLB_FLUSH']);
  });

  it('NO_ACTION leaves nothing in vcpu->requests', () => {
    expect(made(kicked, { wait: true, noAction: true }, 'KVM_REQ_OUTSIDE_GUEST_MODE').context.requests).toEqual([]);
  });

  it('are not looked at by a kick of one vCPU, which wakes it; it looks, and sleeps on', () => {
    const { sent, and } = halted.when({ type: 'vcpu.request', request: 'KVM_REQ_VM_DEAD', from: ZAPPER });
    expect(told(sent)).toEqual([`${ZAPPER} vcpu.kick`, 'sched sched.wake']);
    expect(sleeps(and)).toBe(true);
    expect(told(and.when({ type: 'vcpu.exitGuestMode', from: ZAPPER }).sent)).toEqual([`${ZAPPER} vcpu.kick`]);
  });

  it('do not make a request end a halt: KVM_REQ_UNBLOCK does, once', () => {
    const unblocked = made(halted, {}, 'KVM_REQ_UNBLOCK').and;
    expect(sleeps(unblocked)).toBe(false);
    expect(sleeps(unblocked.after(block))).toBe(true);
    expect(sleeps(made(halted, {}).and)).toBe(true);
  });
});

describe('a dead VM whose vCPU is halted', () => {
  const world = (rest: Partial<Scenario> = {}): ResolvedScenario =>
    w.oneGuest([w.page('guest-valid')], [w.hlt], { netd: [[w.dmaWrite()]] }, { 'kvm.rmpFault': 'kill-guest' }, rest);
  const asleep = to(w.VCPU, 'kvm_vcpu_block.kvm_vcpu_check_block');

  it('keeps the thread in KVM_RUN: the request wakes no thread, and the run ends as a deadlock', () => {
    const played = play(world(), steer(asleep, finish(w.NETD)));
    expect(delivered(played, 'sched.wake')).toEqual([]);
    const message = 'vcpu:vm0/0 stands in the HLT of a dead VM';
    expect(played.end).toMatchObject({ ended: 'deadlock', violation: { property: 'deadlock', message: expect.stringContaining(message) } });
  });

  it('is a deadlock to a search too', () => {
    const plain = { host: { arch: 'amd', cpus: 2, preemption: 'none', features: ['sev-snp'] } } as const;
    const { findings } = searched(new Explorer({ scenario: world(plain), budget: { states: 50_000 } }).run());
    expect(findings.map(({ property }) => property)).toEqual(['deadlock']);
  });

  it('lets the thread leave by -EIO once an interrupt of the guest wakes it', () => {
    const interrupt = choose(`interrupt(${w.GUEST})`);
    const played = play(world({ allow: ['interrupt'], bounds: { steps: 300 } }), steer(asleep, finish(w.NETD), interrupt, finish(w.VCPU)));
    expect(w.exits(played)).toEqual(['HLT']);
    expect(hasEnded(played, w.VCPU)).toBe(true);
  });
});

describe('madvise', () => {
  const on = (arch: Arch, type: string) =>
    resolved(
      scenario({
        name: 'zapped',
        summary: 'Memory is given back',
        host: { arch, cpus: 2, preemption: 'full', ...(arch === 'amd' && { features: ['sev-snp'] }) },
        vms: { vm0: { type, vcpus: [[compute]] } },
        processes: { qemu0: { threads: [[w.run()]] }, zap: { threads: [[madvise]] } },
        bounds: { steps: 300 },
      }),
    );

  it.each([
    ['amd', 'snp', 'kvm_make_vcpu_request'],
    ['intel', 'vmx', 'kvm_make_vcpu_request'],
    ['arm64', 'arm64', '__kvm_tlb_flush_vmid'],
  ] as const)('on %s flushes the TLBs of a VM with mmu_lock held, by %s: %s', (arch, type, flush) => {
    const names = lastNames(play(on(arch, type), { name: 'fifo' }), ZAPPER);
    const [unmap, flushed, unlock] = ['kvm_unmap_gfn_range', flush, 'write_unlock_mmu_lock'].map((name) => names.indexOf(name));
    expect(unmap).toBeGreaterThan(names.indexOf('trylock'));
    expect(flushed).toBeGreaterThan(unmap!);
    expect(unlock).toBeGreaterThan(flushed!);
    expect(names.includes('csd_lock_wait')).toBe(arch !== 'arm64');
  });
});
