/** A scenario with its parameters in place and its programs checked: what the cross-checks look at and `resolve.ts` finishes. */
import type { GuestOp, HostOp } from '../../events/program.ts';
import { type Lowering, lowerGuest, lowerHost, type Node, operationsIn } from './compile.ts';
import type { Path, PathIssue } from './issues.ts';
import type { Values } from './parameters.ts';
import type { PageSetup, Scenario, VmSettings, VmSource } from './types.ts';

export interface LoweredVm {
  readonly id: string;
  readonly type: VmSource['type'];
  readonly asid: number;
  readonly pages: readonly PageSetup[];
  readonly settings: VmSettings;
  /** Where in the file: the VM's options, and its vCPUs. */
  readonly optionsPath: Path;
  readonly vcpusPath: Path;
  readonly vcpus: readonly (readonly Node<GuestOp>[])[];
}

export interface LoweredThread {
  readonly id: string;
  readonly path: Path;
  readonly program: readonly Node<HostOp>[];
}

export interface LoweredProcess {
  readonly id: string;
  readonly threads: readonly LoweredThread[];
}

export interface Lowered {
  readonly vms: readonly LoweredVm[];
  readonly processes: readonly LoweredProcess[];
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
  const vms = Object.entries(scenario.vms ?? {}).map(([id, { type, options: { asid, pages, ...settings } = {}, vcpus }], index) => ({
    id,
    type,
    asid: asid ?? index + 1,
    pages: pages ?? [],
    settings: settings as VmSettings,
    optionsPath: ['vms', id, 'options'],
    vcpusPath: ['vms', id, 'vcpus'],
    vcpus: vcpus.map((steps, vcpu) => lowerGuest(steps, ['vms', id, 'vcpus', vcpu], lowering)),
  }));
  const processes = Object.entries(scenario.processes ?? {}).map(([id, { threads }]) => ({
    id,
    threads: threads.map((steps, index) => {
      const path = ['processes', id, 'threads', index];
      const program = lowerHost(steps, path, lowering);
      return { id: threadId(program, index), path, program };
    }),
  }));
  return { vms, processes, used: lowering.used, issues: lowering.issues };
}
