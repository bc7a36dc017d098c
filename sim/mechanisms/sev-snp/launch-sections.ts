/** What a launch adds to a scenario file: the pages of a VM that the firmware measures. */
import { z } from 'zod';
import { GFN, integer, strict } from '../../scenario/fields.ts';
import type { PathIssue } from '../../scenario/issues.ts';
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
}

export interface LaunchSetup {
  readonly pages: readonly LaunchedPage[];
  /** EAX of CPUID function 1. */
  readonly signature?: number;
  /** Where vCPUs but the first begin. */
  readonly apEip?: number;
}

declare module '../../../events/options.ts' {
  interface VmSettings {
    readonly launch: LaunchSetup;
  }
}

const SHA384_ERROR = 'expected 96 hex digits in lower case, a SHA-384';
const hex32 = (value: number): string => (value === 0 ? '0' : `0x${value.toString(16)}`);
const U32 = integer(0, 0xffff_ffff, hex32);

const TYPES = ['normal', 'zero', 'unmeasured', 'secrets', 'cpuid'] as const;
const PAGE = strict({
  type: z.enum(TYPES, {
    error: `expected one of ${TYPES.join(', ')}: the VMSA of each vCPU is measured behind the pages, by SNP_LAUNCH_FINISH`,
  }),
  gfn: GFN,
  fill: integer(0, 255).exactOptional(),
  sha384: z
    .string({ error: SHA384_ERROR })
    .regex(/^[0-9a-f]{96}$/, { error: SHA384_ERROR })
    .exactOptional(),
});

const launch: VmSetting<LaunchSetup> = {
  schema: strict({ pages: z.array(PAGE).max(PAGES_MAX), signature: U32.exactOptional(), apEip: U32.exactOptional() }).describe(
    'What the firmware measures of an SNP VM, in its order: its launch digest. The run itself takes no notice.',
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
  return setup.pages.flatMap(({ type, fill, sha384 }, index): PathIssue[] => {
    const given = Number(fill !== undefined) + Number(sha384 !== undefined);
    if (given === 1 || (given === 0 && type !== 'normal')) return [];
    const found = given === 0 ? 'neither' : 'both';
    return [{ path: [...path, 'pages', index], message: `found ${found}; expected one of fill and sha384` }];
  });
}
