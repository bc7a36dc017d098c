/**
 * The Chrome file as Speedscope's own page reads it: what the page exports again is what the
 * journal says.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EXPORTERS } from '../../timeline/encode/index.ts';
import { project } from '../../timeline/project.ts';
import { recordingOf } from '../../timeline/recording.ts';
import { engineOf, journalOf, shipped } from '../sim/play.ts';
import { open } from '../timeline/handmade.ts';
import { HOSTILE, hostileJournal } from '../timeline/hostile.ts';
import { drawingOf } from '../timeline/slices.ts';
import { obtainBrowser, staticPages } from './browser.ts';

const chrome = EXPORTERS.find(({ name }) => name === 'chrome')!;

const browser = await obtainBrowser();
if ('missing' in browser) console.warn(`SKIPPED: no check by Speedscope's page: ${browser.missing}`);

interface Profile {
  readonly name: string;
  readonly events: readonly { readonly type: 'O' | 'C'; readonly frame: number; readonly at: number }[];
}

/** What Speedscope's page saves; all times are µs after the first event of the lane. */
interface Saved {
  readonly profiles: readonly Profile[];
  readonly shared: { readonly frames: readonly { readonly name: string }[] };
}

let folder = '';
let pages: Awaited<ReturnType<typeof staticPages>> | null = null;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'worldswitch-speedscope-'));
  const release = join(dirname(createRequire(import.meta.url).resolve('speedscope/package.json')), 'dist', 'release');
  pages = await staticPages(release);
});

afterAll(async () => {
  pages?.close();
  if (!('missing' in browser)) await browser.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Opens a file in the page and saves what the page made of it. */
async function throughPage(bytes: Uint8Array): Promise<{ readonly saved: Saved; readonly complaints: readonly string[] }> {
  if ('missing' in browser) throw new Error(browser.missing);
  const page = await browser.context.newPage();
  try {
    const complaints: string[] = [];
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('console', (message) => {
      if (/frame|Tried to end|error/i.test(message.text()) && !message.text().includes('GL Driver')) complaints.push(message.text());
    });
    await page.goto(`${pages!.url}/index.html`);
    const file = join(folder, 'run.json');
    writeFileSync(file, bytes);
    await page.setInputFiles('input[type=file]', file);
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByText('Export').click()]);
    return { saved: JSON.parse(readFileSync(await download.path(), 'utf8')) as Saved, complaints };
  } finally {
    await page.close();
  }
}

const PLACE = /^(?<group>.*) \(pid \d+\), (?<lane>.*) \(tid \d+\)$/s;

/** The spans of the page as `lane name ns`, and how many never ended. */
function spansOf({ profiles, shared }: Saved): { readonly spans: string[]; readonly open: number } {
  const spans: string[] = [];
  let open = 0;
  for (const { name, events } of profiles) {
    const { group, lane } = PLACE.exec(name)!.groups!;
    const stack: { readonly frame: number; readonly at: number }[] = [];
    for (const { type, frame, at } of events) {
      if (type === 'O') stack.push({ frame, at });
      else {
        const begun = stack.pop()!;
        expect(begun.frame).toBe(frame);
        // Within one ns the file numbers the events of a lane.
        spans.push(`${group}/${lane} ${shared.frames[frame]!.name} ${Math.round(1000 * (at - begun.at))}`);
      }
    }
    open += stack.length;
  }
  return { spans: spans.sort(), open };
}

const nameIn = (name: string, args: object | null): string =>
  args && Object.keys(args).length > 0 ? `${name} ${JSON.stringify(args)}` : name;

describe.skipIf('missing' in browser)("Speedscope's page", () => {
  it.each([
    ['a run that breaks a property', 'rmp-host-write-race', 'panic-sigbus', {}],
    ['a run on Intel', 'sld-wrmsr-preempted', 'v8-no-guard', {}],
    ['a run on arm64', 'oslock-fast-path', 'fast-path', {}],
  ])('closes every span of %s, each as long as the journal says', async (_, name, variant, set) => {
    const scenario = shipped(name, variant, set);
    const journal = open(journalOf(scenario, { name: 'random-uniform', seed: 3 }, engineOf(scenario, 'memo')).bytes);
    const { saved, complaints } = await throughPage(Buffer.concat([...chrome.encode(journal)]));
    const drawn = drawingOf(project(recordingOf(journal))).slices.map(({ lane, name, ns, args }) => `${lane} ${nameIn(name, args)} ${ns}`);
    expect(spansOf(saved)).toEqual({ spans: drawn.sort(), open: 0 });
    expect(complaints).toEqual([]);
  });

  it('closes every span of names that try to break out', async () => {
    const journal = hostileJournal(HOSTILE);
    const { saved } = await throughPage(Buffer.concat([...chrome.encode(journal)]));
    const slices = drawingOf(project(recordingOf(journal))).slices;
    const { spans, open: left } = spansOf(saved);
    expect([spans.length, left]).toEqual([slices.length, 0]);
  });

  it('closes the spans of firmware commands, whose status is known at the end only', async () => {
    const scenario = shipped('rmp-churn', undefined, { rounds: '5' });
    const journal = open(journalOf(scenario, { name: 'random-uniform', seed: 7 }, engineOf(scenario, 'memo')).bytes);
    const { saved } = await throughPage(Buffer.concat([...chrome.encode(journal)]));
    const slices = drawingOf(project(recordingOf(journal))).slices;
    const { spans, open: left } = spansOf(saved);
    expect([spans.length, left]).toEqual([slices.length, 0]);
  });
});
