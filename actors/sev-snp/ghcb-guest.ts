/**
 * What guests do with a GHCB: a request in its MSR, the fields of an exit, and the buffer of a
 * page-state change.
 *
 * A vCPU can store to the GHCB of another: it is a page that all of them share with the host.
 */
import { outgoing } from '../../events/event.ts';
import type { GuestOp } from '../../events/program.ts';
import { nestedFaultCode } from '../../events/sev-snp/error-code.ts';
import type { GhcbAnswer, GhcbFields, GhcbMsr, GhcbPageEvent, PscHeader } from '../../events/sev-snp/ghcb.ts';
import { regionOf } from '../../events/sev-snp/rmp.ts';
import { type GuestEnv, type GuestItem, type GuestLocals, guest, opOf, type Vcpu, vmexit } from '../kvm/guest-program.ts';
import { otherwise } from '../path/path.ts';
import { ghcbId } from './ghcb-map.ts';
import { bufferOf } from './ghcb-protocol.ts';
import { terminate } from './snp-guest.ts';

const { path, step, call, loop, when, note, leaveLoop } = guest;

const STORE_FAULT = nestedFaultCode({ private: false, write: true, sizem: false, vmpl: false });
declare module '../kvm/guest-program.ts' {
  interface GuestLocals {
    /** The header of the PSC buffer as it was before the last VMGEXIT, and as it is. */
    readonly pscCur?: number | undefined;
    readonly pscEnd?: number | undefined;
    readonly pscBefore?: PscHeader | undefined;
    readonly ghcbFault?: boolean | undefined;
    readonly ghcbRead?: GhcbAnswer | null | undefined;
    readonly ghcbMsrRead?: GhcbMsr | undefined;
  }
  interface Vcpu {
    /** What it has read last: of its GHCB, and of the GHCB MSR. */
    readonly ghcbAnswer?: GhcbAnswer | null | undefined;
    readonly ghcbMsr?: GhcbMsr | undefined;
  }
}

type OpOf<K extends GuestOp['op']> = Extract<GuestOp, { op: K }>;
const argsOf = <K extends GuestOp['op']>(env: GuestEnv, v: Vcpu, kind: K): OpOf<K> => {
  const op = opOf(env, v);
  if (op.op !== kind) throw new Error(`the guest stands at ${op.op}, not at ${kind}`);
  return op as OpOf<K>;
};
const vmOf = (env: GuestEnv, v: Vcpu) => env.images[v.image]!.vm;
const ghcbOf = (env: GuestEnv, v: Vcpu): number => {
  const op = opOf(env, v);
  if (!('ghcb' in op)) throw new Error(`${op.op} names no GHCB`);
  return op.ghcb;
};
const toPage = (env: GuestEnv, v: Vcpu, event: GhcbPageEvent) =>
  outgoing(ghcbId(vmOf(env, v).id.slice('vm:'.length), ghcbOf(env, v)), event);

/** A store with C-bit 0; it faults while the page is private, and is repeated. */
export const storePath = (env: GuestEnv, name: string, message: (v: Vcpu, l: GuestLocals) => GhcbPageEvent) =>
  path(
    name,
    { source: 'arch/x86/coco/sev/shared.c, sev_es_ghcb_hv_call(); arch/x86/coco/sev/core.c, vmgexit_psc()', grade: 'read' },
    [
      loop(
        step('store', {
          send: (v, l) => {
            const { asid, frames } = vmOf(env, v);
            const gfn = ghcbOf(env, v);
            const pfn = frames[gfn]!;
            return [
              outgoing(regionOf(pfn), { type: 'rmp.guestAccess', pfn, asid, gfn, private: false, write: true }),
              toPage(env, v, message(v, l)),
            ];
          },
          answers: { 'rmp.accessed': (e) => ({ ghcbFault: e.outcome !== 'ok' }) },
        }),
        when(
          [
            (_v, l) => l.ghcbFault === true,
            [step('NPF', { send: (v) => vmexit(v, 'NPF', { gfn: ghcbOf(env, v), errorCode: STORE_FAULT }) })],
          ],
          [otherwise, [leaveLoop]],
        ),
      ),
    ],
    { locals: ['ghcbFault'] },
  );

export const vmgexit = (env: GuestEnv) => step('VMGEXIT', { send: (v) => vmexit(v, 'VMGEXIT', { nae: 'GHCB', gfn: ghcbOf(env, v) }) });
export const readAnswer = (env: GuestEnv) =>
  step('ghcb_get_sw_exit_info', {
    send: (v) => toPage(env, v, { type: 'ghcb.read?' }),
    answers: { 'ghcb.isAnswered': (e) => ({ ghcbRead: e.answer }) },
  });
/** What the guest goes by from here on. */
const takeAnswer = step('verify_exception_info', { set: (_v: Vcpu, l: GuestLocals) => ({ ghcbAnswer: l.ghcbRead }) });

/** VMGEXIT with any event, known or not: the fields are those of the operation. */
const hvCallPath = (env: GuestEnv) => {
  const fields = (v: Vcpu): GhcbFields => {
    const { op: _op, ghcb: _ghcb, ...rest } = argsOf(env, v, 'vmgexit');
    return rest;
  };
  return path(
    'sev_es_ghcb_hv_call',
    { source: 'arch/x86/coco/sev/shared.c, sev_es_ghcb_hv_call(), verify_exception_info()', grade: 'read' },
    [
      call(storePath(env, 'ghcb_set_sw_exit_code', (v) => ({ type: 'ghcb.write', fields: fields(v) }))),
      vmgexit(env),
      readAnswer(env),
      takeAnswer,
    ],
    { locals: ['ghcbRead'] },
  );
};

/** The MSR protocol; the vCPU runs on when KVM has put its answer into the MSR. */
const msrPath = (env: GuestEnv) =>
  path(
    'sev_es_msr_protocol',
    { source: 'arch/x86/coco/sev/shared.c, get_hv_features(), snp_register_ghcb_early(); arch/x86/coco/sev/core.c', grade: 'read' },
    [
      step('VMGEXIT', {
        send: (v) => {
          const { request, payload } = argsOf(env, v, 'ghcb-msr');
          return vmexit(v, 'VMGEXIT', { nae: 'GHCB_MSR', request, payload });
        },
      }),
      step('VMGEXIT_complete', {
        awaits: true,
        wakes: { 'ghcb.msr': ({ response, payload }) => ({ ghcbMsrRead: { response, payload } }) },
      }),
      step('sev_es_rd_ghcb_msr', { set: (_v, l) => ({ ghcbMsr: l.ghcbMsrRead }) }),
    ],
    { locals: ['ghcbMsrRead'] },
  );

const PSC = 0x8000_0010;
const readHeader = (env: GuestEnv, name: string) =>
  step(name, {
    send: (v) => toPage(env, v, { type: 'ghcb.pscHeader?' }),
    answers: { 'ghcb.pscHeader': (e) => ({ pscCur: e.cur, pscEnd: e.end }) },
  });

/** What the guest does not believe of the host: an error, a longer buffer, a step back. */
const isRefused = (_v: Vcpu, { ghcbRead, pscBefore, pscCur, pscEnd }: GuestLocals): boolean =>
  (ghcbRead?.info1 ?? 0) !== 0 || (ghcbRead?.info2 ?? 0) !== 0 || pscEnd! > pscBefore!.end || pscCur! < pscBefore!.cur;

/** VMGEXIT until all of the buffer is done. @see domain snp e.3, flow A, step 7 */
const pscBufferPath = (env: GuestEnv) =>
  path(
    'vmgexit_psc_buffer',
    { source: 'arch/x86/coco/sev/core.c, vmgexit_psc(), set_pages_state()', grade: 'read' },
    [
      readHeader(env, 'read_hdr'),
      loop(
        when([(_v, l) => l.pscCur! > l.pscEnd!, [leaveLoop]]),
        note((_v, l) => ({ pscBefore: { cur: l.pscCur!, end: l.pscEnd! } })),
        call(
          storePath(env, 'ghcb_set_sw_scratch', (v) => ({
            type: 'ghcb.write',
            fields: { code: PSC, info1: 0, info2: 0, scratch: bufferOf(ghcbOf(env, v)) },
          })),
        ),
        vmgexit(env),
        readAnswer(env),
        readHeader(env, 'read_hdr_again'),
        when([isRefused, [call(terminate(1, 1))]]),
      ),
    ],
    { locals: ['pscCur', 'pscEnd', 'pscBefore', 'ghcbRead'] },
  );

/** INIT and SIPI, which KVM carries out at an exit of its own. */
const sipi = (env: GuestEnv): GuestItem =>
  step('wakeup_cpu_via_init_nmi', { send: (v) => vmexit(v, 'SIPI', { apicId: argsOf(env, v, 'send-sipi').apicId }) });

/** Operations of guest programs: what carries each out. */
export const ghcbGuestOperations = (env: GuestEnv): readonly (readonly [string, readonly GuestItem[]])[] => [
  ['ghcb-msr', [call(msrPath(env))]],
  ['vmgexit', [call(hvCallPath(env))]],
  [
    'psc-header',
    [
      call(
        storePath(env, 'psc_hdr', (v) => {
          const { cur, end } = argsOf(env, v, 'psc-header');
          return { type: 'ghcb.writePscHeader', cur, end };
        }),
      ),
    ],
  ],
  [
    'psc-entry',
    [
      call(
        storePath(env, 'psc_entry', (v) => {
          const { index, done, gfn, operation, huge } = argsOf(env, v, 'psc-entry');
          return { type: 'ghcb.writePscEntry', index, entry: { done, gfn, operation, huge } };
        }),
      ),
    ],
  ],
  ['psc-buffer', [call(pscBufferPath(env))]],
  ['send-sipi', [sipi(env)]],
];
