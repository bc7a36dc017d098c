/** What a guest sees of a host that took its page, and what the map lock keeps from happening. @see domain snp d.1, d.3, e.3, g */
import { describe, expect, it } from 'vitest';
import type { VmPagesContext } from '../../../actors/sev-snp/vm-pages.ts';
import type { HostOptions } from '../../../events/options.ts';
import type { GuestStep } from '../../../sim/scenario/program.ts';
import { microSteps, type Played, play, seeds, shipped } from '../../sim/play.ts';
import { finish, steer, to, until } from '../../sim/steer.ts';
import * as w from '../world.ts';

const P0: Partial<HostOptions> = { 'kvm.rmpFault': 'panic-sigbus' };
const P1: Partial<HostOptions> = { 'kvm.rmpFault': 'auto-share' };
const P2: Partial<HostOptions> = { 'kvm.rmpFault': 'kill-guest' };
const P3: Partial<HostOptions> = { 'kvm.mapLock': 'kernel' };
const P4: Partial<HostOptions> = { 'kvm.mapLock': 'user' };

/** A daemon writes a page that the guest has validated and will read. */
const taken = (options: Partial<HostOptions>) =>
  play(
    w.oneGuest([w.page('guest-valid')], [w.read(true)], { netd: [[w.dmaWrite()]] }, options),
    steer(to(w.VCPU, 'read.access', w.GUEST), finish(w.NETD)),
  );

/** Deliveries of these types as `type` or `type:fields`. */
const story = ({ records }: Played, fields: Readonly<Record<string, string | null>>): string[] =>
  records.flatMap(({ kind, type, payload }) => {
    const field = fields[type];
    if (kind !== 'deliver' || field === undefined) return [];
    return [field === null ? type : `${type} ${String(payload[field])}`];
  });

describe('a guest whose page was taken', () => {
  it('SNP-15 P1: it detects the loss by #VC 0x404 on its next private access', () => {
    const played = taken(P1);
    expect(w.accesses(played)).toEqual(['npf', 'vc']);
    expect(w.lostPage(played)).toBe(w.GFN);
  });

  /** Two vCPUs of one guest; the first does this with the page, then a daemon may write it, then the second reads it. */
  const readByOther = (state: 'shared' | 'guest-valid', first: readonly GuestStep[], written: boolean) => {
    const scenario = w.world(
      { vm0: w.vm([w.page(state)], [...first, w.hlt], [w.read(true)]) },
      { qemu0: [[w.run('vm0/0')], [w.run('vm0/1')]], netd: [[w.dmaWrite()]] },
      P1,
      { properties: { always: ['rmp.guest-page-lost'] } },
    );
    const prepared = to(w.VCPU, 'kvm_vcpu_block.finish_rcuwait');
    return play(scenario, steer(prepared, ...(written ? [finish(w.NETD)] : []), finish('thread:qemu0/vcpu1')));
  };

  it('SNP-15 P1: the guest lost it, whichever of its vCPUs had validated the page', () => {
    const played = readByOther('shared', [w.psc('private'), w.pvalidate()], true);
    expect(played.end.violation).toMatchObject({ property: 'rmp.guest-page-lost' });
    expect(played.end.violation!.message).toBe('the guest of vm:vm0 got #VC 0x404 on GFN 0x5, which it had validated');
  });

  it('SNP-15 P1: it lost nothing that another of its vCPUs had given up', () => {
    const played = readByOther('guest-valid', [w.pvalidate(false)], false);
    expect(w.accesses(played)).toEqual(['vc']);
    expect(played.end.violation).toBeNull();
  });

  it('SNP-16 P1: the events come in the order of the list, with #NPF and re-privatisation between access and #VC', () => {
    const order = story(taken(P1), {
      'rmp.hostWritten': 'fault',
      'rmp.writeUpdate': 'assigned',
      'rmp.accessed': 'outcome',
      vmexit: 'reason',
    });
    expect(order).toEqual([
      'rmp.hostWritten true',
      'rmp.writeUpdate false',
      'rmp.hostWritten false',
      'rmp.accessed npf',
      'vmexit NPF',
      'rmp.writeUpdate true',
      'rmp.accessed vc',
      'vmexit VMGEXIT',
    ]);
  });

  it('SNP-17 P1: it is in control again and ends itself', () => {
    const played = taken(P1);
    const ghcb = played.delivered('vmexit').at(-1)!.payload.info;
    expect(ghcb).toEqual({ nae: 'TERMINATE', reasonSet: 0, reason: 0 });
    expect(microSteps(played, w.GUEST).at(-2)).toMatch(/exc_vmm_communication\.page_not_validated$/);
  });

  it('SNP-17 P2: its handler never runs', () => {
    const played = taken(P2);
    expect(microSteps(played, w.GUEST).some((name) => name.includes('exc_vmm_communication'))).toBe(false);
    expect(w.deadVm(played)).toBe('dead');
  });

  it('SNP-18 P1: a guest that validates again without a question reads what the host wrote', () => {
    const blind = [w.write(true), w.pvalidate(), w.read(true)];
    const scenario = w.oneGuest([w.page('guest-valid')], blind, { netd: [[w.dmaWrite()]] }, P1);
    const played = play(scenario, steer(to(w.VCPU, 'PVALIDATE.lock', w.GUEST), finish(w.NETD)));
    expect(w.hostStores(played)).toEqual([true, false]);
    expect(w.accesses(played)).toEqual(['ok', 'ok']);
    expect(w.lostPage(played)).toBeNull();
  });

  it.each([
    ['pvalidate', ['npf', 'vc', 'ok'], [w.GFN], null],
    ['terminate', ['npf', 'vc'], [], w.GFN],
  ] as const)('SNP-18 P1: its #VC handler may be the one that asks no question: %s', (answer, accesses, replaced, lost) => {
    const played = taken({ ...P1, 'guest.notValidated': answer });
    expect(w.accesses(played)).toEqual(accesses);
    expect(w.pagesOf(played).replaced).toEqual(replaced);
    expect(w.lostPage(played)).toBe(lost);
  });

  it('SNP-33 P2: no guest ever meets #VC, and any write to a private page kills the guest', () => {
    const runs = seeds(40).map((seed) =>
      play({ ...shipped('rmp-host-write-race', 'kill-guest'), properties: { always: [], sometimes: [], eventually: [] } }, seed),
    );
    const faulted = runs.filter((played) => w.hostStores(played).includes(true));
    expect(faulted.length).toBeGreaterThan(0);
    for (const played of faulted) expect(w.deadVm(played)).toBe('dead');
    for (const played of runs) expect(w.accesses(played)).not.toContain('vc');
  });

  it('SNP-70 P2: the record of the kill names the host thread that wrote', () => {
    expect(taken(P2).delivered('vm.kill')).toMatchObject([{ actor: 'vm:vm0', peer: w.NETD }]);
  });

  it('SNP-70 P1: nothing that reaches the guest names the writer', () => {
    const heard = taken(P1).records.filter(({ kind, actor }) => kind === 'deliver' && actor === w.GUEST);
    expect(JSON.stringify(heard)).not.toContain('netd');
  });
});

describe('the map lock', () => {
  const convert = [w.psc('private'), w.pvalidate(), w.write(true)];
  const kernelHolds = (options: Partial<HostOptions>) => w.oneGuest([w.page('shared')], convert, { vhost0: [[w.kernelWrite()]] }, options);

  it.each([
    ['P3', P3],
    ['P4', P4],
  ])('SNP-10 %s: the page that the kernel found shared stays shared until it is unmapped', (_name, options) => {
    const held = to(w.VHOST, 'kvm_vcpu_map.store');
    const played = play(kernelHolds(options), steer(held, to(w.VCPU, 'synchronize_page_state.schedule'), finish(w.VHOST)));
    expect(w.hostStores(played)).toEqual([false]);
    expect(w.accesses(played)).toEqual(['ok']);
  });

  it('SNP-10 P0: without the lock it stays shared only until somebody else runs', () => {
    const seen = to(w.VHOST, 'kvm_vcpu_map.store');
    const played = play(kernelHolds(P0), steer(seen, to(w.VCPU, 'write.access', w.GUEST), finish(w.VHOST)));
    expect(w.hostStores(played)).toEqual([true]);
  });

  it.each([
    ['P3', P3],
    ['P4', P4],
  ])('SNP-11 %s: the kernel does not write a page that it finds private', (_name, options) => {
    const scenario = w.oneGuest([w.page('guest-valid')], [w.read(true)], { vhost0: [[w.kernelWrite()]] }, options);
    const played = play(scenario, steer(finish(w.VHOST)));
    expect(w.hostStores(played)).toEqual([]);
    expect(played.delivered('pages.unlock')).toHaveLength(1);
  });

  const LOCK = { 'pages.granted': 'granted', 'rmp.hostWritten': 'fault', 'rmp.writeUpdate': 'assigned', 'pages.unlock': null } as const;

  it.each([
    ['P3', P3],
    ['P4', P4],
  ])('SNP-22 %s: map checks and locks, and a PSC blocks until the unmap', (_name, options) => {
    const held = to(w.VHOST, 'kvm_vcpu_map.store');
    const played = play(kernelHolds(options), steer(held, to(w.VCPU, 'synchronize_page_state.schedule'), finish(w.VHOST)));
    expect(story(played, LOCK)).toEqual([
      'pages.granted true',
      'pages.granted false',
      'rmp.hostWritten false',
      'pages.unlock',
      'pages.granted true',
      'rmp.writeUpdate true',
    ]);
  });

  it('SNP-22 P4: whoever comes after the PSC has begun waits for its end', () => {
    const begun = to(w.VCPU, 'rmpupdate.RMPUPDATE.check');
    const played = play(kernelHolds(P4), steer(begun, to(w.VHOST, 'lock_page_state.schedule')));
    expect(story(played, LOCK).slice(0, 4)).toEqual([
      'pages.granted true',
      'pages.granted false',
      'rmp.writeUpdate true',
      'pages.granted true',
    ]);
    expect(w.hostStores(played)).toEqual([]);
  });

  /** So many daemons hold the page when the PSC begins, and let go one after the other. */
  const waits = (holders: number, options: Partial<HostOptions>) => {
    const names = Array.from({ length: holders }, (_, i) => `netd${i}`);
    const threads = Object.fromEntries(names.map((name) => [name, [[w.dmaWrite()]]]));
    const scenario = w.oneGuest([w.page('shared')], [w.psc('private')], threads, options);
    const ids = names.map((name) => `thread:${name}/0`);
    const hold = ids.map((id) => to(id, 'emulate_dma_write.store'));
    const asked = until(w.VCPU, 'it sleeps again or got the page', (scene) => {
      const sleeps = scene.context<{ readonly cpu: string | null }>(w.VCPU).cpu === null;
      const waiters = scene.context<VmPagesContext>('pages:vm0').waiters;
      return (sleeps && waiters.includes(w.VCPU)) || scene.at(w.VCPU).endsWith('RMPUPDATE.tryLock');
    });
    const played = play(scenario, steer(...hold, asked, ...ids.flatMap((id) => [finish(id), asked])));
    return played.delivered('pages.granted').filter(({ actor, payload }) => actor === w.VCPU && payload.granted === false).length;
  };

  it('SNP-24 P4: a PSC waits longer the more holders there are; without the lock it never waits', () => {
    expect([0, 1, 2, 3].map((holders) => waits(holders, P4))).toEqual([0, 1, 2, 3]);
    expect([waits(2, P3), waits(2, P0)]).toEqual([0, 0]);
  });

  it.each([
    ['P3', P3, w.VHOST, 'vhost0'],
    ['P4', P4, w.NETD, 'netd'],
  ] as const)('SNP-48 %s: a PSC in flight waits for the mapping of another context to end', (_name, options, holder, name) => {
    const work = name === 'netd' ? w.dmaWrite(2) : w.kernelWrite();
    const scenario = w.oneGuest([w.page('shared')], convert, { [name]: [[work]] }, options);
    const played = play(scenario, steer(to(holder, 'store'), to(w.VCPU, 'synchronize_page_state.schedule'), finish(holder)));
    const order = story(played, { 'pages.unlock': null, 'rmp.writeUpdate': null });
    expect(order).toEqual(['pages.unlock', 'rmp.writeUpdate']);
    expect(w.hostStores(played)).not.toContain(true);
  });
});
