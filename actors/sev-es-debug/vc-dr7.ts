/**
 * The guest's handler of #VC at MOV DR7. The host is told of a write and does nothing with it: the
 * guest reads back what it wrote, and no breakpoint is ever armed.
 *
 * Left out: the time before the per-CPU data of the handler is there, in which a write of anything
 * but 0x400 is refused.
 *
 * @see kernel arch/x86/kernel/sev.c (6.1), arch/x86/coco/sev/core.c (6.12), vc_handle_dr7_write(),
 * vc_handle_dr7_read(); domain debug-and-split-lock A.7
 */

import { outgoing } from '../../events/event.ts';
import type { DebuggedInsn } from '../../events/guest-debug/x86-debug.ts';
import type { U64 } from '../../events/u64.ts';
import { DR7_FIXED_1, dr7Written } from '../guest-debug/debug-bits.ts';
import { kvmOf } from '../guest-debug/guest-account.ts';
import { type GuestEnv, type GuestItem, type GuestLocals, type GuestParts, guest, type Vcpu, vmexit } from '../kvm/guest-program.ts';
import { otherwise, type Source } from '../path/path.ts';

const { path, step, call, loop, when, note } = guest;
const LINUX: Source = { source: 'kernel arch/x86/coco/sev/core.c, vc_handle_dr7_write(), vc_handle_dr7_read()', grade: 'read' };

/** GHCB_MSR_TERM_REQ: the reason set of the specification, and its general reason. */
const TERM = { reasonSet: 0, reason: 0 };

declare module '../kvm/guest-program.ts' {
  interface Vcpu {
    /** sev_es_runtime_data.dr7: what the handler has cached. */
    readonly vcDr7?: U64 | undefined;
  }
  interface GuestLocals {
    readonly sevStatusSwaps?: boolean | undefined;
  }
}

declare module '../../events/svm.ts' {
  interface NaeInfoOf {
    /** RAX of the GHCB. */
    readonly WRITE_DR7: { readonly value: U64 };
  }
}

const isWrite = (insn: (v: Vcpu) => DebuggedInsn) => (v: Vcpu) => insn(v).move!.write;
const done = (value: (v: Vcpu) => U64) => note((v: Vcpu) => ({ gone: { skipped: true, value: value(v), exception: null } }));

/** SEV_STATUS, bit 7: of a guest that was launched in the run as it has read it. */
const hasDebugSwap = (env: GuestEnv) => (v: Vcpu, l: GuestLocals) =>
  l.sevStatusSwaps ?? env.images[v.image]!.vm.sevEs?.guestFeatures.includes('debug-swap') === true;
const readStatus = (env: GuestEnv): readonly GuestItem[] =>
  env.images.some(({ vm }) => vm.launchedAs !== undefined)
    ? [
        when([
          (v: Vcpu) => env.images[v.image]!.vm.launchedAs !== undefined,
          [
            step('rdmsr_sev_status', {
              ns: 5,
              send: (v) => outgoing(kvmOf(v), { type: 'kdb.sevStatus?' }),
              answers: { 'kdb.sevStatus': ({ debugSwap }) => ({ sevStatusSwaps: debugSwap }) },
            }),
          ],
        ]),
      ]
    : [];

const handler = (env: GuestEnv, insn: (v: Vcpu) => DebuggedInsn, looksAtStatus: boolean) =>
  path(
    'vc_handle_exitcode',
    LINUX,
    [
      ...(looksAtStatus ? readStatus(env) : []),
      when(
        ...(looksAtStatus
          ? [
              [
                hasDebugSwap(env),
                [loop(step('sev_es_terminate', { send: (v: Vcpu) => vmexit(v, 'VMGEXIT', { nae: 'TERMINATE', ...TERM }) }))],
              ] as const,
            ]
          : []),
        [
          isWrite(insn),
          [
            step('vc_handle_dr7_write', {
              send: (v) => vmexit(v, 'VMGEXIT', { nae: 'WRITE_DR7', value: dr7Written(insn(v).move!.value) }),
            }),
            step('cache_dr7', { ns: 5, set: (v) => ({ vcDr7: dr7Written(insn(v).move!.value) }) }),
            done(() => 0),
          ],
        ],
        [otherwise, [step('vc_handle_dr7_read', { ns: 5 }), done((v) => v.vcDr7 ?? DR7_FIXED_1)]],
      ),
    ],
    { locals: ['sevStatusSwaps'] },
  );

/** What the mechanism adds to guests. */
export const vcDr7Guest = (variant: 'linux' | 'swallow'): GuestParts => ({
  debugVc: (env, insn): readonly GuestItem[] => [call(handler(env, insn, variant === 'linux'))],
});
