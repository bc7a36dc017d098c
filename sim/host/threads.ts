/** The processes of a scenario and their threads: which are there at the start, and where. */
import type { ActorId } from '../../events/event.ts';
import type { HostOp, Program } from '../../events/program.ts';
import type { ResolvedProcess, ResolvedScenario } from '../scenario/types.ts';
import type { ActorSpec } from '../store.ts';

const threadId = (hostProcess: string, thread: string): ActorId => `thread:${hostProcess}/${thread}`;

/** A thread of the host. */
export interface Thread {
  readonly id: ActorId;
  readonly process: ActorId;
  /** The pCPU that it is bound to. */
  readonly cpu: number | undefined;
  readonly program: Program<HostOp>;
  /** Another thread starts it. */
  readonly unborn: boolean;
}

/** Threads of a process that another one starts, by their place. */
const startedIn = ({ threads }: ResolvedProcess): ReadonlySet<number> =>
  new Set(threads.flatMap(({ program }) => program.ops.flatMap((op) => (op.op === 'pthread_create' ? [op.thread] : []))));

export const threadsOf = (scenario: ResolvedScenario): readonly Thread[] =>
  scenario.processes.flatMap((one) => {
    const { id, cpu, threads } = one;
    const started = startedIn(one);
    return threads.map(({ id: name, program }, index) => ({
      id: threadId(id, name),
      process: `process:${id}`,
      cpu,
      program,
      unborn: started.has(index),
    }));
  });

/** Threads that are queued at the start: where they are bound, else one CPU after the other. */
export function queuedOn(cpus: readonly ActorId[], threads: readonly Thread[]): Readonly<Record<ActorId, readonly ActorId[]>> {
  const alive = threads.filter(({ unborn }) => !unborn);
  const free = alive.filter(({ cpu }) => cpu === undefined);
  const at = (thread: Thread): number => thread.cpu ?? free.indexOf(thread) % cpus.length;
  const queued = (index: number) => alive.filter((thread) => at(thread) === index).map(({ id }) => id);
  return Object.fromEntries(cpus.map((cpu, index) => [cpu, queued(index).sort()]));
}

/** The actors of processes. */
export const processesOf = (scenario: ResolvedScenario): ActorSpec[] =>
  scenario.processes.map((one) => {
    const { id, threads } = one;
    const started = startedIn(one);
    const vms = threads.flatMap(({ program }) => program.ops.flatMap((op) => (op.op === 'KVM_RUN' ? [op.vm] : [])));
    const ids = (isThere: boolean): ActorId[] =>
      threads.flatMap((thread, index) => (started.has(index) === isThere ? [] : [threadId(id, thread.id)])).sort();
    const unborn = ids(false);
    return {
      id: `process:${id}`,
      kind: 'hostProcess',
      input: { threads: ids(true), ...(unborn.length > 0 && { unborn }), vms: [...new Set(vms)] },
    };
  });
