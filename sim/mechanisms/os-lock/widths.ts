/** How wide the registers are that programs write. */
import { SYSREG_RULES } from '../../../events/os-lock/sysregs.ts';
import type { PathIssue } from '../../scenario/issues.ts';
import { operationsIn, type Structure } from '../../scenario/lowered.ts';
import { hex } from '../../view.ts';

const U32_MAX = 0xffff_ffff;

/** Writes by AArch32 names, MCR, of more than the 32 bits that it moves. */
export const tooWide = ({ vms }: Structure): PathIssue[] =>
  vms.flatMap(({ vcpus }) =>
    vcpus.flatMap((program) =>
      [...operationsIn(program)].flatMap(({ op, path }): PathIssue[] => {
        if (op.op !== 'msr' || !SYSREG_RULES[op.reg].aarch32 || BigInt(op.value) <= U32_MAX) return [];
        const message = `found ${hex(op.value)}; expected at most ${hex(U32_MAX)}: ${op.reg} is written by MCR of AArch32`;
        return [{ path: [...path, 'value'], message }];
      }),
    ),
  );
