/** `id-auth`: signs an ID block, or checks who has signed it. */
import type { Call, Command } from '../command.ts';
import { usageError } from '../errors.ts';
import { ID_OPTIONS, type IdOptions } from './id-options.ts';
import { answer } from './id-print.ts';
import { checkedStructures, expectOneStdin, madeStructures } from './id-structures.ts';

function run(call: Call): number {
  const [block, auth] = call.args;
  const options = call.options as IdOptions;
  expectOneStdin([block, auth, options.idKey, options.authorKey]);
  if (block !== undefined && auth !== undefined) {
    return answer(call, checkedStructures(block, auth, options, call.io), { primary: 'auth', isRead: true });
  }
  if (options.idKey === undefined) {
    throw usageError('found no key to sign with', {
      expected: '--id-key with a private key, or the file of an ID authentication to check',
    });
  }
  return answer(call, madeStructures(block, options, call.io), { primary: 'auth', isRead: false });
}

export const COMMAND: Command = {
  operands: '[block] [auth]',
  details: [
    'The 4096 bytes that go to SNP_LAUNCH_FINISH beside an ID block: the ID key and its signature of the block, the author key and its signature of the ID key. Keys are of ECDSA over P-384, in PEM files without a passphrase. The same keys give the same bytes each time.',
    'Signs BLOCK, or the block that --digest and the options beside it ask for. With AUTH, checks both signatures, and the fields and keys that options name. Exit code 1: one does not hold. Files are bytes, hex or base64; `-` is standard input.',
  ],
  options: ID_OPTIONS,
  isFixed: true,
  examples: [
    ['id-auth block.bin --id-key id.pem --author-key author.pem -o auth.bin', 'signs a block'],
    ['id-auth block.bin auth.bin', 'whether the signatures hold'],
    ['id-auth block.bin auth.bin --id-key id.pub.pem --json', 'and are of this key; for programs: ok, wrong, keyDigests'],
  ],
  run,
};
