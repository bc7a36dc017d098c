/**
 * The scenario of a recording: its VMs, whose guests leave guest mode as recorded, a thread for
 * each vCPU, and on each CPU a thread that stands in for all others there.
 */
import type { PreemptionModel } from '../../events/options.ts';
import type { GuestStep, HostStep } from '../../sim/scenario/program.ts';
import type { Arch, KernelVersion, Scenario } from '../../sim/scenario/types.ts';
import type { Cast } from './cast.ts';
import type { Exit } from './exits.ts';
import type { Act, Need } from './need.ts';

/** The host that a recording is of. */
export interface HostFacts {
  readonly arch: Arch;
  readonly kernel: KernelVersion;
  readonly preemption: PreemptionModel;
}

/** A list in which equal neighbours are one `repeat`. */
function inShort(steps: readonly GuestStep[]): GuestStep[] {
  const runs: { readonly step: GuestStep; readonly text: string; times: number }[] = [];
  for (const step of steps) {
    const text = JSON.stringify(step);
    const last = runs.at(-1);
    if (last?.text === text && last.times < TIMES_MAX) last.times++;
    else runs.push({ step, text, times: 1 });
  }
  return runs.flatMap(({ step, times }): GuestStep[] => (times === 1 ? [step] : [{ repeat: { times, do: [step] } }]));
}

const TIMES_MAX = 65_536;
const VM_TYPES: Readonly<Record<Arch, string>> = { amd: 'svm', intel: 'vmx', arm64: 'arm64' };

/** A guest does what its exits tell, and computes from then on, unless it has shut down. */
const programOf = (exits: readonly Exit[]): GuestStep[] => [
  ...inShort(exits.flatMap(({ step }) => (step === null ? [] : [step]))),
  ...(exits.at(-1)?.model === 'SHUTDOWN' ? [] : [{ compute: {} }]),
];

/** What a stand-in does to vCPUs, in the order of its CPU; then it computes. */
const standIn = (needs: readonly Need[], cpu: number, nameOf: (thread: number) => string): HostStep[] => [
  ...needs.flatMap(({ act, cpu: on }): HostStep[] => {
    if (on !== cpu) return [];
    if (act.type === 'store') return [{ 'store-immediate-exit': { vcpu: nameOf(act.thread) } }];
    if (act.type === 'flush') return [{ madvise: { vm: `vm${act.vm}` } }];
    return act.type === 'signal' ? [{ tgkill: { vcpu: nameOf(act.thread) } }] : [];
  }),
  { compute: { steps: 'endless' } },
];

/** What a thread that runs a vCPU calls KVM_RUN more than once for. */
const REENTERS: readonly Act['type'][] = ['run', 'return', 'user-exit', 'signal', 'store'];

export interface Recorded {
  readonly cast: Cast;
  readonly exits: readonly (readonly Exit[])[];
  readonly needs: readonly Need[];
}

/** Makes the scenario. Threads are in the order of the cast, stand-ins in that of the CPUs. */
export function scenarioOf({ cast, exits, needs }: Recorded, host: HostFacts): Scenario {
  const vms = new Map<number, number[]>();
  cast.threads.forEach(({ vm }, index) => {
    vms.set(vm, [...(vms.get(vm) ?? []), index]);
  });
  const type = VM_TYPES[host.arch];
  const nameOf = (thread: number): string => `vm${cast.threads[thread]!.vm}/${cast.threads[thread]!.vcpu}`;
  const reenters = needs.some(({ act }) => REENTERS.includes(act.type));
  const run = (vcpu: string): HostStep => ({ KVM_RUN: { vcpu, ...(reenters && { reenter: true }) } });
  const isNmi = exits.some((one) => one.some(({ model }) => model === 'NMI'));
  return {
    name: 'recorded',
    summary: 'The schedule of a recording of a real kernel',
    host: { arch: host.arch, cpus: cast.cpus.length, preemption: host.preemption, kernel: host.kernel },
    vms: Object.fromEntries(
      [...vms].map(([vm, threads]) => [`vm${vm}`, { type, vcpus: threads.map((thread) => programOf(exits[thread]!)) }]),
    ),
    processes: {
      ...Object.fromEntries([...vms].map(([vm, threads]) => [`vmm${vm}`, { threads: threads.map((thread) => [run(nameOf(thread))]) }])),
      ...Object.fromEntries(cast.cpus.map((_, cpu) => [`rest${cpu}`, { cpu, threads: [standIn(needs, cpu, nameOf)] }])),
    },
    allow: ['interrupt', ...(isNmi ? ['spurious-exit'] : [])],
  };
}
