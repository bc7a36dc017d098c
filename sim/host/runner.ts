/** Which thread of a scenario runs a vCPU. */
import type { ActorId } from '../../events/event.ts';
import type { ResolvedScenario } from '../scenario/types.ts';

/** @throws Error if none does: the scenario was not checked */
export function runnerOf({ processes }: ResolvedScenario, vm: string, vcpu: number): ActorId {
  for (const { id, threads } of processes) {
    const thread = threads.find(({ program }) => program.ops.some((op) => op.op === 'KVM_RUN' && op.vm === vm && op.vcpu === vcpu));
    if (thread) return `thread:${id}/${thread.id}`;
  }
  throw new Error(`no thread runs vcpu:${vm}/${vcpu}`);
}
