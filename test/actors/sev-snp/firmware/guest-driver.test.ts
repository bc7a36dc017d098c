/** A guest's driver: numbers that never repeat under one key, and when the key goes. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  begin,
  type Finished,
  finish,
  type GuestDriver,
  type Reply,
  type Request,
} from '../../../../actors/sev-snp/firmware/guest-driver.ts';
import { headerOf, openMessage, REQUESTS, sealMessage } from '../../../../actors/sev-snp/firmware/guest-message.ts';
import { chipOf, guestSecrets } from '../../../../actors/sev-snp/firmware/key-hierarchy.ts';

const KEYS = guestSecrets(chipOf(1), 1).vmpcks;
const KEY = KEYS[0]!;
const NEW: GuestDriver = { key: KEY, vmpck: 0, stored: 0 };
const PAYLOAD = new Uint8Array(0x60);
const ANSWER = new Uint8Array(0x40).fill(7);

function begun(driver: GuestDriver, payload = PAYLOAD): Request {
  const request = begin(driver, REQUESTS.REPORT, 1, payload);
  if (typeof request === 'string') throw new Error(request);
  return request;
}

/** What firmware answers a request, with other values in its header where they are given. */
function response({ header }: Request, other: Partial<Request['header']> = {}, key = KEY): Reply {
  const answer = { ...header, sequence: header.sequence + 1n, type: header.type + 1, ...other };
  return { is: 'response', message: sealMessage(answer, ANSWER, key) };
}

describe('a driver of guest messages', () => {
  it('numbers requests 1, 3, 5, and takes the number between as the response', () => {
    let driver = NEW;
    for (const number of [1n, 3n, 5n]) {
      const request = begun(driver);
      expect(headerOf(request.message).sequence).toBe(number);
      const finished = finish(driver, request, response(request));
      expect(finished).toMatchObject({ is: 'answered', payload: ANSWER });
      driver = finished.driver;
      expect(driver.stored).toBe(Number(number) + 1);
    }
  });

  it.each([
    [0xfffffffc, 'request'],
    [0xfffffffd, 'request'],
    [0xfffffffe, 'no number left'],
    [0xffffffff, 'no number left'],
  ])('with %i stored gives: %s', (stored, gives) => {
    const request = begin({ ...NEW, stored }, REQUESTS.REPORT, 1, PAYLOAD);
    expect(typeof request === 'string' ? request : 'request').toBe(gives);
  });

  const BAD: readonly (readonly [string, (request: Request) => Reply, string])[] = [
    ['an error', () => ({ is: 'error' }), 'the request failed'],
    ['the number of the request', (request) => response(request, { sequence: 1n }), 'number 1; expected 2'],
    ['the number after the next', (request) => response(request, { sequence: 3n }), 'number 3; expected 2'],
    ['the type of the request', (request) => response(request, { type: REQUESTS.REPORT }), 'type 5; expected 6'],
    ['another version', (request) => response(request, { version: 2 }), 'version 2; expected 1'],
    ['another key', (request) => response(request, {}, KEYS[1]!), 'not sealed with VMPCK0'],
    ['bytes that are no message', () => ({ is: 'response', message: new Uint8Array(0x80) }), 'algorithm at 0x030'],
  ];
  it.each(BAD)('forgets its key upon %s, and sends nothing more', (_, reply, why) => {
    const request = begun(NEW);
    const finished = finish(NEW, request, reply(request));
    expect(finished).toMatchObject({ is: 'wiped', driver: { key: null, stored: 2 } });
    expect(finished.is === 'wiped' && finished.why).toContain(why);
    expect(begin(finished.driver, REQUESTS.REPORT, 1, PAYLOAD)).toBe('no key');
  });

  it('forgets its key if it has no room for the response', () => {
    const request = begun(NEW);
    expect(finish(NEW, request, response(request), 0x3f)).toMatchObject({
      is: 'wiped',
      why: 'the response has 64 bytes; there is room for 63',
    });
    expect(finish(NEW, request, response(request), 0x40)).toMatchObject({ is: 'answered' });
  });

  it('sends the very same message again if the buffer for certificates was too small', () => {
    const request = begun(NEW);
    const again = finish(NEW, request, { is: 'short-buffer' });
    expect(again).toMatchObject({ is: 'again', driver: NEW });
    expect(again.is === 'again' && again.message).toEqual(request.message);
    expect(finish(again.driver, request, response(request))).toMatchObject({ is: 'answered', driver: { stored: 2 } });
  });

  it('never seals two payloads under one number and key, whatever comes back', () => {
    const replies = fc.array(fc.constantFrom('answer', 'error', 'short-buffer', 'stale', 'foreign'), { minLength: 1, maxLength: 12 });
    const replyTo = (request: Request, kind: string): Reply => {
      if (kind === 'error' || kind === 'short-buffer') return { is: kind };
      if (kind === 'stale') return response(request, { sequence: request.header.sequence });
      return response(request, {}, kind === 'answer' ? KEY : KEYS[2]!);
    };
    fc.assert(
      fc.property(replies, (kinds) => {
        const sealed = new Map<bigint, string>();
        let driver = NEW;
        let pending: Request | null = null;
        kinds.forEach((kind, i) => {
          const request: Request | string = pending ?? begin(driver, REQUESTS.REPORT, 1, new Uint8Array(0x60).fill(i));
          if (typeof request === 'string') return;
          const text = Buffer.from(request.message).toString('hex');
          expect(sealed.get(request.header.sequence) ?? text).toBe(text);
          sealed.set(request.header.sequence, text);
          expect(openMessage(request.message, KEY)).not.toBeNull();
          const finished: Finished = finish(driver, request, replyTo(request, kind));
          pending = finished.is === 'again' ? request : null;
          driver = finished.driver;
        });
      }),
      { numRuns: 100, seed: 3 },
    );
  });
});
