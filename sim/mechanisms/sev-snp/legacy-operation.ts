/** The operation `legacy-command`: commands of the older SEV ABI, and the buffers of each. */
import { z } from 'zod';
import type { ControlOp, GuestOp, HostOp } from '../../../events/program.ts';
import { LEGACY_BUFFERS, type LegacyCommand } from '../../../events/sev-snp/psp.ts';
import { PFN } from '../../scenario/fields.ts';
import { hex, type Path, type PathIssue } from '../../scenario/issues.ts';
import { operation } from '../../scenario/operation.ts';
import type { FirmwareSetup } from './sections.ts';

const COMMANDS = Object.keys(LEGACY_BUFFERS) as [LegacyCommand, ...LegacyCommand[]];

export const LEGACY_COMMAND = operation(
  'legacy-command',
  'Sends a command of the older SEV ABI through /dev/sev; what it writes is lent to the firmware and reclaimed.',
  {
    command: z.enum(COMMANDS),
    buffer: PFN.describe('The frame of the bounce buffer of GET_ID and PDH_CERT_EXPORT.').exactOptional(),
    chain: PFN.describe('That of the second one of PDH_CERT_EXPORT, for the certificate chain.').exactOptional(),
  },
);

/** Whether such a command has its buffers, and the driver those of commands. */
export function legacyIssues(
  op: ControlOp | GuestOp | HostOp,
  path: Path,
  pfns: ReadonlySet<number>,
  firmware: FirmwareSetup | undefined,
): PathIssue[] {
  if (op.op !== 'legacy-command') return [];
  const { command } = op;
  const issues: PathIssue[] = [];
  if (firmware?.commandBuffer === undefined) {
    issues.push({ path, message: 'found legacy-command; expected firmware.commandBuffer to name the frame of its command buffer' });
  }
  if (firmware?.state !== 'INIT') {
    issues.push({ path, message: 'found legacy-command; expected firmware.state "INIT": before that no page is lent for it' });
  }
  const takes: readonly string[] = LEGACY_BUFFERS[command];
  for (const name of ['buffer', 'chain'] as const) {
    const pfn = op[name];
    if (pfn === undefined ? !takes.includes(name) : takes.includes(name) && pfns.has(pfn)) continue;
    const found = pfn === undefined ? `no ${name}` : `PFN ${hex(pfn)}`;
    const expected = takes.includes(name) ? 'a page of firmware: the command writes it' : `none: ${command} writes no such page`;
    issues.push({ path: [...path, name], message: `found ${found}; expected ${expected}` });
  }
  if (op.buffer !== undefined && op.buffer === op.chain) {
    issues.push({ path: [...path, 'chain'], message: `found PFN ${hex(op.chain)}; expected another: buffer has it` });
  }
  return issues;
}
