/**
 * AVIC: the physical-ID table says on which CPU a vCPU runs. kvm_vcpu_block() clears its entry and
 * sets it again with preemption on, and the preempt notifiers write the same entry.
 *
 * @see lkml.iu.edu 2111.3/07243, the AVIC series of November 2021
 */
import { around, call, cell, fn, holds, local, preemptOff, race, thisVcpu } from 'worldswitch/kit';

/** The entry of each vCPU; and, of the property alone, where its guest runs. */
const avic = cell('avic', { cpu: null, entered: null }, { per: 'vcpu' });
const cpu = local('avicCpu');
const here = (thread) => thread.cpu;
const isStale = ({ cpu, entered }) => entered !== null && cpu !== entered && `the guest runs on ${entered}, its entry names ${cpu}`;
const write = (env, as, value, field = 'cpu') => avic.store(field, value, { at: thisVcpu(env), as });

/** avic_set_running(): vcpu->cpu first, the table then. */
const setRunning = (env, name, value) => {
  const items = [cpu.read('read_vcpu_cpu', value), write(env, 'write_entry', cpu)];
  const isGuarded = env.options['avic.setRunning'] === 'preempt-disabled';
  return call(fn(name, 'arch/x86/kvm/svm/avic.c, avic_set_running()', isGuarded ? preemptOff(...items) : items));
};

export const mechanism = race({
  name: 'avic',
  arches: ['amd'],
  uses: [avic],
  options: { 'avic.setRunning': ['off', 'preemptible', 'preempt-disabled'] },
  onLoad: (env) => [write(env, 'avic_vcpu_load', here)],
  onPut: (env) => [write(env, 'avic_vcpu_put', null)],
  onEntry: (env) => [write(env, 'entered', here, 'entered')],
  onExit: (env) => [write(env, 'left', null, 'entered')],
  paths: {
    kvm_vcpu_block: (path, env) =>
      around(path, (block) => [setRunning(env, 'blocking', () => null), block, setRunning(env, 'unblocking', here)]),
  },
  properties: [holds(avic, 'avic.entry-names-its-cpu', 'APM vol. 2, "AVIC"', isStale)],
});
