/** What the host does about a write to a guest-private page, policy by policy. @see domain snp d and g */
import { describe, expect, it } from 'vitest';
import type { HostOptions } from '../../../events/options.ts';
import { microSteps, play, seeds, shipped } from '../../sim/play.ts';
import { finish, steer, to, until } from '../../sim/steer.ts';
import * as w from '../world.ts';

const P0: Partial<HostOptions> = { 'kvm.rmpFault': 'panic-sigbus' };
const P1: Partial<HostOptions> = { 'kvm.rmpFault': 'auto-share' };
const P2: Partial<HostOptions> = { 'kvm.rmpFault': 'kill-guest' };
const P3: Partial<HostOptions> = { 'kvm.rmpFault': 'panic-sigbus', 'kvm.mapLock': 'kernel' };
const P4: Partial<HostOptions> = { 'kvm.rmpFault': 'panic-sigbus', 'kvm.mapLock': 'user' };

/** A daemon stores to a page that is private from the start; the guest reads it afterwards. */
const daemonMeetsPrivate = (options: Partial<HostOptions>) =>
  play(
    w.oneGuest([w.page('guest-valid')], [w.read(true)], { netd: [[w.dmaWrite()]] }, options),
    steer(to(w.VCPU, 'read.access', w.GUEST), finish(w.NETD)),
  );

/** The kernel has seen the page shared, the guest makes it private, the kernel stores. */
const kernelIsOvertaken = (options: Partial<HostOptions>) =>
  play(
    w.oneGuest(
      [w.page('shared')],
      [w.psc('private'), w.pvalidate(), w.write(true), w.read(true)],
      { vhost0: [[w.kernelWrite()]] },
      options,
    ),
    steer(to(w.VHOST, 'kvm_vcpu_map.store'), to(w.VCPU, 'read.access', w.GUEST), finish(w.VHOST)),
  );

const STORES_LEFT = (scene: { context<C>(id: string): C }) =>
  scene.context<{ readonly frames: { readonly code: { readonly stores?: number } } }>(w.NETD).frames.code.stores;
const betweenStores = until(w.NETD, 'one store is left', (scene) => STORES_LEFT(scene) === 1);

/** A daemon is between two stores, the guest makes the page private and uses it. */
const daemonIsOvertaken = (options: Partial<HostOptions>) =>
  play(
    w.oneGuest([w.page('shared')], [w.psc('private'), w.pvalidate(), w.write(true), w.read(true)], { netd: [[w.dmaWrite(2)]] }, options),
    steer(betweenStores, to(w.VCPU, 'read.access', w.GUEST), finish(w.NETD)),
  );

describe('a daemon writes a private page', () => {
  it.each([
    ['P0', P0],
    ['P3', P3],
  ])('SNP-1 %s: SIGBUS to the daemon, the page stays as it is', (_name, options) => {
    const played = daemonMeetsPrivate(options);
    expect(w.signalOf(played)).toBe('SIGBUS');
    expect(w.hostStores(played)).toEqual([true]);
    expect(w.entryOf(played)).toMatchObject({ assigned: true, validated: true });
    expect(w.accesses(played)).toEqual(['ok']);
  });

  it('SNP-1 P1: the page becomes shared and the write lands', () => {
    const played = daemonMeetsPrivate(P1);
    expect(w.signalOf(played)).toBeNull();
    expect(w.hostStores(played)).toEqual([true, false]);
    expect(w.panicOf(played)).toBeNull();
  });

  it('SNP-1 P2: the guest is killed, the daemon lives, the write is dropped', () => {
    const played = daemonMeetsPrivate(P2);
    expect([w.deadVm(played), w.signalOf(played)]).toEqual(['dead', null]);
    expect(w.hostStores(played)).toEqual([true]);
    expect(w.entryOf(played)).toMatchObject({ assigned: true, validated: true });
  });

  it('SNP-1 P4: the lock ABI says private and no write is issued', () => {
    const played = daemonMeetsPrivate(P4);
    expect(w.hostStores(played)).toEqual([]);
    expect([w.deadVm(played), w.signalOf(played)]).toEqual([null, null]);
  });
});

describe('the kernel writes a page that turned private', () => {
  it('SNP-2 P0: the host panics after it has dumped the entry', () => {
    const played = kernelIsOvertaken(P0);
    expect(w.panicOf(played)).toBe('RMP violation by the host kernel (PFN 0x1005)');
    expect(w.hostStores(played)).toEqual([true]);
  });

  it('SNP-2 P1: the page becomes shared and the kernel goes on', () => {
    const played = kernelIsOvertaken(P1);
    expect([w.panicOf(played), w.deadVm(played)]).toEqual([null, null]);
    expect(w.hostStores(played)).toEqual([true, false]);
  });

  it('SNP-2 P2: the guest is killed and the kernel goes on', () => {
    const played = kernelIsOvertaken(P2);
    expect([w.panicOf(played), w.deadVm(played)]).toEqual([null, 'dead']);
  });

  it.each([
    ['P3', P3],
    ['P4', P4],
  ])('SNP-2 %s: a page that is private is not written', (_name, options) => {
    const scenario = w.oneGuest([w.page('guest-valid')], [w.read(true)], { vhost0: [[w.kernelWrite()]] }, options);
    const played = play(scenario, steer(finish(w.VHOST)));
    expect(w.hostStores(played)).toEqual([]);
    expect(w.panicOf(played)).toBeNull();
  });

  it.each([
    ['P0', P0, 'RMP violation by the host kernel (PFN 0x1005)', null],
    ['P1', P1, null, null],
    ['P2', P2, null, 'dead'],
    ['P3', P3, 'RMP violation by the host kernel (PFN 0x1005)', null],
    ['P4', P4, 'RMP violation by the host kernel (PFN 0x1005)', null],
  ] as const)('SNP-2 %s: a stray write, without a look, to a page that was private all along', (_name, options, panic, dead) => {
    const scenario = w.oneGuest([w.page('guest-valid')], [w.read(true)], { vhost0: [[w.strayWrite()]] }, options);
    const played = play(scenario, steer(until(w.VHOST, 'its store is over', (scene) => /(?:halted|dead)$/.test(scene.at(w.VHOST)))));
    expect([w.panicOf(played), w.deadVm(played)]).toEqual([panic, dead]);
    expect(w.hostStores(played)[0]).toBe(true);
  });

  it('SNP-20 P0: no handler runs for a kernel address, the fault path ends in dump and panic', () => {
    const path = microSteps(kernelIsOvertaken(P0), w.VHOST).filter((name) => name.includes('exc_page_fault'));
    const last = path.map((name) => name.split('.').at(-1));
    expect(last).toEqual(['entry', 'local_irq_enable', 'snp_lookup_rmpentry', 'snp_dump_hva_rmpentry', 'panic']);
  });

  it('SNP-61 P0: the entry is dumped before the host panics', () => {
    const path = microSteps(kernelIsOvertaken(P0), w.VHOST);
    expect(path.findIndex((name) => name.endsWith('.snp_dump_hva_rmpentry'))).toBe(path.findIndex((name) => name.endsWith('.panic')) - 1);
  });
});

describe('a guest that never converted the page it hands out', () => {
  it.each([
    ['P0', P0, 'SIGBUS', null, null],
    ['P1', P1, null, null, w.GFN],
    ['P2', P2, null, 'dead', null],
    ['P3', P3, 'SIGBUS', null, null],
    ['P4', P4, null, null, null],
  ] as const)('SNP-3 %s: signal, VM and page after a correct daemon', (_name, options, signal, dead, lost) => {
    const played = daemonMeetsPrivate(options);
    expect([w.signalOf(played), w.deadVm(played), w.lostPage(played)]).toEqual([signal, dead, lost]);
  });

  /** The guest's own view of the page is shared all along; only its PSC is missing, or not. */
  const shares = (converts: boolean, options: Partial<HostOptions>) => {
    const program = [...(converts ? [w.pvalidate(false), w.psc('shared')] : []), w.read(false)];
    const threads = { netd: [[w.dmaWrite(2)]], vhost0: [[w.kernelWrite()]] };
    const scenario = w.oneGuest([w.page('guest-valid')], program, threads, options);
    return play(scenario, steer(to(w.VCPU, 'read.access', w.GUEST), finish(w.NETD), finish(w.VHOST)));
  };

  it.each([
    ['P0', P0],
    ['P1', P1],
    ['P2', P2],
    ['P3', P3],
    ['P4', P4],
  ])('SNP-4 %s: after PSC to shared nothing faults and the guest reads', (_name, options) => {
    const played = shares(true, options);
    expect(w.hostStores(played)).toEqual([false, false, false]);
    expect(w.accesses(played)).toEqual(['ok']);
    expect([w.panicOf(played), w.signalOf(played), w.deadVm(played), w.lostPage(played)]).toEqual([null, null, null, null]);
  });

  it.each([
    ['P0', P0, 'SIGBUS', null],
    ['P1', P1, null, null],
    ['P2', P2, null, 'dead'],
    ['P3', P3, 'SIGBUS', null],
    ['P4', P4, null, null],
  ] as const)('SNP-5 %s: without the PSC it is SNP-3', (_name, options, signal, dead) => {
    const played = shares(false, options);
    expect([w.signalOf(played), w.deadVm(played)]).toEqual([signal, dead]);
    expect(w.panicOf(played)).toBeNull();
  });

  it('SNP-72 P1: a host bug faults the guest, which did nothing wrong', () => {
    const played = daemonMeetsPrivate(P1);
    expect(w.accesses(played).at(-1)).toBe('vc');
    expect(w.exits(played).at(-1)).toBe('VMGEXIT');
  });
});

describe('a guest converts the page between two stores of a daemon', () => {
  it.each([
    ['P0', P0],
    ['P3', P3],
  ])('SNP-6 %s: SIGBUS to a daemon that behaved well', (_name, options) => {
    const played = daemonIsOvertaken(options);
    expect(w.hostStores(played)).toEqual([false, true]);
    expect(w.signalOf(played)).toBe('SIGBUS');
  });

  it('SNP-6 P1: the page is converted back and the guest loses it', () => {
    const played = daemonIsOvertaken(P1);
    expect(w.hostStores(played)).toEqual([false, true, false]);
    expect([w.signalOf(played), w.lostPage(played)]).toEqual([null, w.GFN]);
  });

  it('SNP-6 P2: the guest is killed', () => {
    expect(w.deadVm(daemonIsOvertaken(P2))).toBe('dead');
  });

  it('SNP-6 P4: the conversion waits until the daemon has unlocked', () => {
    const program = [w.psc('private'), w.pvalidate(), w.write(true)];
    const scenario = w.oneGuest([w.page('shared')], program, { netd: [[w.dmaWrite(2)]] }, P4);
    const played = play(scenario, steer(betweenStores, to(w.VCPU, 'synchronize_page_state.schedule'), finish(w.NETD)));
    expect(w.hostStores(played)).toEqual([false, false]);
    expect([w.signalOf(played), w.accesses(played)]).toEqual([null, ['ok']]);
    const order = played.records.filter(({ kind, type }) => kind === 'deliver' && (type === 'pages.unlock' || type === 'rmp.writeUpdate'));
    expect(order.map(({ type }) => type)).toEqual(['pages.unlock', 'rmp.writeUpdate']);
  });

  it('SNP-23 P3: the kernel lock does not protect a page that user space mapped itself', () => {
    const played = daemonIsOvertaken(P3);
    expect(played.delivered('pages.lock')).toEqual([]);
    expect(w.signalOf(played)).toBe('SIGBUS');
  });

  /** One daemon serves two VMs; vm0 does SNP-6, and the daemon goes on with vm1. */
  const twoVms = (options: Partial<HostOptions>) => {
    const other = {
      ...w.vm([w.page('shared', 0x6, 0x1206)], [w.read(false, 0x6)]),
      options: { asid: 2, pages: [w.page('shared', 6, 0x1206)] },
    };
    const scenario = w.world(
      { vm0: w.vm([w.page('shared')], [w.psc('private'), w.pvalidate(), w.write(true), w.read(true)]), vm1: other },
      { netd: [[w.dmaWrite(2), w.dmaWrite(1, 0x6, 'vm1')]], qemu0: [[w.run()]], qemu1: [[w.run('vm1/0')]] },
      options,
    );
    const convert = options['kvm.mapLock'] === 'user' ? to(w.VCPU, 'synchronize_page_state.schedule') : to(w.VCPU, 'read.access', w.GUEST);
    return play(scenario, steer(betweenStores, convert, finish(w.NETD)));
  };
  const storesTo = (played: ReturnType<typeof twoVms>, pfn: number) =>
    played.delivered('rmp.hostWrite').filter(({ payload }) => payload.pfn === pfn).length;

  it.each([
    ['P0', P0],
    ['P3', P3],
  ])('SNP-7 %s: the daemon of all VMs dies, vm1 is no longer served', (_name, options) => {
    const played = twoVms(options);
    expect(w.signalOf(played)).toBe('SIGBUS');
    expect(storesTo(played, 0x1206)).toBe(0);
  });

  it.each([
    ['P1', P1, null, w.GFN],
    ['P2', P2, 'dead', null],
    ['P4', P4, null, null],
  ] as const)('SNP-7 %s: only vm0 suffers, vm1 is served', (_name, options, dead, lost) => {
    const played = twoVms(options);
    expect([w.signalOf(played), w.deadVm(played), w.lostPage(played)]).toEqual([null, dead, lost]);
    expect(storesTo(played, 0x1206)).toBe(1);
    expect([w.deadVm(played, 'vm1'), w.lostPage(played, 'vcpu:vm1/0')]).toEqual([null, null]);
  });
});

describe('auto-share', () => {
  const runs = seeds(40).map((seed) =>
    play({ ...shipped('rmp-host-write-race', 'auto-share'), properties: { always: [], sometimes: [], eventually: [] } }, seed),
  );

  it('SNP-8 P1: no fault on a Guest-Valid page panics the host or signals a process', () => {
    expect(runs.some((played) => w.hostStores(played).includes(true))).toBe(true);
    for (const played of runs) expect([w.panicOf(played), w.signalOf(played), w.signalOf(played, 'vhost0')]).toEqual([null, null, null]);
  });

  it('SNP-9 P1: no call of the lock API, by nobody', () => {
    for (const played of runs) expect([...played.delivered('pages.lock'), ...played.delivered('pages.beginPsc')]).toEqual([]);
  });
});
