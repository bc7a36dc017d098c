/** Who gets in: by which name, from which page, with which token, on which address. */
import { describe, expect, it } from 'vitest';
import { isLoopback } from '../../../timeline/serve/hosts.ts';
import { ServerStartError, startServer } from '../../../timeline/serve/server.ts';
import { journalApp } from './fixtures.ts';

const status = async (
  options: Parameters<typeof journalApp>[0],
  headers: Record<string, string>,
  { url = 'http://localhost:8080/api/runs', method = 'GET' } = {},
): Promise<[number, string]> => {
  const response = await journalApp(options).app.request(url, { headers, method });
  const text = await response.text();
  return [response.status, text.startsWith('{"error"') ? (JSON.parse(text) as { error: { code: string } }).error.code : ''];
};

const OK = [200, ''];

describe('the Host', () => {
  it.each([
    ['127.0.0.1', 'localhost', true],
    ['127.0.0.1', 'localhost:8080', true],
    ['127.0.0.1', 'LOCALHOST:1', true],
    ['127.0.0.1', '127.0.0.1:8080', true],
    ['127.0.0.1', '[::1]:8080', true],
    ['127.0.0.2', '127.0.0.2', true],
    ['localhost', '127.0.0.1', true],
    ['127.0.0.1', 'evil.example', false],
    ['127.0.0.1', 'evil.example:8080', false],
    ['127.0.0.1', 'localhost.evil.example', false],
    ['127.0.0.1', 'localhost:8080.evil.example', false],
    ['127.0.0.1', 'localhost:8080@evil.example', false],
    ['127.0.0.1', '192.168.1.5', false],
    ['127.0.0.1', '127.0.0.1.evil.example', false],
    ['127.0.0.1', '', false],
    ['0.0.0.0', '192.168.1.5:8080', true],
    ['0.0.0.0', '[fd00::5]:8080', true],
    ['0.0.0.0', 'localhost:8080', true],
    ['0.0.0.0', 'evil.example', false],
    ['box.lan', 'box.lan:8080', true],
    ['box.lan', 'Box.LAN', true],
    ['box.lan', 'other.lan', false],
    ['0.0.0.0', 'runs.example', true],
  ])('on %s may be %s: %s', async (host, called, allowed) => {
    expect(await status({ host, allowHosts: ['runs.example'] }, { host: called })).toEqual(allowed ? OK : [403, 'host_not_allowed']);
  });

  it('of an absolute URL counts as well', async () => {
    expect(await status({}, { host: 'localhost' }, { url: 'http://evil.example/api/runs' })).toEqual([403, 'host_not_allowed']);
  });
});

describe('the Origin', () => {
  const allowOrigins = ['https://dashboard.example'];

  it.each([
    ['http://localhost:8080', true],
    ['https://dashboard.example', true],
    ['http://localhost:3000', false],
    ['https://localhost:8080', false],
    ['http://127.0.0.1:8080', false],
    ['https://dashboard.example.evil.example', false],
    ['https://dashboard.example:444', false],
    ['http://dashboard.example', false],
    ['null', false],
    ['', false],
  ])('%s gets in: %s', async (origin, allowed) => {
    expect(await status({ allowOrigins }, { origin })).toEqual(allowed ? OK : [403, 'origin_not_allowed']);
  });

  it('of a foreign page is let read only if it is on the list', async () => {
    const { app } = journalApp({ allowOrigins });
    const headersFor = async (origin?: string): Promise<Headers> =>
      (await app.request('http://localhost:8080/api/runs', origin === undefined ? {} : { headers: { origin } })).headers;
    expect((await headersFor('https://dashboard.example')).get('access-control-allow-origin')).toBe('https://dashboard.example');
    for (const origin of [undefined, 'http://localhost:8080', 'https://evil.example']) {
      expect([...(await headersFor(origin)).keys()].filter((name) => name.startsWith('access-control'))).toEqual([]);
      expect((await headersFor(origin)).get('vary')).toBe('Origin');
    }
  });

  it('can be read in an error too, by those who may', async () => {
    const headers = { origin: 'https://dashboard.example' };
    const response = await journalApp({ allowOrigins }).app.request('http://localhost:8080/nowhere', { headers });
    expect([response.status, response.headers.get('access-control-allow-origin')]).toEqual([404, 'https://dashboard.example']);
  });

  it('is asked about beforehand where a page sends a token', async () => {
    const ask = (origin: string): Promise<Response> =>
      Promise.resolve(
        journalApp({ allowOrigins, token: 't' }).app.request('http://localhost:8080/api/runs', {
          method: 'OPTIONS',
          headers: { origin, 'access-control-request-method': 'GET', 'access-control-request-headers': 'authorization' },
        }),
      );
    const allowed = await ask('https://dashboard.example');
    expect(allowed.status).toBe(204);
    expect(allowed.headers.get('access-control-allow-origin')).toBe('https://dashboard.example');
    expect(allowed.headers.get('access-control-allow-headers')).toContain('Authorization');
    expect((await ask('https://evil.example')).status).toBe(403);
    expect((await ask('http://localhost:8080')).status).toBe(405);
  });
});

describe('the token', () => {
  it.each([
    [{}, 401, 'token_missing'],
    [{ authorization: 'Basic dXNlcjpzZXNhbWU=' }, 401, 'token_missing'],
    [{ authorization: 'Bearer' }, 401, 'token_missing'],
    [{ authorization: 'Bearer wrong' }, 401, 'token_wrong'],
    [{ authorization: 'Bearer sesame2' }, 401, 'token_wrong'],
    [{ authorization: 'Bearer sesam' }, 401, 'token_wrong'],
    [{ authorization: 'Bearer sesame' }, 200, ''],
    [{ authorization: 'bearer sesame' }, 200, ''],
  ])('%j gives %i %s', async (headers: Record<string, string>, code, name) => {
    expect(await status({ token: 'sesame' }, headers)).toEqual([code, name]);
  });

  it('is asked for everywhere but at the door', async () => {
    const { app, source } = journalApp({ token: 'sesame' });
    const run = `/api/runs/${source.id}`;
    for (const path of ['/', '/openapi.json', '/api/runs', run, `${run}/events`, `${run}/journal`, '/nowhere']) {
      const response = await app.request(path);
      expect([path, response.status, response.headers.get('www-authenticate')]).toEqual([path, 401, 'Bearer']);
    }
    expect((await app.request('/healthz')).status).toBe(200);
  });
});

describe('every answer', () => {
  it.each(['/', '/api/runs', '/nowhere', '/healthz'])('of %s is not sniffed, framed or embedded', async (path) => {
    const { headers } = await journalApp().app.request(path);
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('cross-origin-resource-policy')).toBe('same-origin');
    expect(headers.get('content-security-policy')).toContain("default-src 'none'");
  });
});

describe('a start', () => {
  const { source } = journalApp();

  it.each(['0.0.0.0', '::', '192.168.1.5', 'box.lan'])('on %s without a token is refused', async (host) => {
    await expect(startServer({ sources: [source], host })).rejects.toThrow(ServerStartError);
  });

  it.each(['', 'two words', 'né'])('with the token %j is refused', async (token) => {
    await expect(startServer({ sources: [source], token })).rejects.toThrow(/token/);
  });

  it.each(['*', 'localhost:3000', 'http://localhost:3000/', 'http://localhost:3000/page'])(
    'with the origin %s is refused',
    async (origin) => {
      await expect(startServer({ sources: [source], allowOrigins: [origin] })).rejects.toThrow(RangeError);
    },
  );

  it('knows which addresses stay on the machine', () => {
    for (const host of ['127.0.0.1', '127.255.0.9', '::1', 'localhost']) expect(isLoopback(host), host).toBe(true);
    for (const host of ['0.0.0.0', '::', '10.0.0.1', '127.0.0.1.example', '128.0.0.1', 'localhost.example'])
      expect(isLoopback(host), host).toBe(false);
  });
});
