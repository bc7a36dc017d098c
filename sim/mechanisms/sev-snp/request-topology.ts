/** What guests that ask for reports bring: their driver, KVM's mutex and limit, certificates. */
import { guestReqMutex, rateLimitId } from '../../../actors/sev-snp/guest-request.ts';
import { sevGuestId } from '../../../actors/sev-snp/report-request.ts';
import { integer } from '../../scenario/fields.ts';
import type { PathIssue } from '../../scenario/issues.ts';
import { operationsIn, type Structure } from '../../scenario/lowered.ts';
import type { VmSetting } from '../../scenario/section.ts';
import type { ResolvedScenario, ResolvedVm } from '../../scenario/types.ts';
import type { ActorSpec } from '../../store.ts';
import { SNP_VM } from './sections.ts';

declare module '../../../events/options.ts' {
  interface VmSettings {
    readonly certPages: number;
  }
}

/** SEV_FW_BLOB_MAX_SIZE, in pages. */
export const CERT_PAGES_MAX = 4;

const certPages: VmSetting<number> = {
  schema: integer(1, CERT_PAGES_MAX).describe('How many pages the certificates of its reports need. Default: 1.'),
};
export const REQUEST_SETTINGS = { certPages };

export const certPagesOf = ({ settings }: { readonly settings?: object }): number =>
  (settings as { readonly certPages?: number } | undefined)?.certPages ?? 1;

/** Whether the guest asks the firmware for a report. */
export const asksForReports = ({ vcpus }: ResolvedVm): boolean => vcpus.some(({ ops }) => ops.some(({ op }) => op === 'request-report'));

export const requestActors = ({ vms, host: { options } }: ResolvedScenario): readonly ActorSpec[] =>
  vms
    .filter(asksForReports)
    .flatMap(({ id }) => [
      { id: sevGuestId(id), kind: 'sevGuest', input: null },
      { id: guestReqMutex(id), kind: 'mutex', input: null },
      ...(options['kvm.guestRequestLimit'] === 'none' ? [] : [{ id: rateLimitId(id), kind: 'rateLimit', input: null }]),
    ]);

export const requestIssues = ({ vms }: Structure): PathIssue[] =>
  vms
    .filter(({ type }) => type !== SNP_VM)
    .flatMap(({ id, vcpus }) =>
      vcpus
        .flatMap((program) => [...operationsIn(program)].filter(({ op }) => op.op === 'request-report').slice(0, 1))
        .map(({ path }) => ({
          path,
          message: `found request-report; expected it in an SNP VM: firmware knows nothing of ${id}`,
        })),
    );
