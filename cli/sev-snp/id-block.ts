/** `id-block`: makes the ID block of a launch, or checks one. */
import type { Call, Command } from '../command.ts';
import { ID_OPTIONS, type IdOptions } from './id-options.ts';
import { answer } from './id-print.ts';
import { expectOneStdin, madeStructures } from './id-structures.ts';

function run(call: Call): number {
  const [file] = call.args;
  const options = call.options as IdOptions;
  expectOneStdin([file, options.idKey, options.authorKey]);
  return answer(call, madeStructures(file, options, call.io), { primary: 'block', isRead: file !== undefined });
}

export const COMMAND: Command = {
  operands: '[block]',
  details: [
    'The 96 bytes with which SNP_LAUNCH_FINISH compares a guest: launch digest, family, image, security version, policy. With keys, the ID authentication information as well, which id-auth makes of a block.',
    'With BLOCK, reads one, of 96 bytes or in hex or base64 (`-` is standard input), and compares it with the options that are given. Exit code 1: it differs.',
  ],
  options: ID_OPTIONS,
  isFixed: true,
  examples: [
    ['id-block --digest HEX -o block.bin', 'the block of a launch digest'],
    ['id-block --digest HEX --id-key id.pem --author-key author.pem --json', 'for programs: block, auth, keyDigests'],
    ['id-block block.bin --digest HEX', 'whether a block is of this launch'],
  ],
  run,
};
