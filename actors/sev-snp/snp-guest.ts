/**
 * What SNP guests do: instructions on RMP entries, accesses, page-state changes, and the #VC
 * handler that finds a page no longer validated.
 */
import { outgoing } from '../../events/event.ts';
import type { HostOptions } from '../../events/options.ts';
import type { GuestAccess } from '../../events/sev-snp/rmp.ts';
import { type GuestEnv, type GuestItem, type GuestLocals, guest, type Vcpu, vmexit } from '../kvm/guest-program.ts';
import { otherwise, type Source } from '../path/path.ts';
import { pvalidateItems, revalidate, rmpadjustItems, rmpqueryPath } from './guest-insns.ts';
import { accessed, argsOf, asidOf, frameAt, gfnOf, isUnmapped, nestedFault, toPages, toRmp, unmappedFault, walked } from './guest-page.ts';
import { requestReportPath } from './report-request.ts';
import { hasStaleTlb } from './stale-tlb.ts';

const { path, step, call, loop, when, stop, leavePath } = guest;

declare module '../kvm/guest-program.ts' {
  interface Vcpu {
    /** The GFN of a page that it found no longer validated. */
    readonly lost?: number | undefined;
  }
}

const APM: Source = { source: 'APM vol. 2, "SNP guests"; domain snp b.3, c', grade: 'memory' };

/** The operand of a load or a store. */
function accessOf(env: GuestEnv, v: Vcpu, access: Omit<GuestAccess, 'pfn' | 'asid' | 'gfn'>, looks: boolean) {
  const { lookedAt, pages } = env.images[v.image]!.vm;
  return {
    ...{ asid: asidOf(env, v), gfn: gfnOf(env, v), ...access },
    ...(v.vmpl !== undefined && { vmpl: v.vmpl }),
    ...(looks && lookedAt.includes(frameAt(env, v)) && { content: { n: v.pc, tell: pages } }),
  };
}

/** A page that was validated is cleared before any use: the host may have moved a frame there. */
export const clearPage = (env: GuestEnv) =>
  path(
    'zero_mem_region',
    { source: 'coconut-svsm, kernel/src/protocols/core.rs, core_pvalidate_one()', grade: 'read' },
    [
      loop(
        step('store', {
          send: (v) => toRmp(env, v, { type: 'rmp.guestAccess', ...accessOf(env, v, { private: true, write: true }, true) }),
          answers: accessed,
        }),
        when(
          [(_v, l) => l.outcome === 'ok', [leavePath]],
          [(_v, l) => l.outcome === 'vc', [call(notValidated(env))]],
          [otherwise, [nestedFault(env, () => ({ private: true, write: true }))]],
        ),
      ),
    ],
    { locals: ['outcome'] },
  );
const isUnmappedNow = (_v: Vcpu, l: GuestLocals) => l.outcome === 'unmapped';

/** A load or a store; a private one can meet #VC 0x404. @see domain snp c 9, SNP-16 */
function accessPath(env: GuestEnv, kind: 'read' | 'write', options: HostOptions) {
  const { 'guest.notValidated': answer } = options;
  const access = (v: Vcpu) => {
    const op = argsOf(env, v, kind);
    return accessOf(env, v, { private: op.private, write: kind === 'write' }, op.op === 'write' || op.expects !== undefined);
  };
  return path(
    kind,
    APM,
    [
      loop(
        ...walked(env, access, [
          // A shared page is another frame than the private one, and the hypervisor's.
          ...(isUnmapped(env) ? [when([(v: Vcpu) => !access(v).private, [step('access_shared', { insn: false }), leavePath]])] : []),
          step('access', {
            ...(isUnmapped(env) && { insn: false }),
            send: (v) =>
              hasStaleTlb(options)
                ? outgoing(env.images[v.image]!.vm.npt!, { type: 'npt.access', cpu: v.cpu!, pfn: frameAt(env, v), ...access(v) })
                : toRmp(env, v, { type: 'rmp.guestAccess', ...access(v) }),
            answers: accessed,
          }),
          when(
            [(_v, l) => l.outcome === 'ok', [leavePath]],
            [(_v, l) => l.outcome === 'vc', [call(answer === 'pvalidate' ? validatedAgain(env) : notValidated(env))]],
            ...(hasStaleTlb(options) ? [[isUnmappedNow, [unmappedFault(env, access)]] as const] : []),
            [otherwise, [nestedFault(env, access)]],
          ),
        ]),
      ),
    ],
    { locals: ['outcome', 'isMapped'] },
  );
}

/**
 * sev_es_terminate(): the guest ends itself and says why; where it is run again all the same, it
 * halts.
 * @see domain snp e.1 for the codes
 */
export const terminate = (reasonSet: number, reason: number) =>
  path('sev_es_terminate', { source: 'arch/x86/coco/sev/shared.c, sev_es_terminate()', grade: 'read' }, [
    step('VMGEXIT', { send: (v) => vmexit(v, 'VMGEXIT', { nae: 'TERMINATE', reasonSet, reason }) }),
    stop('terminated', (v) => vmexit(v, 'HLT')),
  ]);

/**
 * The guest is in control again and knows: its page was taken away. It ends itself.
 * @see SNP-15 to SNP-17
 */
const notValidated = (env: GuestEnv) =>
  path(
    'exc_vmm_communication',
    { source: 'arch/x86/coco/sev/core.c, vc_raw_handle_exception(); SNP v5 host-write discussion', grade: 'read' },
    [
      step('page_not_validated', {
        set: (v) => ({ lost: gfnOf(env, v) }),
        send: (v) => toPages(env, v, { type: 'guest.notValidated', gfn: gfnOf(env, v) }),
      }),
      call(terminate(0, 0)),
    ],
  );

/**
 * A guest that asks no question: it makes the page its own again and repeats the access.
 * @see SNP-18
 */
const validatedAgain = (env: GuestEnv) =>
  path(
    'exc_vmm_communication',
    { source: 'SNP v5 host-write discussion: a guest that re-PVALIDATEs on #VC consumes corrupt data; SNP-18', grade: 'read' },
    [call(revalidate(env))],
  );

/**
 * VMGEXIT with the page-state-change event; the guest reads the answer from the GHCB.
 * @see domain snp e.3
 */
const pscPath = (env: GuestEnv) =>
  path(
    'vmgexit_psc',
    { source: 'arch/x86/coco/sev/core.c, vmgexit_psc()', grade: 'read' },
    [
      step('VMGEXIT', {
        send: (v) => {
          const { gfn, to } = argsOf(env, v, 'psc');
          return vmexit(v, 'VMGEXIT', { nae: 'PSC', gfn, to });
        },
      }),
      step('VMGEXIT_complete', { awaits: true, wakes: { 'ghcb.result': (e) => ({ fault: !e.ok }) } }),
      step('check_sw_exit_info_2'),
      when([(_v, l) => l.fault === true, [call(terminate(1, 1))]]),
    ],
    { locals: ['fault'] },
  );

const clearsValidated = (env: GuestEnv): GuestItem => when([(v) => argsOf(env, v, 'pvalidate').validated, [call(clearPage(env))]]);

/** Operations of guest programs: what carries each out. */
export const snpGuestOperations = (env: GuestEnv, options: HostOptions): readonly (readonly [string, readonly GuestItem[]])[] => [
  [
    'pvalidate',
    [
      ...pvalidateItems(env, options, call(terminate(1, 2))),
      ...(options['guest.validatedPage'] === 'cleared' ? [clearsValidated(env)] : []),
    ],
  ],
  ['rmpadjust', rmpadjustItems(env)],
  ['rmpquery', [call(rmpqueryPath(env))]],
  ['psc', [call(pscPath(env))]],
  ['request-report', [call(requestReportPath(env, options))]],
  ['read', [call(accessPath(env, 'read', options))]],
  ['write', [call(accessPath(env, 'write', options))]],
];
