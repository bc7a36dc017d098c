/** Hosts of both vendors whose guests, or debuggers in user space, use debug registers. */
import { loadScenario } from '../../sim/scenario/load.ts';
import type { ResolvedScenario } from '../../sim/scenario/types.ts';
import { KNOWN, resolved } from '../sim/play.ts';

export type Vendor = 'svm' | 'vmx';
export const VENDORS: readonly Vendor[] = ['svm', 'vmx'];

const ALWAYS = [
  'debug.exception-comes',
  'debug.exception-is-due',
  'debug.dr6-tells-the-cause',
  'debug.registers-read-back',
  'debug.entry-accepted',
  'debug.one-owner',
  'debug.debugger-sees-each-step',
] as const;

export interface Host {
  readonly vendor: Vendor;
  /** Operations of the guest, as a scenario file has them. */
  readonly guest: readonly string[];
  /** KVM_SET_GUEST_DEBUG before KVM_RUN, by the thread that runs the vCPU. */
  readonly debug?: string;
  readonly kernel?: string;
  readonly cpus?: number;
  readonly preemption?: 'full' | 'none';
  /** Another thread, which preempts. */
  readonly beside?: boolean;
  /** The VMM runs its vCPU again, and a debugger's thread does this meanwhile. */
  readonly attaches?: string;
  /** Operations of a thread of perf, and of the VMM's thread behind KVM_RUN. */
  readonly perf?: readonly string[];
  readonly behind?: readonly string[];
  readonly always?: readonly string[];
  readonly sometimes?: readonly string[];
  readonly mutant?: string;
  readonly features?: readonly string[];
  readonly options?: Readonly<Record<string, string>>;
}

const SOMETIMES = ['debug.guest-has-registers', 'debug.user-space-sees'] as const;

export function debugHost(host: Host): ResolvedScenario {
  const { vendor, guest, debug, kernel = '6.12', cpus = 1, preemption = 'none', beside = false, attaches, always = ALWAYS } = host;
  const { perf, behind = [], sometimes = SOMETIMES, features = [], options = {} } = host;
  const setDebug = debug === undefined ? '' : `{ KVM_SET_GUEST_DEBUG: { vcpu: vm0/0, ${debug} } }, `;
  const attacher = attaches === undefined ? '' : `, [{ tgkill: { vcpu: vm0/0 } }, { KVM_SET_GUEST_DEBUG: { vcpu: vm0/0, ${attaches} } }]`;
  const text = [
    'name: debug-host',
    'summary: A guest that uses its debug registers',
    `host: { arch: ${vendor === 'svm' ? 'amd' : 'intel'}, cpus: ${cpus}, preemption: ${preemption}, kernel: "${kernel}", features: [${features.join(', ')}], options: ${JSON.stringify(options)} }`,
    `vms: { vm0: { type: ${vendor}, vcpus: [[${guest.join(', ')}]] } }`,
    'processes:',
    `  qemu0: { threads: [[${setDebug}{ KVM_RUN: { vcpu: vm0/0${attaches === undefined ? '' : ', reenter: true'} } }${behind.map((op) => `, { ${op} }`).join('')}]${attacher}] }`,
    ...(perf === undefined ? [] : [`  perf: { threads: [[${perf.map((op) => `{ ${op} }`).join(', ')}]] }`]),
    ...(beside ? ['  other: { threads: [[{ compute: {} }]] }'] : []),
    `properties: { always: [${always.join(', ')}], sometimes: [${sometimes.join(', ')}] }`,
  ].join('\n');
  const scenario = resolved(loadScenario(text, 'debug-host.yaml', KNOWN));
  return host.mutant === undefined ? scenario : { ...scenario, mutant: host.mutant };
}

/** DR7: breakpoint 0, local, of this kind and length. */
export const DR7 = { code: 0x401, write4: 0xd0401, write8: 0x90401, gd: 0x2400 } as const;
