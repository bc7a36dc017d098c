/** What reaches a terminal: colours only where they belong, and nothing that drives it. */
import { writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { effectsOf } from '../../cli/effects.ts';
import { commandText, hasColours, Printer, quoted, styled, visible } from '../../cli/output.ts';
import type { JournalRecord } from '../../events/journal.ts';
import { TEXTS } from '../../timeline/mechanisms/shipped.ts';
import { jsonText } from '../../timeline/text.ts';
import { Bench } from './run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());

const HOSTILE = 'a\u001b[2Jb\u009b31mc\u202ed\u200be\u007f\ud800\r\n\t';
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const DRIVES = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2066-\u2069]/;

function printed(colours: boolean, print: (printer: Printer) => void): string {
  let text = '';
  print(
    new Printer(
      { isTerminal: colours, columns: 80, limit: null, closed: false, write: (data) => (text += String(data)), flush: () => {} },
      colours,
    ),
  );
  return text;
}

describe('text from outside', () => {
  it('is escaped, so that it is seen and does nothing', () => {
    expect(visible(HOSTILE)).toBe('a\\x1b[2Jb\\x9b31mc\\u{202e}d\\u{200b}e\\x7f\\u{d800}\\x0d\\x0a\\x09');
    expect(visible('ä ● …')).toBe('ä ● …');
    expect(printed(false, (printer) => printer.line(HOSTILE, styled('red', HOSTILE)))).not.toMatch(DRIVES);
  });

  it('means the same in JSON, and does nothing there either', () => {
    const text = printed(false, (printer) => printer.json({ [HOSTILE]: HOSTILE }));
    expect(text).not.toMatch(DRIVES);
    expect(JSON.parse(text)).toEqual({ [HOSTILE]: HOSTILE });
  });

  it.each([
    ['a file name', ['show', `no\u001b[31m.wsj`]],
    ['a scenario', ['run', `no\u009b31m`]],
    ['an option', ['run', 'x', `--\u001b]0;title\u0007`]],
    ['a command', [`\u001b[2J`]],
  ])('does nothing as %s on the command line', async (_, argv) => {
    const { code, out, err } = await bench.run(argv);
    expect(code).toBe(2);
    expect(out + err).not.toMatch(DRIVES);
  });

  it('does nothing in a scenario file', async () => {
    writeFileSync(bench.path('hostile.yaml'), 'name: "x\\e[2J"\nsum\\x9bmary: 1\n"\\x1b[31mkey": 2\n');
    const { out } = await bench.run(['check', 'hostile.yaml']);
    expect(out).not.toMatch(DRIVES);
    expect(out).toContain('hostile.yaml');
  });
});

describe('colours', () => {
  it.each([
    [true, {}, true],
    [false, {}, false],
    [true, { NO_COLOR: '1' }, false],
    [true, { NO_COLOR: '' }, true],
    [true, { TERM: 'dumb' }, false],
    [false, { FORCE_COLOR: '1' }, true],
    [true, { FORCE_COLOR: '0' }, false],
    [false, { FORCE_COLOR: '1', NO_COLOR: '1' }, true],
  ])('on a terminal: %s, with %j: %s', (isTerminal, env, expected) => {
    expect(hasColours({ isTerminal }, env)).toBe(expected);
  });

  it('are on terminals only', async () => {
    expect((await bench.run(['run', 'rmp-churn', '--mode', 'memory'])).out).not.toContain('\u001b[');
    expect((await bench.run(['run', 'rmp-churn', '--mode', 'memory'], { isTerminal: true })).out).toContain('\u001b[');
    expect((await bench.run(['scenarios', '--json'], { isTerminal: true })).out).not.toContain('\u001b[');
  });
});

describe('the timeline', () => {
  const widest = (text: string): number => Math.max(...text.split('\n').map((line) => line.length));

  it('has a line for each step on a terminal, and cuts nothing elsewhere', async () => {
    const argv = ['run', 'rmp-host-write-race', '--mode', 'memory'];
    const rows = (text: string): string => text.slice(text.indexOf(' step'), text.indexOf('--verbose'));
    const drawn = rows((await bench.run(argv, { isTerminal: true, env: { NO_COLOR: '1' } })).out);
    expect(drawn).toContain('…');
    expect(widest(drawn)).toBeLessThanOrEqual(100);
    expect(widest(rows((await bench.run(argv)).out))).toBeGreaterThan(100);
  });
});

describe('a table that is wider than the terminal', () => {
  it('has no blanks at the end of a line, and no line of blanks', async () => {
    await bench.run(['run', 'rmp-host-write-race', '-o', 'wide.wsj']);
    for (const argv of [['show', 'wide.wsj'], ['show', 'wide.wsj', '--points'], ['scenarios']]) {
      const { out } = await bench.run(argv, { isTerminal: true, columns: 80, env: { NO_COLOR: '1' } });
      expect(out.split('\n').filter((line) => line.endsWith(' '))).toEqual([]);
    }
    const { out } = await bench.run(['show', 'wide.wsj'], { isTerminal: true, columns: 80, env: { NO_COLOR: '1' } });
    expect(out).toMatch(/ {2}sched\.done {2}<- \d+$/m);
  });
});

describe('a reader that has seen enough', () => {
  it('ends no run, and changes no exit code', async () => {
    const { code } = await bench.run(['run', 'rmp-host-write-race', '--verbose', '-o', 'seen.wsj'], { writesMax: 3 });
    expect(code).toBe(0);
    expect((await bench.run(['verify', 'seen.wsj'])).code).toBe(0);
  });
});

describe('commands to copy', () => {
  it('are quoted as a shell needs it', () => {
    expect(quoted('thread:netd/0=pcpu:1')).toBe('thread:netd/0=pcpu:1');
    expect(commandText(['inject', "it's.wsj", '--at', 'a@b#2'])).toBe("worldswitch inject 'it'\\''s.wsj' --at 'a@b#2'");
  });
});

describe('what passed between actors', () => {
  const record = (seq: number, type: string, payload: JournalRecord['payload'], cause: number): JournalRecord => ({
    seq,
    step: 1,
    vtime: 0,
    actor: 'rmp:0x1000',
    kind: 'deliver',
    type,
    payload,
    peer: 'thread:netd/0',
    cause,
  });

  it('joins a request with its answer, frame numbers in hex', () => {
    const records = [record(2, 'rmp.hostWrite', { pfn: 0x1005 }, 1), record(3, 'rmp.hostWritten', { fault: false }, 2)];
    expect(effectsOf(records)).toEqual(['rmp.hostWrite pfn=0x1005 -> no fault']);
  });

  it.each([
    [true, 'cell.store field=x value=true -> value=true'],
    [false, 'cell.store field=x value=false -> value=false'],
    [null, 'cell.store field=x value=null -> value=null'],
  ])('has what memory holds as it is: %s', (value, text) => {
    expect(effectsOf([record(2, 'cell.store', { field: 'x', value }, 1), record(3, 'cell.value', { value }, 2)])).toEqual([text]);
  });

  it('has debug registers and addresses in hex, alone and in lists', () => {
    const records = [
      record(2, 'dr.insn?', { rip: 0x100010, move: { dr: 0, value: 0 } }, 1),
      record(3, 'dr.left', { db: [0x5000, 0, 0, 0] }, 2),
    ];
    expect(effectsOf(records)).toEqual(['dr.insn? rip=0x100010 move(dr=DR0) -> db=0x5000+0+0+0']);
    expect(jsonText({ dr6: 0xffff0ff0, db: [0x5000, 0], bits: 0, cpu: 12 }, TEXTS)).toBe(
      '{"dr6":"0xffff0ff0","db":["0x5000",0],"bits":0,"cpu":12}',
    );
  });

  it('leaves out what every step does, and tells what is out of the ordinary', () => {
    const quiet = [
      record(2, 'step', {}, 1),
      record(3, 'mutex.locked', { acquired: true }, 2),
      record(4, 'vcpu.requests', { pending: [] }, 3),
    ];
    expect(effectsOf(quiet)).toEqual([]);
    expect(effectsOf([record(2, 'mutex.locked', { acquired: false }, 1)])).toEqual(['mutex.locked no acquired']);
  });
});
