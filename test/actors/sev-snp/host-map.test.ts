/** Host mappings and the nested page table, message by message. */
import { describe, expect, it } from 'vitest';
import { type HostMapContext, hostMapMachine } from '../../../actors/sev-snp/host-map.ts';
import { type NptContext, nptMachine } from '../../../actors/sev-snp/npt.ts';
import { Given } from '../given.ts';

const PFN = 0x1005;
const RMP = 'rmp:0x1000';
const NETD = 'thread:netd/0';
const from = (sender: string, type: string, rest: object = {}) => ({ type, from: sender, pfn: PFN, ...rest });
const mapping = (size: '2M' | '4K', rigid = false) => Given.start<HostMapContext>(hostMapMachine, { size, rigid });
const stores = (given: Given<HostMapContext>, rest: object = {}) => given.when(from(NETD, 'hostmap.write', rest)).sent;
const shows = (given: Given<HostMapContext>) => given.when(from(NETD, 'hostmap.lookup')).sent[0]!.event;

describe('a host mapping', () => {
  it('passes a store on to the RMP with its size, for the thread', () => {
    const checked = { type: 'rmp.hostWrite', pfn: PFN, by: NETD };
    expect(stores(mapping('2M'))).toEqual([{ to: RMP, event: { ...checked, huge: true } }]);
    expect(stores(mapping('4K'), { user: true })).toEqual([{ to: RMP, event: { ...checked, user: true } }]);
  });

  it('of 2M is split once, and says what it is', () => {
    expect(shows(mapping('2M'))).toEqual({ type: 'hostmap.entry', present: true, huge: true });
    const split = mapping('2M').after(from(NETD, 'hostmap.split'));
    expect(shows(split)).toEqual({ type: 'hostmap.entry', present: true, huge: false });
    expect(split.after(from(NETD, 'hostmap.split')).context).toEqual(split.context);
  });

  it('of hugetlbfs is not split, and comes back as it was', () => {
    expect(mapping('2M', true).after(from(NETD, 'hostmap.split')).context.size).toBe('2M');
    const back = mapping('2M', true).after(from(NETD, 'hostmap.zap'), from(NETD, 'hostmap.faultIn'));
    expect(shows(back)).toMatchObject({ huge: true });
  });

  it('without a frame faults there as not present, until it is restored', () => {
    const removed = mapping('2M').after(from(NETD, 'hostmap.remove'));
    expect(stores(removed)).toEqual([{ to: NETD, event: { type: 'rmp.hostWritten', fault: true, errorCode: 0x2 } }]);
    expect(shows(removed)).toEqual({ type: 'hostmap.entry', present: false, huge: false });
    expect(stores(removed, { pfn: PFN + 1 })[0]!.to).toBe(RMP);
    expect(stores(removed.after(from(NETD, 'hostmap.restore')))[0]!.to).toBe(RMP);
  });

  it('that was given up faults, and comes back as 4K', () => {
    const gone = mapping('2M').after(from(NETD, 'hostmap.zap'));
    expect(stores(gone, { user: true })[0]!.event).toEqual({ type: 'rmp.hostWritten', fault: true, errorCode: 0x6 });
    expect(shows(gone)).toMatchObject({ present: false });
    expect(shows(gone.after(from(NETD, 'hostmap.faultIn')))).toEqual({ type: 'hostmap.entry', present: true, huge: false });
  });
});

const VCPU = 'vcpu:vm0/0';
const CPU0 = 'pcpu:0';
const nested = (kept: NptContext['kept'] = {}) => Given.start<NptContext>(nptMachine, { kept });
const access = (cpu = CPU0) => from(VCPU, 'npt.access', { cpu, asid: 1, gfn: 5, private: true, write: true });
const answer = (outcome: string) => from(RMP, 'rmp.accessed', { outcome });
const gfn = (type: string) => ({ type, from: 'thread:gmem/0', gfn: 5 });

describe('a nested page table', () => {
  it('keeps on a CPU what a walk has reached there, and passes the answer on', () => {
    const walked = nested().when(access());
    expect(walked.sent[0]).toMatchObject({ to: RMP, event: { type: 'rmp.guestAccess', gfn: 5 } });
    const { sent, context, and } = walked.and.when(answer('ok'));
    expect(sent).toEqual([{ to: VCPU, event: { type: 'rmp.accessed', outcome: 'ok' } }]);
    expect(context).toMatchObject({ kept: { [CPU0]: [5] }, walk: null });
    expect(and.when(access()).sent[0]!.event).toMatchObject({ kept: true, by: VCPU });
    expect(and.when(access('pcpu:1')).sent[0]!.event).not.toHaveProperty('kept');
  });

  it('keeps nothing of an access that failed', () => {
    expect(nested().after(access(), answer('npf')).context.kept).toEqual({});
  });

  it('without a mapping answers so, and maps again when the range is no longer invalidated', () => {
    const zapped = nested().after(gfn('npt.zap'));
    expect(zapped.when(access()).sent).toEqual([{ to: VCPU, event: { type: 'rmp.accessed', outcome: 'unmapped' } }]);
    expect(zapped.when(gfn('npt.map')).sent[0]!.event).toEqual({ type: 'npt.mapped', granted: false });
    const mapped = zapped.after(gfn('npt.zapEnd')).when(gfn('npt.map'));
    expect(mapped.sent[0]!.event).toEqual({ type: 'npt.mapped', granted: true });
    expect(mapped.and.when(access()).sent[0]!.to).toBe(RMP);
  });

  it('is flushed on one CPU, and at an entry on another CPU than the last', () => {
    const both = { [CPU0]: [5], 'pcpu:1': [5] };
    const flush = { type: 'npt.flush', from: VCPU, cpu: 'pcpu:1' };
    expect(nested(both).after(flush).context.kept).toEqual({ [CPU0]: [5] });
    const entry = (cpu: string) => ({ type: 'npt.preRun', from: VCPU, cpu, vcpu: VCPU });
    const entered = nested(both).after(entry(CPU0));
    expect(entered.context).toMatchObject({ kept: { 'pcpu:1': [5] }, ranOn: { [VCPU]: CPU0 } });
    const stored = entered.after(access(), answer('ok'), entry(CPU0));
    expect(stored.context.kept).toEqual(both);
  });
});
