/**
 * The launch of an SNP VM with all its pages: guest context, ASID, SNP_LAUNCH_UPDATE of each page,
 * and what is taken back where the firmware refuses.
 *
 * Left out: slots_lock, and the check that user space has made the range private before.
 *
 * @see kernel arch/x86/kvm/svm/sev.c (6.12), snp_launch_start(), snp_launch_update(),
 * sev_gmem_post_populate(), snp_launch_update_vmsa(), snp_page_reclaim(); domain snp f.3, f.6
 */
import type { RmpUpdate } from '../../events/sev-snp/rmp.ts';
import type { SnpArguments } from '../../events/sev-snp/snp-command.ts';
import { type HostEnv, type HostItem, type HostLocals, type HostPath, type HostThread, host, opOf } from '../host/host-env.ts';
import { vmOf } from '../kvm/kvm-env.ts';
import { pageDigest, VMSA_GPA } from '../sev-snp/firmware/launch-digest.ts';
import { vmsaPage } from '../sev-snp/firmware/vmsa-page.ts';
import { SHARED } from '../sev-snp/page-fault.ts';
import { hasPolicy } from '../sev-snp/snp-checks.ts';
import { frameOf, toRmp } from '../sev-snp/snp-env.ts';
import { isBad, isGood, SEV } from './launch-env.ts';
import {
  asErrno,
  contextOf,
  decommission,
  FIRMWARE,
  factsOf,
  issueSnp,
  lose,
  type Of,
  reclaim,
  rmpFailed,
  setRmp,
} from './snp-launch-commands.ts';

const { path, step, call, loop, when, note, leaveLoop } = host;

declare module '../host/host-env.ts' {
  interface HostThread {
    /** The source page of user space has what the firmware accepts of CPUID. */
    readonly cpuidRewritten?: true | undefined;
  }
  interface HostLocals {
    /** Pages that this LAUNCH_UPDATE has given to the guest. */
    readonly launchPrivate?: number | undefined;
  }
}

/**
 * What KVM asks of a policy before any command: only bits that it knows, SMT allowed, bit 17 set,
 * and not the single socket.
 */
function policyRefused(policy: number): boolean {
  const known = 0xffff + 2 ** 16 + 2 ** 17 + 2 ** 19 + 2 ** 20;
  const hasUnknown = policy > known || hasPolicy(policy, 'migrationAgent');
  return hasUnknown || !hasPolicy(policy, 'mustBeOne') || !hasPolicy(policy, 'smt') || hasPolicy(policy, 'singleSocket');
}

/** Behind the checks of the VM: GCTX_CREATE, LAUNCH_START, ACTIVATE. */
export const startPages = (env: HostEnv): readonly HostItem[] => [
  note((t) => (policyRefused(factsOf(env, t).policy) ? { launchErrno: 'EINVAL' } : {})),
  when([
    isGood,
    [
      setRmp(env, contextOf(env), () => FIRMWARE),
      rmpFailed,
      when([
        isGood,
        [
          ...issueSnp(env, 'snp_context_create', 'SNP_GCTX_CREATE', (t) => ({ page: factsOf(env, t).context })),
          when([
            (_t, l) => l.failed === true,
            [note(() => ({ failed: undefined, launchErrno: 'ENOTTY' })), reclaim(env, 'snp_free_firmware_page', contextOf(env), false)],
          ]),
          when([
            isGood,
            [
              ...issueSnp(env, 'launch_start', 'SNP_LAUNCH_START', (t) => ({ policy: factsOf(env, t).policy })),
              asErrno,
              when([isGood, [...issueSnp(env, 'activate', 'SNP_ACTIVATE', (t) => ({ asid: env.vms[vmOf(env, t)]!.asid })), asErrno]]),
              when([isBad, [decommission(env)]]),
            ],
          ]),
        ],
      ]),
    ],
  ]),
];

/** RMPUPDATE's operand for a page that the firmware is to take: Pre-Guest. */
const preGuest = (env: HostEnv, t: HostThread, gfn: number): RmpUpdate => ({ ...FIRMWARE, asid: env.vms[vmOf(env, t)]!.asid, gfn });

const rangeOf = (env: HostEnv, t: HostThread): { readonly gfn: number; readonly pages: number } => {
  const op = opOf(env, t);
  if (op.op !== 'KVM_SEV_SNP_LAUNCH_UPDATE') throw new Error(`${op.op} names no pages`);
  return { gfn: op.gfn, pages: op.pages ?? 1 };
};
const gfnAt =
  (env: HostEnv): Of<number> =>
  (t, l) =>
    rangeOf(env, t).gfn + l.launchAt!;
const pfnAt =
  (env: HostEnv): Of<number> =>
  (t, l) =>
    frameOf(env, vmOf(env, t), gfnAt(env)(t, l));

function launchPage(env: HostEnv, t: HostThread, l: HostLocals): SnpArguments {
  const { refused, ...launch } = factsOf(env, t).pages[gfnAt(env)(t, l)]!;
  return { page: pfnAt(env)(t, l), launch: { ...launch, ...(refused === true && t.cpuidRewritten !== true && { refused }) } };
}
/** The firmware has left values that it accepts in a page that it refused. */
const isRewritten: (env: HostEnv) => (t: HostThread, l: HostLocals) => boolean = (env) => (t, l) =>
  factsOf(env, t).pages[gfnAt(env)(t, l)]!.type === 'cpuid' && t.firmwareTold?.command === 'SNP_PAGE_RECLAIM' && t.cpuidRefused === true;

declare module '../host/host-env.ts' {
  interface HostThread {
    /** The last SNP_LAUNCH_UPDATE of this thread was refused because of the CPUID page. */
    readonly cpuidRefused?: boolean | undefined;
  }
}

/** One page: it must be of the hypervisor before, and is the guest's after. */
const updatePage = (env: HostEnv): HostPath =>
  path('sev_gmem_post_populate', SEV('sev_gmem_post_populate()'), [
    step('snp_lookup_rmpentry', {
      send: (t, l) => toRmp({ type: 'rmp.read', pfn: pfnAt(env)(t, l) }),
      answers: { 'rmp.entry': (e) => (e.entry.assigned ? { launchErrno: 'EIO' as const } : {}) },
    }),
    when([
      isGood,
      [
        setRmp(env, pfnAt(env), (t, l) => preGuest(env, t, gfnAt(env)(t, l))),
        rmpFailed,
        when([
          isGood,
          [
            ...issueSnp(env, 'sev_issue_cmd', 'SNP_LAUNCH_UPDATE', (t, l) => launchPage(env, t, l)),
            asErrno,
            when(
              [isGood, [note((_t, l) => ({ launchPrivate: l.launchPrivate! + 1 }))]],
              [
                () => true,
                [
                  step('fw_err', { ns: 5, set: (t) => ({ cpuidRefused: t.firmwareTold?.status === 'INVALID_PARAM' }) }),
                  reclaim(env, 'snp_page_reclaim', pfnAt(env), true),
                  when([isRewritten(env), [step('copy_to_user', { set: () => ({ cpuidRewritten: true as const }) })]]),
                ],
              ],
            ),
          ],
        ]),
      ],
    ]),
  ]);

/** The pages of the range, and on failure those before it back to the hypervisor. */
export const updatePages = (env: HostEnv): HostPath =>
  path(
    'snp_launch_update',
    SEV('snp_launch_update()'),
    [
      note(() => ({ launchAt: 0, launchPrivate: 0 })),
      loop(
        when([(t, l) => l.launchAt! >= rangeOf(env, t).pages, [leaveLoop]], [isBad, [leaveLoop]]),
        call(updatePage(env)),
        note((_t, l) => ({ launchAt: l.launchAt! + 1 })),
      ),
      when([
        isBad,
        [
          note(() => ({ launchAt: 0 })),
          loop(
            when([(_t, l) => l.launchAt! >= l.launchPrivate!, [leaveLoop]]),
            call(
              path('kvm_rmp_make_shared', SEV('kvm_rmp_make_shared()'), [
                setRmp(env, pfnAt(env), () => SHARED),
                when([(_t, l) => l.result !== 'SUCCESS', lose(env, pfnAt(env), true)]),
              ]),
            ),
            note((_t, l) => ({ launchAt: l.launchAt! + 1 })),
          ),
        ],
      ]),
    ],
    { locals: ['pfn', 'update', 'result', 'failed', 'launchPrivate'] },
  );

const PAGE_SHIFT = 12n;
const hexOf = (bytes: Uint8Array): string => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');

/** The VMSA of a vCPU that has not run: its frame, and its bytes as the launch measures them. */
function vmsaArguments(env: HostEnv, t: HostThread, l: HostLocals, vcpu: number): SnpArguments {
  const { signature, eips } = factsOf(env, t);
  const page = vmsaPage({ eip: eips[vcpu]!, sevFeatures: BigInt(l.launchFacts!.features), signature, x87: 'initial' });
  return { page: env.vms[vmOf(env, t)]!.vmsas[vcpu]!, launch: { type: 'vmsa', sha384: hexOf(pageDigest(page)) } };
}

/** SNP_LAUNCH_UPDATE of the VMSA that the loop has come to; `encrypted` tells KVM's vCPU. */
export const updateVmsaPage = (env: HostEnv, vcpuAt: Of<number>, encrypted: HostItem): readonly HostItem[] => {
  const pfn: Of<number> = (t, l) => env.vms[vmOf(env, t)]!.vmsas[vcpuAt(t, l)]!;
  return [
    setRmp(env, pfn, (t) => preGuest(env, t, Number(VMSA_GPA >> PAGE_SHIFT))),
    rmpFailed,
    when([
      isGood,
      [
        ...issueSnp(env, 'sev_issue_cmd_vmsa', 'SNP_LAUNCH_UPDATE', (t, l) => vmsaArguments(env, t, l, vcpuAt(t, l))),
        asErrno,
        when([isGood, [encrypted]], [() => true, [reclaim(env, 'snp_page_reclaim_vmsa', pfn, true)]]),
      ],
    ]),
  ];
};

export const finishPages = (env: HostEnv): readonly HostItem[] => [
  ...issueSnp(env, 'launch_finish', 'SNP_LAUNCH_FINISH', (t) => {
    const { idBlock } = factsOf(env, t);
    return idBlock === undefined ? {} : { idBlock };
  }),
  asErrno,
];
