/**
 * Changes of the model: designs that the thread weighs against each other, and mutants that a claim
 * must notice.
 */

import { type AnyStateMachine, createMachine } from 'xstate';
import {
  hasStep,
  joinPatches,
  type PathPatch,
  type PathPatches,
  replaceStep,
  swapSteps,
  withoutSteps,
} from '../../../actors/path/patch.ts';
import type { Item } from '../../../actors/path/path.ts';
import { type Outgoing, outgoing } from '../../../events/event.ts';
import type { HostOptions } from '../../../events/options.ts';
import { SPLIT_LOCK_DETECT, type VmxFields } from '../../../events/split-lock/split-lock.ts';
import type { Mutant, Patch } from '../../host/mechanism.ts';
import type { ResolvedScenario } from '../../scenario/types.ts';

/** Lets a path run where its author forbade it. */
const unchecked: PathPatch = (path) => {
  const { requires: _, ...rest } = path;
  return rest;
};

/** Names under which the two series know the toggle; mainline has none. */
const UPDATES = ['vmx_update_sld', 'split_lock_virt_switch'] as const;
const updates = (...patches: readonly PathPatch[]): PathPatches => Object.fromEntries(UPDATES.map((name) => [name, patches]));

/** A patch of whichever of these the path has. */
const ofUpdate =
  (patch: (name: string) => PathPatch): PathPatch =>
  (path) =>
    UPDATES.reduce((current, name) => (hasStep(current, name) ? patch(name)(current) : current), path);

/** A patch of paths that differ by option: it does nothing where the step is not there. */
const where =
  (name: string, patch: PathPatch): PathPatch =>
  (path) =>
    hasStep(path, name) ? patch(path) : path;

/** Gives a step another effect; the others go. */
const alter =
  (name: string, effect: object): PathPatch =>
  (path) =>
    replaceStep(path, name, (item) => [{ ...item, ...effect } as typeof item]);

/** The toggle alone in a section of its own: the test before it is not. */
const guardsToggle = ofUpdate((name) => (path) => replaceStep(path, name, (item) => [disable, item, enable]));
const disable = { kind: 'step', name: 'preempt_disable_toggle', preempt: 1, ns: 5 } as const;
const enable = { kind: 'step', name: 'preempt_enable_toggle', preempt: -1, ns: 5 } as const;

const preemptible = withoutSteps('preempt_disable', 'preempt_enable');
const UNGUARDED: PathPatches = { vmx_update_guest_sld: [preemptible], ...updates(unchecked) };
const TOGGLE_ONLY: PathPatches = { vmx_update_guest_sld: [preemptible, guardsToggle] };

/** S2 leaves the vCPU as it is. */
const NO_PUT_AT_SCHED_OUT: PathPatches = { kvm_sched_out: [withoutSteps('vmx_prepare_switch_to_host')] };
/**
 * KVM toggles the MSR, and the flag stays as the host has it: so the flag cannot tell either
 * whether there is anything to do.
 */
const FLAGLESS = updates(alter('compare', { local: () => ({ differs: true }) }), withoutSteps('update_thread_flag'));
const SWITCHES: Readonly<Record<HostOptions['kvm.sldSwitch'], PathPatches>> = {
  'put-and-flag': {},
  'flag-only': NO_PUT_AT_SCHED_OUT,
  'put-only': FLAGLESS,
  neither: { ...NO_PUT_AT_SCHED_OUT, ...FLAGLESS },
};

/** What options choose. */
export function patchOf({ host: { options } }: ResolvedScenario): Patch {
  if (options['kvm.sldVirt'] === 'none') return {};
  const guard = options['kvm.sldGuard'];
  const guarded = guard === 'preempt-off' ? {} : guard === 'none' ? UNGUARDED : TOGGLE_ONLY;
  return { paths: joinPatches(guarded, SWITCHES[options['kvm.sldSwitch']]) };
}

const PREEMPTIBLE_PUT: PathPatches = { vcpu_put: [preemptible], ...updates(unchecked) };
const unregisterFirst: PathPatch = (path) => {
  const [unregister] = path.items.filter((item) => item.kind === 'step' && item.name === 'preempt_notifier_unregister');
  return { ...path, items: [unregister!, ...path.items.filter((item) => item !== unregister)] };
};

const always = (local: object) => ({ local: () => local, send: undefined, answers: undefined });

/** Turns round what a step writes to `saved` of struct vcpu_vmx. */
function inverted<T, L, E extends { readonly type: string }>(item: Item<T, L, E>): readonly Item<T, L, E>[] {
  if (item.kind !== 'step' || !item.send) return [item];
  const { send } = item;
  const turned = (message: Outgoing): Outgoing => {
    const { fields } = message.event as unknown as { readonly fields: Partial<VmxFields> };
    return outgoing(message.to, { ...message.event, fields: { ...fields, saved: !fields.saved } });
  };
  return [{ ...item, send: (walker, locals) => ([] as Outgoing[]).concat(send(walker, locals)).map(turned) }];
}

/** A look at struct vcpu_vmx that finds guest state loaded, or not, whatever it is. */
const findsLoaded =
  (loaded: boolean) =>
  <T, L, E extends { readonly type: string }>(item: Item<T, L, E>): readonly Item<T, L, E>[] => {
    if (item.kind !== 'step' || !item.answers) return [item];
    const found = Object.entries(item.answers as Readonly<Record<string, (...given: readonly unknown[]) => object>>);
    const answers = found.map(([type, of]) => [type, (...given: readonly unknown[]) => ({ ...of(...given), loaded })] as const);
    const effect: object = { answers: Object.fromEntries(answers) };
    return [{ ...item, ...effect } as typeof item];
  };
/** A look at it that finds one value, whatever was written. */
const readsAs = (msr: number): PathPatch => alter('msr_test_ctrl', { answers: { 'vmx.fields': () => ({ msr }) } });

/** W4 without the semaphore. */
const granted = (rest: object): PathPatch =>
  alter('down_interruptible', { ...always({ granted: true, interruptible: undefined, ...rest }) });

/** The way of the privileged, whatever the CPL. */
const unprivileged: PathPatch = (path) => ({
  ...path,
  items: path.items.flatMap((item) => (item.kind === 'when' ? item.cases.at(-1)![1] : [item])),
});

/** R17 of a KVM that defers nothing: the put of R19, after each exit. */
const putAtExit: PathPatch = (path) => {
  const put = path.items.flatMap(callsIn).find(({ path: { name } }) => name === 'vcpu_put')!;
  const restore = put.path.items.flatMap(callsIn).find(({ path: { name } }) => name === 'vmx_prepare_switch_to_host')!;
  return replaceStep(path, 'vcpu_enter_guest', (item) => [item, disable, restore, enable]);
};
/** The calls in an item; not those in paths that are called. */
function callsIn<T, L, E extends { readonly type: string }>(item: Item<T, L, E>): readonly Extract<Item<T, L, E>, { kind: 'call' }>[] {
  if (item.kind === 'call') return [item];
  if (item.kind === 'loop') return item.body.flatMap(callsIn);
  return item.kind === 'when' ? item.cases.flatMap(([, body]) => body.flatMap(callsIn)) : [];
}

/** Leaves the exception out of what a step tells the guest. */
function withoutException<T, L, E extends { readonly type: string }>(item: Item<T, L, E>): readonly Item<T, L, E>[] {
  if (item.kind !== 'step' || !item.send) return [item];
  const { send } = item;
  const silent = (message: Outgoing): Outgoing => outgoing(message.to, { ...message.event, exception: null });
  return [{ ...item, send: (walker, locals) => ([] as Outgoing[]).concat(send(walker, locals)).map(silent) }];
}

/** The same threads without the flags that every task starts with. */
function withoutFlags(machine: AnyStateMachine): AnyStateMachine {
  const context = machine.config.context as (args: { readonly input: object }) => object;
  return createMachine({
    ...machine.config,
    context: (args: { readonly input: object }) => ({ ...context(args), tif: undefined }),
  } as never) as AnyStateMachine;
}

const mutant = (summary: string, paths: PathPatches): Mutant => ({ summary, paths });

export const MUTANTS: Readonly<Record<string, Mutant>> = {
  'sld-unguarded-wrmsr': mutant('vmx_set_msr() tests and toggles with preemption on.', UNGUARDED),
  'sld-unguarded-test': mutant('vmx_set_msr() tests with preemption on, and toggles with preemption off.', TOGGLE_ONLY),
  'sld-put-preemptible': mutant('vcpu_put() leaves preemption on.', PREEMPTIBLE_PUT),
  'sld-put-loaded-first': mutant('As sld-put-preemptible, and guest_state_loaded is cleared before the setting returns.', {
    ...PREEMPTIBLE_PUT,
    vmx_prepare_switch_to_host: [ofUpdate((name) => swapSteps(name, 'clear_guest_state_loaded'))],
  }),
  'sld-put-notifier-first': mutant('As sld-put-preemptible, and the notifier is gone before the setting returns.', {
    ...PREEMPTIBLE_PUT,
    vcpu_put: [preemptible, unregisterFirst],
  }),
  'kvm-put-enables-early': mutant('vcpu_put() turns preemption on before it unregisters the notifier.', {
    vcpu_put: [swapSteps('preempt_notifier_unregister', 'preempt_enable')],
  }),
  'sld-flag-only': mutant('kvm_sched_out() does not put: only the flag brings the setting of the next task.', NO_PUT_AT_SCHED_OUT),
  'sld-flagless': mutant('KVM toggles the MSR and leaves the flag alone, and kvm_sched_out() does not put.', SWITCHES.neither),
  'sld-no-restore': mutant('vmx_prepare_switch_to_host() leaves the setting as it is.', {
    vmx_prepare_switch_to_host: [ofUpdate((name) => withoutSteps(name))],
  }),
  'sld-save-late': mutant("The host's setting is saved after the guest's was loaded.", {
    vmx_prepare_switch_to_guest: [where('vmx_update_sld', swapSteps('save_host_sld', 'vmx_update_sld'))],
  }),
  'sld-save-nothing': mutant("The host's setting is not saved.", {
    vmx_prepare_switch_to_guest: [where('save_host_sld', withoutSteps('save_host_sld'))],
  }),
  'sld-save-inverted': mutant("The host's setting is saved as its opposite.", {
    vmx_prepare_switch_to_guest: [where('save_host_sld', (path) => replaceStep(path, 'save_host_sld', inverted))],
  }),
  'sld-update-always': mutant(
    'The toggle looks neither at the flag nor at the host.',
    updates(alter('compare', always({ differs: true }))),
  ),
  'sld-never-loaded': mutant('guest_state_loaded is never set.', {
    vmx_prepare_switch_to_guest: [withoutSteps('set_guest_state_loaded')],
  }),
  'sld-put-at-exit': mutant('KVM_RUN puts guest state after each exit, and loads it again before each entry.', { KVM_RUN: [putAtExit] }),
  'sld-load-at-entry': mutant('Guest state is loaded before each entry, loaded or not.', {
    vmx_prepare_switch_to_guest: [(path) => replaceStep(path, 'test_guest_state_loaded', findsLoaded(false))],
  }),
  'sld-no-load': mutant('vmx_prepare_switch_to_guest() returns at once.', {
    vmx_prepare_switch_to_guest: [(path) => replaceStep(path, 'test_guest_state_loaded', findsLoaded(true))],
  }),
  'sld-no-down': mutant('The warning does not take the semaphore that its work item gives back.', {
    split_lock_warn: [where('down_interruptible', granted({}))],
  }),
  'sld-no-semaphore': mutant('The warning sleeps, and goes on without the semaphore.', {
    split_lock_warn: [where('down_interruptible', granted({ mitigate: false }))],
  }),
  'kvm-notifier-once': mutant('kvm_sched_in() drops the notifier: the second switch does not put.', {
    kvm_sched_in: [alter('kvm_arch_vcpu_load', { set: () => ({ notifier: null }) })],
  }),
  'sld-no-gp': mutant('A write of the guest that KVM refuses is completed as if it had taken.', {
    kvm_emulate_wrmsr: [(path) => replaceStep(path, 'kvm_complete_insn_gp', withoutException)],
  }),
  'sld-user-wrmsr': mutant('WRMSR of a guest asks for no privilege.', { WRMSR: [where('general_protection', unprivileged)] }),
  'sld-write-dropped': mutant('vmx_set_msr() does not keep what it was given.', {
    vmx_set_msr: [withoutSteps('msr_test_ctrl')],
  }),
  'sld-reads-zero': mutant('vmx_get_msr() gives 0.', { vmx_get_msr: [where('msr_test_ctrl', readsAs(0))] }),
  'sld-reads-set': mutant('vmx_get_msr() gives the value with bit 29 set.', {
    vmx_get_msr: [where('msr_test_ctrl', readsAs(SPLIT_LOCK_DETECT))],
  }),
  'sld-store-only': mutant('A write of a loaded vCPU is stored and not carried to the MSR.', {
    vmx_set_msr: [where('vmx_update_guest_sld', withoutSteps('vmx_update_guest_sld'))],
  }),
  'sld-any-bits': mutant('vmx_set_msr() takes any bit.', {
    vmx_set_msr: [alter('vmx_msr_test_ctrl_valid_bits', always({ failed: false }))],
  }),
  'sld-deaf-ioctl': mutant('KVM_SET_MSRS writes nothing.', { KVM_SET_MSRS: [withoutSteps('vmx_set_msr')] }),
  'sld-inject-always': mutant('Every #AC of a guest is injected.', {
    handle_exception_nmi: [alter('vmx_guest_inject_ac', always({ inject: true }))],
  }),
  'sld-inject-never': mutant('No #AC of a guest is injected.', {
    handle_exception_nmi: [alter('vmx_guest_inject_ac', always({ inject: false }))],
  }),
  'sld-warn-without-flag': mutant('split_lock_warn() does not mark the task.', {
    split_lock_warn: [where('set_tsk_thread_flag', withoutSteps('set_tsk_thread_flag'))],
  }),
  'sld-no-get-cpu': mutant('The warning schedules its work item and turns detection off with preemption on.', {
    split_lock_warn: [where('get_cpu', withoutSteps('get_cpu', 'put_cpu'))],
  }),
  'sld-warn-keeps-detection': mutant('The warning leaves detection on.', {
    split_lock_warn: [where('sld_update_msr', withoutSteps('sld_update_msr'))],
  }),
  'vmx-no-vmxon-at-resume': mutant('KVM does not turn VMX on for CPUs that come up.', {
    suspend_enter: [withoutSteps('kvm_online_cpu')],
  }),
  'sld-ratelimit-once': mutant('A task that the limit does not let on sleeps once and goes on.', {
    exc_debug_user: [where('msleep', (path) => replaceStep(path, 'msleep', (item) => [item, { kind: 'leaveLoop' }]))],
  }),
  'kvm-bus-lock-untold': mutant('KVM_RUN does not end after a bus lock.', {
    handle_bus_lock_vmexit: [alter('bus_lock_detected', { local: () => ({}) })],
  }),
  'kvm-bus-lock-off': mutant('The VMCS leaves bus-lock detection off, whatever the capability says.', {
    split_lock: [where('BUS_LOCK', withoutSteps('BUS_LOCK'))],
  }),
  'sld-signal-not-consumed': mutant('The VMM leaves the signal of its timer pending.', {
    kvm_cpu_exec: [withoutSteps('sigtimedwait')],
  }),
  'sld-no-initial-flag': {
    summary: 'No task has a flag from the start.',
    machines: { hostThread: withoutFlags },
  },
  'vmx-gs-base-kept': mutant("vmx_prepare_switch_to_host() leaves the guest's MSR_KERNEL_GS_BASE.", {
    vmx_prepare_switch_to_host: [where('wrmsr_kernel_gs_base', withoutSteps('wrmsr_kernel_gs_base'))],
  }),
};
