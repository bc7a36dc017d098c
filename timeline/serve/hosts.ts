/**
 * Which addresses stay on this machine, and by which names a server on an address may be called.
 */
import { isIP, isIPv4 } from 'node:net';

/** IPv6 addresses stand in brackets in a URL and a Host header. */
export const bracketed = (host: string): string => (isIP(host) === 6 ? `[${host}]` : host);

const bare = (name: string): string => name.replace(/^\[(.*)\]$/, '$1').toLowerCase();

export const isLoopback = (host: string): boolean => host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));

const LOOPBACK_NAMES = ['localhost', '127.0.0.1', '::1'];

/** The name in a Host header or a URL, without port and brackets; null if it is none. */
function nameIn(host: string): string | null {
  const match = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?$/i.exec(host);
  return match ? bare(match[1]!) : null;
}

/**
 * Says whether a request may call the server by this name. A page whose name was made to point here
 * by its owner (DNS rebinding) sends its own name; an address cannot be forged that way, so off
 * loopback every address is accepted.
 */
export function hostCheck(boundHost: string, allowHosts: readonly string[]): (host: string) => boolean {
  const loopback = isLoopback(boundHost);
  const names = new Set([boundHost, ...allowHosts, ...LOOPBACK_NAMES].map(bare));
  return (host) => {
    const name = nameIn(host);
    return name !== null && (names.has(name) || (!loopback && isIP(name) !== 0));
  };
}
