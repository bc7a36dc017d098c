/** What a region of the RMP answers to instructions of a guest and to accesses, and to whom. */
import { type ActorId, type Stamped, sender } from '../../events/event.ts';
import { hostFaultCode } from '../../events/sev-snp/error-code.ts';
import type { RmpAnswer, RmpRequest, RmpResult } from '../../events/sev-snp/rmp.ts';
import { type AccessRegion, checkAccess } from './access-rules.ts';
import { checkAdjust, checkEntry, checkQuery, checkValidate, type GuestArgs, type GuestVerdict, queryOut } from './rmp-rules.ts';
import type { Region } from './rmp-table.ts';

type GuestRequest = Extract<RmpRequest, { readonly type: 'rmp.checkGuest' }>;

/** What ends PVALIDATE or RMPADJUST. */
function verdictOf(region: Region, { pfn, asid, gfn, size, current = 0, validated, adjust }: GuestRequest): GuestVerdict {
  const page: GuestArgs = { pfn, asid, gfn, size: size ?? '4K', current };
  if (validated !== undefined) return checkValidate(region, { ...page, validated });
  if (adjust !== undefined) return checkAdjust(region, { ...page, vmpl: adjust.vmpl, mask: adjust.perms });
  return checkEntry(region, page);
}
/** What PVALIDATE and RMPADJUST are told, as a result of the manual and a fault. */
export function guestChecked(
  region: Region,
  request: GuestRequest,
): { readonly result: RmpResult; readonly fault: boolean; readonly carryFlag?: true; readonly gp?: true } {
  const verdict = verdictOf(region, request);
  if (verdict === 'WAIT') return { result: 'FAIL_INUSE', fault: false };
  if (verdict === 'NPF') return { result: 'SUCCESS', fault: true };
  if (verdict === 'NPF.SIZEM') return { result: 'FAIL_SIZEMISMATCH', fault: true };
  if (verdict === 'NO_CHANGE') return { result: 'SUCCESS', fault: false, carryFlag: true };
  if (verdict === '#GP') return { result: 'SUCCESS', fault: false, gp: true };
  return { result: verdict, fault: false };
}
/** What RMPQUERY is told. */
export function queried(
  region: Region,
  { pfn, asid, gfn, vmpl, current = 0 }: Extract<RmpRequest, { readonly type: 'rmp.query' }>,
): Omit<Extract<RmpAnswer, { readonly type: 'rmp.queried' }>, 'type'> {
  const verdict = checkQuery(region, { pfn, asid, gfn, vmpl, current });
  if (verdict === 'NPF') return { result: 'SUCCESS', fault: true };
  if (verdict === 'SUCCESS') return { result: verdict, fault: false, queryOut: queryOut(region, { pfn, vmpl }) };
  return { result: verdict, fault: false };
}
/** Who waits for the answer to an access that another actor has passed on. */
export const byOf = (event: Stamped<RmpRequest>): ActorId => ('by' in event && event.by !== undefined ? event.by : sender(event));
/** Who waits for the answer to a host store. */
export const storerOf = (event: Stamped<RmpRequest>): ActorId => (event.type === 'rmp.hostWrite' ? byOf(event) : sender(event));
export const hostStoreFaults = (region: AccessRegion, { pfn, huge }: { readonly pfn: number; readonly huge?: true }): boolean =>
  checkAccess(region, { by: 'host', does: 'write', pfn, mapping: huge === true ? '2M' : '4K' }) === '#PF';
/** What a host store is told. */
export const hostWritten = (event: RmpRequest, fault: boolean) => {
  const isUser = event.type === 'rmp.hostWrite' && event.user === true;
  return { type: 'rmp.hostWritten', fault, ...(fault && { errorCode: hostFaultCode(isUser) }) };
};
