/** Changes of one line in the world switch, each of which a claim or a search must notice. */
import { cpuDebugRegistersMachine, type DebugCpuDesign } from '../../../actors/guest-debug/cpu-debug-registers.ts';
import { DR7_FIXED_1 } from '../../../actors/guest-debug/debug-bits.ts';
import { breakpointWrites, hostBreakpointsDesign, hostBreakpointsMachine } from '../../../actors/guest-debug/host-breakpoints.ts';
import { type HostItem, hostPatch } from '../../../actors/host/host-env.ts';
import { guestPatch } from '../../../actors/kvm/guest-program.ts';
import { hasStep, type PathPatch, replaceStep, withoutSteps } from '../../../actors/path/patch.ts';
import { hostSaveAreaMachine, type SwitchDesign } from '../../../actors/sev-es-debug/host-save-area.ts';
import { launchedDebugMachine } from '../../../actors/sev-es-debug/launched-debug.ts';
import { type ProtectedDebugChange, protectedDebugMachine } from '../../../actors/sev-es-debug/protected-debug.ts';
import { saveDebugRegisters, tellDr7 } from '../../../actors/sev-es-debug/sev-es-kvm.ts';
import { filledBy, type RegisterName } from '../../../actors/sev-es-debug/swap-types.ts';
import type { Mutant } from '../../host/mechanism.ts';
import type { ResolvedScenario } from '../../scenario/types.ts';
import { designOf } from '../guest-debug/design.ts';
import { NO_NESTED_DATA_BP } from '../guest-debug/index.ts';
import { launchedDebug, switchDesign } from './design.ts';

const kebab = (name: RegisterName): string => name.toLowerCase().replaceAll('_', '-');

const switching = (summary: string, change: Partial<SwitchDesign>): Mutant => ({
  summary,
  machines: { hostSaveArea: (_machine, scenario) => hostSaveAreaMachine({ ...switchDesign(scenario), ...change }) },
});
const half = (summary: string, change: ProtectedDebugChange): Mutant => ({
  summary,
  machines: {
    protectedDebug: () => protectedDebugMachine(change),
    launchedDebug: (_machine, scenario) => launchedDebugMachine(designOf(scenario), launchedDebug(scenario), change),
  },
});
/** Both sides of a world switch follow the VMSA. */
const holding = (summary: string, debugSwap: boolean): Mutant => ({
  summary,
  machines: {
    ...half(summary, { debugSwap }).machines,
    ...switching(summary, { hardware: debugSwap ? 'always-swaps-debug-registers' : 'never-swaps-debug-registers' }).machines,
  },
});
const withMasks: typeof breakpointWrites = (s, design, event) => {
  const writes = breakpointWrites(s, design, event);
  return event.type === 'hbp.restore' && writes.length > 0 ? [...writes, { cpu: { masks: s.cache } }] : writes;
};
const cpu = (summary: string, change: Partial<DebugCpuDesign>): Mutant => ({
  summary,
  machines: { cpuDebugRegisters: (_machine, scenario) => cpuDebugRegistersMachine({ ...asBuilt(scenario), ...change }) },
});
const asBuilt = ({ host }: ResolvedScenario): DebugCpuDesign => ({
  vendor: 'svm',
  noNestedDataBp: host.features.includes(NO_NESTED_DATA_BP),
});

/** A store that KVM leaves out. */
const forgets = (name: RegisterName): readonly [string, Mutant] => [
  `sev-es-forgets-${kebab(name)}`,
  switching(`KVM does not store the host's ${name} in the host save area`, { forgets: [name] }),
];

/** Where a variant lacks the step, the path stays as it is. */
const where =
  (name: string, patch: PathPatch): PathPatch =>
  (path) =>
    hasStep(path, name) ? patch(path) : path;

/** KVM carries out a write of DR7 that it is told of. */
const writesDr7 = hostPatch((kvmRun) =>
  replaceStep(kvmRun, 'dr_interception', (item): readonly HostItem[] => [
    { ...(item as Extract<HostItem, { kind: 'step' }>), send: tellDr7 },
  ]),
);

/** Just before VMRUN the area gets what the CPU holds. */
const typeA = hostPatch((svmVcpuRun) =>
  replaceStep(svmVcpuRun, 'VMRUN', (item): readonly HostItem[] => [saveDebugRegisters(filledBy('kvm-debug'), 'VMRUN_saves'), item]),
);

const cachesReset = guestPatch((vcHandleExitcode) =>
  replaceStep(vcHandleExitcode, 'cache_dr7', (item) => [
    { ...(item as Extract<typeof item, { kind: 'step' }>), set: () => ({ vcDr7: DR7_FIXED_1 }) },
  ]),
);

/** The instruction goes on behind #VC as if nothing had been raised. */
const dropsDb = guestPatch((excVmmCommunication) =>
  replaceStep(excVmmCommunication, 'vc_is_db', (item) => {
    const { local: _local, ...step } = item as Extract<typeof item, { kind: 'step' }>;
    return [{ ...step, local: () => ({ gone: { skipped: false, value: 0, exception: null } }) }];
  }),
);

/** The delivery that never ends leaves the CPU an event window. */
const interruptible = guestPatch((icebp) =>
  replaceStep(icebp, 'vectoring', (item) => {
    const { inside: _inside, ...step } = item as Extract<typeof item, { kind: 'step' }>;
    return [{ ...step, computes: true }];
  }),
);

export const sevEsMutants: Readonly<Record<string, Mutant>> = {
  ...Object.fromEntries(filledBy('vmsave', 'kvm', 'kvm-debug', 'vmenter', 'at-enable').map(forgets)),
  'sev-es-dr-type-a': { summary: 'VMRUN stores DR0 to DR3 and their masks in the host save area', paths: { svm_vcpu_run: [typeA] } },
  'sev-es-dr-always-loaded': switching('#VMEXIT loads DR0 to DR3 and their masks without DebugSwap too', {
    hardware: 'always-swaps-debug-registers',
  }),
  'sev-es-type-c-kept': switching('#VMEXIT leaves registers of type C as they were', { hardware: 'keeps-type-c' }),
  'sev-es-type-c-left': switching('#VMEXIT leaves registers of type C as the guest had them', { hardware: 'leaves-type-c' }),
  'sev-es-offers-debug-swap': half('every guest has DebugSwap, and KVM intercepts neither MOV DR7 nor #DB', {
    debugSwap: true,
    interceptsDr7: false,
    interceptsDb: false,
  }),
  'sev-es-vmsa-without-debug-swap': holding('no VMSA holds DebugSwap', false),
  'sev-es-vmsa-with-debug-swap': holding('every VMSA holds DebugSwap, whatever KVM believes', true),
  'sev-es-r14-writes-masks': {
    summary: 'R14 writes the address masks of perf as well',
    machines: {
      hostBreakpoints: (_machine, { host: { kernel } }) => hostBreakpointsMachine({ ...hostBreakpointsDesign(kernel), writes: withMasks }),
    },
  },
  'sev-es-kvm-writes-dr': half('R11 writes DR0 to DR3 for an encrypted guest', { writesDb: true }),
  'sev-es-drops-dr7-intercept': half('KVM intercepts MOV DR7 of no guest', { interceptsDr7: false }),
  'sev-es-keeps-db-intercept': half('KVM intercepts #DB of all guests', { interceptsDb: true }),
  'sev-es-drops-db-intercept': half('KVM intercepts #DB of no guest', { interceptsDb: false }),
  'sev-es-drops-both-intercepts': half('KVM intercepts neither MOV DR7 nor #DB of any guest', {
    interceptsDr7: false,
    interceptsDb: false,
  }),
  'sev-es-db-dropped': half('KVM does not inject a #DB that it has intercepted', { dropsDb: true }),
  'sev-es-dr7-lost': half("#VMEXIT leaves DR7 as after reset, where it is to bring back the host's", { losesDr7: true }),
  'sev-es-r11-writes-dr7': half('R11 writes DR7 where R14 does not bring it back', { trustsHardware: false }),
  'sev-es-nested-data-bp': cpu('the CPU has no NoNestedDataBp', { noNestedDataBp: false }),
  'sev-es-nested-writes': cpu('NoNestedDataBp ignores what the delivery reads alone', { noNestedDataBp: 'reads' }),
  'sev-es-no-nested-data-bp': cpu('the CPU has NoNestedDataBp', { noNestedDataBp: true }),
  'sev-es-dr-intercept-unheeded': cpu('the CPU exits at no MOV DR', {
    heeds: (controls) => ({ ...controls, intercepts: { ...controls.intercepts, dr: false } }),
  }),
  'sev-es-dr-intercept-of-dr7': cpu('the CPU exits at MOV DR7 alone', {
    heeds: (controls) => ({ ...controls, intercepts: { ...controls.intercepts, dr: controls.intercepts.dr && 'dr7-by-vc' } }),
  }),
  'sev-es-vc-uncached': {
    summary: "the guest's handler of #VC does not keep the value of DR7",
    paths: { vc_handle_exitcode: [where('cache_dr7', withoutSteps('cache_dr7'))] },
  },
  'sev-es-vc-caches-reset': {
    summary: "the guest's handler of #VC keeps DR7 as after reset, whatever is written",
    paths: { vc_handle_exitcode: [where('cache_dr7', cachesReset)] },
  },
  'sev-es-vc-drops-db': {
    summary: "the guest's handler of #VC does not go on in the handler of #DB",
    paths: { exc_vmm_communication: [dropsDb] },
  },
  'sev-es-dr7-written': {
    ...half('KVM carries out a write of DR7 that it is told of', { writesDr7: true }),
    paths: { KVM_RUN: [where('dr_interception', writesDr7)] },
  },
  'sev-es-vectoring-interruptible': {
    summary: 'a CPU that delivers #DB without end takes interrupts',
    paths: { icebp: [where('vectoring', interruptible)], insn: [where('vectoring', interruptible)] },
  },
};
