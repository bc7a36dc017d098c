/** What pages hold: who reads what of a store, and what the RMP's instructions leave of it. */
import { describe, expect, it } from 'vitest';
import { contentInWords, guestLoads, hostStores, isOwn, movedBy } from '../../../actors/sev-snp/contents.ts';
import { type RmpRegionContext, rmpRegionMachine } from '../../../actors/sev-snp/rmp-region.ts';
import type { Content } from '../../../events/sev-snp/contents.ts';
import { Given } from '../given.ts';

const PFN = 0x1005;
const GUEST = 'vcpu:vm0/0';
const HOST = 'thread:netd/0';
const PAGES = 'pages:vm0';
const PLAIN: Content = { by: HOST, n: 2 };
const OWN: Content = { by: GUEST, n: 1, gfn: 5, asid: 1 };
const access = (change: object = {}) => ({ pfn: PFN, asid: 1, gfn: 5, private: true, write: false, ...change });

describe('what pages hold', () => {
  it.each([
    ['its own store', OWN, {}, { by: GUEST, n: 1, gfn: 5 }],
    ['its own store, at another GFN', OWN, { gfn: 6 }, { by: GUEST, n: 1, gfn: 5 }],
    ['the store of another guest', OWN, { asid: 2 }, { by: GUEST, n: 1, gfn: 5, ciphertext: true }],
    ['its own store, without the C-bit', OWN, { private: false }, { by: GUEST, n: 1, gfn: 5, ciphertext: true }],
    ['a store of the host', PLAIN, {}, { ...PLAIN, ciphertext: true }],
    ['a store of the host, without the C-bit', PLAIN, { private: false }, PLAIN],
  ])('is loaded by a guest: %s', (_name, content, change, found) => {
    expect(guestLoads({ [PFN]: content }, access(change))).toEqual(found);
  });

  it('is what was stored last, by its key', () => {
    const store = (change: object) => movedBy({ [PFN]: PLAIN }, access({ write: true, ...change }), GUEST, { n: 3, tell: PAGES });
    const own = { by: GUEST, n: 3, gfn: 5 };
    expect(store({})).toEqual({
      contents: { [PFN]: { ...own, asid: 1 } },
      told: { type: 'send', to: PAGES, event: { type: 'guest.stored', gfn: 5, content: own } },
    });
    expect(store({ private: false })).toEqual({ contents: { [PFN]: own }, told: null });
    expect(hostStores({ [PFN]: OWN }, PFN, HOST, 2)).toEqual({ [PFN]: PLAIN });
    expect(hostStores({ [PFN]: OWN }, PFN + 1, HOST, 2)).toEqual({ [PFN]: OWN });
  });

  it('is no matter of its owner alone: where a guest has stored nothing, it may find what it cannot read', () => {
    const { asid, ...own } = OWN;
    expect([asid, isOwn(own, own), isOwn(own, { ...own, n: 2 }), isOwn(own, { ...own, ciphertext: true })]).toEqual([
      1,
      true,
      false,
      false,
    ]);
    expect([isOwn(undefined, own), isOwn(undefined, { ...PLAIN, ciphertext: true })]).toEqual([false, true]);
  });

  it('is told in words', () => {
    expect(contentInWords({ by: HOST, n: 2, ciphertext: true })).toBe('ciphertext of what thread:netd/0 stored');
    expect(contentInWords({ by: GUEST, n: 2, gfn: 5 })).toBe('what vcpu:vm0/0 stored at GFN 0x5');
    expect(contentInWords({ by: 'start', n: 0, gfn: 5 })).toBe('what was there at the start at GFN 0x5');
  });
});

describe('a region with contents', () => {
  const entry = { assigned: true, pageSize: '4K', immutable: false, asid: 1, gfn: 5, validated: true, vmsa: false } as const;
  const region = (contents: Content) =>
    Given.start<RmpRegionContext>(rmpRegionMachine, { entries: { [PFN]: entry }, contention: 'inuse', contents: { [PFN]: contents } });
  const from = (sender: string, type: string, rest: object = {}) => ({ type, from: sender, pfn: PFN, ...rest });
  const hostWrites = from(HOST, 'rmp.hostWrite', { n: 2 });
  const update = (assigned: boolean) => [
    from(HOST, 'rmp.lock'),
    from(HOST, 'rmp.writeUpdate', { assigned, pageSize: '4K', immutable: false, asid: assigned ? 1 : 0, gfn: assigned ? 5 : 0 }),
    from(HOST, 'rmp.unlock'),
  ];

  it('keeps them through RMPUPDATE, and takes the stores that the RMP allows alone', () => {
    expect(region(OWN).after(hostWrites).context.contents).toEqual({ [PFN]: OWN });
    expect(region(OWN).after(...update(false), ...update(true)).context.contents).toEqual({ [PFN]: OWN });
    expect(region(OWN).after(...update(false), hostWrites, ...update(true)).context.contents).toEqual({ [PFN]: PLAIN });
  });

  it('tells the pages of the guest of loads that are looked at, and of no access that fails', () => {
    const load = (change: object = {}) => from(GUEST, 'rmp.guestAccess', { ...access(), content: { n: 4, tell: PAGES }, ...change });
    expect(region(OWN).when(load()).sent).toEqual([
      { to: GUEST, event: { type: 'rmp.accessed', outcome: 'ok' } },
      { to: PAGES, event: { type: 'guest.loaded', gfn: 5, content: { by: GUEST, n: 1, gfn: 5 } } },
    ]);
    expect(region(OWN).when(load({ gfn: 6 })).sent).toHaveLength(1);
    expect(region(OWN).when(load({ content: undefined })).sent).toHaveLength(1);
  });
});
