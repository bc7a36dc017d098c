/** What a launch adds to a scenario file: the pages of a VM that the firmware measures. */
import { z } from 'zod';
import { GFN, integer, PFN, strict } from '../../scenario/fields.ts';
import type { Path, PathIssue } from '../../scenario/issues.ts';
import type { LoweredVm } from '../../scenario/lowered.ts';
import type { VmSetting } from '../../scenario/section.ts';

const PAGES_MAX = 4096;

/** A page of SNP_LAUNCH_UPDATE. Its contents count for the type `normal` alone. */
export interface LaunchedPage {
  readonly type: 'normal' | 'zero' | 'unmeasured' | 'secrets' | 'cpuid';
  readonly gfn: number;
  readonly fill?: number;
  /** Of the page, in hex. */
  readonly sha384?: string;
  /** Its frame, where the VM is launched in the run. */
  readonly pfn?: number;
  /** A CPUID page with a leaf that the firmware does not accept, until it has been rewritten. */
  readonly refused?: boolean;
}

/** The ID block of SNP_LAUNCH_FINISH. */
export interface IdBlockSetup {
  readonly digest: string;
  /** What the block had when it was signed. Default: the same. */
  readonly signedDigest?: string;
  /** Default: that of the launch. */
  readonly policy?: number;
}

export interface LaunchSetup {
  readonly pages: readonly LaunchedPage[];
  /** EAX of CPUID function 1. */
  readonly signature?: number;
  /** Where vCPUs but the first begin. */
  readonly apEip?: number;
  /** The page of the guest context. It says that the VM is launched in the run. */
  readonly context?: number;
  /** Frames of the VMSAs, one for each vCPU. */
  readonly vmsas?: readonly number[];
  readonly policy?: number;
  readonly idBlock?: IdBlockSetup;
}

declare module '../../../events/options.ts' {
  interface VmSettings {
    readonly launch: LaunchSetup;
  }
}

const SHA384_ERROR = 'expected 96 hex digits in lower case, a SHA-384';
const hex32 = (value: number): string => (value === 0 ? '0' : `0x${value.toString(16)}`);
const U32 = integer(0, 0xffff_ffff, hex32);

const SHA384 = z.string({ error: SHA384_ERROR }).regex(/^[0-9a-f]{96}$/, { error: SHA384_ERROR });

const TYPES = ['normal', 'zero', 'unmeasured', 'secrets', 'cpuid'] as const;
const PAGE = strict({
  type: z.enum(TYPES, {
    error: `expected one of ${TYPES.join(', ')}: the VMSA of each vCPU is measured behind the pages, by SNP_LAUNCH_FINISH`,
  }),
  gfn: GFN,
  fill: integer(0, 255).exactOptional(),
  sha384: SHA384.exactOptional(),
  pfn: PFN.describe('Its frame, where the VM is launched in the run.').exactOptional(),
  refused: z
    .boolean({ error: 'expected true or false' })
    .describe('The firmware refuses a leaf of this CPUID page, and rewrites it.')
    .exactOptional(),
});
const ID_BLOCK = strict({
  digest: SHA384,
  signedDigest: SHA384.describe('The digest that the signature is for. Default: the same.').exactOptional(),
  policy: U32.describe('Default: that of the launch.').exactOptional(),
});

const launch: VmSetting<LaunchSetup> = {
  schema: strict({
    pages: z.array(PAGE).max(PAGES_MAX),
    signature: U32.exactOptional(),
    apEip: U32.exactOptional(),
    context: PFN.describe('The page of the guest context, of a VM that is launched in the run.').exactOptional(),
    vmsas: z.array(PFN).describe('The frame of each VMSA, of a VM that is launched in the run.').exactOptional(),
    policy: U32.describe('Guest policy, of a VM that is launched in the run. Default: 0x30000.').exactOptional(),
    idBlock: ID_BLOCK.describe('The ID block that a launch in the run is compared with.').exactOptional(),
  }).describe(
    'What the firmware measures of an SNP VM, in its order: its launch digest. A run takes notice of it where threads launch the VM.',
  ),
};

export const LAUNCH_SETTINGS = { launch };

/** The launch of a VM; undefined for one that has none. */
export const launchOf = (vm: { readonly settings?: object }): LaunchSetup | undefined =>
  (vm.settings as { readonly launch?: LaunchSetup } | undefined)?.launch;

/** A launch of what no firmware launches, and pages without contents, or with two. */
export function launchIssues(vm: LoweredVm, snpType: string): PathIssue[] {
  const setup = launchOf(vm);
  if (setup === undefined) return [];
  const path = [...vm.settingsPath, 'launch'];
  if (vm.type !== snpType) return [{ path, message: `found launch; expected none: ${vm.id} is of type ${vm.type}, and not ${snpType}` }];
  return [...inRunIssues(setup, vm, path), ...contentIssues(setup, path)];
}

function contentIssues({ pages }: LaunchSetup, path: Path): PathIssue[] {
  return pages.flatMap(({ type, fill, sha384 }, index): PathIssue[] => {
    const given = Number(fill !== undefined) + Number(sha384 !== undefined);
    if (given === 1 || (given === 0 && type !== 'normal')) return [];
    const found = given === 0 ? 'neither' : 'both';
    return [{ path: [...path, 'pages', index], message: `found ${found}; expected one of fill and sha384` }];
  });
}

/** Frames are given of a VM that is launched in the run, all of them, and of no other. */
function inRunIssues({ context, vmsas, policy, idBlock, pages }: LaunchSetup, vm: LoweredVm, path: Path): PathIssue[] {
  const refused = pages.flatMap(({ type, refused: is }, i) =>
    is === true && type !== 'cpuid'
      ? [{ path: [...path, 'pages', i, 'refused'], message: `found refused of a ${type} page; expected it of a CPUID page alone` }]
      : [],
  );
  if (context === undefined) {
    const given = Object.entries({ vmsas, policy, idBlock }).filter(([, value]) => value !== undefined);
    const frames = pages.flatMap(({ pfn, refused: is }, i) =>
      pfn === undefined && is === undefined ? [] : [[...path, 'pages', i, pfn === undefined ? 'refused' : 'pfn']],
    );
    return [...given.map(([name]) => [...path, name]), ...frames].map((at) => ({
      path: at,
      message: `found ${String(at.at(-1))}; expected none, or context beside it: ${vm.id} is not launched in the run`,
    }));
  }
  const vcpus = vm.vcpus.length;
  return [
    ...refused,
    ...(vmsas?.length === vcpus
      ? []
      : [{ path: [...path, 'vmsas'], message: `found ${vmsas?.length ?? 0} VMSAs; expected ${vcpus}: one for each vCPU of ${vm.id}` }]),
    ...pages.flatMap(({ pfn }, i) =>
      pfn === undefined ? [{ path: [...path, 'pages', i], message: `found no pfn; expected one: ${vm.id} is launched in the run` }] : [],
    ),
  ];
}

/** Pages that a VM has once it is launched in the run. */
export const launchedPages = (vm: { readonly settings?: object }): readonly LaunchedPage[] => {
  const setup = launchOf(vm);
  return setup?.context === undefined ? [] : setup.pages;
};
