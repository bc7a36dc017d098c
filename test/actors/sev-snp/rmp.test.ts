/**
 * The RMP: its checks as tables, and the region's lock, marks and writes.
 * @see domain snp a.3, a.4, b.2, b.3, c
 */
import { describe, expect, it } from 'vitest';
import { guestAccess, hostWriteFaults, vmsaIsValid } from '../../../actors/sev-snp/rmp-check.ts';
import { type RmpRegionContext, rmpRegionMachine } from '../../../actors/sev-snp/rmp-region.ts';
import { type Entries, HYPERVISOR_PAGE } from '../../../actors/sev-snp/rmp-table.ts';
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

  it.each([
    'rmp.checkUpdate',
    'rmp.writeUpdate',
    'rmp.checkSmash',
    'rmp.smashTails',
    'rmp.smashHead',
    'rmp.checkGuest',
    'rmp.writeValidated',
    'rmp.writeVmsa',
    'rmp.unlock',
  ])('takes %s from the holder only', (type) => {
    const held = region('inuse').after(from(HOST, 'rmp.lock'));
    const fields = { ...TAKE, validated: true, vmsa: true };
    expect(held.when(from(GUEST, type, fields)).handled).toBe(false);
    expect(held.when(from(HOST, type, fields)).handled).toBe(true);
    expect(region('inuse').when(from(HOST, type, fields)).handled).toBe(false);
  });

  it('writes what RMPUPDATE says and keeps its neighbours', () => {
    const entries = { [PFN]: GUEST_VALID, [PFN + 1]: FIRMWARE };
    const written = region('inuse', entries).after(from(HOST, 'rmp.lock'), from(HOST, 'rmp.writeUpdate', SHARE));
    expect(written.context.entries).toEqual({ [PFN]: HYPERVISOR_PAGE, [PFN + 1]: FIRMWARE });
  });

  const tail = { ...HYPERVISOR_PAGE, assigned: true };
  const huge = () =>
    Given.start<RmpRegionContext>(rmpRegionMachine, {
      entries: { [HEAD]: HUGE, [PFN]: tail },
      head: { frames: [HEAD, PFN], subCount: 0 },
      contention: 'inuse',
    });
  const atHead = (type: string) => from(HOST, type, { pfn: HEAD });

  it('splits a 2M entry for PSMASH: first behind the head, which still says 2M, then the head', () => {
    const locked = huge().after(atHead('rmp.lock'));
    const { sent, and } = locked.when(atHead('rmp.checkSmash'));
    expect(sent[0]!.event).toMatchObject({ type: 'rmp.checked', result: 'SUCCESS' });
    const half = and.after(atHead('rmp.smashTails'));
    const own = { ...HUGE, pageSize: '4K', gfn: 5 };
    expect(half.context).toMatchObject({ entries: { [HEAD]: HUGE, [PFN]: own }, head: { subCount: 0 } });
    expect(half.when(from(GUEST, 'rmp.read')).sent[0]!.event).toMatchObject({ huge: true });
    const split = half.after(atHead('rmp.smashHead'));
    expect(split.context).toMatchObject({ entries: { [HEAD]: { ...HUGE, pageSize: '4K' }, [PFN]: own }, head: { subCount: 2 } });
    expect(split.when(from(GUEST, 'rmp.read')).sent[0]!.event).not.toHaveProperty('huge');
  });

  it('counts what RMPUPDATE makes of frames that were split', () => {
    const split = huge().after(...['rmp.lock', 'rmp.smashTails', 'rmp.smashHead', 'rmp.unlock'].map(atHead));
    expect(split.after(from(HOST, 'rmp.lock'), from(HOST, 'rmp.writeUpdate', SHARE)).context.head?.subCount).toBe(1);
  });

  it('faults to the host with SIZEM where a guest instruction is of 4K of a 2M entry', () => {
    const asked = huge()
      .after(from(GUEST, 'rmp.lock'))
      .when(from(GUEST, 'rmp.checkGuest', { asid: 1, gfn: 5 }));
    expect(asked.sent[0]!.event).toMatchObject({ result: 'FAIL_SIZEMISMATCH', fault: true });
  });

  it('lets a guest reach what lies behind the head of its 2M entry', () => {
    const access = { asid: 1, gfn: 5, private: true, write: true };
    expect(huge().when(from(GUEST, 'rmp.guestAccess', access)).sent[0]!.event).toMatchObject({ outcome: 'ok' });
    expect(huge().when(from(GUEST, 'rmp.guestAccess', { ...access, gfn: 6 })).sent[0]!.event).toMatchObject({ outcome: 'npf' });
    expect(huge().when(from(HOST, 'rmp.hostWrite')).sent[0]!.event).toMatchObject({ fault: true });
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
