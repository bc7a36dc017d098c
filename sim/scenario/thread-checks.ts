/** Whether threads fit each other: who runs which vCPU, who gets a signal, who starts whom. */
import { type PathIssue, shown } from './issues.ts';
import { allOperations, type LoweredProcess, type LoweredVm, operationsIn, type Structure } from './lowered.ts';

/** The vCPUs of a VM, as operations name them. */
export const vcpuNames = ({ id, vcpus }: LoweredVm): string[] => vcpus.map((_, index) => `${id}/${index}`);

/**
 * Each vCPU whose program is not empty has one thread, all threads of a VM are in one process, and
 * no two threads of a process have one name. A signal is for a vCPU that has a thread.
 */
export function threadIssues({ vms, processes }: Structure): PathIssue[] {
  const issues: PathIssue[] = [];
  const threadOf = new Map<string, string>();
  const processOf = new Map<string, string>();
  for (const { id, threads } of processes) {
    const names = new Set<string>();
    threads.forEach((thread, index) => {
      const name = `thread:${id}/${thread.id}`;
      const before = issues.length;
      for (const { op, path } of operationsIn(thread.program)) {
        if (op.op !== 'KVM_RUN') continue;
        const vcpu = `${op.vm}/${op.vcpu}`;
        const at = [...path, 'vcpu'];
        const owner = processOf.get(op.vm) ?? id;
        if (owner !== id) {
          issues.push({
            path: at,
            message: `found ${shown(vcpu)} in ${id}; expected it in ${owner}: a VM belongs to the process that made it`,
          });
        } else if ((threadOf.get(vcpu) ?? `${index}`) !== `${index}`) {
          issues.push({ path: at, message: `found a second thread that runs ${vcpu}; expected one thread for each vCPU` });
        }
        if (!processOf.has(op.vm)) processOf.set(op.vm, id);
        if (!threadOf.has(vcpu)) threadOf.set(vcpu, `${index}`);
      }
      if (names.has(name) && issues.length === before)
        issues.push({ path: thread.path, message: `found a second ${name}; expected VMs in processes of their own` });
      names.add(name);
    });
  }
  for (const vm of vms) {
    vcpuNames(vm).forEach((vcpu, index) => {
      if (threadOf.has(vcpu) || vm.vcpus[index]!.length === 0) return;
      const message = `found no thread that runs ${vcpu}; expected one whose program has KVM_RUN: { vcpu: ${vcpu} }, or an empty program`;
      issues.push({ path: [...vm.vcpusPath, index], message });
    });
  }
  for (const { op, path } of allOperations({ vms: [], processes })) {
    if (op.op !== 'tgkill' || threadOf.has(`${op.vm}/${op.vcpu}`) || !vms.some((vm) => vcpuNames(vm).includes(`${op.vm}/${op.vcpu}`)))
      continue;
    issues.push({ path: [...path, 'vcpu'], message: `found ${shown(`${op.vm}/${op.vcpu}`)}; expected a vCPU that a thread runs` });
  }
  return issues;
}

/** The operations of a thread that start another one. */
const startsIn = ({ program }: LoweredProcess['threads'][number]) =>
  [...operationsIn(program)].flatMap(({ op, path }) => (op.op === 'pthread_create' ? [{ at: op.thread, path }] : []));

/** Threads that are not there to start, and those that no thread starts which is started itself. */
export const startIssues = ({ processes }: Structure): PathIssue[] =>
  processes.flatMap(({ id, threads }): PathIssue[] => {
    const starts = threads.map(startsIn);
    const all = starts.flat();
    const strangers = all.flatMap(({ at, path }): PathIssue[] =>
      at < threads.length
        ? []
        : [{ path: [...path, 'thread'], message: `found ${at}; expected a thread of ${id}: an integer from 0 to ${threads.length - 1}` }],
    );
    if (strangers.length > 0 || all.length === 0) return strangers;
    const alive = new Set(threads.flatMap((_, index) => (all.some(({ at }) => at === index) ? [] : [index])));
    for (const index of alive) for (const { at } of starts[index]!) alive.add(at);
    return threads.flatMap(({ path }, index): PathIssue[] => {
      if (alive.has(index)) return [];
      const message = `found thread ${index} of ${id}, which only threads start that are not started; expected pthread_create in one that is`;
      return [{ path, message }];
    });
  });
