/**
 * How a guest gives another of its vCPUs a VMSA, and takes it away: RMPADJUST, and AP creation
 * through the GHCB.
 *
 * Left out: what is in the VMSA, and the SVSM that makes it for a guest above VMPL 0. RMPADJUST of
 * a page in use waits (`rmp-rules.ts`), and no other failure can come, so that no VMSA is leaked.
 *
 * @see arch/x86/coco/sev/core.c, wakeup_cpu_via_vmgexit(), snp_set_vmsa(), snp_cleanup_vmsa()
 * (6.12); vmgexit_ap_control(), shutdown_all_aps() (6.16); domain snp e.4
 */
import type { ControlOp, GuestOp } from '../../events/program.ts';
import type { GhcbFields } from '../../events/sev-snp/ghcb.ts';
import { type GuestEnv, type GuestItem, guest, opOf, type Vcpu } from '../kvm/guest-program.ts';
import type { Source } from '../path/path.ts';
import { apInfo } from './ap-request.ts';
import { readAnswer, storePath, vmgexit } from './ghcb-guest.ts';
import { guestInsn } from './guest-insns.ts';
import { argsOf, toRmp } from './guest-page.ts';

const { path, step, call, when } = guest;
const CORE = (functions: string): Source => ({ source: `arch/x86/coco/sev/core.c, ${functions}`, grade: 'read' });
const AP_CREATION = 0x8000_0013;
/** SVM_SEV_FEAT_SNP_ACTIVE. */
const SNP_ACTIVE = 1;
const PAGE_BYTES = 4096;
/** Linux gives VMPL 1 no permission with it. */
const TARGET_VMPL = 1;

type ApOp = Extract<GuestOp, { readonly op: 'ap-create' | 'ap-destroy' }>;

/** RMPADJUST that makes a page a VMSA, or no VMSA: the page of the operation, or another. */
const setVmsa = (env: GuestEnv, name: string, vmsa: boolean, gfn?: (v: Vcpu) => number): GuestItem =>
  call(
    path(
      name,
      CORE('snp_set_vmsa(), snp_cleanup_vmsa()'),
      [
        call(
          guestInsn(env, {
            name: 'RMPADJUST',
            operand: () => ({ adjust: { vmpl: TARGET_VMPL } }),
            write: (v, l) => toRmp(env, v, { type: 'rmp.writeVmsa', vmsa }, l),
            fails: false,
          }),
        ),
      ],
      { locals: ['gfn'] },
    ),
    gfn && ((v) => ({ gfn: gfn(v) })),
  );

/** The event, and its answer. */
const askHost = (env: GuestEnv, fields: (v: Vcpu) => GhcbFields): readonly GuestItem[] => [
  call(storePath(env, 'ghcb_set_sw_exit_code', (v) => ({ type: 'ghcb.write', fields: fields(v) }))),
  vmgexit(env),
  readAnswer(env),
  step('sw_exit_info_1', { set: (_v, l) => ({ ghcbAnswer: l.ghcbRead }) }),
];
const isRefused = ({ ghcbAnswer }: Vcpu): boolean => (ghcbAnswer?.info1 ?? 0) % 2 ** 32 !== 0;

const createFields = ({ apicId, gfn, onInit }: Extract<ApOp, { op: 'ap-create' }>): GhcbFields => ({
  code: AP_CREATION,
  info1: apInfo(onInit ? 'create-on-init' : 'create', apicId),
  info2: gfn * PAGE_BYTES,
  rax: SNP_ACTIVE,
});
const destroyFields = ({ apicId, clears = 0 }: Extract<ApOp, { op: 'ap-destroy' }>): GhcbFields => ({
  code: AP_CREATION,
  info1: apInfo('destroy', apicId),
  info2: clears * PAGE_BYTES,
});

/** The page that the vCPU has had for a VMSA before: the first is KVM's, and the guest has none. */
const pageBefore = (op: GuestOp | ControlOp): number | undefined =>
  op.op === 'ap-create' ? op.replaces : op.op === 'ap-destroy' ? op.clears : undefined;
/** It is no VMSA any more, where some program names one. */
function cleanUp(env: GuestEnv, name: string, kind: ApOp['op']): readonly GuestItem[] {
  const before = (v: Vcpu): number | undefined => pageBefore(opOf(env, v));
  const isUsed = env.images.some(({ program }) => program.ops.some((op) => op.op === kind && pageBefore(op) !== undefined));
  return isUsed ? [when([(v) => before(v) !== undefined, [setVmsa(env, name, false, (v) => before(v)!)]])] : [];
}

const createPath = (env: GuestEnv) =>
  path(
    'wakeup_cpu_via_vmgexit',
    CORE('wakeup_cpu_via_vmgexit()'),
    [
      setVmsa(env, 'snp_set_vmsa', true),
      ...askHost(env, (v) => createFields(argsOf(env, v, 'ap-create'))),
      when([isRefused, [setVmsa(env, 'snp_cleanup_vmsa', false)]]),
      ...cleanUp(env, 'snp_cleanup_cur_vmsa', 'ap-create'),
    ],
    { locals: ['ghcbRead'] },
  );

const destroyPath = (env: GuestEnv) =>
  path(
    'shutdown_all_aps',
    CORE('vmgexit_ap_control(), shutdown_all_aps() (6.16)'),
    [...askHost(env, (v) => destroyFields(argsOf(env, v, 'ap-destroy'))), ...cleanUp(env, 'snp_cleanup_vmsa', 'ap-destroy')],
    { locals: ['ghcbRead'] },
  );

/** Operations of guest programs: what carries each out. */
export const apGuestOperations = (env: GuestEnv): readonly (readonly [string, readonly GuestItem[]])[] => [
  ['ap-create', [call(createPath(env))]],
  ['ap-destroy', [call(destroyPath(env))]],
];
