/** Which thread of a scenario runs a vCPU. */
import type { ActorId } from '../../events/event.ts';
import type { ResolvedScenario } from '../scenario/types.ts';

/** Null if none does. */
export function runnerOf({ processes }: ResolvedScenario, vm: string, vcpu: number): ActorId | null {
  for (const { id, threads } of processes) {
    const thread = threads.find(({ program }) => program.ops.some((op) => op.op === 'KVM_RUN' && op.vm === vm && op.vcpu === vcpu));
    if (thread) return `thread:${id}/${thread.id}`;
  }
  return null;
}
