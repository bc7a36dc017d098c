/** Operations of guests that have to do with the GHCB, and what of it a scenario uses. */
import { z } from 'zod';
import { msrEffect, NAE_EVENTS, type NaeEffect } from '../../../actors/sev-snp/ghcb-protocol.ts';
import { PSC_ENTRIES } from '../../../actors/sev-snp/psc-descriptor.ts';
import type { GhcbUse } from '../../../actors/sev-snp/snp-kvm.ts';
import type { ControlOp, GuestOp } from '../../../events/program.ts';
import { GFN, integer } from '../../scenario/fields.ts';
import { type Operation, operation } from '../../scenario/operation.ts';
import type { ResolvedScenario } from '../../scenario/types.ts';

const hex = (value: number): string => (value < 10 ? String(value) : `0x${value.toString(16)}`);
const U16 = integer(0, 0xffff, hex);
const U53 = integer(0, Number.MAX_SAFE_INTEGER, hex);
const PAYLOAD = integer(0, 2 ** 52 - 1, hex);
const GHCB = GFN.describe('The page that is used as GHCB: one of `ghcbs` of the VM.');
const field = (what: string) => U53.describe(`${what}; without it the field is not valid.`).exactOptional();

export const GHCB_GUEST_OPERATIONS = {
  'ghcb-msr': operation('ghcb-msr', 'VMGEXIT with a request in the GHCB MSR, known to the host or not.', {
    request: integer(1, 0xfff, hex).describe('Bits 11:0 of the MSR.'),
    payload: PAYLOAD.describe('Bits 63:12 of the MSR, as a number.'),
  }),
  vmgexit: operation('vmgexit', 'VMGEXIT with an exit code in the GHCB, known to the host or not.', {
    ghcb: GHCB,
    code: field('SW_EXITCODE'),
    info1: field('SW_EXITINFO1'),
    info2: field('SW_EXITINFO2'),
    rax: field('RAX'),
    rbx: field('RBX'),
    rcx: field('RCX'),
    rdx: field('RDX'),
    cpl: field('CPL'),
    xcr0: field('XCR0'),
    scratch: field('The GPA of the scratch area'),
    usage: field('GHCB_USAGE, which is 0 where it is not given'),
  }),
  'psc-header': operation('psc-header', 'Stores the header of a PSC buffer.', {
    ghcb: GHCB,
    cur: U16.describe('The first entry that is not done.'),
    end: U16.describe('The last entry.'),
  }),
  'psc-entry': operation('psc-entry', 'Stores an entry of a PSC buffer.', {
    ghcb: GHCB,
    index: integer(0, PSC_ENTRIES - 1),
    done: integer(0, 0xfff, hex).describe('How many of its pages are done.'),
    gfn: GFN.describe('Need not be a page of the VM.'),
    operation: integer(0, 15).describe('1 private, 2 shared, 3 PSMASH, 4 UNSMASH.'),
    huge: z.boolean({ error: 'expected true or false' }).describe('Whether the entry is of 2M.'),
  }),
  'psc-buffer': operation('psc-buffer', 'VMGEXIT with a PSC buffer, until all of its entries are done.', { ghcb: GHCB }),
  'send-sipi': operation('send-sipi', 'Sends INIT and SIPI to another vCPU of the VM.', {
    apicId: integer(0, 0xffff, hex).describe('The number of the vCPU.'),
  }),
} satisfies Readonly<Record<string, Operation>>;

const isSnp = (type: string) => type === 'snp';

/** What KVM does about the exits of an operation. */
function naeEffectOf(op: GuestOp | ControlOp): readonly NaeEffect[] {
  if (op.op === 'psc-buffer') return ['page-state-change'];
  if (op.op === 'ap-create' || op.op === 'ap-destroy') return ['ap-creation'];
  if (op.op !== 'vmgexit') return op.op === 'psc-header' || op.op === 'psc-entry' ? ['intercept'] : [];
  return [NAE_EVENTS.find(({ code }) => code === op.code)?.effect ?? 'intercept'];
}

/** What guests of a scenario do with their GHCBs. */
export function ghcbUseOf({ vms }: ResolvedScenario): GhcbUse {
  const ops = vms.flatMap(({ type, vcpus }) => vcpus.flatMap((program) => program.ops.map((op) => ({ op, type }))));
  const has = (name: string) => ops.some(({ op }) => op.op === name);
  return {
    reports: has('request-report'),
    certs: ops.some(({ op }) => op.op === 'request-report' && op.certs !== undefined),
    msr: new Set(ops.flatMap(({ op, type }) => (op.op === 'ghcb-msr' ? [msrEffect(op.request, isSnp(type))] : []))),
    page: new Set(ops.flatMap(({ op }) => naeEffectOf(op))),
    sipi: has('send-sipi'),
  };
}

declare module '../../scenario/program.ts' {
  interface GuestTablesOf {
    'sev-snp-ghcb': typeof GHCB_GUEST_OPERATIONS;
  }
}
