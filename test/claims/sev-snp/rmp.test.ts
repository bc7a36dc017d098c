/** The entry's lock, RMPUPDATE against RMPADJUST, what a check that fails becomes, and firmware pages. @see domain snp a to c, g, h R1, R2, R7 */
import { describe, expect, it } from 'vitest';
import { HYPERVISOR_PAGE, hostWriteFaults } from '../../../actors/sev-snp/rmp-check.ts';
import { RMP_EVENTS, type RmpEntry } from '../../../events/sev-snp/rmp.ts';
import type { ResolvedScenario } from '../../../sim/scenario/types.ts';
import { microSteps, type Played, play, SHIPPED, seeds, shipped } from '../../sim/play.ts';
import { finish, steer, to, until } from '../../sim/steer.ts';
import * as w from '../world.ts';

const unchecked = (scenario: ResolvedScenario): ResolvedScenario => ({
  ...scenario,
  properties: { always: [], sometimes: [], eventually: [] },
});
const race = (variant: string) => unchecked(shipped('rmpadjust-vs-rmpupdate', variant));
/** The guest is inside RMPADJUST when the host's RMPUPDATE comes, and the host has gone on. */
const meet = (variant: string) => play(race(variant), steer(to(w.VCPU, 'RMPADJUST.write', w.GUEST), finish(w.GMEM)));
/** The host tries while the guest holds the entry; then the guest is let go on. */
const tries = (variant: string) =>
  play(
    race(variant),
    steer(
      to(w.VCPU, 'RMPADJUST.write', w.GUEST),
      until(
        w.GMEM,
        'its first try is over',
        (scene) =>
          scene.context<{ readonly frames: { readonly code: { readonly result?: string } } }>(w.GMEM).frames.code.result !== undefined,
      ),
      to(w.VCPU, 'shutdown', w.GUEST),
    ),
  );

describe('RMPUPDATE', { timeout: 60_000 }, () => {
  it('SNP-21 all: whatever it wrote is not validated afterwards', () => {
    let written = 0;
    const runs = SHIPPED.flatMap(({ name, variant }) => seeds(2).map((seed) => play(shipped(name, variant), seed)));
    for (const { records } of runs) {
      for (const [i, { kind, type, payload }] of records.entries()) {
        if (kind !== 'deliver' || type !== 'rmp.writeUpdate') continue;
        const change = records.slice(i).find((record) => record.kind === 'change' && record.cause === records[i]!.seq);
        if (!change) continue;
        const { entries } = change.payload.context as unknown as { readonly entries: Readonly<Record<number, RmpEntry>> };
        expect(entries[payload.pfn as number]).toMatchObject({ validated: false, vmsa: false });
        written++;
      }
    }
    expect(written).toBeGreaterThan(10);
  });

  it.each(['inuse-retried', 'overlap-2m'])(
    'SNP-29 all: its first attempt fails though the input is right, and the loop gets through (%s)',
    (variant) => {
      const played = tries(variant);
      const results = w.updateResults(played);
      expect(results[0]).toMatch(/^FAIL_/);
      expect(results.slice(-2)).toEqual(['SUCCESS', 'SUCCESS']);
      expect(w.entryOf(played)).toMatchObject({ assigned: false });
      expect(w.deadVm(played)).toBeNull();
    },
  );

  it.each([
    ['inuse', 'FAIL_INUSE'],
    ['overlap-2m', 'FAIL_OVERLAP'],
    ['inuse-retried', 'FAIL_INUSE'],
  ])('SNP-30 all: it does not succeed while the guest is inside RMPADJUST of the page (%s)', (variant, result) => {
    expect(w.updateResults(tries(variant))[0]).toBe(result);
  });
});

describe('the lock of an entry', () => {
  /** Who took and who dropped the lock of a frame, in order. */
  const locks = ({ records }: Played) =>
    records.flatMap(({ kind, type, peer, actor, payload }) => {
      if (kind !== 'deliver') return [];
      if (type === 'rmp.locked' && payload.result === 'SUCCESS') return [`+${actor}`];
      return type === 'rmp.unlock' ? [`-${peer}`] : [];
    });

  it('SNP-31 all: two instructions are serialised, and either can be first', () => {
    for (const { variant } of SHIPPED.filter(({ name }) => name === 'rmpadjust-vs-rmpupdate')) {
      for (const seed of seeds(25)) {
        const order = locks(play(race(variant), seed));
        expect(order.length % 2).toBe(0);
        for (let i = 0; i < order.length; i += 2) expect(order[i + 1]).toBe(order[i]!.replace('+', '-'));
      }
    }
    expect(locks(tries('inuse-retried'))[0]).toBe(`+${w.GUEST}`);
    expect(locks(play(race('inuse'), steer(finish(w.GMEM))))[0]).toBe(`+${w.GMEM}`);
  });

  it('SNP-31 all: a guest that meets the lock spins and then gets it', () => {
    const played = play(race('inuse'), steer(to(w.GMEM, 'RMPUPDATE.writeEntry'), to(w.VCPU, 'RMPADJUST.spin', w.GUEST)));
    expect(locks(played).slice(0, 3)).toEqual([`+${w.GMEM}`, `-${w.GMEM}`, `+${w.GUEST}`]);
  });
});

describe('checks', () => {
  it('SNP-34 all: they know no VM and no switch: a page of firmware is refused like a page of a guest', () => {
    const scenario = w.oneGuest([w.page('guest-valid')], [w.read(true)], { netd: [[w.dmaWrite()]] });
    const first = play(scenario, steer(finish(w.NETD)));
    expect(w.hostStores(first)).toEqual([true]);
    expect(Object.keys(first.delivered('rmp.hostWrite')[0]!.payload)).toEqual(['pfn']);
    expect(hostWriteFaults({ 6144: { ...HYPERVISOR_PAGE, assigned: true, immutable: true } }, [], 0x1800)).toBe(true);
  });

  it('SNP-35 all: the host reads nothing that could fault: no request of a host load exists, and reading an entry locks nothing', () => {
    const requests = Object.keys(RMP_EVENTS).filter((type) => /read|load/i.test(type));
    expect(requests).toEqual(['rmp.read']);
    const scenario = w.oneGuest([w.page('guest-valid')], [w.read(true)], { vhost0: [[w.kernelWrite()]] });
    const played = play(scenario, steer(finish(w.VHOST)));
    expect(played.delivered('rmp.entry')).toMatchObject([{ payload: { entry: { assigned: true, validated: true } } }]);
    expect(played.delivered('rmp.lock')).toEqual([]);
  });

  it('SNP-35 all: a guest that reads a private page as shared gets ciphertext, not a fault', () => {
    const played = play(w.oneGuest([w.page('guest-valid')], [w.read(false)], {}), { name: 'fifo' });
    expect(w.accesses(played)).toEqual(['ok']);
  });

  it('SNP-36 all: on the host a check that fails is #PF, in a guest #NPF', () => {
    const host = play(w.oneGuest([w.page('guest-valid')], [w.hlt], { netd: [[w.dmaWrite()]] }), steer(finish(w.NETD)));
    expect(microSteps(host, w.NETD).filter((name) => name.endsWith('exc_page_fault.entry'))).toHaveLength(1);
    const guest = play(w.oneGuest([w.page('shared')], [w.pvalidate(), w.write(true)], {}), { name: 'fifo' });
    expect(w.exits(guest)).toEqual(['NPF', 'SHUTDOWN']);
  });

  it('SNP-52 all: #NPF with the RMP bit reaches the RMP handler from handle_exit, after interrupts and preemption are on again', () => {
    const played = play(w.oneGuest([w.page('shared')], [w.pvalidate(), w.write(true)], {}), { name: 'fifo' });
    const path = microSteps(played, w.VCPU).map((name) => name.slice('main.KVM_RUN.'.length));
    const handler = path.indexOf('handle_rmp_page_fault.write_lock_mmu_lock.trylock');
    expect(path.slice(handler - 3, handler)).toEqual([
      'vcpu_enter_guest.OUTSIDE_GUEST_MODE',
      'vcpu_enter_guest.local_irq_enable',
      'vcpu_enter_guest.preempt_enable',
    ]);
    expect(played.delivered('vmexit')[0]!.payload).toMatchObject({ reason: 'NPF', info: { gfn: w.GFN, private: true } });
  });
});

describe('races of the instructions', () => {
  const private3 = [w.psc('private'), w.pvalidate(), w.write(true)];

  it('R1: a kernel write that was checked faults all the same when the guest comes in between; the map lock cures it', () => {
    const scenario = (lock: 'none' | 'kernel') =>
      w.oneGuest([w.page('shared')], private3, { vhost0: [[w.kernelWrite()]] }, { 'kvm.mapLock': lock });
    const checked = to(w.VHOST, 'kvm_vcpu_map.store');
    expect(w.panicOf(play(scenario('none'), steer(checked, to(w.VCPU, 'ghcb_set_sw_exit_info_2'), to(w.VHOST, 'halted'))))).not.toBeNull();
    expect(w.panicOf(play(scenario('kernel'), steer(checked, to(w.VCPU, 'synchronize_page_state.schedule'))))).toBeNull();
    for (const seed of seeds(30)) expect(w.hostStores(play(scenario('kernel'), seed))).not.toContain(true);
  });

  it('R2: a daemon between two stores is killed; the lock of user space cures it', () => {
    const scenario = (lock: 'none' | 'user') =>
      w.oneGuest([w.page('shared')], private3, { netd: [[w.dmaWrite(3)]] }, { 'kvm.mapLock': lock });
    const overtaken = steer(to(w.NETD, 'emulate_dma_write.store'), to(w.VCPU, 'write.access', w.GUEST));
    expect(w.signalOf(play(scenario('none'), overtaken))).toBe('SIGBUS');
    for (const seed of seeds(40)) expect(w.hostStores(play(scenario('user'), seed))).not.toContain(true);
  });

  it('R7: retried on overlap only, a legal RMPADJUST ends the VM under `inuse`, and not under `overlap-2m` or with a retry on FAIL_INUSE', () => {
    expect(w.deadVm(meet('inuse'))).toBe('bugged');
    expect(w.deadVm(tries('overlap-2m'))).toBeNull();
    expect(w.deadVm(tries('inuse-retried'))).toBeNull();
  });

  it('SNP-46 all: a page that cannot be taken from the RMP is leaked and stays assigned', () => {
    const played = meet('inuse');
    expect(w.pagesOf(played).leaked).toEqual([w.PFN]);
    expect(w.entryOf(played)).toMatchObject({ assigned: true });
    expect(played.delivered('rmp.writeUpdate')).toEqual([]);
  });
});

describe('two nested faults on one page', () => {
  const OTHER = 'thread:qemu0/vcpu1';
  const prepare = (variant: string) => unchecked(shipped('rmp-double-prepare', variant));
  const validated = to(w.VCPU, 'read.access', w.GUEST);

  it('R8: the second makes private again what the first vCPU has validated, and the guest gets #VC', () => {
    const looked = until(OTHER, 'it has seen the page shared', (scene) => scene.at(OTHER).endsWith('write_unlock_mmu_lock'));
    const updated = to(OTHER, 'kvm_zap_gfn_range');
    const played = play(
      prepare('lock-dropped'),
      steer(looked, to(OTHER, '__snp_handle_page_state_change.write_lock_mmu_lock.trylock'), validated, updated, finish(w.VCPU)),
    );
    expect(played.delivered('rmp.writeUpdate').map(({ payload }) => payload.assigned)).toEqual([true, true]);
    expect(w.accesses(played)).toEqual(['vc']);
    expect(w.lostPage(played)).toBe(w.GFN);
  });

  it('R8: with the lock held from the look to the update the page is prepared once, whatever the order', () => {
    for (const seed of seeds(40)) {
      const played = play(prepare('lock-held'), seed);
      expect(played.delivered('rmp.writeUpdate')).toHaveLength(1);
      expect(w.accesses(played)).toEqual(['ok']);
    }
  });
});

describe('firmware pages', () => {
  const status = w.world(
    {},
    { sevctl: [[{ 'sev-command': { command: 'SNP_PLATFORM_STATUS', pfn: 0x1800 } }]] },
    {},
    { firmware: { state: 'INIT', pages: [{ pfn: 0x1800, state: 'hypervisor' }] } },
  );

  it('SNP-59 all: a buffer that cannot become Firmware is not given to the firmware', () => {
    const sections = { firmware: { state: 'INIT', pages: [{ pfn: 0x1800, state: 'firmware' }] } } as const;
    const played = play({ ...status, sections }, { name: 'fifo' });
    expect(w.updateResults(played)).toEqual(['SUCCESS', 'FAIL_PERMISSION']);
    expect(played.delivered('psp.command')).toEqual([]);
    expect(played.delivered('mutex.unlock')).toHaveLength(1);
  });

  it('SNP-59 all: a buffer that the firmware does not give back is leaked and stays Firmware', () => {
    const failing = { ...status, allow: ['psp-error'] as const };
    const leaks = (played: Played) => microSteps(played, 'thread:sevctl/0').some((name) => name.endsWith('.snp_leak_pages'));
    const runs = seeds(60).map((seed) => play(failing, seed));
    expect(runs.filter(leaks).length).toBeGreaterThan(0);
    for (const played of runs) expect(w.entryOf(played, 0x1800)).toMatchObject({ assigned: leaks(played), immutable: leaks(played) });
  });

  it('SNP-59 all: an output buffer is Firmware while the command runs, and a page of the hypervisor after', () => {
    const played = play(status, { name: 'fifo' });
    const states = played.records.flatMap(({ kind, actor, payload }) => {
      if (kind !== 'change' || actor !== 'rmp:0x1800') return [];
      const entry = (payload.context as unknown as { readonly entries: Readonly<Record<number, RmpEntry>> }).entries[0x1800]!;
      return [`${entry.assigned ? 'assigned' : 'hypervisor'}${entry.immutable ? ' immutable' : ''}`];
    });
    expect(states.filter((state, i) => state !== states[i - 1])).toEqual(['hypervisor', 'assigned immutable', 'assigned', 'hypervisor']);
    expect(played.delivered('psp.status').map(({ payload }) => payload.status)).toEqual(['SUCCESS', 'SUCCESS', 'SUCCESS']);
  });
});
