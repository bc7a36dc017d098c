/**
 * How often a guest may pause and a thread may run a vCPU: KVM_RUN ends where the guest pauses or
 * its program ends, and a vCPU whose program has ended is off.
 *
 * @see kernel arch/arm64/kvm/arm.c of 6.1, check_vcpu_requests(), kvm_vcpu_sleep(): KVM_RUN of a
 * vCPU that is off sleeps until another one powers it on, which no program can do
 */
import type { GuestOp, HostOp } from '../../../events/program.ts';
import type { PathIssue } from '../../scenario/issues.ts';
import { type Node, operationsIn, type Structure } from '../../scenario/lowered.ts';

type Operation = Extract<Node<HostOp>, { readonly kind: 'operation' }>;
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

/** Guests that may pause a second time: the kernel that a VM is migrated to is where it ends. */
export const pausesAgain = ({ vms }: Structure): PathIssue[] =>
  vms.flatMap(({ vcpus }) =>
    vcpus.flatMap((program): PathIssue[] => {
      const isPause = ({ op }: GuestOp) => op === 'pause';
      const pauses = count<GuestOp>(program, isPause, Math.max);
      const last = [...operationsIn(program)].findLast(({ op }) => isPause(op));
      if (pauses < 2 || last === undefined) return [];
      return [{ path: last.path, message: `found ${pauses} pause; expected 1 at most: a vCPU is migrated once` }];
    }),
  );

/** A guest's place in the structure, as operations name it. */
const vcpuOf = ({ vm, vcpu }: { readonly vm: string; readonly vcpu: number }): string => `${vm}/${vcpu}`;

/**
 * The vCPUs that a thread has run, and not waited for since, behind these nodes. Adds each KVM_RUN
 * of such a vCPU to `again`.
 */
function ranBehind(nodes: readonly Node<HostOp>[], before: ReadonlySet<string>, again: Set<Operation>): ReadonlySet<string> {
  let ran = before;
  for (const node of nodes) {
    if (node.kind === 'choose') ran = new Set(node.options.flatMap((option) => [...ranBehind(option, ran, again)]));
    else if (node.kind === 'repeat') {
      // The second time meets what the first has left, and the third no more than that.
      for (let time = 0; time < Math.min(node.times, 2); time++) ran = ranBehind(node.body, ran, again);
    } else if (node.op.op === 'KVM_RUN' || node.op.op === 'incoming') {
      const vcpu = vcpuOf(node.op);
      if (node.op.op === 'KVM_RUN' && ran.has(vcpu)) again.add(node);
      ran = new Set(node.op.op === 'KVM_RUN' ? [...ran, vcpu] : [...ran].filter((one) => one !== vcpu));
    }
  }
  return ran;
}

/** Threads that run a vCPU again after its guest has paused, and do not wait for its registers. */
export function runsTheSource({ vms, processes }: Structure): PathIssue[] {
  const pausing = new Set(
    vms.flatMap(({ id, vcpus }) =>
      vcpus.flatMap((program, vcpu) => ([...operationsIn(program)].some(({ op }) => op.op === 'pause') ? [vcpuOf({ vm: id, vcpu })] : [])),
    ),
  );
  const again = new Set<Operation>();
  for (const { threads } of processes) for (const { program } of threads) ranBehind(program, new Set(), again);
  return [...again].flatMap(({ op, path }): PathIssue[] => {
    const vcpu = op.op === 'KVM_RUN' ? vcpuOf(op) : '';
    if (!pausing.has(vcpu)) return [];
    return [{ path, message: `found KVM_RUN of ${vcpu} again; expected incoming: { vcpu: ${vcpu} } before it: its guest has paused` }];
  });
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
