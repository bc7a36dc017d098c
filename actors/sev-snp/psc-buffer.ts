/**
 * VMGEXIT with a PSC buffer: KVM reads header and entries, joins adjacent ones to one range,
 * changes its pages, and marks them as done.
 *
 * As series v5, KVM changes the RMP itself, page by page; mainline leaves a range to user space. An
 * entry of 2M is done as those 4K frames of it that the VM has.
 */
import type { PscBuffer, PscEntry } from '../../events/sev-snp/ghcb.ts';
import { type HostEnv, type HostItem, type HostLocals, type HostThread, host, kernelSource } from '../host/host-env.ts';
import { vcpuOf } from '../kvm/kvm-env.ts';
import { changePagePath, privateTo } from './exits.ts';
import { storeThroughMap, toPage } from './ghcb-map.ts';
import { SHARED } from './page-fault.ts';
import { failedCode, isBadEntry, joins, leftOf, PSC_CODES, PSC_ENTRIES, pagesIn, stateAsked } from './psc-descriptor.ts';
import { snpRmptablePsmash } from './rmptable-psmash.ts';
import { hasHuge, toRmp } from './snp-env.ts';

const { path, step, call, loop, when, note, leaveLoop, leavePath } = host;

declare module '../host/host-env.ts' {
  interface HostLocals {
    /** psc_idx and end_entry, psc_inflight, and the first entry in flight. */
    readonly pscIndex?: number | undefined;
    readonly pscEnd?: number | undefined;
    readonly pscInflight?: number | undefined;
    readonly pscFirst?: PscEntry | undefined;
    readonly pscNext?: PscEntry | undefined;
    /** Pages in flight, and GFNs of those that are left to change. */
    readonly pscPages?: number | undefined;
    readonly pscLeft?: readonly number[] | undefined;
    /** The whole buffer, where KVM copies it. */
    readonly pscCopy?: PscBuffer | undefined;
  }
}

const MAINLINE = kernelSource('arch/x86/kvm/svm/sev.c, snp_begin_psc(), __snp_complete_one_psc()');
const SERIES = kernelSource('series v5, patch 38, snp_handle_page_state_change()');
const SERIES_V3 = kernelSource('series v3, snp_handle_psc(), before its review: it reads the header at each entry');

const answers = (info2: number): readonly HostItem[] => [note(() => ({ ghcbAnswer: { info1: 0, info2 } })), leavePath];
const NO_ENTRY: PscEntry = { done: 0, gfn: 0, operation: 0, huge: false };

const readHeader = (env: HostEnv, name: string): HostItem =>
  step(name, {
    send: (t, l) => toPage(env, t, l, { type: 'ghcb.pscHeader?' }),
    answers: { 'ghcb.pscHeader': (e) => ({ pscIndex: e.cur, pscEnd: e.end }) },
  });
/** `index` null: the entry that the header says at this moment. */
const readEntry = (env: HostEnv, name: string, index: (l: HostLocals) => number | null, into: 'pscFirst' | 'pscNext'): HostItem =>
  step(name, {
    send: (t, l) => toPage(env, t, l, { type: 'ghcb.pscEntry?', index: index(l) }),
    answers: { 'ghcb.pscEntry': (e) => ({ [into]: e.entry }) },
  });
const storeDone = (env: HostEnv, name: string, first: (l: HostLocals) => number, count: (l: HostLocals) => number): HostItem =>
  storeThroughMap(env, name, (l, t) => {
    const stray = count(l) === 0 ? undefined : strayIn(env, t, l);
    return { type: 'ghcb.pscDone', first: first(l), count: count(l), ...(stray !== undefined && { stray }) };
  });

/** GFNs of a range, in order; of 2M those that the VM has. */
function gfnsOf(env: HostEnv, t: HostThread, first: PscEntry, pages: number): readonly number[] {
  const { gfn, huge } = leftOf(first);
  const { frames } = env.vms[vcpuOf(env, t).vm]!;
  if (!huge && !first.huge) return Array.from({ length: pages }, (_, i) => gfn + i);
  const known = Object.keys(frames).map(Number);
  const had = known.filter((one) => one >= gfn && one < gfn + pages).sort((a, b) => a - b);
  return had.length > 0 ? had : [gfn];
}

/** A page of the range that the VM does not have, which was to change. */
const strayIn = (env: HostEnv, t: HostThread, { pscFirst, pscPages }: HostLocals): number | undefined =>
  stateAsked(pscFirst!) === null
    ? undefined
    : gfnsOf(env, t, pscFirst!, pscPages!).find((gfn) => env.vms[vcpuOf(env, t).vm]!.frames[gfn] === undefined);

/** A page of 4K; PSMASH first where it lies in a 2M entry. @see SNP-49 */
const changeOne = (env: HostEnv) =>
  path(
    'snp_change_page',
    SERIES,
    [
      ...(hasHuge(env)
        ? [
            step('snp_lookup_rmpentry', {
              send: (_t: HostThread, l: HostLocals) => toRmp({ type: 'rmp.read', pfn: l.pfn! }),
              answers: { 'rmp.entry': (e) => ({ huge: e.huge === true }) },
            }),
            when([(_t: HostThread, l: HostLocals) => l.huge === true, [call(snpRmptablePsmash)]]),
          ]
        : []),
      call(changePagePath(env)),
    ],
    { locals: ['vm', 'gfn', 'pfn', 'update', 'huge'] },
  );

/** The pages of `pscLeft`, as the entry in `pscFirst` asks. Leaves `result`. */
const changeRange = (env: HostEnv) =>
  path(
    'snp_change_range',
    SERIES,
    [
      note(() => ({ result: 'SUCCESS' as const })),
      loop(
        when([(_t, l) => l.pscLeft!.length === 0, [leaveLoop]]),
        when([
          (t, l) => env.vms[vcpuOf(env, t).vm]!.frames[l.pscLeft![0]!] === undefined,
          [step('is_hva_registered', { local: () => ({ result: 'FAIL_INPUT' as const }) }), leavePath],
        ]),
        call(changeOne(env), (t, l) => {
          const { vm } = vcpuOf(env, t);
          const gfn = l.pscLeft![0]!;
          const update = stateAsked(l.pscFirst!) === 'private' ? privateTo(env, vm, gfn) : SHARED;
          return { vm, gfn, pfn: env.vms[vm]!.frames[gfn]!, update };
        }),
        when([(_t, l) => l.result !== 'SUCCESS', [leavePath]]),
        note((_t, l) => ({ pscLeft: l.pscLeft!.slice(1) })),
      ),
    ],
    { locals: ['pscLeft'] },
  );

const changes = (env: HostEnv): HostItem =>
  when([
    (_t, l) => stateAsked(l.pscFirst!) !== null,
    [
      call(changeRange(env), (t, l) => ({ pscLeft: gfnsOf(env, t, l.pscFirst!, l.pscPages!) })),
      when([
        (_t, l) => l.result !== 'SUCCESS',
        [note((_t, l) => ({ ghcbAnswer: { info1: 0, info2: failedCode(env.options['kvm.pscCodes'], l.result) } })), leavePath],
      ]),
    ],
  ]);

const isPast = (_t: HostThread, l: HostLocals) => l.pscIndex! > l.pscEnd!;
const LOCALS = ['pscIndex', 'pscEnd', 'pscInflight', 'pscFirst', 'pscNext', 'pscPages', 'result'] as const;

/** 6.12: in place; what counts entries is a copy that was checked. */
const inPlace = (env: HostEnv) =>
  path(
    'snp_begin_psc',
    MAINLINE,
    [
      loop(
        readHeader(env, 'read_hdr'),
        when([(_t, l) => l.pscEnd! >= PSC_ENTRIES, answers(PSC_CODES.BAD_HEADER)]),
        loop(
          when([isPast, answers(PSC_CODES.DONE)]),
          readEntry(env, 'read_entry', (l) => l.pscIndex!, 'pscFirst'),
          when([(_t, l) => isBadEntry(l.pscFirst!), answers(PSC_CODES.BAD_ENTRY)]),
          when([(_t, l) => leftOf(l.pscFirst!).pages > 0, [leaveLoop]]),
          storeDone(
            env,
            'hdr_cur_entry',
            (l) => l.pscIndex! + 1,
            () => 0,
          ),
          note((_t, l) => ({ pscIndex: l.pscIndex! + 1 })),
        ),
        note((_t, l) => ({ pscInflight: 1, pscPages: leftOf(l.pscFirst!).pages })),
        loop(
          when([(_t, l) => l.pscIndex! + l.pscInflight! > l.pscEnd!, [leaveLoop]]),
          readEntry(env, 'read_next_entry', (l) => l.pscIndex! + l.pscInflight!, 'pscNext'),
          when([(_t, l) => !joins(l.pscFirst!, l.pscPages!, l.pscNext!), [leaveLoop]]),
          note((_t, l) => ({ pscInflight: l.pscInflight! + 1, pscPages: l.pscPages! + pagesIn(l.pscNext!) })),
        ),
        changes(env),
        storeDone(
          env,
          '__snp_complete_one_psc',
          (l) => l.pscIndex!,
          (l) => l.pscInflight!,
        ),
      ),
    ],
    { locals: LOCALS },
  );

const oneEntry = note((_t: HostThread, l: HostLocals) => ({ pscPages: leftOf(l.pscFirst!).pages }));

/** Series v5: the whole buffer is copied, and nothing but the copy is looked at. */
const snapshot = (env: HostEnv) =>
  path(
    'snp_handle_page_state_change',
    SERIES,
    [
      step('kvm_read_guest', {
        send: (t, l) => toPage(env, t, l, { type: 'ghcb.psc?' }),
        answers: { 'ghcb.psc': (e) => ({ pscCopy: e.psc, pscIndex: e.psc.cur, pscEnd: e.psc.end }) },
      }),
      when([(t, l) => l.pscIndex! >= PSC_ENTRIES || l.pscEnd! >= PSC_ENTRIES || isPast(t, l), answers(PSC_CODES.BAD_ENTRY)]),
      loop(
        note((_t, l) => ({ pscFirst: l.pscCopy!.entries[l.pscIndex!] ?? NO_ENTRY })),
        when([(_t, l) => isBadEntry(l.pscFirst!), answers(PSC_CODES.BAD_ENTRY)]),
        oneEntry,
        changes(env),
        storeDone(
          env,
          'kvm_write_guest',
          (l) => l.pscIndex!,
          () => 1,
        ),
        note((_t, l) => ({ pscIndex: l.pscIndex! + 1 })),
        when([isPast, answers(PSC_CODES.DONE)]),
      ),
    ],
    { locals: [...LOCALS, 'pscCopy'] },
  );

/** One check of the header, and the header again wherever an entry is wanted. */
const doubleFetch = (env: HostEnv) =>
  path(
    'snp_handle_psc',
    SERIES_V3,
    [
      readHeader(env, 'check_hdr'),
      when([(t, l) => l.pscIndex! >= PSC_ENTRIES || l.pscEnd! >= PSC_ENTRIES || isPast(t, l), answers(PSC_CODES.BAD_ENTRY)]),
      loop(
        readHeader(env, 'read_hdr'),
        when([isPast, answers(PSC_CODES.DONE)]),
        readEntry(env, 'read_entry', () => null, 'pscFirst'),
        when([(_t, l) => isBadEntry(l.pscFirst!), answers(PSC_CODES.BAD_ENTRY)]),
        oneEntry,
        changes(env),
        storeDone(
          env,
          'hdr_cur_entry',
          (l) => l.pscIndex!,
          () => 1,
        ),
      ),
    ],
    { locals: LOCALS },
  );

/** Leaves `ghcbAnswer`. */
export function pscBufferPath(env: HostEnv) {
  const fetch = env.options['kvm.ghcbFetch'];
  return fetch === 'snapshot' ? snapshot(env) : fetch === 'double-fetch' ? doubleFetch(env) : inPlace(env);
}
