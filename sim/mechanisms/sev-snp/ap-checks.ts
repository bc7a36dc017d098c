/** Whether a VM has what AP creation takes: a VMSA for each vCPU, and pages that can become one. */
import type { ControlOp, GuestOp } from '../../../events/program.ts';
import { hex, type Path, type PathIssue } from '../../scenario/issues.ts';
import { type LoweredVm, operationsIn } from '../../scenario/lowered.ts';
import { SNP_VM, snpSettingsOf } from './sections.ts';

const AP_CREATION = 0x8000_0013;
const asksForVmsa = (op: GuestOp | ControlOp): boolean =>
  op.op === 'ap-create' || op.op === 'ap-destroy' || (op.op === 'vmgexit' && op.code === AP_CREATION);

/** KVM exchanges VMSAs, so that each vCPU has to have one. */
function vmsaIssues({ id, settings, vcpus }: LoweredVm, path: Path): PathIssue[] {
  const vmsas = snpSettingsOf({ settings }).pages.filter(({ state }) => state === 'vmsa').length;
  if (vmsas >= vcpus.length) return [];
  const message = `found AP creation, and ${vmsas} pages of ${id} whose state is vmsa; expected the VMSA of each of its ${vcpus.length} vCPUs`;
  return [{ path, message }];
}

function operandIssues({ id, settings, vcpus }: LoweredVm, vcpu: number, op: GuestOp | ControlOp, path: Path): PathIssue[] {
  if (op.op !== 'ap-create' && op.op !== 'ap-destroy') return [];
  const { pages, vmpls = [] } = snpSettingsOf({ settings });
  const vmpl = vmpls[vcpu] ?? 0;
  if (vmpl > 0) return [{ path, message: `found ${op.op} at VMPL ${vmpl}; expected it at VMPL 0, which alone makes a page a VMSA` }];
  if (op.apicId >= vcpus.length)
    return [{ path: [...path, 'apicId'], message: `found vCPU ${op.apicId}; expected one of the ${vcpus.length} of ${id}` }];
  const named = op.op === 'ap-create' ? { gfn: op.gfn, replaces: op.replaces } : { clears: op.clears };
  return Object.entries(named).flatMap(([name, gfn]) =>
    gfn === undefined || pages.some((page) => page.gfn === gfn && page.frames === undefined)
      ? []
      : [{ path: [...path, name], message: `found GFN ${hex(gfn)}; expected a page of ${id} of 4K` }],
  );
}

/** Of one VM. */
export function apIssues(vm: LoweredVm): PathIssue[] {
  if (vm.type !== SNP_VM) return [];
  const asked = vm.vcpus.flatMap((program, vcpu) => [...operationsIn(program)].map(({ op, path }) => ({ op, path, vcpu })));
  const first = asked.find(({ op }) => asksForVmsa(op));
  return [...(first ? vmsaIssues(vm, first.path) : []), ...asked.flatMap(({ op, path, vcpu }) => operandIssues(vm, vcpu, op, path))];
}
