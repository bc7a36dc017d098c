/** Changes of one line in the launch of an SNP guest with its pages. */
import { type PathPatch, replaceStep, withoutSteps } from '../../../actors/path/patch.ts';
import type { Mutant } from '../../host/mechanism.ts';

const path = (summary: string, name: string, ...patches: readonly PathPatch[]): Mutant => ({ summary, paths: { [name]: patches } });

/** The items of a call get another operand. */
const ofOperand =
  (change: (update: { readonly gfn: number }, pfn: number) => object): PathPatch =>
  (before) =>
    replaceStep(before, 'rmpupdate', (item) => {
      const { bind } = item as unknown as {
        readonly bind?: (t: never, l: never) => { readonly update: { readonly gfn: number }; readonly pfn: number };
      };
      const other = (t: never, l: never) => {
        const given = bind!(t, l);
        return { ...given, update: { ...given.update, ...change(given.update, given.pfn) } };
      };
      return [{ ...item, bind: other } as unknown as typeof item];
    });

export const snpLaunchMutants: Readonly<Record<string, Mutant>> = {
  'snp-launch-no-reclaim': path(
    'A page that the firmware refused is not reclaimed.',
    'sev_gmem_post_populate',
    withoutSteps('snp_page_reclaim'),
  ),
  'snp-launch-any-page': path('LAUNCH_UPDATE does not look whether a page is assigned.', 'sev_gmem_post_populate', (before) =>
    replaceStep(before, 'snp_lookup_rmpentry', (item) => [{ ...item, answers: { 'rmp.entry': () => ({}) } } as unknown as typeof item]),
  ),
  'snp-launch-keeps-batch': path('A LAUNCH_UPDATE that fails leaves the pages before to the guest.', 'snp_launch_update', (before) =>
    replaceStep(before, 'kvm_rmp_make_shared', () => [{ kind: 'step', name: 'kept' }]),
  ),
  'snp-launch-gfn-of-frame': path(
    'A page of a launch is assigned at a GFN that follows from its frame.',
    'sev_gmem_post_populate',
    ofOperand((_update, pfn) => ({ gfn: pfn })),
  ),
};
