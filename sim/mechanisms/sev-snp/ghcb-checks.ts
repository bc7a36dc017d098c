/** Whether GHCBs and what programs say of them fit the VM. */
import { hex, type Path, type PathIssue } from '../../scenario/issues.ts';
import { type LoweredVm, operationsIn, type Structure } from '../../scenario/lowered.ts';
import { apIssues } from './ap-checks.ts';
import { ghcbsOf } from './ghcb-sections.ts';
import { SNP_VM, SVM_VM, snpSettingsOf } from './sections.ts';

const ENCRYPTED_ONLY: readonly string[] = [
  'ghcb-msr',
  'vmgexit',
  'psc-header',
  'psc-entry',
  'psc-buffer',
  'send-sipi',
  'ap-create',
  'ap-destroy',
];

/** A GHCB is a page of the VM, of one vCPU at most, and named once. */
function settingIssues({ id, type, settings, settingsPath, vcpus }: LoweredVm): PathIssue[] {
  const ghcbs = ghcbsOf({ settings });
  const path = [...settingsPath, 'ghcbs'];
  if (ghcbs.length === 0) return [];
  if (type !== SNP_VM) return [{ path, message: `found ghcbs; expected none: ${id} is of type ${type}, and not ${SNP_VM}` }];
  const { pages } = snpSettingsOf({ settings });
  return ghcbs.flatMap(({ gfn, vcpu }, index): PathIssue[] => {
    const at = (name: string): Path => [...path, index, name];
    const page = pages.find((one) => one.gfn === gfn && one.frames === undefined);
    if (page === undefined) return [{ path: at('gfn'), message: `found GFN ${hex(gfn)}; expected a page of ${id} of 4K` }];
    if (ghcbs.findIndex((one) => one.gfn === gfn) < index)
      return [{ path: at('gfn'), message: `found GFN ${hex(gfn)} twice; expected it once` }];
    if (vcpu === undefined) return [];
    if (vcpu >= vcpus.length) return [{ path: at('vcpu'), message: `found vCPU ${vcpu}; expected one of the ${vcpus.length} of ${id}` }];
    if (ghcbs.findIndex((one) => one.vcpu === vcpu) < index)
      return [{ path: at('vcpu'), message: `found vCPU ${vcpu} twice; expected it once` }];
    return [];
  });
}

function operationIssues({ id, type, settings, vcpus }: LoweredVm): PathIssue[] {
  const gfns = ghcbsOf({ settings }).map(({ gfn }) => gfn);
  return vcpus.flatMap((program) =>
    [...operationsIn(program)].flatMap(({ op, path }): PathIssue[] => {
      if (type === SVM_VM && ENCRYPTED_ONLY.includes(op.op))
        return [{ path, message: `found ${op.op}; expected it in a guest with encrypted registers: ${id} is of type ${type}` }];
      if ('ghcb' in op && !gfns.includes(op.ghcb)) {
        const some = gfns.length === 0 ? 'none' : gfns.map(hex).join(', ');
        return [{ path: [...path, 'ghcb'], message: `found GFN ${hex(op.ghcb)}; expected one of ghcbs of ${id} (${some})` }];
      }
      if (op.op === 'send-sipi' && op.apicId >= vcpus.length)
        return [{ path: [...path, 'apicId'], message: `found vCPU ${op.apicId}; expected one of the ${vcpus.length} of ${id}` }];
      return [];
    }),
  );
}

export const ghcbIssues = ({ vms }: Structure): PathIssue[] =>
  vms.flatMap((vm) => [...settingIssues(vm), ...operationIssues(vm), ...apIssues(vm)]);
