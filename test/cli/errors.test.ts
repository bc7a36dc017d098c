/**
 * Bad input of every kind: one clear message, the exit code of its kind, and under --json one
 * document on standard output.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EXIT, failureOf } from '../../cli/errors.ts';
import { Bench } from './run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());
const RACE = 'rmp-host-write-race';

beforeAll(async () => {
  await bench.run(['run', RACE, '-o', 'run.wsj']);
  writeFileSync(bench.path('text.wsj'), 'not a journal at all');
  writeFileSync(bench.path('empty.wsj'), '');
  writeFileSync(bench.path('empty.yaml'), '');
  writeFileSync(bench.path('bare'), readFileSync('scenarios/sev-snp/rmp-churn.yaml'));
  writeFileSync(bench.path('bad.json'), '[1, {"index": -1}]');
  writeFileSync(bench.path('cut.json'), '[1, ');
  const deep = 200_000;
  writeFileSync(bench.path('deep-list.json'), `${'['.repeat(deep)}${']'.repeat(deep)}`);
  writeFileSync(bench.path('deep-object.json'), `${'{"a":'.repeat(deep)}1${'}'.repeat(deep)}`);
  const bytes = readFileSync(bench.path('run.wsj'));
  writeFileSync(bench.path('run.wsj.failed'), bytes);
  writeFileSync(bench.path('header.wsj'), bytes.subarray(0, 60));
  const newer = Buffer.from(bytes);
  newer[30]! ^= 1;
  writeFileSync(bench.path('damaged.wsj'), newer);
});

const USAGE: readonly (readonly [argv: string, says: string])[] = [
  ['rnu', "unknown command 'rnu'; did you mean run?"],
  ['rnu --help', "unknown command 'rnu'"],
  ['help rnu', "unknown command 'rnu'"],
  ['--jsn', "unknown option '--jsn'"],
  ['run', "missing required argument 'scenario'"],
  ['run a b', 'too many arguments'],
  [`run ${RACE} --sede 1`, "unknown option '--sede'; did you mean --seed?"],
  [`run ${RACE} --seed`, 'argument missing'],
  [`run ${RACE} --seed NaN`, 'Expected an integer from 0'],
  [`run ${RACE} --seed 1e3`, 'Expected an integer'],
  [`run ${RACE} --seed -1`, 'Expected an integer'],
  [`run ${RACE} --seed 9007199254740992`, 'Expected an integer'],
  [`run ${RACE} --seed 1 --seed 2`, '--seed is given twice, as 1 and as 2; expected it once'],
  [`run ${RACE} -o a.wsj --output b.wsj`, '--output is given twice'],
  ['run rmp-churn --set rounds=1 --set rounds=2', 'Expected rounds once; it is 1 already.'],
  [`run ${RACE} --set __proto__=1`, 'found "__proto__"; expected a parameter of the scenario (none)'],
  [`run ${RACE} --chooser lifo`, 'Allowed choices are fifo, random, random-uniform, replay'],
  [`run ${RACE} --engine jit`, 'Allowed choices are live, memo'],
  [`run ${RACE} --mode fast`, 'Allowed choices are buffered, sync, memory'],
  [`run ${RACE} --chooser replay`, 'needs --schedule'],
  [`run ${RACE} --chooser random --schedule 0`, 'for the chooser replay'],
  [`run ${RACE} --schedule 0.x`, 'step 2 of the schedule is "x"; expected an index'],
  [`run ${RACE} --schedule 0..1`, 'step 2 of the schedule is ""; expected an index'],
  [`run ${RACE} --schedule 99`, 'step 1 of the schedule is alternative 99'],
  [`run ${RACE} --schedule @none`, 'there is no such file'],
  [`run ${RACE} --schedule @bad.json`, 'step 2 is {"index":-1}, which is no choice'],
  [`run ${RACE} --schedule @cut.json`, 'cut.json'],
  [`run ${RACE} --schedule @deep-list.json`, 'deep-list.json: its values nest 200000 deep; at most 64 levels are allowed'],
  [`run ${RACE} --schedule @deep-object.json`, 'deep-object.json:1: its values nest 200000 deep; at most 64 levels are allowed'],
  [`run ${RACE} --variant auto-shar`, 'did you mean "auto-share"?'],
  [`run ${RACE} --set rounds=1`, 'expected a parameter of the scenario (none)'],
  ['run rmp-churn --set round=1', 'did you mean "rounds"?'],
  ['run rmp-churn --set rounds=many', 'expected an integer from 1 to 65536'],
  ['run rmp-churn --set rounds', 'Expected NAME=VALUE'],
  [`run ${RACE} --mode memory -o x.wsj`, '--mode memory writes no file, and -o x.wsj asks for one'],
  ['inject run.wsj --at 3 --preempt pcpu:0 --mode memory -o x.wsj', '--mode memory writes no file'],
  [`run ${RACE} --schedule 0*9999999999`, 'the schedule has over 1048576 steps'],
  ['explore none.wsj.part --from 3', 'cannot read none.wsj.part'],
  ['explore run.wsj.failed --from 90', 'there is no step 90: the journal has steps 0 to 89'],
  ['run rmp-host-write-rase', 'did you mean "rmp-host-write-race"?'],
  ['run bare', 'expected the name of a shipped scenario'],
  ['run ./none.yaml', 'cannot read ./none.yaml: there is no such file'],
  ['run empty.yaml', 'found an empty file'],
  ['run ./run.wsj', 'is not UTF-8 text'],
  ['replay none.wsj', 'cannot read none.wsj'],
  ['replay .', 'it is a folder'],
  ['replay run.wsj --to 90', 'the journal has steps 0 to 89'],
  ['replay run.wsj --to x', 'Expected an integer'],
  ['show run.wsj --step 90', 'the journal has steps 0 to 89'],
  ['show run.wsj --step 1 --points', 'expected one of them'],
  ['show run.wsj --actor pcpu:O', 'did you mean "pcpu:0"?'],
  ['show run.wsj --limit 0', 'Expected an integer from 1'],
  ['inject run.wsj --at 3', 'nothing to inject'],
  ['inject run.wsj --preempt pcpu:0', 'where to inject is missing'],
  ['inject run.wsj --at 3 --preempt pcpu:0 --choose x', '2 things to inject'],
  ['inject run.wsj --at 3 --migrate thread:netd/0', 'expected THREAD=CPU'],
  ['inject run.wsj --at 3 --preempt pcpu:0 --seed 1', '--seed is for --then random'],
  ['inject run.wsj --at 0 --preempt pcpu:0', 'there is no step 0'],
  ['inject run.wsj --at 999 --preempt pcpu:0', 'there is no step 999'],
  ['inject run.wsj --at netd --preempt pcpu:0', 'is no point'],
  ['inject run.wsj --at thread:netd/0@stor --preempt pcpu:0', 'never executes stor'],
  ['inject run.wsj --at thread:absent/0@store --preempt pcpu:0', 'executes nothing in this journal'],
  ['inject run.wsj --at thread:netd/0@store#9 --preempt pcpu:0', 'happens 2 times, not 9'],
  ['verify nothing', 'expected the name of a shipped scenario'],
  ['verify none.wsj', 'cannot read none.wsj'],
  ['verify run.wsj --root abc', 'expected the 64 hexadecimal digits'],
  [`verify ${RACE} --root ${'0'.repeat(64)}`, '--root is for one journal'],
  ['machines pcu', 'did you mean "pcpu"?'],
  ['machines pcpu --format dot', 'Allowed choices are json, mermaid'],
  ['export run.wsj -o x', 'the format is missing'],
  ['export run.wsj --format perfetto', 'where to write is missing'],
  ['export run.wsj --format svg -o x', 'Allowed choices are perfetto, chrome'],
  ['export run.wsj --format chrome -o no/x.json', 'there is no such file or folder'],
  ['serve none.wsj', 'cannot read none.wsj'],
  ['serve nothing', 'expected the name of a shipped scenario'],
  ['serve run.wsj --port 70000', 'Expected an integer from 0 to 65535'],
  ['serve run.wsj --host 0.0.0.0', 'expected a token'],
  ['serve run.wsj --allow-origin x', 'is no origin'],
  ['serve run.wsj --pace 5', 'found --pace, which is for a live run'],
  ['serve run.wsj --seed 1', 'found --seed, which is for a live run'],
  ['serve run.wsj --replay --seed 1', 'found --seed with --replay'],
  ...['--variant auto-share', '--mutant x', '--set a=1', '--chooser fifo', '--engine memo'].flatMap((flag) => [
    [`serve run.wsj ${flag}`, `found ${flag.split(' ')[0]}, which is for a live run; run.wsj is served as recorded`] as const,
    [`serve run.wsj --replay ${flag}`, 'with --replay; the journal says that'] as const,
  ]),
];

const DAMAGED: readonly (readonly [argv: string, says: string])[] = [
  ['replay text.wsj', 'text.wsj: the file does not start with the magic bytes'],
  ['replay empty.wsj', 'the file is empty'],
  ['show header.wsj', 'the journal is torn at byte 0'],
  ['show damaged.wsj', 'the checksum of the file header does not fit'],
  ['inject damaged.wsj --at 3 --preempt pcpu:0', 'the journal is damaged in frame 0 at byte 0'],
  ['export text.wsj --format chrome -o x.json', 'the magic bytes'],
  ['verify text.wsj', 'the magic bytes'],
];

describe('bad input', () => {
  it.each(USAGE)('%s: %s', async (argv, says) => {
    const { code, out, err } = await bench.run(argv.split(' '));
    expect({ code, out }).toEqual({ code: EXIT.usage, out: '' });
    expect(err).toContain(says);
    expect(err).not.toMatch(/\n {4}at /);
  });

  it.each(DAMAGED)('%s: %s', async (argv, says) => {
    const { code, out, err } = await bench.run(argv.split(' '));
    expect(code).toBe(EXIT.damaged);
    expect(out + err).toContain(says);
  });

  it.each([...USAGE, ...DAMAGED])('%s --json is one document with the error', async (argv) => {
    const { code, json } = await bench.run([...argv.split(' '), '--json']);
    const document = json<{ error?: { code: string; exit: number; message: string }; ok?: boolean }>();
    if (document.error) expect(document.error).toMatchObject({ exit: code, message: expect.any(String) as string });
    else expect(document.ok).toBe(false);
  });

  it.each([
    ['--step 1 --from 3', '--from is for records and points, and --step shows none'],
    ['--step 1 --explain', '--explain tells the violation, --step one state; expected one of them'],
    ['--explain --limit 3', '--limit is for records and points, and --explain shows none'],
  ])('show run.wsj %s: %s, while a document has both', async (words, says) => {
    const argv = ['show', 'run.wsj', ...words.split(' ')];
    const { code, err } = await bench.run(argv);
    expect({ code, err }).toMatchObject({ code: EXIT.usage, err: expect.stringContaining(says) as string });
    const { json } = await bench.run([...argv, '--json']);
    const document = json<Record<'state' | 'records' | 'explanation', unknown>>();
    expect(document.state).toEqual(expect.any(Object));
    expect(document.records ?? document.explanation).not.toBeUndefined();
  });

  it('lists the likest names where there are many', async () => {
    const { err } = await bench.run(['explore', 'oslock-breakpoint']);
    expect(err).toMatch(/expected the name of a shipped scenario \(there are \d+, among them ("oslock-[a-z-]+", ){4}"oslock-[a-z-]+"\)\n/);
    expect((await bench.run(['run', 'sld-test-ctrl-guest'])).err).toContain('among them "sld-guest-test-ctrl", ');
  });

  it('does not mix a journal and a document on standard output', async () => {
    const { code, json } = await bench.run(['run', RACE, '-o', '-', '--json']);
    expect(code).toBe(EXIT.usage);
    expect(json()).toMatchObject({ error: { message: '--json and -o - both want standard output' } });
  });

  it('shows how to call it when nothing is asked for', async () => {
    const { code, out, err } = await bench.run([]);
    expect({ code, out }).toEqual({ code: EXIT.usage, out: '' });
    expect(err).toContain('Usage: worldswitch');
  });
});

describe('help', () => {
  it('tells each mistake of a scenario in a folder in a line of its own', async () => {
    bench.makeFolder('below');
    writeFileSync(bench.path('below/bad.yaml'), 'name: bad\nsummery: x\n');
    const { code, out } = await bench.run(['verify', 'below']);
    expect([code, out]).toEqual([2, expect.stringMatching(/^BAD below\/bad\.yaml: the scenario has \d mistakes\n {8}below\/bad\.yaml:/)]);
  });

  it('lists only commands that exist, each with help and examples', async () => {
    const { code, out } = await bench.run(['--help']);
    expect(code).toBe(0);
    const names = [...out.matchAll(/^ {2}([a-z]+) {2,}\S/gm)].map(([, name]) => name!);
    expect(names).toEqual(expect.arrayContaining(['run', 'replay', 'inject', 'show', 'verify', 'serve', 'demo']));
    for (const name of names) {
      const help = await bench.run([name, '--help']);
      expect(help.code, name).toBe(0);
      expect(help.out, name).toContain('Examples:');
      expect((await bench.run(['help', name])).out).toBe(help.out);
    }
  });

  it('knows its version', async () => {
    expect((await bench.run(['--version'])).out).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect((await bench.run(['--version', '--json'])).json()).toMatchObject({ journalFormat: 1 });
  });
});

describe('unforeseen errors', () => {
  it.each(['ClassError', 'SizeError'])('is of the input where a model does not fit a search: %s', (name) => {
    const error = Object.assign(new Error('too wide; expected fewer CPUs'), { name });
    expect(failureOf(error)).toMatchObject({ code: 'usage', exit: EXIT.usage, message: 'too wide; expected fewer CPUs' });
  });

  it('are internal, and never pass for the mistake of a user', () => {
    expect(failureOf(new TypeError('x is not a function'))).toMatchObject({ code: 'internal', exit: EXIT.internal });
    expect(failureOf('thrown text')).toMatchObject({ exit: EXIT.internal });
  });
});
