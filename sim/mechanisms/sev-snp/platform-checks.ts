/** Whether a program that brings SNP up, or ends it, fits the rest of its scenario. */
import { hex, type Path, type PathIssue, shown } from '../../scenario/issues.ts';
import { allOperations, type Structure } from '../../scenario/lowered.ts';
import { needsContexts } from './command-operation.ts';
import { PLATFORM_OPS } from './platform.ts';
import { type FirmwareGuestSetup, SNP_VM } from './sections.ts';

const issue = (path: Path, message: string): PathIssue => ({ path, message });

/** What KVM destroys is a guest that the firmware has, with the ASID that it has. */
function destroyIssues(op: { readonly context: number; readonly asid: number }, path: Path, guests: readonly FirmwareGuestSetup[]) {
  const guest = guests.find(({ pfn }) => pfn === op.context);
  if (guest === undefined) {
    const some = guests.length === 0 ? 'none' : guests.map(({ pfn }) => hex(pfn)).join(', ');
    return [issue([...path, 'context'], `found PFN ${hex(op.context)}; expected that of one of firmware.guests (${some})`)];
  }
  if (guest.asid === undefined || guest.asid === op.asid) return [];
  return [issue([...path, 'asid'], `found ASID ${op.asid}; expected ${guest.asid}, which the guest has in firmware.guests`)];
}

/**
 * Bring-up and kexec have no mailbox, a panic one for commands that are about no guest. Bring-up
 * begins before any guest was launched. A private page needs frames that are free and a guest that
 * firmware knows.
 */
export function platformIssues(structure: Structure): PathIssue[] {
  const snpVms = new Set(structure.vms.filter(({ type }) => type === SNP_VM).map(({ id }) => id));
  const all = [...allOperations(structure)];
  const isPlatform = (name: string) => (PLATFORM_OPS as readonly string[]).includes(name);
  const platform = all.find(({ op }) => isPlatform(op.op));
  const noMailbox = all.find(({ op }) => op.op !== 'crash' && isPlatform(op.op));
  const panics = all.some(({ op }) => op.op === 'crash');
  const free = structure.sections.firmware?.memory?.free ?? [];
  return all.flatMap(({ op, path }): PathIssue[] => {
    if (op.op === 'enable-snp' && snpVms.size > 0) {
      return [issue(path, `found enable-snp; expected no SNP VM: ${[...snpVms][0]!} has been launched, so SNP is enabled`)];
    }
    if (op.op === 'sev-command' && noMailbox !== undefined) {
      return [issue(path, `found sev-command; expected none beside ${noMailbox.op.op}: its firmware has no mailbox`)];
    }
    if (op.op === 'legacy-command' && platform !== undefined) {
      return [issue(path, `found legacy-command; expected none beside ${platform.op.op}: its firmware lends no pages`)];
    }
    if (op.op === 'sev-command' && panics && needsContexts(op)) {
      return [issue(path, `found ${op.command}; expected a command that is about no guest: beside crash the firmware keeps no contexts`)];
    }
    if (op.op === 'enable-snp' && op !== all.find((other) => other.op.op === 'enable-snp')?.op) {
      return [issue(path, 'found a second enable-snp; expected one: a kernel enables SNP once, as it boots')];
    }
    if (op.op === 'destroy-guest') return destroyIssues(op, path, structure.sections.firmware?.guests ?? []);
    if (op.op !== 'prepare-page') return [];
    if (!snpVms.has(op.vm)) return [issue([...path, 'vm'], `found ${shown(op.vm)}; expected an SNP VM`)];
    return free.length > 0 ? [] : [issue(path, 'found prepare-page; expected firmware.memory to have frames that are free')];
  });
}
