/**
 * What a program expects of its own instructions, against what it met. The account of a guest
 * follows the rules that its CPU runs by, and so shares their mistakes; a program does not.
 */
import type { DebugVector } from '../../events/guest-debug/x86-debug.ts';
import type { U64 } from '../../events/u64.ts';
import type { DebugAccount } from './guest-account.ts';
import type { DebugOp } from './guest-insn.ts';

/** What an instruction met: an exception, null for none; DR6 as its handler found it; a value. */
export type Met = { readonly vector: DebugVector | null } | { readonly dr6: U64 } | { readonly value: U64 };

const text = (value: U64): string => (typeof value === 'number' ? `0x${value.toString(16)}` : value);

/** What the program says of it, and what came; null where the program says nothing, or the same. */
function difference(op: DebugOp, met: Met): { readonly expected: string; readonly found: string } | null {
  if ('vector' in met) {
    const found = met.vector ?? 'none';
    return op.takes === undefined || op.takes === found ? null : { expected: op.takes, found };
  }
  const [name, expected, found] =
    'dr6' in met ? (['DR6 ', op.dr6, met.dr6] as const) : (['', op.op === 'mov-from-dr' ? op.gives : undefined, met.value] as const);
  return expected === undefined || expected === found ? null : { expected: name + text(expected), found: name + text(found) };
}

/** The account behind it; the first difference stays. */
export function asTold(account: DebugAccount, op: DebugOp, met: Met): DebugAccount {
  const found = account.unexpected === undefined ? difference(op, met) : null;
  return found === null ? account : { ...account, unexpected: { op: op.op, ...found } };
}
