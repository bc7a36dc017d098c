/** Guest requests with certificates, and a host that is busy: what KVM says, what a driver does. */
import { describe, expect, it } from 'vitest';
import type { Vcpu } from '../../../actors/kvm/guest-program.ts';
import { type RateLimitContext, rateLimitMachine } from '../../../actors/sev-snp/rate-limit.ts';
import { type SevGuestContext, sevGuestMachine } from '../../../actors/sev-snp/sev-guest.ts';
import type { HostOptions } from '../../../events/options.ts';
import type { GuestStep } from '../../../sim/scenario/program.ts';
import { answered, carried, driverOf, events, guests, throttled, timedOut, told } from '../../claims/sev-snp/snp-requests.ts';
import { inOrder, told as steered, unchecked } from '../../claims/sev-snp/snp-worlds.ts';
import { GUEST, run, world } from '../../claims/world.ts';
import { Given, told as sentBy } from '../given.ts';

const asks = (data: number, certs?: number): GuestStep => ({
  'request-report': { data, vmpl: 0, ...(certs !== undefined && { certs }) },
});

describe("the driver's shared state", () => {
  const by = (from: string, type: string, fields: object = {}) => ({ type: `sevGuest.${type}`, from, ...fields });
  const probed = Given.start<SevGuestContext>(sevGuestMachine);
  const message = (sequence: number, data: number) => ({ vm: 'vm:a', sequence, data, vmpl: 0 });

  it('has one vCPU inside at a time', () => {
    const taken = probed.after(by('vcpu:a/0', 'lock'));
    const refused = taken.when(by('vcpu:a/1', 'lock'));
    expect(refused.sent[0]!.event).toMatchObject({ type: 'sevGuest.locked', granted: false });
    expect(refused.context.owner).toBe('vcpu:a/0');
    expect(taken.after(by('vcpu:a/1', 'unlock')).context.owner).toBe('vcpu:a/0');
    expect(taken.after(by('vcpu:a/0', 'unlock')).context.owner).toBeNull();
  });

  it('keeps the message that stood in its page before, unless it is the same once more', () => {
    const two = probed.after(by('v', 'request', { message: message(1, 7) }), by('v', 'request', { message: message(3, 8) }));
    expect(two.context).toMatchObject({ request: message(3, 8), before: message(1, 7) });
    expect(two.after(by('v', 'request', { message: message(3, 8) })).context).toEqual(two.context);
  });

  it('counts by 2, also when it wipes its key', () => {
    const wiped = probed.after(by('v', 'count'), by('v', 'wipe'));
    expect(wiped.context).toMatchObject({ counter: 4, wiped: true });
    expect(sentBy(wiped.when(by('v', 'key?')).sent)).toEqual(['v sevGuest.key']);
  });
});

describe('the limit', () => {
  const asked = (over: boolean) => ({ type: 'ratelimit.pass?', from: 'thread:q/vcpu0', over });
  const fresh = Given.start<RateLimitContext>(rateLimitMachine);

  it.each([false, true])('lets the first request through, whether the interval is said to be over (%s)', (over) => {
    expect(fresh.after(asked(over)).context).toEqual({ printed: 1, missed: false });
  });

  it('lets no other through before the interval is over, and one after it', () => {
    const missed = fresh.after(asked(false), asked(false));
    expect(missed.context).toEqual({ printed: 1, missed: true });
    expect(missed.after(asked(true)).context).toEqual({ printed: 1, missed: false });
  });
});

const CERTS = ['empty-table', 'user-space', 'in-kernel'] as const;

describe('an extended guest request', () => {
  it.each(CERTS)('with room enough is served once, with certificates of %s', (certs) => {
    const played = inOrder(guests({ 'kvm.guestCerts': certs }, [asks(1, 3), asks(2, 4), asks(3)]), undefined);
    expect(events(played)).toEqual(['EXT_GUEST_REQUEST', 'EXT_GUEST_REQUEST', 'GUEST_REQUEST']);
    expect(carried(played)).toEqual([
      [1, 1],
      [3, 2],
      [5, 3],
    ]);
    expect(told(played)).toEqual([]);
    expect(played.end.verdict).toBe('clean');
  });

  it('finds no room too small where there are no certificates', () => {
    const played = inOrder(guests({}, [asks(1, 0), asks(2, 1)]), undefined);
    expect(events(played)).toEqual(['EXT_GUEST_REQUEST', 'EXT_GUEST_REQUEST']);
    expect(told(played)).toEqual([]);
  });

  it('ends KVM_RUN where user space has the certificates, beside pages that user space converts', () => {
    const options: Partial<HostOptions> = { 'kvm.guestCerts': 'user-space', 'kvm.privateMemory': 'guest-memfd' };
    const pages = [{ gfn: 0x5, pfn: 0x1005, state: 'shared' }] as const;
    const program: readonly GuestStep[] = [asks(1, 1), { psc: { gfn: 0x5, to: 'private' } }, asks(2, 2)];
    const scenario = world({ vm0: { type: 'snp', options: { pages, certPages: 2 }, vcpus: [program] } }, { qemu0: [[run()]] }, options);
    const played = inOrder(scenario, undefined);
    expect(told(played)).toEqual([['INVALID_LEN', 2]]);
    expect(carried(played)).toEqual([
      [1, 1],
      [3, 2],
    ]);
    expect(played.delivered('pages.setPrivate').length).toBe(1);
    expect(played.end.verdict).toBe('clean');
  });

  it.each(['in-kernel', 'user-space'] as const)('goes out again under the same number, by 6.1 and 6.3 (%s)', (certs) => {
    const reissued = (requestError: HostOptions['guest.requestError']) => {
      const played = inOrder(guests({ 'kvm.guestCerts': certs, 'guest.requestError': requestError }, [asks(1, 2)]), undefined);
      expect(events(played)).toEqual(['EXT_GUEST_REQUEST', 'GUEST_REQUEST']);
      expect(carried(played)).toEqual([[1, 1]]);
      expect(played.context<Vcpu>(GUEST).certPages).toEqual({ given: 2, needed: 3 });
      expect(driverOf(played)).toMatchObject({ counter: 2, wiped: false });
    };
    reissued('retried');
    reissued('reissued');
  });

  it('is returned with an error by 6.0, which seals the next message under the same number', () => {
    const returned = guests({ 'kvm.guestCerts': 'in-kernel', 'guest.requestError': 'returned' }, [asks(1, 2), asks(2)]);
    const played = inOrder(unchecked(returned), undefined);
    expect(played.context<Vcpu>(GUEST).certPages).toEqual({ given: 2, needed: 3 });
    expect(driverOf(played).before).toMatchObject({ sequence: 1, data: 1 });
    expect(driverOf(played)).toMatchObject({ request: { sequence: 1, data: 2 }, counter: 2, wiped: false });
    expect(carried(played)).toEqual([[1, 2]]);
  });
});

describe('a request that the host is too busy for', () => {
  const limited = (requestError: HostOptions['guest.requestError']) =>
    unchecked(guests({ 'kvm.guestRequestLimit': 'ratelimit', 'guest.requestError': requestError }, [asks(1), asks(2), asks(3)]));
  const second = [...answered, ...throttled];

  it('is served at another try, however often it was refused', () => {
    const played = steered(limited('retried'), undefined, ...second, ...throttled, ...throttled);
    expect(told(played)).toEqual(Array.from({ length: 3 }, () => ['BUSY', undefined]));
    expect(carried(played).map(([sequence]) => sequence)).toEqual([1, 3, 5]);
    expect(driverOf(played)).toMatchObject({ counter: 6, wiped: false });
  });

  it('costs the key of 6.1, which does not know what busy is', () => {
    const played = steered(limited('reissued'), undefined, ...second);
    expect(carried(played)).toEqual([[1, 1]]);
    expect(driverOf(played)).toMatchObject({ counter: 4, wiped: true });
  });

  it('is returned by 6.0, with the number and the key as they were', () => {
    const played = steered(limited('returned'), undefined, ...second);
    expect(carried(played)).toEqual([
      [1, 1],
      [3, 3],
    ]);
    expect(driverOf(played)).toMatchObject({ before: { sequence: 3, data: 2 }, request: { sequence: 3, data: 3 } });
  });

  it('costs the key when 60 s are over', () => {
    const played = steered(limited('retried'), undefined, ...second, ...timedOut);
    expect(carried(played)).toEqual([[1, 1]]);
    expect(driverOf(played).wiped).toBe(true);
  });
});
