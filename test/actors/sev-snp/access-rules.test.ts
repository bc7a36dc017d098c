/** Rows 1 to 15 of domain snp c as a table: what the RMP says to each kind of access. */
import { describe, expect, it } from 'vitest';
import { type Access, type AccessRegion, type AccessVerdict, checkAccess } from '../../../actors/sev-snp/access-rules.ts';
import { BEHIND_HEAD, HYPERVISOR_PAGE } from '../../../actors/sev-snp/rmp-table.ts';
import type { RmpEntry } from '../../../events/sev-snp/rmp.ts';

const HEAD = 0x1000;
const PFN = 0x1005;
const VALID: RmpEntry = { ...HYPERVISOR_PAGE, assigned: true, asid: 1, gfn: 5, validated: true };
const HUGE: RmpEntry = { ...VALID, pageSize: '2M', gfn: 0 };
const FIRMWARE: RmpEntry = { ...HYPERVISOR_PAGE, assigned: true, immutable: true };

const none: AccessRegion = { entries: {}, inUse: [] };
const own: AccessRegion = { entries: { [PFN]: VALID }, inUse: [] };
const firmware: AccessRegion = { entries: { [PFN]: FIRMWARE }, inUse: [] };
const beside: AccessRegion = { entries: { [PFN + 1]: VALID }, inUse: [] };
const vmcb: AccessRegion = { entries: {}, inUse: [PFN] };
const vmcbAtHead: AccessRegion = { entries: {}, inUse: [HEAD] };
const early: AccessRegion = { ...vmcbAtHead, erratum: true };
const earlyUnaligned: AccessRegion = { ...vmcb, erratum: true };
const whole: AccessRegion = { entries: { [HEAD]: HUGE, [PFN]: BEHIND_HEAD }, inUse: [] };
const vmsa: AccessRegion = { entries: { [PFN]: { ...VALID, vmsa: true } }, inUse: [] };
const running: AccessRegion = { ...vmsa, inUse: [PFN] };
const invalid: AccessRegion = { entries: { [PFN]: { ...VALID, validated: false } }, inUse: [] };

const store = (mapping: '4K' | '2M' | '1G', pfn = PFN): Access => ({ by: 'host', does: 'write', pfn, mapping });
const walk = (mapping: '4K' | '2M', pfn = PFN): Access => ({ by: 'host', does: 'walk', pfn, mapping });
const load = (does: 'read' | 'fetch'): Access => ({ by: 'host', does, pfn: PFN });
const device: Access = { by: 'device', pfn: PFN };
const plain = (does: 'read' | 'write', mapping: '4K' | '2M' = '4K'): Access => ({ by: 'plain-guest', does, pfn: PFN, mapping });
const guest = (change: Partial<Extract<Access, { by: 'guest' }>> = {}): Access => ({
  ...{ by: 'guest', nested: '4K', pfn: PFN, asid: 1, gfn: 5, private: true, write: true },
  ...change,
});
const vmrun = (asid = 1): Access => ({ by: 'vmrun', pfn: PFN, asid });

describe('an access', () => {
  it.each<[row: string, name: string, AccessRegion, Access, AccessVerdict]>([
    ['1', 'host store by 4K to a shared page', none, store('4K'), 'ok'],
    ['1', 'host store by 4K to a page of a guest', own, store('4K'), '#PF'],
    ['1', 'host store by 4K to a page of the firmware', firmware, store('4K'), '#PF'],
    ['1', 'host store by 4K beside a page of a guest', beside, store('4K'), 'ok'],
    ['2', 'host store by 2M where all frames are shared', none, store('2M'), 'ok'],
    ['2', 'host store by 2M beside a page of a guest', beside, store('2M'), '#PF'],
    ['2', 'host store by 1G beside a page of a guest', beside, store('1G'), '#PF'],
    ['4', 'host load of a page of a guest', own, load('read'), 'ciphertext'],
    ['4', 'host fetch from a page of a guest', own, load('fetch'), 'ciphertext'],
    ['4', 'host load of a shared page', none, load('read'), 'ok'],
    ['4', 'host load of a page in use', running, load('read'), 'ciphertext'],
    ['5', 'A and D bits of a table in a shared page', none, walk('4K'), 'ok'],
    ['5', 'A and D bits of a table in a page of a guest', own, walk('4K'), '#PF'],
    ['5', 'A and D bits of a table beside one, by 2M', beside, walk('2M'), '#PF'],
    ['6', 'host store to a VMCB in use', vmcb, store('4K'), '#PF'],
    ['6', 'host store by 2M beside a VMCB in use', vmcb, store('2M', PFN + 1), 'ok'],
    ['7', 'host store by 2M beside an aligned VMCB in use', vmcbAtHead, store('2M'), 'ok'],
    ['7', 'the same on early silicon', early, store('2M'), '#PF'],
    ['7', 'the same by 4K', early, store('4K'), 'ok'],
    ['7', 'the same beside one that is not aligned', earlyUnaligned, store('2M', PFN + 1), 'ok'],
    ['8', 'DMA to a shared page', none, device, 'ok'],
    ['8', 'DMA to a page of a guest', own, device, 'dropped'],
    ['9', 'private store to an own valid page', own, guest(), 'ok'],
    ['9a', 'private store to a page of the hypervisor', none, guest(), 'npf'],
    ['9a', 'private store under another ASID', own, guest({ asid: 2 }), 'npf'],
    ['9a', 'private store at another GPA', own, guest({ gfn: 6 }), 'npf'],
    ['9b', 'private load of a page that is not validated', invalid, guest({ write: false }), 'vc'],
    ['10', 'shared store to a page of the hypervisor', none, guest({ private: false }), 'ok'],
    ['10', 'shared store to a page of a guest', own, guest({ private: false }), 'npf'],
    ["10'", 'shared load of a page of a guest', own, guest({ private: false, write: false }), 'ok'],
    ['11', 'private store by a nested 4K mapping of a 2M entry', whole, guest(), 'npf'],
    ['11', 'private store by a nested 2M mapping of a 2M entry', whole, guest({ nested: '2M' }), 'ok'],
    ['12', 'private store by a nested 2M mapping of a 4K entry', own, guest({ nested: '2M' }), 'npf'],
    ['12', 'shared store by a nested 2M mapping', none, guest({ nested: '2M', private: false }), 'ok'],
    ['13', 'VMRUN with a VMSA', vmsa, vmrun(), 'ok'],
    ['13', 'VMRUN with a page that is none', own, vmrun(), 'invalid'],
    ['13', 'VMRUN with a VMSA of another ASID', vmsa, vmrun(2), 'invalid'],
    ['13', 'VMRUN with a VMSA in use', running, vmrun(), 'invalid'],
    ['14', 'store of a plain guest to a shared page', none, plain('write'), 'ok'],
    ['14', 'store of a plain guest to a page of an SNP guest', own, plain('write'), 'npf'],
    ['14', 'store of a plain guest by 2M beside one', beside, plain('write', '2M'), 'npf'],
    ['14', 'load of a plain guest', own, plain('read'), 'ok'],
    ['15', 'private load of a VMSA in use', running, guest({ write: false }), 'npf'],
  ])('of row %s, %s', (_row, _name, region, access, verdict) => {
    expect(checkAccess(region, access)).toBe(verdict);
  });
});
