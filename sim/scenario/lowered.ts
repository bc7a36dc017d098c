/**
 * A scenario with its parameters in place, as checks see it: the same for one out of a file and for
 * one out of a journal.
 */
import type { VmSettings } from '../../events/options.ts';
import type { GuestOp, HostOp } from '../../events/program.ts';
import type { Path } from './issues.ts';
import type { Arch, ResolvedSections } from './types.ts';

/** A piece of a program, with its place in the file. */
export type Node<Op> =
  | { readonly kind: 'operation'; readonly op: Op; readonly path: Path }
  | { readonly kind: 'repeat'; readonly times: number; readonly body: readonly Node<Op>[] }
  | { readonly kind: 'choose'; readonly options: readonly (readonly Node<Op>[])[] };

/** A VM of a scenario with its parameters in place. @public */
export interface LoweredVm {
  readonly id: string;
  readonly type: string;
  /** Those of the host's mechanisms, with their defaults. */
  readonly settings: Readonly<Partial<VmSettings>>;
  readonly settingsPath: Path;
  readonly vcpus: readonly (readonly Node<GuestOp>[])[];
  readonly vcpusPath: Path;
}

export interface LoweredThread {
  readonly id: string;
  readonly path: Path;
  readonly program: readonly Node<HostOp>[];
}

export interface LoweredProcess {
  readonly id: string;
  readonly cpu?: number;
  readonly path: Path;
  readonly threads: readonly LoweredThread[];
}

/**
 * The parts of a scenario that have to fit each other. Each path is the place of a part in the file
 * or in the journal's scenario.
 * @public
 */
export interface Structure {
  readonly arch: Arch;
  /** How many pCPUs the host has. */
  readonly cpus: number;
  readonly vms: readonly LoweredVm[];
  readonly processes: readonly LoweredProcess[];
  readonly sections: Readonly<Partial<ResolvedSections>>;
  /** A section stands below it, under its own key. */
  readonly sectionsPath: Path;
}

/** What operations may name. @public */
export interface KnownNames {
  readonly vms: ReadonlySet<string>;
  /** As `vm0/0`. */
  readonly vcpus: ReadonlySet<string>;
}

/** The operations of a program in the order they stand in the file, each once. @public */
export function* operationsIn<Op>(nodes: readonly Node<Op>[]): Generator<{ readonly op: Op; readonly path: Path }> {
  for (const node of nodes) {
    if (node.kind === 'operation') yield node;
    else if (node.kind === 'repeat') yield* operationsIn(node.body);
    else for (const option of node.options) yield* operationsIn(option);
  }
}

/**
 * An operation and where it stands. `vm` is the VM that it has to do with: the one it names, else
 * the one whose guest executes it.
 * @public
 */
export interface PlacedOperation {
  readonly op: GuestOp | HostOp;
  readonly path: Path;
  readonly vm: string | null;
}

/** The operations of all programs, those of guests first. @public */
export function* allOperations({ vms, processes }: Pick<Structure, 'vms' | 'processes'>): Generator<PlacedOperation> {
  for (const { id, vcpus } of vms) {
    for (const program of vcpus) for (const { op, path } of operationsIn(program)) yield { op, path, vm: id };
  }
  for (const { threads } of processes) {
    for (const { program } of threads) {
      for (const { op, path } of operationsIn(program)) yield { op, path, vm: 'vm' in op ? op.vm : null };
    }
  }
}
