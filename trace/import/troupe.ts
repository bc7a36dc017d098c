/** Which threads of a scenario stand for those of a recording. */
import type { ActorId } from '../../events/event.ts';
import type { HostOp } from '../../events/program.ts';
import type { ResolvedScenario } from '../../sim/scenario/types.ts';
import type { Cast } from './cast.ts';

/** A thread of the simulated host that runs a vCPU. */
export interface VcpuActor {
  readonly thread: ActorId;
  readonly vcpu: ActorId;
}

export interface Troupe {
  /** By number of the thread in the cast. */
  readonly vcpus: readonly VcpuActor[];
  /** By number of the CPU: the thread that stands in for all others there. */
  readonly rest: readonly ActorId[];
}

/** A recording and a scenario do not fit each other, or there is nothing to import. */
export class ImportError extends Error {
  override readonly name = 'ImportError';
  readonly expected: string;
  constructor(message: string, expected: string) {
    super(message);
    this.expected = expected;
  }
}

interface ScenarioThread {
  readonly id: ActorId;
  readonly name: string;
  readonly vcpu: ActorId | null;
}

const vcpuIn = (ops: readonly { readonly op: string }[]): ActorId | null => {
  const run = (ops as readonly HostOp[]).find((op) => op.op === 'KVM_RUN');
  return run?.op === 'KVM_RUN' ? `vcpu:${run.vm}/${run.vcpu}` : null;
};

const threadsIn = ({ processes }: ResolvedScenario): ScenarioThread[] =>
  processes.flatMap(({ id, threads }) =>
    threads.map((thread) => ({ id: `thread:${id}/${thread.id}` as ActorId, name: thread.id, vcpu: vcpuIn(thread.program.ops) })),
  );

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;

/**
 * Threads that run vCPUs stand for those of the recording by name, the others in their order; all
 * others stand in for the other threads of the CPUs, in the order of these.
 * @throws ImportError if there are too few
 */
export function troupeOf(scenario: ResolvedScenario, { threads, cpus }: Cast): Troupe {
  const all = threadsIn(scenario);
  const free = all.filter((one) => one.vcpu !== null);
  const others = all.filter((one) => one.vcpu === null);
  const expected = (what: string) => `a scenario with ${what}`;
  if (scenario.host.cpus < cpus.length)
    throw new ImportError(`${scenario.name} has ${counted(scenario.host.cpus, 'CPU')}`, expected(counted(cpus.length, 'CPU')));
  if (free.length < threads.length)
    throw new ImportError(
      `${scenario.name} has ${counted(free.length, 'thread')} with KVM_RUN`,
      expected(`${threads.length}: one for each thread of the recording that runs a vCPU`),
    );
  if (others.length < cpus.length)
    throw new ImportError(
      `${scenario.name} has ${counted(others.length, 'thread')} without KVM_RUN`,
      expected(`${cpus.length}: on each CPU one stands in for all other threads of the recording, such as \`compute\``),
    );
  const take = (at: number): VcpuActor => {
    const [{ id, vcpu }] = free.splice(at, 1) as [ScenarioThread];
    return { thread: id, vcpu: vcpu! };
  };
  const named = threads.map(({ comm }) => {
    const at = free.findIndex(({ name }) => name === comm);
    return at < 0 ? null : take(at);
  });
  return { vcpus: named.map((actor) => actor ?? take(0)), rest: others.slice(0, cpus.length).map(({ id }) => id) };
}
