/** Every request of the GHCB MSR and every NAE event, known or not: what KVM answers. */
import { describe, expect, it } from 'vitest';
import type { Vcpu } from '../../../actors/kvm/guest-program.ts';
import {
  checkFields,
  MSR_PSC_ERROR,
  MSR_REQUESTS,
  msrAnswer,
  msrEffect,
  msrPsc,
  NAE_EVENTS,
  PREFERRED_NONE,
  scratchFits,
} from '../../../actors/sev-snp/ghcb-protocol.ts';
import type { GhcbFields } from '../../../events/sev-snp/ghcb.ts';
import type { GuestStep } from '../../../sim/scenario/program.ts';
import { inOrder } from '../../claims/sev-snp/snp-worlds.ts';
import * as w from '../../claims/world.ts';

const GHCB = 0x9;
const PAGES = [w.page('shared', GHCB), w.page('shared', 0xa), w.page('shared')];
const guest = (...program: readonly GuestStep[]) =>
  inOrder(
    w.world(
      { vm0: { type: 'snp', options: { pages: PAGES, ghcbs: [{ gfn: GHCB, vcpu: 0 }, { gfn: 0xa }] }, vcpus: [program] } },
      { qemu0: [[w.run()]] },
    ),
    undefined,
  );
const msr = (request: number, payload = 0): GuestStep => ({ 'ghcb-msr': { request, payload } });
const call = (fields: GhcbFields, ghcb = GHCB) => ({ vmgexit: { ghcb, ...fields } }) as GuestStep;
const info = (code: number, info1 = 0, info2 = 0): GhcbFields => ({ code, info1, info2 });

describe('the GHCB MSR', () => {
  it('has a row for each request that KVM knows, and for the one that it does not serve', () => {
    const rows = MSR_REQUESTS.map(({ request, response, effect }) => [request, response, effect]);
    expect(rows).toEqual([
      [0x002, 0x001, 'value'],
      [0x004, 0x005, 'value'],
      [0x006, 0x007, 'reset-hold'],
      [0x010, 0x011, 'value'],
      [0x012, 0x013, 'register'],
      [0x014, 0x015, 'page-state-change'],
      [0x016, null, 'unknown'],
      [0x080, 0x081, 'value'],
      [0x100, null, 'terminate'],
    ]);
  });

  it('keeps what it does not know, of all 4095 codes', () => {
    const known = new Set(MSR_REQUESTS.filter(({ effect }) => effect !== 'unknown').map(({ request }) => request));
    const unknown = Array.from({ length: 0xfff }, (_, i) => i + 1).filter((request) => !known.has(request));
    expect(unknown).toHaveLength(0xfff - 8);
    for (const request of unknown) {
      expect(msrEffect(request, true)).toBe('unknown');
      expect(msrAnswer(request, 0x1234, true)).toEqual({ response: request, payload: 0x1234 });
    }
  });

  it('answers one request after the other as the specification says', () => {
    const table = [
      [0x002, 0, 0x001, 2 * 2 ** 36 + 2 ** 20 + 51 * 2 ** 12],
      [0x004, 1 * 2 ** 18, 0x005, 0x6874_7541 * 2 ** 20 + 2 ** 18],
      [0x004, 0x8000_001f * 2 ** 20, 0x005, 0b11011 * 2 ** 20],
      [0x004, 0x1234 * 2 ** 20, 0x005, 0],
      [0x010, 0x9, 0x011, PREFERRED_NONE],
      [0x012, 0x9, 0x013, 0x9],
      [0x014, 2 ** 40 + 5, 0x015, 0],
      [0x014, 2 * 2 ** 40 + 5, 0x015, 0],
      [0x014, 3 * 2 ** 40 + 5, 0x015, MSR_PSC_ERROR],
      [0x014, 2 ** 40 + 0x77, 0x015, MSR_PSC_ERROR],
      [0x016, 0x100, 0x016, 0x100],
      [0x080, 0, 0x081, 0b11],
      [0xabc, 7, 0xabc, 7],
    ] as const;
    const played = guest(...table.map(([request, payload]) => msr(request, payload)));
    const told = played.delivered('ghcb.msr').map(({ payload }) => [payload.response, payload.payload]);
    expect(told).toEqual(table.map(([, , response, answer]) => [response, answer]));
    expect(played.delivered('rmp.writeUpdate').map(({ payload }) => payload.assigned)).toEqual([true, false]);
  });

  it('ends KVM_RUN at a request to terminate, and the guest runs no more', () => {
    const played = guest(msr(0x100, 0x21), msr(0x080));
    expect(w.exits(played)).toEqual(['VMGEXIT']);
    expect(played.context<Vcpu>(w.GUEST).ghcbMsr).toBeUndefined();
  });

  it.each([0x010, 0x012, 0x014])('ends a guest without SNP that asks 0x%s', (request) => {
    const vms = { vm0: { type: 'sev-es', vcpus: [[msr(request), msr(0x080)]] } };
    const played = inOrder(w.world(vms, { qemu0: [[w.run()]] }), undefined);
    expect(w.exits(played)).toEqual(['VMGEXIT']);
    expect(msrEffect(request, false)).toBe('terminate');
  });

  it('tells a guest without SNP version 1, and the same features', () => {
    const vms = { vm0: { type: 'sev-es', vcpus: [[msr(0x002)]] } };
    const played = inOrder(w.world(vms, { qemu0: [[w.run()]] }), undefined);
    expect(played.context<Vcpu>(w.GUEST).ghcbMsr).toEqual({ response: 0x001, payload: 2 ** 36 + 2 ** 20 + 51 * 2 ** 12 });
  });

  it('takes two operations of a page state change', () => {
    const asked = Array.from({ length: 16 }, (_, operation) => msrPsc(operation * 2 ** 40 + 5)?.to ?? null);
    expect(asked).toEqual([null, 'private', 'shared', ...Array<null>(13).fill(null)]);
  });
});

const RIGHT: GhcbFields = { info1: 0, info2: 0x1000, rax: 0, rbx: 0, rcx: 0, rdx: 0, cpl: 0, xcr0: 1, scratch: 0x9800 };

describe('NAE events', () => {
  it.each(NAE_EVENTS.map(({ name, code, effect }) => [name, code, effect] as const))('%s is known', (_name, code, effect) => {
    expect(checkFields({ ...RIGHT, code }, true)).toEqual({ effect });
    for (const missing of ['code', 'info1', 'info2'] as const)
      expect(checkFields({ ...RIGHT, code, [missing]: undefined }, true)).toEqual({ error: 'MISSING_INPUT' });
    expect(checkFields({ ...RIGHT, code, usage: 1 }, true)).toEqual({ error: 'INVALID_USAGE' });
  });

  it.each([
    [0x37, 'rax'],
    [0x6f, 'rcx'],
    [0x72, 'rax'],
    [0x72, 'rcx'],
    [0x7b, 'rax'],
    [0x7c, 'rcx'],
    [0x81, 'rax'],
    [0x81, 'cpl'],
    [0x8a, 'rdx'],
    [0x8b, 'rcx'],
    [0x8000_0001, 'scratch'],
    [0x8000_0002, 'scratch'],
    [0x8000_0010, 'scratch'],
    [0x8000_0013, 'rax'],
  ] as const)('0x%s needs %s', (code, missing) => {
    expect(checkFields({ ...RIGHT, code, [missing]: undefined }, true)).toEqual({ error: 'MISSING_INPUT' });
  });

  it('needs what the fields say: XCR0 of one function, data of a write, a buffer of a string, none of a destruction', () => {
    expect(checkFields({ ...RIGHT, code: 0x72, rax: 0xd, xcr0: undefined }, true)).toEqual({ error: 'MISSING_INPUT' });
    expect(checkFields({ ...RIGHT, code: 0x7c, info1: 1, rdx: undefined }, true)).toEqual({ error: 'MISSING_INPUT' });
    expect(checkFields({ ...RIGHT, code: 0x7b, info1: 4, scratch: undefined }, true)).toEqual({ error: 'MISSING_INPUT' });
    expect(checkFields({ ...RIGHT, code: 0x7b, info1: 1, rax: undefined }, true)).toEqual({ effect: 'intercept' });
    expect(checkFields({ ...RIGHT, code: 0x8000_0013, info1: 2, rax: undefined }, true)).toEqual({ effect: 'ap-creation' });
  });

  it.each([0x8000_0010, 0x8000_0011, 0x8000_0012, 0x8000_0013])('0x%s is of SNP guests', (code) => {
    expect(checkFields({ ...RIGHT, code }, false)).toEqual({ error: 'MISSING_INPUT' });
  });

  it.each([
    [0x1001, 0x2000],
    [0x1000, 0x2001],
    [0x1000, 0x1000],
  ])('refuses a guest request with pages at %s and %s', (info1, info2) => {
    expect(checkFields({ ...RIGHT, code: 0x8000_0011, info1, info2 }, true)).toEqual({ error: 'MISSING_INPUT' });
  });

  it.each([
    [0x9800, 2032, true],
    [0x9800, 2033, false],
    [0x97ff, 8, false],
    [0x9fe8, 8, true],
    [0x9ff0, 8, false],
    [0, 8, false],
    [0x5000, 0x10000, true],
    [0x5000, 0x10001, false],
  ])('a scratch area at %s of %s bytes: %s', (scratch, info2, fits) => {
    expect(scratchFits(0x9, { scratch, info2 })).toBe(fits);
  });
});

describe('a guest with a GHCB', () => {
  it('is answered to each event, in the page', () => {
    const table: readonly (readonly [GhcbFields, number, number])[] = [
      [info(0x6e), 0, 0],
      [info(0x8000_fffd), 0, 0b11],
      [info(0x8000_0003), 0, 0],
      [{ ...info(0x8000_0001, 0xfee0_0000, 8), scratch: 0x9800 }, 0, 0],
      [info(0x8000_0001, 0xfee0_0000, 8), 2, 4],
      [{ ...info(0x8000_0001, 0xfee0_0000, 8), scratch: 0x9000 }, 2, 3],
      [{ ...info(0x6e), usage: 1 }, 2, 2],
      [{}, 2, 4],
      [info(0x8000_0005, 2), 2, 5],
      [info(0x8000_0011, 0x5000, 0xa000), 0, 0x0b],
      // The doorbell page of restricted injection, and another VMPL.
      [info(0x8000_0014), 2, 6],
      [info(0x8000_0018), 2, 6],
      [info(0x1234_5678), 2, 6],
    ];
    const played = guest(...table.map(([fields]) => call(fields)));
    const answers = played.delivered('ghcb.answer').map(({ payload }) => payload.answer);
    expect(answers).toEqual(table.map(([, info1, info2]) => ({ info1, info2 })));
    expect(played.context<Vcpu>(w.GUEST).ghcbAnswer).toEqual({ info1: 2, info2: 6 });
  });

  it('sets and gets the AP jump table', () => {
    const played = guest(call(info(0x8000_0005, 0, 0x5000)), call(info(0x8000_0005, 1)));
    expect(played.context<Vcpu>(w.GUEST).ghcbAnswer).toEqual({ info1: 0, info2: 0x5000 });
  });

  it.each([
    ['says that an event is unsupported', call(info(0x8000_ffff))],
    ['terminates', call(info(0x8000_fffe))],
    ['uses a page that is not registered', call(info(0x8000_fffd), 0xa)],
  ])('runs no more when it %s', (_name, step) => {
    const played = guest(step, call(info(0x8000_fffd)));
    expect(w.exits(played)).toEqual(['VMGEXIT']);
    expect(played.context<Vcpu>(w.GUEST).ghcbAnswer).toBeUndefined();
  });

  it('registers another page, and uses that one', () => {
    const played = guest(msr(0x012, 0xa), call(info(0x8000_fffd), 0xa));
    expect(played.context<Vcpu>(w.GUEST).ghcbAnswer).toEqual({ info1: 0, info2: 0b11 });
  });
});
