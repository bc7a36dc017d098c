/**
 * How often a thread may run a vCPU: KVM_RUN ends where the guest pauses or its program ends, and a
 * vCPU whose program has ended is off.
 *
 * @see kernel arch/arm64/kvm/arm.c of 6.1, check_vcpu_requests(), kvm_vcpu_sleep(): KVM_RUN of a
 * vCPU that is off sleeps until another one powers it on, which no program can do
 */
import type { GuestOp, HostOp } from '../../../events/program.ts';
import type { PathIssue } from '../../scenario/issues.ts';
import { type Node, operationsIn, type Structure } from '../../scenario/lowered.ts';

type Pick = (...counts: readonly number[]) => number;

/** How often a program comes to an operation; of options, `pick` says which counts. */
function count<Op>(nodes: readonly Node<Op>[], isCounted: (op: Op) => boolean, pick: Pick): number {
  let total = 0;
  for (const node of nodes) {
    if (node.kind === 'operation') total += isCounted(node.op) ? 1 : 0;
    else if (node.kind === 'repeat') total += node.times * count(node.body, isCounted, pick);
    else total += pick(...node.options.map((option) => count(option, isCounted, pick)));
  }
  return total;
}

/** Threads that may run a vCPU once more after its guest has come to its end. */
export function runsWhenOff({ vms, processes }: Structure): PathIssue[] {
  const threads = processes.flatMap((each) => each.threads);
  return vms.flatMap(({ id, vcpus }) =>
    vcpus.flatMap((program, vcpu) => {
      const isRun = (op: HostOp) => op.op === 'KVM_RUN' && op.vm === id && op.vcpu === vcpu;
      const limit = 1 + count<GuestOp>(program, ({ op }) => op === 'pause', Math.min);
      return threads.flatMap((thread): PathIssue[] => {
        const runs = count<HostOp>(thread.program, isRun, Math.max);
        const last = [...operationsIn(thread.program)].findLast(({ op }) => isRun(op));
        if (runs <= limit || last === undefined) return [];
        const reason = 'each pause of its guest ends one, and so does the end of its program, after which it is off';
        return [{ path: last.path, message: `found ${runs} KVM_RUN of ${id}/${vcpu}; expected ${limit} at most: ${reason}` }];
      });
    }),
  );
}
