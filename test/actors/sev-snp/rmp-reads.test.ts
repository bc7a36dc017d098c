/**
 * What a host reads of the RMP by RMPREAD, and entries that firmware alone makes: a 2M entry out of
 * 4K pages, memory that is HV-Fixed.
 */
import { describe, expect, it } from 'vitest';
import type { HostThread } from '../../../actors/host/host-env.ts';
import { pageStateOf } from '../../../actors/sev-snp/rmp-table.ts';
import type { HostOptions } from '../../../events/options.ts';
import type { HostStep } from '../../../sim/scenario/program.ts';
import * as w from '../../claims/world.ts';
import { type Played, play } from '../../sim/play.ts';
import { finish, steer, to } from '../../sim/steer.ts';

const HEAD = 0x1000;
const GFN = 0x200;
const TOOL = 'thread:tool/0';
const RESERVED = 0x1801;

const inOrder = (scenario: Parameters<typeof play>[0]): Played => play(scenario, { name: 'fifo' });
const thread = (played: Played) => played.context<HostThread>(TOOL);
const rmpread = (pfn: number): HostStep => ({ rmpread: { pfn } });

describe('RMPREAD of a program', () => {
  const guests = (...program: readonly HostStep[]) =>
    inOrder(w.world({ vm0: w.vm([w.page('guest-valid'), w.page('shared', 0x6)], [w.hlt]) }, { tool: [program], qemu0: [[w.run()]] }));

  it('tells who owns a frame, and not that the page is validated', () => {
    const told = [w.PFN, 0x1006].map((pfn) => thread(guests(rmpread(pfn))).rmpRead);
    expect(told).toEqual([
      { assigned: true, pageSize: '4K', immutable: false, asid: 1, gfn: w.GFN },
      { assigned: false, pageSize: '4K', immutable: false, asid: 0, gfn: 0 },
    ]);
  });

  it('waits for no lock, and is out of date at once', () => {
    const scenario = w.world(
      { vm0: w.vm([w.page('guest-valid')], [w.hlt]) },
      { gmem: [[w.makeShared()]], tool: [[rmpread(w.PFN)]], qemu0: [[w.run()]] },
    );
    const met = play(
      scenario,
      steer(to(w.GMEM, 'RMPUPDATE.writeEntry'), to(TOOL, 'snp_lookup_rmpentry.sysret'), finish(w.GMEM), finish(TOOL)),
    );
    expect([thread(met).rmpRead?.assigned, w.entryOf(met).assigned]).toEqual([true, false]);
  });
});

describe('SNP_PAGE_UNSMASH of a program', () => {
  const join = { 'sev-command': { command: 'SNP_PAGE_UNSMASH', pfn: HEAD } } as const;
  const gives = (gfn: number, immutable: boolean): HostStep => ({ 'make-private': { vm: 'vm0', gfn, immutable } });
  const joined = (...program: readonly HostStep[]) => {
    const page = { ...w.page('shared', GFN, HEAD), frames: 2 };
    return inOrder(w.world({ vm0: w.vm([page], [w.hlt]) }, { tool: [program], qemu0: [[w.run()]] }));
  };

  it('makes one 2M entry of what the host has given to the firmware for one guest', () => {
    const played = joined(gives(GFN, true), gives(GFN + 1, true), join, rmpread(HEAD));
    expect(thread(played)).toMatchObject({
      firmwareTold: { command: 'SNP_PAGE_UNSMASH', status: 'SUCCESS' },
      rmpRead: { assigned: true, pageSize: '2M', immutable: true, asid: 1, gfn: GFN },
    });
    expect([HEAD, HEAD + 1].map((pfn) => pageStateOf(w.entryOf(played, pfn)))).toEqual(['Pre-Guest', 'Reclaim']);
  });

  it('refuses pages that the host may change, and frames that differ', () => {
    const status = (...program: readonly HostStep[]) => thread(joined(...program, join)).firmwareTold?.status;
    expect(status(gives(GFN, false), gives(GFN + 1, false))).toBe('INVALID_PAGE_STATE');
    expect(status(gives(GFN, true))).toBe('INVALID_PAGE_STATE');
    const alone = { 'sev-command': { command: 'SNP_PAGE_UNSMASH', pfn: 0x1400 } } as const;
    const page = w.page('guest-valid', 0x400, 0x1400);
    const played = inOrder(w.world({ vm0: w.vm([page], [w.hlt]) }, { tool: [[alone]], qemu0: [[w.run()]] }));
    expect(thread(played).firmwareTold?.status).toBe('INVALID_PAGE_STATE');
  });
});

describe('memory that is reserved', () => {
  const pages = [
    { pfn: 0x1800, state: 'hypervisor' },
    { pfn: RESERVED, state: 'reserved' },
  ] as const;
  const boots = (version: HostOptions['host.snpFirmware']) => {
    const program: readonly HostStep[] = [{ 'enable-snp': {} }, { 'init-firmware': {} }, { 'store-frame': { pfn: RESERVED } }];
    return inOrder(w.world({}, { tool: [program] }, { 'host.snpFirmware': version }, { firmware: { state: 'UNINIT', pages } }));
  };
  const states = (played: Played) => [0x1800, RESERVED].map((pfn) => pageStateOf(w.entryOf(played, pfn)));

  it.each([
    ['1.55', 'HV-Fixed'],
    ['1.52', 'HV-Fixed'],
    ['1.51', 'Hypervisor'],
  ] as const)('is after SNP_INIT_EX of firmware %s in state %s, and the host stores there', (version, state) => {
    const played = boots(version);
    expect([states(played), w.hostStores(played), w.panicOf(played)]).toEqual([['Hypervisor', state], [false], null]);
  });

  it('that is HV-Fixed can be given to no guest and to no command', () => {
    const status = { 'sev-command': { command: 'SNP_PLATFORM_STATUS', pfn: RESERVED } } as const;
    const played = (version: HostOptions['host.snpFirmware']) =>
      inOrder(w.world({}, { tool: [[status]] }, { 'host.snpFirmware': version }, { firmware: { state: 'INIT', pages } }));
    expect(w.updateResults(played('1.55'))).toEqual(['SUCCESS', 'FAIL_PERMISSION']);
    expect(w.updateResults(played('1.51')).slice(0, 2)).toEqual(['SUCCESS', 'SUCCESS']);
  });
});

describe('an immutable page of a guest, under auto-share', () => {
  const storedTo = (...stores: readonly HostStep[]) =>
    inOrder(
      w.world(
        { vm0: w.vm([w.page('shared')]) },
        { netd: [[{ 'make-private': { vm: 'vm0', gfn: w.GFN, immutable: true } }, ...stores]] },
        { 'kvm.rmpFault': 'auto-share' },
      ),
    );

  it('is not tried again without end: the kernel panics, and a daemon has its signal', () => {
    expect(w.panicOf(storedTo(w.strayWrite()))).not.toBeNull();
    expect(w.signalOf(storedTo(w.dmaWrite()))).not.toBeNull();
  });
});
