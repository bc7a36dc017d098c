/** Whether programs, VMs, pages and threads fit each other: the checks that files and journals share. */

import { didYouMean } from '../../events/nearest.ts';
import type { GuestOp, HostOp } from '../../events/program.ts';
import { mechanisms } from '../host/registry.ts';
import { operationsIn } from './compile.ts';
import { hex, type Path, type PathIssue, shown, unknownName } from './issues.ts';
import type { Lowered, LoweredVm } from './lower.ts';
import type { FirmwarePageSetup } from './types.ts';

type Programs = Pick<Lowered, 'vms' | 'processes'>;

/** Notes each number with its owner and refuses one that stands for two things. */
const unique = (issues: PathIssue[], what: string) => {
  const owners = new Map<number, string>();
  return (value: number, owner: string, path: Path): void => {
    const other = owners.get(value);
    if (other === undefined) owners.set(value, owner);
    else issues.push({ path, message: `found ${what} ${hex(value)} of ${owner}; expected another: ${other} has it` });
  };
};

function pageIssues(vms: readonly LoweredVm[], firmware: readonly FirmwarePageSetup[]): PathIssue[] {
  const issues: PathIssue[] = [];
  const addPfn = unique(issues, 'PFN');
  const addAsid = unique(issues, 'ASID');
  for (const { id, asid, pages, optionsPath } of vms) {
    addAsid(asid, id, [...optionsPath, 'asid']);
    const addGfn = unique(issues, 'GFN');
    pages.forEach(({ gfn, pfn }, index) => {
      const path = [...optionsPath, 'pages', index];
      addGfn(gfn, `page ${index}`, [...path, 'gfn']);
      addPfn(pfn, `GFN ${hex(gfn)} of ${id}`, [...path, 'pfn']);
    });
  }
  firmware.forEach(({ pfn }, index) => {
    addPfn(pfn, `page ${index} of firmware`, ['firmware', 'pages', index, 'pfn']);
  });
  return issues;
}

/** A page that an operation names and the VM does not have. */
function missingPage(gfns: ReadonlyMap<string, ReadonlySet<number>>, vm: string, gfn: number, path: Path): PathIssue[] {
  const known = gfns.get(vm);
  if (known === undefined || known.has(gfn)) return [];
  const pages = [...known].slice(0, 8).map(hex);
  const some = `${pages.length === 0 ? 'none' : pages.join(', ')}${known.size > pages.length ? ', …' : ''}`;
  return [{ path: [...path, 'gfn'], message: `found GFN ${hex(gfn)}; expected a page of ${vm} (${some})` }];
}

function operationIssues(op: GuestOp | HostOp, at: { path: Path; vm: string | null }, known: KnownNames): readonly PathIssue[] {
  const vm = 'vm' in op ? op.vm : at.vm;
  if (vm !== null && !known.gfns.has(vm)) {
    const path = [...at.path, 'vcpu' in op ? 'vcpu' : 'vm'];
    return [{ path, message: unknownName(vm, 'a VM of the scenario', [...known.gfns.keys()]) }];
  }
  if ('vcpu' in op) {
    const name = `${op.vm}/${op.vcpu}`;
    if (known.vcpus.has(name)) return [];
    const near = didYouMean(name, [...known.vcpus]);
    return [{ path: [...at.path, 'vcpu'], message: `found ${shown(name)}; expected a vCPU of the scenario${near}` }];
  }
  const issues = mechanisms().flatMap((mechanism) => mechanism.operationChecks?.(op, at.path, known) ?? []);
  if (issues.length > 0) return issues;
  return 'gfn' in op && vm !== null ? missingPage(known.gfns, vm, op.gfn, at.path) : [];
}

/** What operations may name. */
export interface KnownNames {
  readonly gfns: ReadonlyMap<string, ReadonlySet<number>>;
  readonly pfns: ReadonlySet<number>;
  readonly vcpus: ReadonlySet<string>;
}

const vcpuNames = ({ id, vcpus }: LoweredVm): string[] => vcpus.map((_, index) => `${id}/${index}`);

function programIssues({ vms, processes }: Programs, firmware: readonly FirmwarePageSetup[]): PathIssue[] {
  const known: KnownNames = {
    gfns: new Map(vms.map(({ id, pages }) => [id, new Set(pages.map(({ gfn }) => gfn))])),
    pfns: new Set([...vms.flatMap(({ pages }) => pages), ...firmware].map(({ pfn }) => pfn)),
    vcpus: new Set(vms.flatMap(vcpuNames)),
  };
  const issues: PathIssue[] = [];
  const check = (op: GuestOp | HostOp, path: Path, vm: string | null): void => {
    issues.push(...operationIssues(op, { path, vm }, known));
  };
  for (const { id, vcpus } of vms) {
    for (const program of vcpus) for (const { op, path } of operationsIn(program)) check(op, path, id);
  }
  for (const { threads } of processes) {
    for (const { program } of threads) for (const { op, path } of operationsIn(program)) check(op, path, null);
  }
  return issues;
}

/** Each vCPU has one thread, all threads of a VM are in one process, and no two threads of a process have one name. */
function threadIssues({ vms, processes }: Programs): PathIssue[] {
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
      if (threadOf.has(vcpu)) return;
      const message = `found no thread that runs ${vcpu}; expected one whose program has KVM_RUN: { vcpu: ${vcpu} }`;
      issues.push({ path: [...vm.vcpusPath, index], message });
    });
  }
  return issues;
}

/** Frames, ASIDs, vCPUs and threads that are missing, or that stand for two things. */
export function structureIssues(programs: Programs, firmware: readonly FirmwarePageSetup[]): PathIssue[] {
  return [...pageIssues(programs.vms, firmware), ...programIssues(programs, firmware), ...threadIssues(programs)];
}
