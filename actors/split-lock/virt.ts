/**
 * Split-lock detection for guests, as series v8 and v10 would have it: the guest's setting is
 * loaded before the guest runs and stays until the vCPU is put, and the task's flag goes with it,
 * so that the context switch does the right thing in between.
 *
 * @see series v8, patch 4; series v10, patches 4 and 9; domain debug-and-split-lock C.5, C.8
 */

import { outgoing } from '../../events/event.ts';
import { SPLIT_LOCK_DETECT, type VmxFields } from '../../events/split-lock/split-lock.ts';
import { hasBits, type U64, withoutBits } from '../../events/u64.ts';
import { type HostEnv, type HostItem, type HostThread, host, opOf } from '../host/host-env.ts';
import { vcpuOf } from '../kvm/kvm-env.ts';
import type { Source } from '../path/path.ts';
import { isOffFor, type SldFacts, toCore } from './sld-facts.ts';
import { isPositive, withDetection } from './sld-flag.ts';

const { path, step, call, when, leavePath, preemptDisable, preemptEnable } = host;

declare module '../host/host-env.ts' {
  interface HostLocals {
    readonly loaded?: boolean | undefined;
    /** Where detection is to go. */
    readonly on?: boolean | undefined;
    readonly guestOn?: boolean | undefined;
    /** As struct vcpu_vmx keeps it. */
    readonly saved?: boolean | null | undefined;
    readonly differs?: boolean | undefined;
    /** What is written to an MSR, or was read. */
    readonly msr?: U64 | undefined;
  }
}

const V8: Source = { source: 'series v8, patch 4, vmx_update_sld(), vmx_set_msr(), vmx_prepare_switch_to_guest()', grade: 'read' };
const V10: Source = { source: 'series v10, patches 4 and 9, split_lock_virt_switch()', grade: 'read' };
const originOf = (facts: SldFacts): Source => (facts.options['kvm.sldVirt'] === 'v10' ? V10 : V8);

/** struct vcpu_vmx of the vCPU that the thread's ioctl is for. */
const vmxId = (env: HostEnv, t: HostThread) => `vmx:${vcpuOf(env, t).id.slice('vcpu:'.length)}`;
const writeVmx = (env: HostEnv, t: HostThread, fields: Partial<VmxFields>, by: { readonly hostInitiated?: true } = {}) =>
  outgoing(vmxId(env, t), { type: 'vmx.write', fields, ...by });
/** kvm_arch_vcpu_put() as struct vcpu_vmx sees it. */
export const vcpuPutVmx = (env: HostEnv, t: HostThread) => outgoing(vmxId(env, t), { type: 'vmx.vcpuPut' });
const vmNameOf = (env: HostEnv, t: HostThread) => vcpuOf(env, t).vm;

/** Whether KVM keeps the guest's own value for this VM. */
const isVirtual = (env: HostEnv, facts: SldFacts, t: HostThread): boolean => facts.isExposed(vmNameOf(env, t));

/** A look at struct vcpu_vmx. */
export const lookAtVmx = (env: HostEnv, facts: SldFacts, name: string): HostItem =>
  step(name, {
    send: (t) => outgoing(vmxId(env, t), { type: 'vmx.read?' }),
    answers: {
      'vmx.fields': (e, t) => ({
        loaded: e.loaded,
        saved: e.saved,
        msr: e.testCtrl,
        guestOn: isVirtual(env, facts, t) && hasBits(e.testCtrl, SPLIT_LOCK_DETECT),
      }),
    },
  });

/** Brings MSR and flag to `on` if the flag says that they are not there yet. Leaves `differs`. */
const updateSld = (env: HostEnv, facts: SldFacts) =>
  path(
    facts.options['kvm.sldVirt'] === 'v10' ? 'split_lock_virt_switch' : 'vmx_update_sld',
    originOf(facts),
    [
      step('compare', {
        local: (t, l) => ({ differs: facts.state === 'warn' && isVirtual(env, facts, t) && l.on === isOffFor(facts, t) }),
      }),
      when([
        (_t, l) => l.differs === true,
        [
          step('sld_update_msr', { send: (t, l) => toCore(facts, t, { type: 'core.wrmsr', sld: l.on! }) }),
          step('update_thread_flag', { set: (t, l) => ({ tif: withDetection(facts.flag, t.tif, l.on!) }) }),
        ],
      ]),
    ],
    { locals: ['on'], requires: 'N' },
  );

/**
 * Whether detection was on, from what was saved, and the other way round: the one place that knows
 * the form.
 */
const savedOf = (facts: SldFacts, wasOn: boolean): boolean =>
  facts.options['kvm.sldSaved'] === 'host_tif' ? wasOn === isPositive(facts.flag) : wasOn;
const wasOnOf = (facts: SldFacts, saved: boolean): boolean =>
  facts.options['kvm.sldSaved'] === 'host_tif' ? saved === isPositive(facts.flag) : saved;

/** MSR_KERNEL_GS_BASE goes to and fro with the rest of guest state. @see SLD-23 */
const gsBase = (facts: SldFacts, guest: boolean): readonly HostItem[] =>
  facts.options['kvm.kernelGsBase'] === 'untracked'
    ? []
    : [step('wrmsr_kernel_gs_base', { send: (t) => toCore(facts, t, { type: 'core.wrmsrKernelGsBase', cpu: t.cpu, guest }) })];

/**
 * R8. v8 keeps the host's setting before the switch, v10 what the switch says it found: `differs`
 * tells the two apart. Does nothing while guest state is loaded, so it costs little in each turn of
 * the run loop.
 */
export function prepareSwitchToGuest(env: HostEnv, facts: SldFacts) {
  const save = (wasOn: (t: HostThread, differs: boolean) => boolean) =>
    step('save_host_sld', { send: (t, l) => writeVmx(env, t, { saved: savedOf(facts, wasOn(t, l.differs === true)) }) });
  const update = call(updateSld(env, facts), (_t, l) => ({ on: l.guestOn }));
  const virt = facts.options['kvm.sldVirt'];
  const toggle: Readonly<Record<typeof virt, readonly HostItem[]>> = {
    none: [],
    v8: [save((t) => !isOffFor(facts, t)), update],
    v10: [update, save((t, differs) => isOffFor(facts, t) === differs)],
  };
  return path(
    'vmx_prepare_switch_to_guest',
    { source: 'arch/x86/kvm/vmx/vmx.c, vmx_prepare_switch_to_guest()', grade: 'read' },
    [
      lookAtVmx(env, facts, 'test_guest_state_loaded'),
      when([(_t, l) => l.loaded === true, [leavePath]]),
      ...gsBase(facts, true),
      ...toggle[virt],
      step('set_guest_state_loaded', { send: (t) => writeVmx(env, t, { loaded: true }) }),
    ],
    { locals: ['loaded', 'saved', 'guestOn', 'msr', 'differs'], requires: 'N' },
  );
}

/**
 * R19 and S2: the host's setting returns, and with it the flag, before the switch compares flags.
 */
export function prepareSwitchToHost(env: HostEnv, facts: SldFacts) {
  const restore = call(updateSld(env, facts), (_t, l) => ({ on: wasOnOf(facts, l.saved!) }));
  return path(
    'vmx_prepare_switch_to_host',
    { source: 'arch/x86/kvm/vmx/vmx.c, vmx_prepare_switch_to_host()', grade: 'read' },
    [
      lookAtVmx(env, facts, 'test_guest_state_loaded'),
      when([(_t, l) => l.loaded !== true, [leavePath]]),
      ...gsBase(facts, false),
      ...(facts.options['kvm.sldVirt'] === 'none' ? [] : [restore]),
      step('clear_guest_state_loaded', { send: (t) => writeVmx(env, t, { loaded: false, saved: null }) }),
    ],
    { locals: ['loaded', 'saved', 'guestOn', 'msr', 'differs'] },
  );
}

/** M3 to M7: what the reviewers wanted in a function of its own, with the reason beside it. */
const updateGuestSld = (env: HostEnv, facts: SldFacts) =>
  path(
    'vmx_update_guest_sld',
    { source: 'series v10, patch 9, vmx_update_guest_sld(); in v8 the same lines stand in vmx_set_msr()', grade: 'read' },
    [
      preemptDisable,
      lookAtVmx(env, facts, 'test_guest_state_loaded'),
      when([(_t, l) => l.loaded === true, [call(updateSld(env, facts), (_t2, l) => ({ on: l.guestOn }))]]),
      preemptEnable,
    ],
    { locals: ['loaded', 'saved', 'guestOn', 'differs'] },
  );

/** M1 to M7, for a guest's WRMSR and for an ioctl alike. Expects `msr`; leaves `failed`. */
export const vmxSetMsr = (env: HostEnv, facts: SldFacts, by: { readonly hostInitiated?: true }) =>
  path(
    'vmx_set_msr',
    originOf(facts),
    [
      step('vmx_msr_test_ctrl_valid_bits', {
        local: (t, l) => ({ failed: facts.options['kvm.sldVirt'] === 'none' || withoutBits(l.msr!, validBits(env, facts, t)) !== 0 }),
      }),
      when([(_t, l) => l.failed === true, [leavePath]]),
      step('msr_test_ctrl', { send: (t, l) => writeVmx(env, t, { testCtrl: l.msr! }, by) }),
      ...(facts.options['kvm.sldVirt'] === 'none' ? [] : [call(updateGuestSld(env, facts))]),
    ],
    { locals: ['msr'] },
  );
const validBits = (env: HostEnv, facts: SldFacts, t: HostThread) => (isVirtual(env, facts, t) ? SPLIT_LOCK_DETECT : 0);

/** RDMSR of MSR_TEST_CTRL. Leaves `msr` or `failed`. */
export const vmxGetMsr = (env: HostEnv, facts: SldFacts) =>
  path(
    'vmx_get_msr',
    originOf(facts),
    facts.options['kvm.sldVirt'] === 'none'
      ? [step('kvm_get_msr_common', { local: () => ({ failed: true }) })]
      : [lookAtVmx(env, facts, 'msr_test_ctrl')],
    { locals: ['loaded', 'saved', 'guestOn'] },
  );

/** The MSR access of a vCPU ioctl. */
export const msrOpOf = (env: HostEnv, t: HostThread) => {
  const op = opOf(env, t);
  if (op.op !== 'KVM_SET_MSRS' && op.op !== 'KVM_GET_MSRS') throw new Error(`${op.op} is no access to an MSR`);
  return op;
};
