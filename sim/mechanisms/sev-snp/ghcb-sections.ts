/** What GHCBs add to a scenario file: which pages of a VM its vCPUs use as such. */
import { z } from 'zod';
import { GFN, integer, strict } from '../../scenario/fields.ts';
import type { VmSetting } from '../../scenario/section.ts';

/** A page that a guest uses as GHCB; `vcpu` has registered it before the run starts. */
export interface GhcbSetup {
  readonly gfn: number;
  readonly vcpu?: number;
}

declare module '../../../events/options.ts' {
  interface VmSettings {
    readonly ghcbs: readonly GhcbSetup[];
  }
}

const GHCBS_MAX = 64;

const ghcbs: VmSetting<readonly GhcbSetup[]> = {
  schema: z
    .array(strict({ gfn: GFN, vcpu: integer(0, 0xffff).describe('The vCPU that has registered it when the run starts.').exactOptional() }))
    .max(GHCBS_MAX)
    .describe('Pages of an SNP VM that its guest uses as GHCBs. Default: none.'),
};

export const GHCB_SETTINGS = { ghcbs };

/** Those of a VM; none for a VM that names none. */
export const ghcbsOf = (vm: { readonly settings?: object }): readonly GhcbSetup[] =>
  (vm.settings as { readonly ghcbs?: readonly GhcbSetup[] } | undefined)?.ghcbs ?? [];
