/** Every command that reads a journal, on journals that end too early: they all say the same. */
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { INDEX, RECORDS, START } from '../../replay/frame.ts';
import type { Frame } from '../../replay/frames.ts';
import { HEADER_BYTES } from '../../replay/header.ts';
import { EXPORTERS } from '../../timeline/encode/index.ts';
import { framesOf } from '../replay/surgery.ts';
import { Bench, type Outcome } from './run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());

/** What a file has before it ends: no whole start frame, no step, some steps, or all of them. */
type Left = 'nothing' | 'no steps' | 'some steps' | 'all steps';

interface Tear {
  readonly left: Left;
  /** How many bytes are left. */
  readonly at: (file: Parts) => number;
}

/** Where the frames of the whole file stand. */
interface Parts {
  readonly size: number;
  readonly start: Frame;
  readonly blocks: readonly Frame[];
  readonly index: Frame;
}

const middle = ({ offset, end }: Frame): number => Math.floor((offset + end) / 2);

const TEARS: Readonly<Record<string, Tear>> = {
  'of 0 bytes': { left: 'nothing', at: () => 0 },
  'of 1 byte': { left: 'nothing', at: () => 1 },
  'of 100 bytes': { left: 'nothing', at: () => 100 },
  'that ends behind its file header': { left: 'nothing', at: () => HEADER_BYTES },
  'that ends in its start frame': { left: 'nothing', at: ({ start }) => middle(start) },
  'that ends behind its start frame': { left: 'no steps', at: ({ start }) => start.end },
  'that ends in the header of its first block': { left: 'no steps', at: ({ blocks }) => blocks[0]!.offset + 10 },
  'that ends in its first block': { left: 'no steps', at: ({ blocks }) => middle(blocks[0]!) },
  'that ends in a later block': { left: 'some steps', at: ({ blocks }) => middle(blocks[1]!) },
  'that ends behind its last block': { left: 'all steps', at: ({ index }) => index.offset },
  'that ends one byte short': { left: 'all steps', at: ({ size }) => size - 1 },
};

/** The exit codes where no step is left, where some are, and where all are. */
type Exits = readonly [none: number, some: number, all: number];
const DONE: Exits = [0, 0, 0];

/** Of the file `cut.wsj`; OUT stands for a name that is free. */
const COMMANDS: readonly (readonly [command: string, exits: Exits])[] = [
  ['show cut.wsj', DONE],
  ['show cut.wsj --step 0', DONE],
  ['show cut.wsj --step 0 --actor pcpu:0', DONE],
  ['show cut.wsj --step 1', [2, 0, 0]],
  ['show cut.wsj --step 999999', [2, 2, 2]],
  ['show cut.wsj --actor pcpu:0', DONE],
  ['show cut.wsj --points --limit 5', DONE],
  ['show cut.wsj --points --from 2 --limit 5', DONE],
  ['show cut.wsj --explain', DONE],
  ['show cut.wsj --from 3 --limit 5', DONE],
  ['replay cut.wsj', DONE],
  ['replay cut.wsj --to 0', DONE],
  ['replay cut.wsj --fold', DONE],
  ['replay cut.wsj --fold --to 0', DONE],
  ['verify cut.wsj', DONE],
  ['verify cut.wsj --salvage OUT', DONE],
  ['inject cut.wsj --at 1 --choose exec(pcpu:0) --mode memory', [2, 0, 0]],
  ['explore cut.wsj --max-states 20', [4, 4, 4]],
  ['explore cut.wsj --from 0 --max-states 20', [4, 4, 4]],
  ['explore cut.wsj --from 1 --max-states 20', [2, 4, 4]],
  ...EXPORTERS.map(({ name }) => [`export cut.wsj --format ${name} -o OUT`, DONE] as const),
  ['diff cut.wsj whole.wsj', [1, 1, 0]],
  ['diff whole.wsj cut.wsj', [1, 1, 0]],
  ['diff cut.wsj cut.wsj', DONE],
  ['shrink cut.wsj', [2, 2, 2]],
  ['serve cut.wsj', DONE],
];

let whole: Buffer;
let parts: Parts;
let runs = 0;
beforeAll(async () => {
  await bench.run(['run', 'rmp-churn', '--set', 'rounds=12', '--engine', 'memo', '-o', 'whole.wsj']);
  whole = readFileSync(bench.path('whole.wsj'));
  const frames = framesOf(whole);
  const ofType = (type: number) => frames.filter(({ header }) => header.type === type);
  parts = { size: whole.length, start: ofType(START)[0]!, blocks: ofType(RECORDS), index: ofType(INDEX)[0]! };
});

/** A server is told to stop as soon as it has printed its URL. */
function run(command: string, options: readonly string[] = []): Promise<Outcome> {
  const stop = new AbortController();
  const argv = command.split(' ').map((word) => (word === 'OUT' ? `out-${++runs}` : word));
  return bench.run([...argv, ...options], command.startsWith('serve') ? { signal: stop.signal, onWrite: () => stop.abort() } : {});
}

const everything = ({ out, err }: Outcome): string => out + err;

describe.each(Object.entries(TEARS).filter(([, { left }]) => left === 'nothing'))('a file %s', (_, { at }) => {
  beforeAll(() => writeFileSync(bench.path('cut.wsj'), whole.subarray(0, at(parts))));

  it('is refused by every command with exit code 3 and the same words', async () => {
    const { error } = (await run('replay cut.wsj', ['--json'])).json<{ error: { code: string; message: string } }>();
    expect(error.message).toMatch(/^cut\.wsj: /);
    for (const [command] of COMMANDS) {
      for (const options of [[], ['--json']]) {
        const outcome = await run(command, options);
        expect([command, outcome.code]).toEqual([command, 3]);
        expect(everything(outcome)).toContain(error.message.slice('cut.wsj: '.length));
        expect(everything(outcome)).toContain('cut.wsj');
      }
    }
  });
});

describe.each(Object.entries(TEARS).filter(([, { left }]) => left !== 'nothing'))('a journal %s', (_, { left, at }) => {
  /** The first byte that is of no whole frame; null where there is none. */
  let lostFrom: number | null;
  let steps: number;
  beforeAll(() => {
    const size = at(parts);
    writeFileSync(bench.path('cut.wsj'), whole.subarray(0, size));
    const good = framesOf(whole).filter(({ end }) => end <= size);
    lostFrom = good.at(-1)!.end === size ? null : good.at(-1)!.end;
    const block = good.findLast(({ header }) => header.type === RECORDS);
    steps = block ? block.header.firstStep + block.header.steps - 1 : 0;
  });

  const lossWords = (): string => {
    const size = at(parts);
    return lostFrom === null ? 'it ends with a whole frame' : `${size - lostFrom} bytes from byte ${lostFrom} on are lost`;
  };

  it.each(COMMANDS)('is read by `%s` as far as it goes', async (command, [none, some, all]) => {
    const exit = left === 'no steps' ? none : left === 'some steps' ? some : all;
    const text = await run(command);
    expect([text.code, text.err]).toEqual([exit, expect.not.stringContaining('internal error')]);
    // What is salvaged is whole frames: where nothing else was there, nothing was lost on the way.
    expect(everything(text)).toContain(command.includes('--salvage') && lostFrom === null ? 'not sealed' : lossWords());
    const document = await run(command, ['--json']);
    expect(document.code).toBe(exit);
    expect(document.json()).toBeTypeOf('object');
    if (!command.startsWith('verify')) expect(document.err).toContain(lossWords());
    else
      expect(document.json()).toMatchObject(command.includes('--salvage') ? { lost: torn() } : { ok: true, sealed: false, torn: torn() });
  });

  const torn = () => (lostFrom === null ? null : expect.objectContaining({ offset: lostFrom, lostBytes: at(parts) - lostFrom }));

  it('replays all that is left of it, by the model and from the records alone', async () => {
    const found = [];
    for (const options of [[], ['--fold']]) {
      const report = (await run('replay cut.wsj', ['--json', ...options])).json<{ digest: string | null; records: number }>();
      expect(report).toMatchObject({ identical: true, sealed: false, steps, divergence: null, torn: torn() });
      found.push([report.digest, report.records]);
    }
    expect(found[0]).toEqual(found[1]);
    expect(found[0]![0] === null).toBe(left === 'no steps');
  });

  it('is told from a run that ended, beside the whole one', async () => {
    const { out } = await run('diff cut.wsj whole.wsj');
    expect(out).not.toContain('(ended)');
    expect(out.includes('(lost: not sealed)')).toBe(left !== 'all steps');
  });
});

describe('a journal of no steps', () => {
  beforeAll(() => writeFileSync(bench.path('cut.wsj'), whole.subarray(0, parts.start.end)));

  it('shows the keys of any other, with nothing in them', async () => {
    const shown = await run('show cut.wsj --points --explain --json');
    expect(shown.json()).toMatchObject({ step: null, digest: null, state: {}, points: [], explanation: null });
    expect((await run('show cut.wsj --from 1 --json')).json()).toMatchObject({ step: null, records: [] });
  });

  it('is searched from where its run starts', async () => {
    const counts = async (subject: string) => {
      const { states, transitions } = (await run(`explore ${subject} --max-states 300 --json`)).json<Record<string, number>>();
      return { states, transitions };
    };
    expect(await counts('cut.wsj')).toEqual(await counts('rmp-churn --set rounds=12'));
  });

  it('is served as one that has ended and is not sealed', async () => {
    const code = await bench.serving(['cut.wsj'], async (url) => {
      const [row] = (await (await fetch(`${url}/api/runs`)).json()) as { id: string }[];
      const summary = await fetch(`${url}/api/runs/${row!.id}`);
      expect(await summary.json()).toMatchObject({ records: 0, steps: 0, sealed: false, live: false, digest: null, torn: null });
      const events = await (await fetch(`${url}/api/runs/${row!.id}/events`)).text();
      expect(events).toContain('event: end');
      const bytes = await (await fetch(`${url}/api/runs/${row!.id}/journal`)).arrayBuffer();
      expect(bytes.byteLength).toBe(parts.start.end);
    });
    expect(code).toBe(0);
  });

  it('has no step to inject at, and says so', async () => {
    expect((await run('inject cut.wsj --at 1 --preempt pcpu:0')).err).toContain('there is no step 1: the journal has no steps');
  });
});
