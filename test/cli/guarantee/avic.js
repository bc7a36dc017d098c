/**
 * AVIC: the physical-ID table entry of a vCPU says on which pCPU it runs. kvm_vcpu_block() clears
 * and sets it again through a helper that takes the CPU from vcpu->cpu with preemption on; the
 * preempt notifiers write the same entry. Fix: no preemption in the helper. Source: lkml.iu.edu
 * 2111.3/07243 (AVIC series, November 2021).
 */
import { always, host, hostPatch, operation, outgoing, replaceStep, sender } from 'worldswitch/extend';
import { assign, emit, setup } from 'xstate';

const { path, step, call, preemptDisable, preemptEnable } = host;
const SVM = { source: 'arch/x86/kvm/svm/avic.c, avic_set_running()', grade: 'memory' };
const entryOf = (vcpu) => `avic:${vcpu.slice('vcpu:'.length)}`;

const entryMachine = setup({
  types: { context: /** @type {{ cpu: string | null }} */ ({}) },
  actions: {
    write: assign({ cpu: ({ event }) => event.cpu }),
    answer: emit(({ event }) => outgoing(sender(event), { type: 'avic.written' })),
  },
}).createMachine({
  id: 'avic',
  context: { cpu: null },
  initial: 'there',
  states: { there: { tags: 'rest', on: { 'avic.write': { actions: ['write', 'answer'] } } } },
});

/** One write of the entry by the thread that runs the vCPU. */
const write = (name, vcpu, cpu) =>
  step(name, {
    send: (t, l) => outgoing(entryOf(vcpu(t)), { type: 'avic.write', cpu: cpu(t, l) }),
    answers: { 'avic.written': () => ({}) },
  });
const notified = (t) => t.notifier;
/** A thread to run instead: AMD hosts have no operation that does nothing. */
const OPERATIONS = { noise: operation('noise', 'One step of user code that touches nothing.', {}) };

export const mechanism = {
  name: 'avic',
  arches: ['amd'],
  options: { 'avic.setRunning': ['off', 'preemptible', 'preempt-disabled'] },
  hostOperations: OPERATIONS,
  host: () => ({ operations: () => [['noise', step('noise')]] }),
  catalogue: { 'avic.write': 'bus', 'avic.written': 'bus' },
  actors: ({ vms, host: { options } }) =>
    options['avic.setRunning'] === 'off'
      ? []
      : vms.flatMap((vm) => vm.vcpus.map((_, i) => ({ id: `avic:${vm.id}/${i}`, kind: 'avic', input: null }))),
  machines: () => ({ avic: entryMachine }),
  patch: ({ host: { options } }) => {
    const how = options['avic.setRunning'];
    if (how === 'off') return {};
    const guard = how === 'preempt-disabled';
    /** avic_set_running(): vcpu->cpu first, the table then. */
    const setRunning = (name, on) =>
      call(
        path(
          name,
          SVM,
          [
            ...(guard ? [preemptDisable] : []),
            step('read_vcpu_cpu', { local: (t) => ({ avicCpu: on ? t.cpu : null }) }),
            write('write_entry', notified, (_t, l) => l.avicCpu),
            ...(guard ? [preemptEnable] : []),
          ],
          { locals: ['avicCpu'] },
        ),
      );
    return {
      paths: {
        kvm_vcpu_block: [
          hostPatch((block) => ({
            ...block,
            items: [setRunning('avic_blocking', false), ...block.items, setRunning('avic_unblocking', true)],
          })),
        ],
        kvm_sched_out: [hostPatch((out) => ({ ...out, items: [write('avic_vcpu_put', notified, () => null), ...out.items] }))],
        kvm_sched_in: [hostPatch((into) => ({ ...into, items: [...into.items, write('avic_vcpu_load', notified, (t) => t.cpu)] }))],
        vcpu_load: [hostPatch((load) => replaceStep(load, 'put_cpu', (put) => [write('avic_vcpu_load', notified, (t) => t.cpu), put]))],
        vcpu_put: [hostPatch((put) => replaceStep(put, 'kvm_arch_vcpu_put', (one) => [write('avic_vcpu_put', notified, () => null), one]))],
      },
    };
  },
  properties: [
    always('avic.entry-names-its-cpu', {
      kinds: ['vcpu', 'avic'],
      source: 'APM vol. 2, "AVIC": the entry of a running vCPU names the CPU it runs on',
      grade: 'manual',
      check: (world) => {
        const vcpus = new Map(world.actors('vcpu').map(({ id, context }) => [entryOf(id), context]));
        for (const { id, context } of world.actors('avic')) {
          const v = vcpus.get(id);
          if (v.mode === 'IN_GUEST_MODE' && context.cpu !== v.cpu)
            return `${id} names ${context.cpu}, and the vCPU is in guest mode on ${v.cpu}`;
        }
        return null;
      },
    }),
  ],
};
