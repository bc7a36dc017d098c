/**
 * What SEV-ES fills of KVM's run loop: before an entry the host's registers go to the host save
 * area of the CPU, from where #VMEXIT brings them back.
 *
 * @see kernel arch/x86/kvm/svm/svm.c, svm_prepare_switch_to_guest(); arch/x86/kvm/svm/sev.c,
 * sev_es_prepare_switch_to_guest(); arch/x86/kvm/svm/vmenter.S, __svm_sev_es_vcpu_run(); domain
 * debug-and-split-lock A.2, A.10
 */
import { type ActorId, outgoing } from '../../events/event.ts';
import type { HostSaveAreaEvent, SwitchedGuest } from '../../events/sev-es-debug/host-save-area.ts';
import type { VmsaFeature } from '../../events/sev-es-debug/sev-es-debug.ts';
import { kdbOf } from '../guest-debug/vcpu-debug.ts';
import { type HostEnv, type HostItem, type HostLocals, type HostThread, host, kernelSource } from '../host/host-env.ts';
import { exitInfo, vcpuOf } from '../kvm/kvm-env.ts';
import type { KvmParts } from '../kvm/slots.ts';
import type { Source } from '../path/path.ts';
import { hsaveOf } from './host-save-area.ts';
import { filledBy, type RegisterName } from './swap-types.ts';

const { path, step, call, when } = host;
const SVM = kernelSource('arch/x86/kvm/svm/svm.c, svm_prepare_switch_to_guest()');
const SEV = kernelSource('arch/x86/kvm/svm/sev.c, sev_es_prepare_switch_to_guest()');
const VMENTER = kernelSource('arch/x86/kvm/svm/vmenter.S, __svm_sev_es_vcpu_run()');

declare module '../kvm/kvm-env.ts' {
  interface VmFacts {
    /** Of a guest with encrypted registers: what KVM believes, and what its VMSAs hold. */
    readonly sevEs?: SevEsGuest & { readonly guestFeatures: readonly VmsaFeature[] };
  }
}
declare module '../host/host-env.ts' {
  interface HostLocals {
    /** svm->guest_state_loaded. */
    readonly guestStateLoaded?: boolean | undefined;
    /** What KVM believes of a VM that was launched in the run. */
    readonly sevEs?: SevEsGuest | undefined;
    /** VMRUN has read a VMSA that was launched in the run: with DebugSwap or without. */
    readonly vmsaSwaps?: boolean | undefined;
  }
}

/** What KVM believes of a guest with encrypted registers. */
interface SevEsGuest {
  readonly vmsaFeatures: readonly VmsaFeature[];
  readonly isSnp: boolean;
}

/** What a host does by its kernel and its options. */
export interface SevEsDesign {
  readonly saveDebug: 'masks-only' | 'if-possible' | 'if-kvm-thinks' | 'never';
  readonly fills: 'per-load' | 'per-entry';
  /** Whether the CPU has DebugSwap. */
  readonly canDebugSwap: boolean;
  readonly dr7Exit: 'resumed' | 'registers-given';
  /** Where the assembly code keeps callee-saved registers: the area since 6.10. */
  readonly calleeSaved: 'area' | 'stack';
}

/** Behind guest debugging's. */
const ORDER = 30;

/** Of a guest that is there from the start by the scenario, else as KVM_RUN has read it. */
const sevEsOf = (env: HostEnv, t: HostThread, l: HostLocals): SevEsGuest | undefined => env.vms[vcpuOf(env, t).vm]!.sevEs ?? l.sevEs;
const isSevEs = (env: HostEnv) => (t: HostThread, l: HostLocals) => sevEsOf(env, t, l) !== undefined;
const cpuOf = (t: HostThread): ActorId => {
  if (t.cpu === null) throw new Error('a world switch of a thread that runs nowhere');
  return t.cpu;
};
const toHsave = (t: HostThread, event: HostSaveAreaEvent) => outgoing(hsaveOf(cpuOf(t)), event);
const tell = (name: string, source: Source, event: HostSaveAreaEvent): HostItem =>
  step(name, { ...source, ns: 10, send: (t) => toHsave(t, event) });
const save = (name: string, source: Source, registers: readonly RegisterName[]): HostItem =>
  tell(name, source, { type: 'hsave.save', registers });

/** DR0 to DR3 and their masks, as far as KVM stores them. */
const debugRegisters = ({ saveDebug }: SevEsDesign): readonly RegisterName[] =>
  filledBy('kvm-debug').filter((name) => saveDebug !== 'masks-only' || name.endsWith('MASK'));

/** sev_vcpu_has_debug_swap(), or whether the guest may have it whatever KVM believes. */
const savesDebug =
  (env: HostEnv, { saveDebug, canDebugSwap }: SevEsDesign) =>
  (t: HostThread, l: HostLocals): boolean => {
    const vm = sevEsOf(env, t, l);
    if (vm === undefined || saveDebug === 'never') return false;
    return vm.vmsaFeatures.includes('debug-swap') || (saveDebug !== 'if-kvm-thinks' && vm.isSnp && canDebugSwap);
  };

/** DR0 to DR3 as the CPU has them; the masks as amd_get_dr_addr_mask() does. */
export const saveDebugRegisters = (registers: readonly RegisterName[], name = 'save_debug_registers'): HostItem =>
  step(name, {
    ...SEV,
    ns: 10,
    send: (t) => [
      toHsave(t, { type: 'hsave.save', registers }),
      toHsave(t, { type: 'hsave.saveDebug', db: registers.includes('DR0'), masks: true }),
    ],
  });

/** E4 and E5. */
const sevEsPrepare = (env: HostEnv, design: SevEsDesign) => {
  const stored = debugRegisters(design);
  return path('sev_es_prepare_switch_to_guest', SEV, [
    save('save_xcr0', SEV, ['XCR0']),
    save('save_pkru', SEV, ['PKRU']),
    save('save_xss', SEV, ['XSS']),
    ...(design.saveDebug === 'never' ? [] : [when([savesDebug(env, design), [saveDebugRegisters(stored)]])]),
  ]);
};

/** E3 to E5. */
const fill = (env: HostEnv, design: SevEsDesign): readonly HostItem[] => [
  save('vmsave', SVM, filledBy('vmsave')),
  when([isSevEs(env), [call(sevEsPrepare(env, design))]]),
];

/** E2: the area is filled once for each time that the vCPU is loaded. */
const fillIfNotLoaded = (env: HostEnv, design: SevEsDesign): HostItem =>
  call(
    path(
      'fill_host_save_area',
      SVM,
      [
        step('guest_state_loaded', {
          ns: 5,
          send: (t) => toHsave(t, { type: 'hsave.loaded?' }),
          answers: { 'hsave.loaded': ({ loaded }) => ({ guestStateLoaded: loaded }) },
        }),
        when([
          (_t, l) => l.guestStateLoaded !== true,
          [...fill(env, design), tell('set_guest_state_loaded', SVM, { type: 'hsave.setLoaded' })],
        ]),
      ],
      { locals: ['guestStateLoaded'] },
    ),
  );

const guestOf = (env: HostEnv, t: HostThread, l: HostLocals): SwitchedGuest => {
  const held = env.vms[vcpuOf(env, t).vm]!.sevEs?.guestFeatures.includes('debug-swap') ?? l.vmsaSwaps;
  return held === undefined ? 'plain' : { debugSwap: held };
};

/** KVM's half of the vCPU is told of the write. */
export function tellDr7(t: HostThread, l: HostLocals) {
  const asked = exitInfo(l, 'VMGEXIT');
  if (asked.nae !== 'WRITE_DR7') throw new Error(`${asked.nae} is no write of DR7`);
  return outgoing(kdbOf(t.notifier!), { type: 'kdb.dr', dr: 7, write: true, value: asked.value, rip: 0, next: 0 });
}

/** DBG-20: KVM cannot change DR7. Kernel 6.1 does as for a plain guest, which has nothing to do. */
const drInterception = ({ dr7Exit }: SevEsDesign): HostItem =>
  step('dr_interception', {
    ...kernelSource('arch/x86/kvm/svm/svm.c, dr_interception()'),
    ...(dr7Exit === 'registers-given' && { send: tellDr7 }),
  });

/** The slots that the mechanism fills. */
export function sevEsKvm(design: SevEsDesign): KvmParts {
  const isPerEntry = design.fills === 'per-entry';
  const callee = filledBy('vmenter');
  return {
    ...(!isPerEntry && { beforeEntry: { order: ORDER, items: (env) => [fillIfNotLoaded(env, design)] } }),
    entry: {
      order: ORDER,
      items: (env) => [
        ...(isPerEntry ? fill(env, design) : []),
        ...(design.calleeSaved === 'area' ? [when([isSevEs(env), [save('save_callee_saved', VMENTER, callee)]])] : []),
      ],
    },
    entering: {
      order: ORDER,
      send: (env, t, l) => [toHsave(t, { type: 'hsave.vmrun', vcpu: vcpuOf(env, t).id, guest: guestOf(env, t, l) })],
    },
    leaving: {
      order: ORDER,
      send: (env, t, l) => [
        toHsave(t, { type: 'hsave.vmexit' }),
        // Interrupts and NMIs are off, and nothing else runs before: one step with the exit.
        ...(design.calleeSaved === 'stack' && isSevEs(env)(t, l) ? [toHsave(t, { type: 'hsave.pop', registers: callee })] : []),
      ],
    },
    nae: { WRITE_DR7: () => [drInterception(design)] },
    putting: { order: ORDER, send: (_env, t) => [toHsave(t, { type: 'hsave.put' })] },
  };
}
