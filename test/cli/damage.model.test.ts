/** Damage in a journal with checkpoints: a command that reads past a frame has checked it. */
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CHECKPOINT, FRAME_HEADER_BYTES } from '../../replay/frame.ts';
import type { Frame } from '../../replay/frames.ts';
import { HEADER_BYTES } from '../../replay/header.ts';
import { JournalWriter } from '../../replay/writer.ts';
import { knownProperties } from '../../sim/properties/index.ts';
import { loadScenario } from '../../sim/scenario/load.ts';
import { resolveScenario } from '../../sim/scenario/resolve.ts';
import { openSession } from '../../sim/session.ts';
import { EXPORTERS } from '../../timeline/encode/index.ts';
import { MemoryFiles } from '../replay/memory-files.ts';
import { open } from '../replay/small.ts';
import { flipped, framesOf } from '../replay/surgery.ts';
import { Bench, type Outcome } from './run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());

/** A run that breaks a property, in many blocks with a checkpoint behind each. */
function checkpointed(): Uint8Array {
  const text = readFileSync('scenarios/sev-snp/vmsa-in-use-kick.yaml', 'utf8');
  const known = knownProperties();
  const scenario = resolveScenario(loadScenario(text, 'kick.yaml', known), { variant: 'no-kick', knownProperties: known });
  const files = new MemoryFiles();
  let writer: JournalWriter | null = null;
  const { run, start } = openSession({
    scenario,
    engine: 'memo',
    chooser: { name: 'fifo' },
    sink: (block, names) => {
      writer!.block(block, names);
      writer!.acknowledge();
    },
  });
  writer = JournalWriter.open({ path: 'whole.wsj', files }, start, { mode: 'sync', checkpointEvery: 40 });
  run.start();
  while (run.advance()) run.sequencer.flush();
  run.sequencer.flush();
  writer.seal(run.stop());
  return files.contents.get('whole.wsj')!;
}

/** Of the file `bent.wsj`; OUT stands for a name that is free. */
const COMMANDS = [
  'show bent.wsj --limit 100000',
  'show bent.wsj --points --limit 100000',
  'replay bent.wsj',
  'replay bent.wsj --fold',
  'verify bent.wsj',
  'explore bent.wsj --max-states 5',
  ...EXPORTERS.map(({ name }) => `export bent.wsj --format ${name} -o OUT`),
  'diff bent.wsj whole.wsj',
  'diff whole.wsj bent.wsj',
  'shrink bent.wsj -o OUT',
];

let whole: Uint8Array;
let checkpoints: readonly Frame[];
let runs = 0;
beforeAll(() => {
  whole = checkpointed();
  checkpoints = framesOf(whole).filter(({ header }) => header.type === CHECKPOINT);
  writeFileSync(bench.path('whole.wsj'), whole);
});

const run = (command: string): Promise<Outcome> => bench.run(command.split(' ').map((word) => (word === 'OUT' ? `out-${++runs}` : word)));

const placeOf = ({ frame, offset }: Frame): string => `bent.wsj: the journal is damaged in frame ${frame} at byte ${offset}: `;

describe('a journal with checkpoints', () => {
  it('has several, and is read by every command', async () => {
    expect(checkpoints.length).toBeGreaterThan(2);
    writeFileSync(bench.path('bent.wsj'), whole);
    for (const command of COMMANDS) expect([command, (await run(command)).code]).not.toEqual([command, 3]);
  });

  it.each(COMMANDS)('is refused with the place of a damaged checkpoint: %s', async (command) => {
    for (const frame of [checkpoints[0]!, checkpoints.at(-1)!]) {
      for (const at of [41, FRAME_HEADER_BYTES + 9]) {
        writeFileSync(bench.path('bent.wsj'), flipped(whole, frame.offset + at));
        const { code, out, err } = await run(command);
        expect([at, code, out + err]).toEqual([at, 3, expect.stringContaining(placeOf(frame))]);
      }
    }
  });

  it('is served up to a damaged checkpoint, and its stream says that it failed there', async () => {
    const { offset } = checkpoints.at(-1)!;
    writeFileSync(bench.path('bent.wsj'), flipped(whole, offset + FRAME_HEADER_BYTES + 9));
    const { runId } = open(whole).header;
    await bench.serving(['bent.wsj'], async (url) => {
      const stream = await (await fetch(`${url}/api/runs/${runId}/events`)).text();
      expect(stream).toContain('event: failed');
      expect(stream).toContain(`at byte ${offset}`);
    });
  });

  // Each byte is flipped for one reader.
  it.each([
    ['records', 0, (bytes: Uint8Array) => [...open(bytes).recordsFrom()]],
    ['records, the last first', 1, (bytes: Uint8Array) => [...open(bytes).recordsBefore(Number.MAX_SAFE_INTEGER)]],
    ['choices', 2, (bytes: Uint8Array) => [...open(bytes).choices()]],
    ['digests', 3, (bytes: Uint8Array) => [...open(bytes).digests()]],
  ])('is refused with the place of a flipped byte by a reader of all its %s', (_, first, read) => {
    const frames = framesOf(whole);
    for (let at = 8 + first; at < whole.length; at += 4) {
      const { offset } = frames.find(({ end }) => at < end && at >= HEADER_BYTES) ?? { offset: 0 };
      expect(() => read(flipped(whole, at)), `byte ${at}`).toThrow(expect.objectContaining({ name: 'JournalDamagedError', offset }));
    }
  });
});
