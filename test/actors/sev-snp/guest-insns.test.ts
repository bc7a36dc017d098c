/**
 * PVALIDATE, RMPADJUST and RMPQUERY of programs: sizes, the carry flag, VMPLs, what the guest does
 * then.
 */
import { describe, expect, it } from 'vitest';
import type { Vcpu } from '../../../actors/kvm/guest-program.ts';
import type { HostOptions } from '../../../events/options.ts';
import type { RmpEntry } from '../../../events/sev-snp/rmp.ts';
import type { GuestStep } from '../../../sim/scenario/program.ts';
import * as w from '../../claims/world.ts';
import { type Played, play } from '../../sim/play.ts';
import { finish, steer, to } from '../../sim/steer.ts';

const HEAD = 0x1000;
const GFN = 0x200;
const huge = (state: 'guest-invalid' | 'guest-valid') => ({ ...w.page(state, GFN, HEAD), frames: 2 });
const validate2M = (gfn = GFN): GuestStep => ({ pvalidate: { gfn, validated: true, size: '2M' } });
const inOrder = (scenario: Parameters<typeof play>[0]): Played => play(scenario, { name: 'fifo' });
const info = (played: Played) => played.delivered('vmexit').map(({ payload }) => payload.info);
const DIES = { nae: 'TERMINATE', reasonSet: 1, reason: 2 };
const sizes = (played: Played) => [w.entryOf(played, HEAD), w.entryOf(played, HEAD + 1)].map(({ pageSize }) => pageSize);

describe('PVALIDATE of a program', () => {
  it('of 2M validates all of a 2M entry', () => {
    const played = inOrder(w.oneGuest([huge('guest-invalid')], [validate2M(), w.read(true, GFN + 1)], {}));
    expect([w.exits(played), w.accesses(played), sizes(played)]).toEqual([['SHUTDOWN'], ['ok'], ['2M', '4K']]);
    expect(w.pagesOf(played).believes).toEqual([GFN, GFN + 1]);
  });

  it('of 2M falls back to 4K where the entry has been split', () => {
    const pages = [w.page('guest-invalid', GFN, HEAD), w.page('guest-invalid', GFN + 1, HEAD + 1)];
    const played = inOrder(w.oneGuest(pages, [validate2M()], {}));
    const results = played.delivered('rmp.checked').map(({ payload }) => payload.result);
    expect([results, w.exits(played)]).toEqual([['FAIL_SIZEMISMATCH', 'SUCCESS', 'SUCCESS'], ['SHUTDOWN']]);
    expect([w.entryOf(played, HEAD), w.entryOf(played, HEAD + 1)].map(({ validated }) => validated)).toEqual([true, true]);
    expect(w.pagesOf(played).believes).toEqual([GFN, GFN + 1]);
  });

  it('of 2M that is not aligned ends the guest, as any failure does', () => {
    const played = inOrder(w.oneGuest([w.page('guest-invalid', GFN + 1, HEAD + 1)], [validate2M(GFN + 1), w.read(true, GFN + 1)], {}));
    expect([info(played), w.accesses(played)]).toEqual([[DIES], []]);
  });

  it.each<[HostOptions['guest.unchanged'], unknown[]]>([
    ['ignore', ['ok']],
    ['terminate', []],
  ])('that changes nothing says so by the carry flag, and the guest may %s that', (unchanged, accesses) => {
    const program = [w.pvalidate(), w.read(true)];
    const played = inOrder(w.oneGuest([w.page('guest-valid')], program, {}, { 'guest.unchanged': unchanged }));
    expect(played.delivered('rmp.checked')[0]!.payload).toMatchObject({ result: 'SUCCESS', fault: false, carryFlag: true });
    expect([w.accesses(played), info(played)[0]]).toEqual([accesses, unchanged === 'terminate' ? DIES : null]);
  });

  it('at VMPL 1 is #GP, of which the guest dies', () => {
    const scenario = w.world({ vm0: w.vmAt([1], [w.page('guest-invalid')], [w.pvalidate(), w.hlt]) }, { qemu0: [[w.run()]] });
    const played = play(
      scenario,
      steer(to(w.VCPU, 'vcpu_block.kvm_vcpu_halt.kvm_vcpu_check_block')),
      undefined,
      (run) => run.sequencer.step > 100,
    );
    expect([w.exits(played)[0], w.entryOf(played).validated]).toEqual(['HLT', false]);
  });

  it('of 2M and RMPUPDATE of a frame behind its head exclude each other', () => {
    const scenario = w.oneGuest([huge('guest-invalid')], [validate2M()], { gmem: [[w.makeShared(GFN + 1)]] });
    const met = play(scenario, steer(to(w.VCPU, 'PVALIDATE.write', w.GUEST), finish(w.GMEM)));
    expect(w.updateResults(met).slice(0, 1)).toEqual(['FAIL_INUSE']);
  });
});

describe('RMPQUERY of a program', () => {
  const ask = (vmpl: number): GuestStep => ({ rmpquery: { gfn: w.GFN, vmpl } });
  const told = (played: Played) => played.context<Vcpu>(w.GUEST).queried;

  it('tells what RMPADJUST has given, and not before', () => {
    const adjust: GuestStep = { rmpadjust: { gfn: w.GFN, vmpl: 1, vmsa: true, perms: 3 } };
    const of = (...program: readonly GuestStep[]) => told(inOrder(w.oneGuest([w.page('guest-valid')], program, {})));
    expect(of(ask(1))).toEqual({ result: 'SUCCESS', queryOut: { pageSize: '4K', perms: 0, vmsa: false } });
    expect(of(adjust, ask(1))).toEqual({ result: 'SUCCESS', queryOut: { pageSize: '4K', perms: 3, vmsa: true } });
    expect(of(adjust, ask(0))).toEqual({ result: 'SUCCESS', queryOut: { pageSize: '4K', perms: 15, vmsa: true } });
  });

  it('of a page in a 2M entry tells the size, and has nothing split', () => {
    const played = inOrder(w.oneGuest([huge('guest-valid')], [{ rmpquery: { gfn: GFN + 1, vmpl: 0 } }], {}));
    expect([told(played)?.queryOut, sizes(played)]).toEqual([{ pageSize: '2M', perms: 15, vmsa: false }, ['2M', '4K']]);
  });

  it('above its own VMPL fails, and the guest goes on', () => {
    const world = w.world({ vm0: w.vmAt([1], [w.page('guest-valid')], [ask(0)]) }, { qemu0: [[w.run()]] });
    const played = inOrder(world);
    expect([told(played), w.exits(played)]).toEqual([{ result: 'FAIL_PERMISSION', queryOut: null }, ['SHUTDOWN']]);
  });

  it('of a page that the host has taken faults, and asks again', () => {
    const met = play(w.oneGuest([w.page('guest-valid')], [ask(0)], { gmem: [[w.makeShared()]] }), steer(finish(w.GMEM), finish(w.VCPU)));
    expect(met.delivered('rmp.queried').map(({ payload }) => payload.fault)).toEqual([true, false]);
    expect([told(met)?.result, w.exits(met)]).toEqual(['SUCCESS', ['NPF', 'SHUTDOWN']]);
  });

  it('waits for no lock: what it tells may be stale at once', () => {
    const scenario = w.oneGuest([w.page('guest-valid')], [ask(1)], { gmem: [[w.makeShared()]] });
    const met = play(scenario, steer(to(w.GMEM, 'RMPUPDATE.writeEntry'), to(w.VCPU, 'RMPQUERY.ret', w.GUEST), finish(w.GMEM)));
    expect(met.delivered('rmp.queried')[0]!.payload).toMatchObject({ result: 'SUCCESS', fault: false, queryOut: { pageSize: '4K' } });
    expect(w.entryOf(met).assigned).toBe(false);
  });
});

describe('RMPADJUST of a program', () => {
  const adjust = (rest: object): GuestStep => ({ rmpadjust: { gfn: w.GFN, vmpl: 1, vmsa: false, ...rest } });
  const perms = ({ perms: kept }: RmpEntry) => kept;

  it('gives a VMPL permissions, and the vCPU at that VMPL has them', () => {
    const os = [w.read(true), w.write(true)];
    const world = (mask: number) =>
      w.world(
        { vm0: w.vmAt([0, 1], [w.page('guest-valid')], [adjust({ perms: mask })], os) },
        { qemu0: [[w.run('vm0/0')], [w.run('vm0/1')]] },
      );
    const all = play(world(3), steer(finish(w.VCPU), finish('thread:qemu0/vcpu1')));
    expect([perms(w.entryOf(all)), w.accesses(all)]).toEqual([
      [15, 3, 0, 0],
      ['ok', 'ok'],
    ]);
    const reads = play(world(1), steer(finish(w.VCPU)), undefined, (run) => run.sequencer.step > 200);
    expect(w.accesses(reads).slice(0, 3)).toEqual(['ok', 'vmpl', 'vmpl']);
    expect(reads.delivered('vmexit').find(({ payload }) => payload.reason === 'NPF')?.payload.info).toMatchObject({
      errorCode: 0x15_8000_0007,
    });
  });

  it('fails on its own VMPL and on a 2M entry that is none, and the guest goes on', () => {
    for (const [rest, result] of [
      [{ vmpl: 0 }, 'FAIL_PERMISSION'],
      [{ size: '2M' }, 'FAIL_INPUT'],
    ] as const) {
      const played = inOrder(w.oneGuest([w.page('guest-valid')], [adjust({ ...rest, vmsa: true }), w.read(true)], {}));
      expect(played.delivered('rmp.checked')[0]!.payload.result).toBe(result);
      expect([w.entryOf(played).vmsa, w.accesses(played), w.exits(played)]).toEqual([false, ['ok'], ['SHUTDOWN']]);
    }
  });

  it('above VMPL 0 makes no page a VMSA, and says nothing of it', () => {
    const scenario = w.world({ vm0: w.vmAt([1], [w.page('guest-valid')], [adjust({ vmpl: 2, vmsa: true })]) }, { qemu0: [[w.run()]] });
    const played = inOrder(scenario);
    expect([played.delivered('rmp.checked')[0]!.payload.result, w.entryOf(played).vmsa]).toEqual(['SUCCESS', false]);
  });
});
