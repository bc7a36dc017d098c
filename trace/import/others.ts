/** What other threads of a recording do to vCPUs: the threads that stand in for them do it. */
import { Cannot, type Draft, moves } from './draft.ts';
import type { Of, Part } from './part.ts';
import type { Query } from './reach.ts';
import type { Row } from './world.ts';

const NEVER = () => false;

/** How a stand-in does it: the micro-step that does, the first ones behind it, and what that is. */
const DEEDS = {
  signal: { step: '.do_tkill.tgkill', after: null, what: 'sends a signal' },
  store: { step: '.store_immediate_exit', after: null, what: 'sets immediate_exit' },
  flush: {
    step: '.kvm_make_all_cpus_request.get_cpu',
    after: ['.csd_lock_wait', '.kvm_make_all_cpus_request.put_cpu'],
    what: 'makes a request of all vCPUs',
  },
} as const satisfies Readonly<Record<string, { readonly step: string; readonly after: readonly string[] | null; readonly what: string }>>;

/** The thread that stands in for others on a CPU does what one of them did to a vCPU or a VM. */
export function standIn(part: Part, act: Of<'signal' | 'store' | 'flush'>, cpu: number, draft: Draft): void {
  const { world, troupe, places } = part;
  const { step, after, what } = DEEDS[act.type];
  const pcpu = world.cpus[cpu]!;
  const actor = troupe.rest[cpu]!;
  if (world.cpu(draft.row, cpu).current !== actor) throw new Cannot(`${actor} does not run on ${pcpu}, where it ${what}`);
  const at = (row: Row) => world.thread(row, actor).at;
  const isAbout = (row: Row) => at(row).endsWith(step);
  const isDone = (row: Row) => !isAbout(row) && (after === null || after.some((end) => at(row).endsWith(end)));
  const kinds = [moves.exec(pcpu)];
  const took = draft.go(isAbout, NEVER, kinds) && draft.go(isDone, NEVER, kinds);
  if (took === 0) throw new Cannot(`${places.nameOf(draft.row, actor)}: no operation of its program ${what} here`);
  if (act.type === 'store') draft.choose('store-not-recorded', actor);
  if (act.type === 'signal' && !act.isTold) draft.choose('signal-not-recorded', actor);
}

/**
 * Micro-steps of stand-ins on other CPUs that are inside KVM: what they wait for, and who waits for
 * them, is not recorded.
 */
export const othersInside =
  ({ world, troupe }: Part, cpu: number): Query['allowed'] =>
  ({ type, actor }, row) => {
    const other = world.cpus.indexOf(actor);
    if (type !== 'exec' || other < 0 || other === cpu) return false;
    const rest = troupe.rest[other]!;
    const { at } = world.thread(row, rest);
    return world.cpu(row, other).current === rest && at.includes('.madvise.') && !at.endsWith('.sysret');
  };

/** Who wakes the thread by a signal is on the CPU that tells the wake-up. */
export function wakeUp({ world, troupe, places }: Part, thread: number, cpu: number, draft: Draft): void {
  const exec = moves.exec(world.cpus[cpu]!);
  const wakes: Query['allowed'] = (move, row) =>
    exec(move, row) && world.thread(row, troupe.rest[cpu]!).at.endsWith('.signal_wake_up_state');
  const { thread: id, vcpu } = troupe.vcpus[thread]!;
  const isAwake = (row: Row) => world.scheduler(row).asleep[id] === undefined;
  const took = draft.go(isAwake, NEVER, [moves.deliver, wakes, moves.offer('interrupt', vcpu)]);
  if (took === 0) throw new Cannot(`nothing wakes ${id}, which sleeps at ${places.nameOf(draft.row, id)}`);
  if (took === 3) draft.choose('virtual-interrupt', vcpu);
}

/** A thread that is not queued yet is moved when it is to run. */
export function migrate({ world, troupe }: Part, { thread, to }: Of<'migrate'>, draft: Draft): void {
  const { thread: id } = troupe.vcpus[thread]!;
  const from = world.queueOf(draft.row, id);
  if (from === null || from === to) return;
  const there = (row: Row) => world.queueOf(row, id) === to;
  const took = draft.go(there, NEVER, [moves.labelled(`migrate(sched, ${id}, ${world.cpus[to]})`)]);
  if (took === 0) throw new Cannot(`${id} cannot migrate to ${world.cpus[to]}`);
}
