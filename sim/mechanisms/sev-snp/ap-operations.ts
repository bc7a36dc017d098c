/** Operations of guests that start and stop their other vCPUs by AP creation. */
import { z } from 'zod';
import { GFN, integer } from '../../scenario/fields.ts';
import { type Operation, operation } from '../../scenario/operation.ts';

const hex = (value: number): string => (value < 10 ? String(value) : `0x${value.toString(16)}`);
const OF_EVENT = {
  ghcb: GFN.describe('The page that is used as GHCB: one of `ghcbs` of the VM.'),
  apicId: integer(0, 0xffff, hex).describe('The number of the vCPU.'),
};

export const AP_GUEST_OPERATIONS = {
  'ap-create': operation('ap-create', 'Makes a page the VMSA of a vCPU, which begins its program with it.', {
    ...OF_EVENT,
    gfn: GFN.describe('The page: a private page of 4K that is validated.'),
    replaces: GFN.describe('The page that has been its VMSA before, and is to be none.').exactOptional(),
    onInit: z.literal(true, { error: 'expected true' }).describe('The vCPU takes it at its next INIT, not at once.').exactOptional(),
  }),
  'ap-destroy': operation('ap-destroy', 'Takes the VMSA of a vCPU away, which runs no more.', {
    ...OF_EVENT,
    clears: GFN.describe('The page that has been its VMSA, and is to be none.').exactOptional(),
  }),
} satisfies Readonly<Record<string, Operation>>;

declare module '../../scenario/program.ts' {
  interface GuestTablesOf {
    'sev-snp-ap': typeof AP_GUEST_OPERATIONS;
  }
}
