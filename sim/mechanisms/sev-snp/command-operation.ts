/** The operation `sev-command`: which commands a program can send, and what each of them takes. */
import { z } from 'zod';
import { SNP_RULES } from '../../../actors/sev-snp/snp-commands.ts';
import type { GuestOp, HostOp } from '../../../events/program.ts';
import type { PspCommand } from '../../../events/sev-snp/psp.ts';
import { SNP_COMMANDS, type SnpCommand } from '../../../events/sev-snp/snp-command.ts';
import { integer, PFN } from '../../scenario/fields.ts';
import { hex, type Path, type PathIssue } from '../../scenario/issues.ts';

/** What stands for the page of a command that takes none. */
const PFN_NONE = 0;
const ASID_MAX = 0xffff;
const U32_MAX = 0xffff_ffff;

/** Commands that need no knowledge of guests: the PSP keeps no contexts for these alone. */
const PLAIN: readonly SnpCommand[] = ['SNP_INIT_EX', 'SNP_SHUTDOWN_EX', 'SNP_PLATFORM_STATUS', 'SNP_PAGE_RECLAIM', 'SNP_DF_FLUSH'];

const WITH_PAGE: readonly SnpCommand[] = [
  'SNP_PLATFORM_STATUS',
  'SNP_PAGE_RECLAIM',
  'SNP_GCTX_CREATE',
  'SNP_GUEST_STATUS',
  'SNP_GUEST_REQUEST',
  'SNP_LAUNCH_UPDATE',
  'SNP_DBG_DECRYPT',
  'SNP_DBG_ENCRYPT',
  'SNP_PAGE_MD_INIT',
  'SNP_PAGE_SET_STATE',
  'SNP_PAGE_UNSMASH',
];
const WITH_ASID: readonly SnpCommand[] = ['SNP_ACTIVATE', 'SNP_ACTIVATE_EX'];
const hasContext = (command: SnpCommand): boolean => SNP_RULES[command].guest !== null;

const COMMAND = z.enum(SNP_COMMANDS as [SnpCommand, ...SnpCommand[]]);
const TCB_ERROR = 'expected "0x" and 16 hex digits in lower case';
const TCB = z.string({ error: TCB_ERROR }).regex(/^0x[0-9a-f]{16}$/, { error: TCB_ERROR });
const FLAG = z.boolean({ error: 'expected true or false' });
const POLICY = integer(0, U32_MAX).describe('Guest policy, of SNP_LAUNCH_START. Default: 0x30000.');
const TYPE = z.enum(['zero', 'unmeasured', 'secrets']);

const ARGS = {
  command: COMMAND,
  pfn: PFN.describe('The page of a command that takes one.').exactOptional(),
  context: PFN.describe('The page of the guest context, of a command about a guest.').exactOptional(),
  asid: integer(0, ASID_MAX).describe('Of SNP_ACTIVATE.').exactOptional(),
  policy: POLICY.exactOptional(),
  type: TYPE.describe('The page type of SNP_LAUNCH_UPDATE. Default: zero.').exactOptional(),
  reportedTcb: TCB.describe('Of SNP_CONFIG: what reports have as TCB.').exactOptional(),
  maskChipId: FLAG.describe('Of SNP_CONFIG. Default: false.').exactOptional(),
  maskChipKey: FLAG.describe('Of SNP_CONFIG. Default: false.').exactOptional(),
};

export const SEV_COMMAND = {
  summary: 'Sends a command to the firmware through sev_do_cmd() and waits for its completion.',
  args: ARGS,
  fields: { ...ARGS, pfn: PFN },
  compiled: z.strictObject(ARGS).transform(({ pfn = PFN_NONE, ...rest }) => ({ op: 'sev-command' as const, pfn, ...rest })),
};

/** Whether the firmware has to know of guests for this operation. */
export const needsContexts = ({ op, command }: { readonly op: string; readonly command?: PspCommand }): boolean =>
  op === 'sev-command' && !PLAIN.includes(command as SnpCommand);

/** Arguments, and whether the command takes them. */
const takenBy = (command: SnpCommand) =>
  [
    ['context', hasContext(command)],
    ['asid', WITH_ASID.includes(command)],
    ['policy', command === 'SNP_LAUNCH_START'],
    ['type', command === 'SNP_LAUNCH_UPDATE'],
    ['reportedTcb', command === 'SNP_CONFIG'],
    ['maskChipId', command === 'SNP_CONFIG'],
    ['maskChipKey', command === 'SNP_CONFIG'],
  ] as const;
/** Those without a default; a context is looked for among the pages. */
const NEEDED: readonly string[] = ['asid', 'reportedTcb'];

/** Whether a firmware command has what it takes, of what the scenario has, and nothing else. */
export function commandIssues(op: GuestOp | HostOp, path: Path, pfns: ReadonlySet<number>): PathIssue[] {
  if ((op.op === 'store-frame' || op.op === 'rmpread' || op.op === 'kexec' || op.op === 'crash') && !pfns.has(op.pfn)) {
    return [{ path: [...path, 'pfn'], message: `found PFN ${hex(op.pfn)}; expected a page of a VM or of firmware` }];
  }
  if (op.op !== 'sev-command') return [];
  const { pfn, context } = op;
  const command = op.command as PspCommand & SnpCommand;
  const found = pfn === PFN_NONE ? 'no PFN' : `PFN ${hex(pfn)}`;
  const issues: PathIssue[] = [];
  if (!WITH_PAGE.includes(command)) {
    if (pfn !== PFN_NONE) issues.push({ path: [...path, 'pfn'], message: `found ${found}; expected none: ${command} takes no page` });
  } else if (!pfns.has(pfn)) {
    issues.push({ path: [...path, 'pfn'], message: `found ${found}; expected a page of a VM or of firmware: ${command} takes one` });
  }
  if (hasContext(command) && (context === undefined || !pfns.has(context))) {
    const shown = context === undefined ? 'no context' : `PFN ${hex(context)}`;
    issues.push({ path: [...path, 'context'], message: `found ${shown}; expected a page of firmware: ${command} is about a guest` });
  }
  for (const [name, takes] of takenBy(command)) {
    if (op[name] !== undefined && !takes) {
      issues.push({ path: [...path, name], message: `found ${name}; expected none: ${command} does not take it` });
    } else if (op[name] === undefined && takes && NEEDED.includes(name)) {
      issues.push({ path: [...path, name], message: `found no ${name}; expected one: ${command} takes it` });
    }
  }
  return issues;
}
