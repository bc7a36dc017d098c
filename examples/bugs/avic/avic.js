/**
 * AVIC: the physical-ID table says on which CPU a vCPU runs. kvm_vcpu_block() clears its entry and
 * sets it again with preemption on, and the preempt notifiers write the same entry.
 */
import { always, host } from 'worldswitch/extend';
import { atEnd, atStart, before, cell, fn, local, race, thisVcpu } from 'worldswitch/kit';

const { call, preemptDisable, preemptEnable } = host;
/** The entry of each vCPU. */
const avic = cell('avic', { cpu: null }, { per: 'vcpu' });
const cpu = local('avicCpu');
const write = (env, as, value) => avic.store('cpu', value, { at: thisVcpu(env), as });
const load = (env) => write(env, 'avic_vcpu_load', (thread) => thread.cpu);
const put = (env) => write(env, 'avic_vcpu_put', null);

/** avic_set_running(): vcpu->cpu first, the table then. */
const setRunning = (env, name, value) => {
  const items = [cpu.read('read_vcpu_cpu', value), write(env, 'write_entry', (_thread, locals) => cpu.of(locals))];
  const isGuarded = env.options['avic.setRunning'] === 'preempt-disabled';
  return call(fn(name, 'arch/x86/kvm/svm/avic.c, avic_set_running()', isGuarded ? [preemptDisable, ...items, preemptEnable] : items));
};

export const mechanism = race({
  name: 'avic',
  arches: ['amd'],
  uses: [avic],
  options: { 'avic.setRunning': ['off', 'preemptible', 'preempt-disabled'] },
  paths: {
    kvm_vcpu_block: (path, env) =>
      atEnd(
        atStart(
          path,
          setRunning(env, 'avic_vcpu_blocking', () => null),
        ),
        setRunning(env, 'avic_vcpu_unblocking', ({ cpu }) => cpu),
      ),
    kvm_sched_out: (path, env) => atStart(path, put(env)),
    kvm_sched_in: (path, env) => atEnd(path, load(env)),
    vcpu_load: (path, env) => before(path, 'put_cpu', load(env)),
    vcpu_put: (path, env) => before(path, 'kvm_arch_vcpu_put', put(env)),
  },
  properties: [
    always('avic.entry-names-its-cpu', {
      kinds: ['vcpu', 'avic'],
      source: 'APM vol. 2, "AVIC": the entry of a running vCPU names the CPU it runs on',
      grade: 'manual',
      check: (world) => {
        const entries = world.actors('avic');
        const wrong = world.actors('vcpu').findIndex(({ context: v }, i) => v.mode === 'IN_GUEST_MODE' && entries[i].context.cpu !== v.cpu);
        return wrong < 0 ? null : `${entries[wrong].id} names ${entries[wrong].context.cpu}, and the vCPU is in guest mode elsewhere`;
      },
    }),
  ],
});
