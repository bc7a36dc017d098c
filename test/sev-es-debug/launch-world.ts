/** Small worlds for claims about a launch: one thread, one VM, and what is left of both. */

import type { VcpuDebugState } from '../../actors/guest-debug/vcpu-debug-state.ts';
import type { EsVcpuContext } from '../../actors/sev-es-debug/launch-vcpu-state.ts';
import type { SevVmContext } from '../../actors/sev-es-debug/launch-vm.ts';
import type { MechanismOptions } from '../../events/options.ts';
import type { IoctlResult, KvmVmType, RegisterIoctl } from '../../events/sev-es-debug/launch.ts';
import { knownProperties } from '../../sim/properties/index.ts';
import { scenario } from '../../sim/scenario/build.ts';
import type { HostStep } from '../../sim/scenario/program.ts';
import { resolveScenario } from '../../sim/scenario/resolve.ts';
import { play } from '../sim/play.ts';

const VM = 'vm0';
const VCPU = 'vm0/0';
export const createVm = (type: KvmVmType, returns: IoctlResult = 'ok'): HostStep => ({ KVM_CREATE_VM: { vm: VM, type, returns } });
/** A destination of a move, with its vCPU; and a move. */
export const destination = (vm: 'vm1' | 'vm2', type: KvmVmType = 'sev-es'): readonly HostStep[] => [
  { KVM_CREATE_VM: { vm, type, returns: 'ok' } },
  { KVM_CREATE_VCPU: { vcpu: `${vm}/0`, returns: 'ok' } },
];
export const move = (vm: string, returns: IoctlResult = 'ok'): HostStep => ({
  KVM_CAP_VM_MOVE_ENC_CONTEXT_FROM: { vm, from: VM, returns },
});
export const init2 = (features = 0, returns: IoctlResult = 'ok'): HostStep => ({ KVM_SEV_INIT2: { vm: VM, features, returns } });
const esInit: HostStep = { KVM_SEV_ES_INIT: { vm: VM, returns: 'ok' } };
export const createVcpu: HostStep = { KVM_CREATE_VCPU: { vcpu: VCPU, returns: 'ok' } };
export const launchStart: HostStep = { KVM_SEV_LAUNCH_START: { vm: VM, returns: 'ok' } };
export const updateVmsa = (returns: IoctlResult = 'ok'): HostStep => ({ KVM_SEV_LAUNCH_UPDATE_VMSA: { vm: VM, returns } });
export const measure: HostStep = { KVM_SEV_LAUNCH_MEASURE: { vm: VM, returns: 'ok' } };
export const debug = (on: boolean, vcpu = VCPU): HostStep => ({ KVM_SET_GUEST_DEBUG: { vcpu, ...(on && { step: true }) } });
export function set(ioctl: RegisterIoctl, value: number, returns: IoctlResult = 'ok'): HostStep {
  const args = ioctl === 'KVM_GET_XCRS' ? { vcpu: VCPU, returns } : { vcpu: VCPU, value, returns };
  return { [ioctl]: args } as unknown as HostStep;
}

/** An SEV-ES guest before its launch, by the type that it says or by the old ioctl. */
export const fresh: readonly HostStep[] = [createVm('sev-es'), init2(), createVcpu, launchStart];
export const legacy: readonly HostStep[] = [createVm('default'), esInit, createVcpu, launchStart];

export interface LaunchWorld {
  readonly options?: Partial<MechanismOptions>;
  readonly mutant?: string | undefined;
  /** VMs beside the one that is launched: it may move to them. */
  readonly destinations?: readonly ('vm1' | 'vm2')[];
}

type Launched = ReturnType<typeof run>;
const known = new Map<string, Launched>();

/** What a program has come to. Claims share what they ask of the same world. */
export function launch(program: readonly HostStep[], world: LaunchWorld = {}): Launched {
  const key = JSON.stringify([program, world]);
  const launched = known.get(key) ?? run(program, world);
  known.set(key, launched);
  return launched;
}

/** Whether each ioctl returned what the program expects, and what is left. */
function run(program: readonly HostStep[], { options = {}, mutant, destinations = [] }: LaunchWorld) {
  const vms = [VM, ...destinations];
  const runs = vms.map((vm): HostStep => ({ KVM_RUN: { vcpu: `${vm}/0` } }));
  const source = scenario({
    name: 'claim',
    summary: 'A claim',
    host: { arch: 'amd', cpus: 1, preemption: 'none', features: ['sev', 'sev-es', 'debug-swap', 'no-nested-data-bp'], options },
    vms: Object.fromEntries(vms.map((vm) => [vm, { type: 'sev-es', options: { launched: false }, vcpus: [[{ touch: {} }]] }])),
    processes: { qemu0: { threads: [[...program, ...runs]] } },
    properties: { always: ['sev.returns-as-told'] },
  });
  const resolved = resolveScenario(source, { knownProperties: knownProperties(), ...(mutant !== undefined && { mutant }) });
  const played = play(resolved, { name: 'fifo' });
  return {
    asTold: played.end.violation ?? null,
    vcpu: played.context<EsVcpuContext>('esv:vm0/0'),
    taken: destinations.map((vm) => played.context<EsVcpuContext>(`esv:${vm}/0`)),
    vm: played.context<SevVmContext>('sev:vm0'),
    debugged: (vm = VM) => played.context<VcpuDebugState>(`kdb:${vm}/0`).guestDebug.length > 0,
  };
}

/** A guest without DebugSwap that writes DR7, ends, and goes on in another VM. */
export function movedGuest() {
  const vm = { type: 'sev-es', options: { launched: false }, vcpus: [[{ 'mov-to-dr': { dr: 7, value: 1 } }]] } as const;
  const program: readonly HostStep[] = [
    ...legacy,
    updateVmsa(),
    { KVM_RUN: { vcpu: VCPU } },
    ...destination('vm1', 'default'),
    move('vm1'),
    { KVM_RUN: { vcpu: 'vm1/0' } },
  ];
  const source = scenario({
    name: 'moved-guest',
    summary: 'A guest moves',
    host: { arch: 'amd', cpus: 1, preemption: 'none', features: ['sev', 'sev-es'] },
    vms: { [VM]: vm, vm1: vm },
    processes: { qemu0: { threads: [program] } },
  });
  return resolveScenario(source, { knownProperties: knownProperties() });
}

type Design = 'allow-debug-op' | 'check-protected' | 'protected-from-start' | 'reject-launch' | 'sanitize';
export const DESIGNS: readonly Design[] = ['allow-debug-op', 'check-protected', 'protected-from-start', 'sanitize', 'reject-launch'];

/** Whether a debugger is in force that comes before the launch, and behind it. */
export const before = (design: Design, mutant?: string): boolean =>
  launch([...fresh, debug(true)], { options: { 'sev.guestDebug': design }, mutant }).debugged();
export const behind = (design: Design, mutant?: string): boolean =>
  launch([...fresh, updateVmsa(), debug(true)], { options: { 'sev.guestDebug': design }, mutant }).debugged();
