/**
 * What every request passes before it is answered: the name it calls, where it comes from, its
 * method, its token.
 */
import type { Context, MiddlewareHandler } from 'hono';
import { timingSafeEqual } from 'hono/utils/buffer';
import { hostCheck } from './hosts.ts';
import { Problem } from './problem.ts';

export interface GuardOptions {
  /** The address that the server listens on. */
  readonly host: string;
  /** Asked for in `Authorization: Bearer TOKEN`. */
  readonly token?: string;
  /** Origins of pages, besides our own, that may read what is served. */
  readonly allowOrigins?: readonly string[];
  /** Names by which the server may be called besides those of its address. */
  readonly allowHosts?: readonly string[];
}

const OPEN_PATHS: readonly string[] = ['/healthz'];
const METHODS = 'GET, HEAD';

/** @throws RangeError on an origin that no browser would send */
export function checkOrigins(origins: readonly string[]): void {
  for (const origin of origins) {
    if (!URL.canParse(origin) || new URL(origin).origin !== origin)
      throw new RangeError(`${JSON.stringify(origin)} is no origin; expected a scheme, a host and a port as in http://localhost:3000`);
  }
}

const ALWAYS: Readonly<Record<string, string>> = {
  'x-content-type-options': 'nosniff',
  'cross-origin-resource-policy': 'same-origin',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  vary: 'Origin',
};

function checkHost(c: Context, isAllowed: (host: string) => boolean): void {
  const called = [c.req.header('host'), new URL(c.req.url).host];
  const wrong = called.find((host) => host !== undefined && !isAllowed(host));
  if (wrong === undefined) return;
  throw new Problem({
    status: 403,
    code: 'host_not_allowed',
    message: `the request calls this server ${JSON.stringify(wrong)}, which is none of its names`,
    expected: 'the name or address in the URL that the server printed',
    try: 'that URL, or start the server with this name among the allowed hosts',
  });
}

function checkOrigin(c: Context, allowed: readonly string[]): void {
  const origin = c.req.header('origin');
  if (origin === undefined || origin === new URL(c.req.url).origin || allowed.includes(origin)) return;
  throw new Problem({
    status: 403,
    code: 'origin_not_allowed',
    message: `pages of ${JSON.stringify(origin)} may not read this server`,
    expected: ['no Origin', 'the origin of this server', ...allowed].join(', or '),
    try: 'start the server with this origin among the allowed ones',
  });
}

function checkMethod(c: Context): void {
  if (c.req.method === 'GET' || c.req.method === 'HEAD') return;
  throw new Problem({
    status: 405,
    code: 'method_not_allowed',
    message: `${c.req.method} is not answered here: the server shows runs and changes nothing`,
    expected: METHODS,
    try: `GET ${c.req.path}`,
    headers: { allow: METHODS },
  });
}

async function checkToken(c: Context, token: string | undefined): Promise<void> {
  if (token === undefined || OPEN_PATHS.includes(c.req.path)) return;
  const given = /^Bearer +(\S+)\s*$/i.exec(c.req.header('authorization') ?? '')?.[1];
  // The comparison takes as long for a wrong token as for the right one.
  if (given !== undefined && (await timingSafeEqual(given, token))) return;
  throw new Problem({
    status: 401,
    code: given === undefined ? 'token_missing' : 'token_wrong',
    message: given === undefined ? 'the request carries no bearer token' : 'the bearer token of the request is not the one of this server',
    expected: 'Authorization: Bearer TOKEN',
    try: 'curl --header "Authorization: Bearer $TOKEN" URL',
    headers: { 'www-authenticate': 'Bearer' },
  });
}

/** A browser asks first whether a page of an allowed origin may send these headers. */
function preflight(c: Context, allowed: readonly string[]): Response | null {
  const asks = c.req.method === 'OPTIONS' && c.req.header('access-control-request-method') !== undefined;
  if (!asks || !allowed.includes(c.req.header('origin') ?? '')) return null;
  const headers = {
    'access-control-allow-methods': METHODS,
    'access-control-allow-headers': 'Authorization, Last-Event-ID, Range, If-Range, If-None-Match, Cache-Control',
    'access-control-max-age': '600',
  };
  return new Response(null, { status: 204, headers });
}

/** The middleware around every handler and around the errors. */
export function guard({ host, token, allowOrigins = [], allowHosts = [] }: GuardOptions): readonly MiddlewareHandler[] {
  const isAllowed = hostCheck(host, allowHosts);
  const headers: MiddlewareHandler = async (c, next) => {
    await next();
    for (const [name, value] of Object.entries(ALWAYS)) c.res.headers.set(name, value);
    const origin = c.req.header('origin');
    if (origin === undefined || !allowOrigins.includes(origin)) return;
    c.res.headers.set('access-control-allow-origin', origin);
    c.res.headers.set('access-control-expose-headers', 'ETag, Accept-Ranges, Content-Range, Content-Length');
  };
  const checks: MiddlewareHandler = async (c, next) => {
    checkHost(c, isAllowed);
    checkOrigin(c, allowOrigins);
    const answer = preflight(c, allowOrigins);
    if (answer) return answer;
    checkMethod(c);
    await checkToken(c, token);
    return next();
  };
  return [headers, checks];
}
