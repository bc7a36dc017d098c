/**
 * The RMP: its checks as tables, and the region's lock, marks and writes.
 * @see domain snp a.3, a.4, b.2, b.3, c
 */
import { describe, expect, it } from 'vitest';
import {
  checkGuest,
  checkUpdate,
  type Entries,
  guestAccess,
  HYPERVISOR_PAGE,
  hostWriteFaults,
  subCount,
  updated,
  vmsaIsValid,
} from '../../../actors/sev-snp/rmp-check.ts';
import { type RmpRegionContext, rmpRegionMachine } from '../../../actors/sev-snp/rmp-region.ts';
import { RMP_RESULTS, type RmpEntry, type RmpUpdate, regionOf } from '../../../events/sev-snp/rmp.ts';
import { Given } from '../given.ts';

const HEAD = 0x1000;
const PFN = 0x1005;
const entry = (change: Partial<RmpEntry>): RmpEntry => ({ ...HYPERVISOR_PAGE, ...change });
const GUEST_VALID = entry({ assigned: true, asid: 1, gfn: 5, validated: true });
const FIRMWARE = entry({ assigned: true, immutable: true });
const HUGE = entry({ assigned: true, pageSize: '2M', asid: 1, gfn: 0, validated: true });
const SHARE: RmpUpdate = { assigned: false, pageSize: '4K', immutable: false, asid: 0, gfn: 0 };
const TAKE: RmpUpdate = { assigned: true, pageSize: '4K', immutable: false, asid: 1, gfn: 5 };

describe('result codes', () => {
  it('are the numbers of the manual', () => {
    expect(RMP_RESULTS).toEqual({ SUCCESS: 0, FAIL_INPUT: 1, FAIL_PERMISSION: 2, FAIL_INUSE: 3, FAIL_OVERLAP: 4, FAIL_SIZEMISMATCH: 6 });
  });

  it.each<[string, Entries, readonly number[], number, RmpUpdate, keyof typeof RMP_RESULTS]>([
    ['a shared page becomes private', {}, [], PFN, TAKE, 'SUCCESS'],
    ['a private page becomes shared', { [PFN]: GUEST_VALID }, [], PFN, SHARE, 'SUCCESS'],
    ['a private page changes its owner', { [PFN]: GUEST_VALID }, [], PFN, { ...TAKE, asid: 2 }, 'SUCCESS'],
    ['a shared page becomes a firmware page', {}, [], PFN, { ...TAKE, asid: 0, gfn: 0, immutable: true }, 'SUCCESS'],
    ['a 2M operand on a frame that is not aligned', {}, [], PFN, { ...TAKE, pageSize: '2M' }, 'FAIL_INPUT'],
    ['an ASID on a page of no guest', {}, [], PFN, { ...SHARE, asid: 1 }, 'FAIL_INPUT'],
    ['immutable on a page of no guest', {}, [], PFN, { ...SHARE, immutable: true }, 'FAIL_INPUT'],
    ['bad input on a page in use: the input is looked at first', {}, [PFN], PFN, { ...SHARE, asid: 1 }, 'FAIL_INPUT'],
    ['a VMSA in use', { [PFN]: { ...GUEST_VALID, vmsa: true } }, [PFN], PFN, SHARE, 'FAIL_INUSE'],
    ['an immutable page', { [PFN]: FIRMWARE }, [], PFN, SHARE, 'FAIL_PERMISSION'],
    ['an immutable page in use: in use is looked at first', { [PFN]: FIRMWARE }, [PFN], PFN, SHARE, 'FAIL_INUSE'],
    ['4K inside an assigned 2M entry', { [HEAD]: HUGE }, [], PFN, SHARE, 'FAIL_OVERLAP'],
    ['2M over a frame assigned as 4K', { [PFN]: GUEST_VALID }, [], HEAD, { ...TAKE, pageSize: '2M' }, 'FAIL_OVERLAP'],
    ['2M over a region of no guest', {}, [], HEAD, { ...TAKE, pageSize: '2M' }, 'SUCCESS'],
    ['2M over a 2M entry', { [HEAD]: HUGE }, [], HEAD, { ...TAKE, pageSize: '2M' }, 'SUCCESS'],
  ])('RMPUPDATE: %s', (_name, entries, inUse, pfn, update, result) => {
    expect(checkUpdate(entries, inUse, pfn, update)).toBe(result);
  });

  it('RMPUPDATE clears Validated and VMSA whatever they were', () => {
    expect(updated(TAKE)).toEqual({ ...TAKE, validated: false, vmsa: false });
  });

  it.each<[string, Entries, number, number, { result: string; fault: boolean }]>([
    ['a page of the guest', { [PFN]: GUEST_VALID }, 1, 5, { result: 'SUCCESS', fault: false }],
    ['a page of no guest', {}, 1, 5, { result: 'SUCCESS', fault: true }],
    ['a page of another ASID', { [PFN]: GUEST_VALID }, 2, 5, { result: 'SUCCESS', fault: true }],
    ['a page at another GPA', { [PFN]: GUEST_VALID }, 1, 6, { result: 'SUCCESS', fault: true }],
    ['a page inside a 2M entry', { [HEAD]: HUGE, [PFN]: GUEST_VALID }, 1, 5, { result: 'FAIL_SIZEMISMATCH', fault: true }],
  ])('PVALIDATE and RMPADJUST: %s', (_name, entries, asid, gfn, checked) => {
    expect(checkGuest(entries, [], PFN, asid, gfn)).toEqual(checked);
  });

  it('PVALIDATE and RMPADJUST leave a VMSA in use as it is', () => {
    expect(checkGuest({ [PFN]: GUEST_VALID }, [PFN], PFN, 1, 5)).toEqual({ result: 'FAIL_INUSE', fault: false });
  });

  it('counts the frames of a region that are assigned as 4K', () => {
    expect(subCount({ [HEAD]: HUGE, [PFN]: GUEST_VALID, [PFN + 1]: FIRMWARE, [PFN + 2]: HYPERVISOR_PAGE })).toBe(2);
  });
});

describe('accesses', () => {
  it.each<[string, Entries, readonly number[], boolean]>([
    ['a shared page', {}, [], false],
    ['a private page', { [PFN]: GUEST_VALID }, [], true],
    ['a firmware page', { [PFN]: FIRMWARE }, [], true],
    ['a shared page in use', {}, [PFN], true],
  ])('a host store to %s', (_name, entries, inUse, fault) => {
    expect(hostWriteFaults(entries, inUse, PFN)).toBe(fault);
  });

  const INVALID = { ...GUEST_VALID, validated: false };
  it.each<[string, Entries, { private: boolean; write: boolean; asid?: number; gfn?: number }, 'ok' | 'npf' | 'vc']>([
    ['private load of a valid page', { [PFN]: GUEST_VALID }, { private: true, write: false }, 'ok'],
    ['private store to a valid page', { [PFN]: GUEST_VALID }, { private: true, write: true }, 'ok'],
    ['private load of a page of no guest', {}, { private: true, write: false }, 'npf'],
    ['private load of a page of another ASID', { [PFN]: GUEST_VALID }, { private: true, write: false, asid: 2 }, 'npf'],
    ['private load at another GPA', { [PFN]: GUEST_VALID }, { private: true, write: false, gfn: 6 }, 'npf'],
    ['private load of a page not validated', { [PFN]: INVALID }, { private: true, write: false }, 'vc'],
    ['shared store to a page of no guest', {}, { private: false, write: true }, 'ok'],
    ['shared store to an assigned page', { [PFN]: GUEST_VALID }, { private: false, write: true }, 'npf'],
    ['shared load of an assigned page', { [PFN]: GUEST_VALID }, { private: false, write: false }, 'ok'],
  ])('%s', (_name, entries, { asid = 1, gfn = 5, ...access }, outcome) => {
    expect(guestAccess(entries, [], { pfn: PFN, asid, gfn, ...access })).toBe(outcome);
  });

  const VMSA = { ...GUEST_VALID, vmsa: true };
  it.each<[string, Entries, readonly number[], number, boolean]>([
    ['a VMSA of the ASID', { [PFN]: VMSA }, [], 1, true],
    ['a page that is no VMSA', { [PFN]: GUEST_VALID }, [], 1, false],
    ['a VMSA of another ASID', { [PFN]: VMSA }, [], 2, false],
    ['a VMSA in use', { [PFN]: VMSA }, [PFN], 1, false],
    ['a page of no guest', {}, [], 1, false],
  ])('VMRUN with %s', (_name, entries, inUse, asid, valid) => {
    expect(vmsaIsValid(entries, inUse, PFN, asid)).toBe(valid);
  });
});

const region = (contention: RmpRegionContext['contention'], entries: Entries = { [PFN]: GUEST_VALID }) =>
  Given.start<RmpRegionContext>(rmpRegionMachine, { entries, contention });
const from = (sender: string, type: string, rest: object = {}) => ({ type, from: sender, pfn: PFN, ...rest });
const HOST = 'thread:h/0';
const GUEST = 'vcpu:vm0/0';

describe('a region', () => {
  it('locks one entry for one instruction', () => {
    const { sent, and } = region('inuse').when(from(HOST, 'rmp.lock'));
    expect(sent).toEqual([{ to: HOST, event: { type: 'rmp.locked', result: 'SUCCESS' } }]);
    expect(and.context.holders).toEqual({ [PFN]: HOST });
    expect(and.after(from(HOST, 'rmp.unlock')).context.holders).toEqual({});
  });

  it.each([
    ['inuse', PFN, 'FAIL_INUSE'],
    ['inuse', PFN + 1, 'SUCCESS'],
    ['overlap-2m', PFN, 'FAIL_OVERLAP'],
    ['overlap-2m', PFN + 1, 'FAIL_OVERLAP'],
  ] as const)('under %s a second instruction on frame %i gets %s', (contention, pfn, result) => {
    const held = region(contention).after(from(HOST, 'rmp.lock'));
    const { sent, context } = held.when(from(GUEST, 'rmp.lock', { pfn }));
    expect(sent[0]!.event).toEqual({ type: 'rmp.locked', result });
    expect(context.holders[PFN]).toBe(HOST);
  });

  it.each(['rmp.checkUpdate', 'rmp.writeUpdate', 'rmp.checkGuest', 'rmp.writeValidated', 'rmp.writeVmsa', 'rmp.unlock'])(
    'takes %s from the holder only',
    (type) => {
      const held = region('inuse').after(from(HOST, 'rmp.lock'));
      const fields = { ...TAKE, validated: true, vmsa: true };
      expect(held.when(from(GUEST, type, fields)).handled).toBe(false);
      expect(held.when(from(HOST, type, fields)).handled).toBe(true);
      expect(region('inuse').when(from(HOST, type, fields)).handled).toBe(false);
    },
  );

  it('writes what RMPUPDATE says and keeps its neighbours', () => {
    const entries = { [PFN]: GUEST_VALID, [PFN + 1]: FIRMWARE };
    const written = region('inuse', entries).after(from(HOST, 'rmp.lock'), from(HOST, 'rmp.writeUpdate', SHARE));
    expect(written.context.entries).toEqual({ [PFN]: HYPERVISOR_PAGE, [PFN + 1]: FIRMWARE });
  });

  it('writes one bit for PVALIDATE and one for RMPADJUST', () => {
    const held = region('inuse').after(from(GUEST, 'rmp.lock'));
    expect(held.after(from(GUEST, 'rmp.writeValidated', { validated: false })).context.entries[PFN]).toEqual({
      ...GUEST_VALID,
      validated: false,
    });
    expect(held.after(from(GUEST, 'rmp.writeVmsa', { vmsa: true })).context.entries[PFN]).toEqual({ ...GUEST_VALID, vmsa: true });
  });

  it('answers a look without locking, and says what is in use', () => {
    const { sent, context } = region('inuse').after(from(GUEST, 'rmp.lock')).when(from(HOST, 'rmp.read'));
    expect(sent).toEqual([{ to: HOST, event: { type: 'rmp.entry', entry: GUEST_VALID, inUse: false } }]);
    expect(context.holders).toEqual({ [PFN]: GUEST });
    expect(region('inuse').when(from(HOST, 'rmp.read', { pfn: HEAD })).sent[0]!.event.entry).toEqual(HYPERVISOR_PAGE);
  });

  const VMSA = { [PFN]: { ...GUEST_VALID, vmsa: true } };
  const entered = (given: Given<RmpRegionContext>, asid = 1) => given.when(from(HOST, 'rmp.enter', { asid }));

  it('marks a VMSA in use from VMRUN to #VMEXIT', () => {
    const inside = entered(region('inuse', VMSA));
    expect(inside.sent[0]!.event).toEqual({ type: 'rmp.entered', outcome: 'ok' });
    expect(inside.context.inUse).toEqual([PFN]);
    expect(entered(inside.and).sent[0]!.event).toMatchObject({ outcome: 'invalid' });
    const check = inside.and.after(from('thread:g/0', 'rmp.lock')).when(from('thread:g/0', 'rmp.checkUpdate', SHARE));
    expect(check.sent[0]!.event).toMatchObject({ type: 'rmp.checked', result: 'FAIL_INUSE' });
    expect(inside.and.after(from(HOST, 'rmp.leave')).context.inUse).toEqual([]);
  });

  it('lets VMRUN wait for a locked entry, and refuses a page that is no VMSA', () => {
    expect(entered(region('inuse', VMSA).after(from(GUEST, 'rmp.lock'))).sent[0]!.event).toMatchObject({ outcome: 'locked' });
    expect(entered(region('inuse')).sent[0]!.event).toMatchObject({ outcome: 'invalid' });
    expect(entered(region('inuse', VMSA), 2).sent[0]!.event).toMatchObject({ outcome: 'invalid' });
  });

  it('reclaims an immutable page that is not locked: assigned to no guest, no longer immutable', () => {
    const firmware = region('inuse', { [PFN]: FIRMWARE });
    const { sent, context } = firmware.when(from('psp', 'rmp.reclaim'));
    expect(sent[0]!.event).toEqual({ type: 'rmp.reclaimed', outcome: 'ok' });
    expect(context.entries[PFN]).toEqual(entry({ assigned: true }));
    expect(firmware.after(from(HOST, 'rmp.lock')).when(from('psp', 'rmp.reclaim')).sent[0]!.event).toMatchObject({ outcome: 'locked' });
    expect(region('inuse').when(from('psp', 'rmp.reclaim')).sent[0]!.event).toMatchObject({ outcome: 'refused' });
  });

  it('is named after the first frame of its 2 MiB', () => {
    expect([0x1000, 0x1005, 0x11ff, 0x1200].map(regionOf)).toEqual(['rmp:0x1000', 'rmp:0x1000', 'rmp:0x1000', 'rmp:0x1200']);
  });
});
