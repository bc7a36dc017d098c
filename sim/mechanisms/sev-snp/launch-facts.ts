/** What a launch in the run needs of its VM: pages as the firmware takes them, and the ID block. */
import { decodeIdAuth, encodeIdBlock, ID_BYTES, idSignaturesHold, signIdBlock } from '../../../actors/sev-snp/firmware/id-block.ts';
import { RESET_EIP } from '../../../actors/sev-snp/firmware/vmsa-page.ts';
import type { SnpLaunchFacts } from '../../../actors/sev-snp/snp-env.ts';
import type { SnpIdBlock, SnpLaunchPage } from '../../../events/sev-snp/snp-command.ts';
import type { ResolvedVm } from '../../scenario/types.ts';
import { bytesOf, pageOf, SIGNATURE_DEFAULT } from './launch-page.ts';
import { type IdBlockSetup, type LaunchedPage, launchOf } from './launch-sections.ts';

/** SMT allowed, and the bit that must be 1. */
const POLICY_DEFAULT = 0x3_0000;
/** The private key of every scenario: any number will do, as long as it stays the same. */
const ID_KEY = '5'.repeat(96);

const hexOf = (bytes: Uint8Array): string => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');

function firmwarePage(page: LaunchedPage): SnpLaunchPage {
  const { sha384 } = pageOf(page);
  return { type: page.type, ...(sha384 && { sha384: hexOf(sha384) }), ...(page.refused === true && { refused: true as const }) };
}

/**
 * The signature is made and verified byte for byte. A policy that no guest can have is no mistake
 * of the block: no guest that was launched has it, and SNP_LAUNCH_FINISH says so.
 */
function idBlockOf({ digest, signedDigest = digest, policy }: IdBlockSetup, launchPolicy: number): SnpIdBlock {
  const asked = policy ?? launchPolicy;
  const block = (launchDigest: string) =>
    encodeIdBlock({
      launchDigest: bytesOf(launchDigest),
      familyId: new Uint8Array(ID_BYTES),
      imageId: new Uint8Array(ID_BYTES),
      guestSvn: 0,
      policy: BigInt(asked),
    });
  const auth = decodeIdAuth(signIdBlock(block(signedDigest), { id: bytesOf(ID_KEY) }));
  return { digest, policy: asked, signed: idSignaturesHold(block(digest), auth).block };
}

/** Of a VM that threads launch; undefined for one that has been launched when the run starts. */
export function launchFactsOf(vm: ResolvedVm): SnpLaunchFacts | undefined {
  const setup = launchOf(vm);
  if (setup?.context === undefined) return undefined;
  const { context, pages, policy = POLICY_DEFAULT, signature = SIGNATURE_DEFAULT, apEip = RESET_EIP, idBlock } = setup;
  return {
    context,
    policy,
    pages: Object.fromEntries(pages.map((page) => [page.gfn, firmwarePage(page)])),
    signature,
    eips: vm.vcpus.map((_, index) => (index === 0 ? RESET_EIP : apEip)),
    ...(idBlock && { idBlock: idBlockOf(idBlock, policy) }),
  };
}

/** Frames of such a VM by GFN, and the VMSA of each vCPU. */
export function launchFrames(vm: ResolvedVm): {
  readonly frames: readonly (readonly [gfn: number, pfn: number])[];
  readonly vmsas: readonly number[];
} {
  const setup = launchOf(vm);
  if (setup?.context === undefined) return { frames: [], vmsas: [] };
  return { frames: setup.pages.map(({ gfn, pfn }) => [gfn, pfn!] as const), vmsas: setup.vmsas ?? [] };
}
/** All PFNs that the launch of a VM takes. */
export function launchPfns(vm: { readonly settings?: object }): readonly number[] {
  const setup = launchOf(vm);
  if (setup?.context === undefined) return [];
  return [setup.context, ...(setup.vmsas ?? []), ...setup.pages.flatMap(({ pfn }) => (pfn === undefined ? [] : [pfn]))];
}
