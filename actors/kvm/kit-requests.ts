/**
 * Requests to vCPUs, as steps: made, looked at, taken; of one vCPU, or of all of a VM.
 *
 * @see kernel include/linux/kvm_host.h, kvm_make_request(), kvm_test_request(),
 * kvm_clear_request(), kvm_check_request(); virt/kvm/kvm_main.c, kvm_vcpu_kick(),
 * kvm_make_all_cpus_request(); Documentation/virt/kvm/vcpu-requests.rst
 */
import { outgoing } from '../../events/event.ts';
import type { VcpuRequest } from '../../events/kvm.ts';
import { type HostEnv, type HostItem, type HostLocals, type HostThread, host, kernelSource } from '../host/host-env.ts';
import { fn } from '../kit/fn.ts';
import { type Local, local } from '../kit/local.ts';
import type { At } from '../kit/primitive.ts';
import { looking } from '../path/looks.ts';
import { allCpusRequestPath, kickVcpuPath } from './kick.ts';
import { vmNameOf } from './kit-here.ts';

const { step, call, when, note } = host;
const REQUESTS = kernelSource('include/linux/kvm_host.h, kvm_make_request(), kvm_test_request(), kvm_clear_request(), kvm_check_request()');
const ALL = kernelSource('virt/kvm/kvm_main.c, kvm_make_all_cpus_request()');

/** Which vCPU, and what the step is called. @public */
export interface OfVcpu {
  readonly at: At<HostThread, HostLocals>;
  readonly as?: string;
}

/** A bit of vcpu->requests. @public */
export interface Request {
  readonly name: string;
  /** kvm_make_request(): the bit is set, and a vCPU in guest mode stays there. */
  make(where: OfVcpu): HostItem;
  /** kvm_make_request() and kvm_vcpu_kick(); the bit and the look at the mode are one step. */
  makeAndKick(where: OfVcpu): HostItem;
  /**
   * kvm_make_all_cpus_request() of a VM. Whether it waits until each vCPU is out of guest mode,
   * wakes those that block, and leaves a bit, the flags of the request say.
   */
  makeAll(env: HostEnv, where: OfVcpu): HostItem;
  /** kvm_test_request(). */
  test(into: Local<boolean>, where: OfVcpu): HostItem;
  /** kvm_clear_request(): who waits for that is woken. */
  clear(where: OfVcpu): HostItem;
  /** kvm_check_request(): if the bit is set, it is cleared, and `then` is walked. */
  check(then: readonly HostItem[], where: OfVcpu): readonly HostItem[];
}

/** A request of this name, KVM's own or one that a race declares. @public */
export function request(name: string): Request {
  const bit = name as VcpuRequest;
  const test = (into: Local<boolean>, { at, as = 'kvm_test_request' }: OfVcpu): HostItem =>
    looking(
      step(as, {
        ...REQUESTS,
        leaves: [into.name],
        send: (t, l) => outgoing(at(t, l), { type: 'vcpu.requests?' }),
        answers: { 'vcpu.requests': (e) => ({ [into.name]: e.pending.includes(bit) }) },
      }),
    );
  const clear = ({ at, as = 'kvm_clear_request' }: OfVcpu): HostItem =>
    step(as, { ...REQUESTS, send: (t, l) => outgoing(at(t, l), { type: 'vcpu.clearRequest', request: bit }) });
  return {
    name,
    make: ({ at, as = 'kvm_make_request' }) =>
      step(as, { ...REQUESTS, send: (t, l) => outgoing(at(t, l), { type: 'vcpu.setRequest', request: bit }) }),
    makeAndKick: ({ at, as }) => call({ ...kickVcpuPath(at, bit), ...(as && { name: as }) }),
    makeAll: (env, { at, as = `make_all_${name}` }) =>
      call(fn(as, ALL, [note((t, l) => ({ owner: vmNameOf(at(t, l)) })), call(allCpusRequestPath(env, bit))], { locals: ['owner'] })),
    test,
    clear,
    check: (then, where) => {
      const found = local<boolean>('requestFound');
      return [test(found, where), when([found.is(true), [clear({ at: where.at }), ...then]])];
    },
  };
}

/** kvm_vcpu_kick(): a vCPU that blocks is woken, and one in guest mode leaves it. @public */
export const kick = ({ at, as }: OfVcpu): HostItem => call({ ...kickVcpuPath(at, null), ...(as && { name: as }) });
