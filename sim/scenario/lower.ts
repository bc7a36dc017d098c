/**
 * Puts parameters in place and checks programs: the cross-checks read the result, and `resolve.ts`
 * completes it.
 */
import type { HostOp } from '../../events/program.ts';
import { type Lowering, lowerGuest, lowerHost } from './compile.ts';
import { CPUS_DEFAULT } from './fields.ts';
import type { PathIssue } from './issues.ts';
import { type Node, operationsIn, type Structure } from './lowered.ts';
import type { Values } from './parameters.ts';
import { resolveSections, resolveSettings } from './sections.ts';
import type { Scenario } from './types.ts';

export interface Lowered extends Structure {
  /** Parameters that some argument names. */
  readonly used: ReadonlySet<string>;
  readonly issues: readonly PathIssue[];
}

/** `vcpu<k>` for a thread that begins with KVM_RUN of vCPU k, else its index. */
function threadId(program: readonly Node<HostOp>[], index: number): string {
  const first = operationsIn(program).next();
  return !first.done && first.value.op.op === 'KVM_RUN' ? `vcpu${first.value.op.vcpu}` : String(index);
}

/** Puts values in the place of parameters; mistakes that this brings to light are in `issues`. */
export function lowerScenario(scenario: Scenario, values: Values): Lowered {
  const lowering: Lowering = { values, used: new Set(), issues: [] };
  const { arch, cpus = CPUS_DEFAULT } = scenario.host;
  const vms = Object.entries(scenario.vms ?? {}).map(([id, vm], index) => ({
    id,
    type: vm.type,
    settings: resolveSettings(arch, vm, index + 1),
    settingsPath: ['vms', id, 'options'],
    vcpus: vm.vcpus.map((steps, vcpu) => lowerGuest(steps, ['vms', id, 'vcpus', vcpu], lowering)),
    vcpusPath: ['vms', id, 'vcpus'],
  }));
  const processes = Object.entries(scenario.processes ?? {}).map(([id, { cpu, threads }]) => ({
    id,
    ...(cpu !== undefined && { cpu }),
    path: ['processes', id],
    threads: threads.map((steps, index) => {
      const path = ['processes', id, 'threads', index];
      const program = lowerHost(steps, path, lowering);
      return { id: threadId(program, index), path, program };
    }),
  }));
  const sections = resolveSections(scenario);
  return { arch, cpus, vms, processes, sections, sectionsPath: [], used: lowering.used, issues: lowering.issues };
}
