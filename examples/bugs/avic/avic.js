/**
 * AVIC: the physical-ID table says on which CPU a vCPU runs. kvm_vcpu_block() clears its entry and
 * sets it again with preemption on, and the preempt notifiers write the same entry.
 *
 * @see lkml.iu.edu 2111.3/07243, the AVIC series of November 2021
 */
import {
  after,
  atEnd,
  atStart,
  before,
  call,
  cell,
  fn,
  holds,
  local,
  preemptDisable,
  preemptEnable,
  race,
  thisVcpu,
} from 'worldswitch/kit';

/** The entry of each vCPU; and, of the property alone, where its guest runs. */
const avic = cell('avic', { cpu: null, entered: null }, { per: 'vcpu' });
const cpu = local('avicCpu');
const here = (thread) => thread.cpu;
const write = (env, as, value) => avic.store('cpu', value, { at: thisVcpu(env), as });
const entered = (env, as, value) => avic.store('entered', value, { at: thisVcpu(env), as });

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
        setRunning(env, 'avic_vcpu_unblocking', here),
      ),
    kvm_sched_out: (path, env) => atStart(path, write(env, 'avic_vcpu_put', null)),
    kvm_sched_in: (path, env) => atEnd(path, write(env, 'avic_vcpu_load', here)),
    vcpu_load: (path, env) => after(path, 'kvm_arch_vcpu_load', write(env, 'avic_vcpu_load', here)),
    vcpu_put: (path, env) => before(path, 'kvm_arch_vcpu_put', write(env, 'avic_vcpu_put', null)),
    svm_vcpu_run: (path, env) => atEnd(atStart(path, entered(env, 'entered', here)), entered(env, 'left', null)),
  },
  properties: [
    holds(
      avic,
      'avic.entry-names-its-cpu',
      'APM vol. 2, "AVIC"',
      ({ cpu, entered }) => entered !== null && cpu !== entered && `the guest runs on ${entered}, and its entry names ${cpu}`,
    ),
  ],
});
