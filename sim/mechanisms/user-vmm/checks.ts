/** Whether what a VMM is told to do fits the guests and the threads that it has. */
import { type PathIssue, shown } from '../../scenario/issues.ts';
import { operationsIn, type Structure } from '../../scenario/lowered.ts';

const isPauses = (op: string): boolean => op === 'pause-vcpu' || op === 'resume-vcpu' || op === 'store-immediate-exit';

/** vCPUs that are paused by a thread which cannot, or whose own thread would not look. */
function pauses({ processes, vms }: Structure): PathIssue[] {
  const threads = processes.flatMap(({ id, threads: of }) => of.map(({ program }, at) => ({ id, at, ops: [...operationsIn(program)] })));
  const runnerOf = (vm: string, vcpu: number, reenter: boolean) =>
    threads.find(({ ops }) =>
      ops.some(({ op }) => op.op === 'KVM_RUN' && op.vm === vm && op.vcpu === vcpu && (!reenter || op.reenter === true)),
    );
  const vcpus = new Set(vms.flatMap((vm) => vm.vcpus.map((_, index) => `${vm.id}/${index}`)));
  return threads.flatMap(({ id, at, ops }) =>
    ops.flatMap(({ op, path }): PathIssue[] => {
      if (op.op !== 'pause-vcpu' && op.op !== 'resume-vcpu' && op.op !== 'store-immediate-exit') return [];
      const name = `${op.vm}/${op.vcpu}`;
      const runner = runnerOf(op.vm, op.vcpu, false);
      const refused = (message: string): PathIssue[] => [{ path: [...path, 'vcpu'], message: `found ${shown(name)}; expected ${message}` }];
      if (!runner) return vcpus.has(name) ? refused('one that a thread runs') : [];
      // kvm_run may be mapped by more than one process.
      const isShared = op.op === 'store-immediate-exit';
      if (runner.id !== id && !isShared)
        return refused(`a vCPU of ${id}: a thread kicks threads of its own process, and ${runner.id} runs ${name}`);
      if (runner.id === id && runner.at === at) return refused('a vCPU that another thread runs');
      if (!runnerOf(op.vm, op.vcpu, true)) return refused(`one that is run by KVM_RUN: { vcpu: ${name}, reenter: true }`);
      return [];
    }),
  );
}

/** KVM_EXIT_HLT is of x86: arm64 waits for an interrupt in the kernel. */
const halts = ({ arch, vms }: Structure): PathIssue[] =>
  vms.flatMap(({ settings, settingsPath }) =>
    arch === 'arm64' && settings.irqchip === 'userspace'
      ? [{ path: [...settingsPath, 'irqchip'], message: 'found "userspace"; expected "kernel": KVM on arm64 waits for WFI in the kernel' }]
      : [],
  );

export const structureChecks = (structure: Structure): readonly PathIssue[] => [...pauses(structure), ...halts(structure)];

/** Whether some thread pauses a vCPU. */
export const usesKicks = (programs: readonly { readonly ops: readonly { readonly op: string }[] }[]): boolean =>
  programs.some(({ ops }) => ops.some(({ op }) => isPauses(op)));
