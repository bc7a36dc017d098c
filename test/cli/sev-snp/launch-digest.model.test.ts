/** `launch-digest` of lists with files, and one error for each mistake. */
import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { Bench } from '../run-cli.ts';
import { chain, filled, sha384 } from './chain.ts';

const bench = new Bench();
afterAll(() => bench.clear());

interface Answer {
  readonly digest: string;
  readonly steps: readonly string[];
}
interface Refusal {
  readonly error: { readonly code: string; readonly message: string };
}

const TWO = Buffer.concat([filled(1), filled(2)]);
mkdirSync(bench.path('launch/below'), { recursive: true });
writeFileSync(bench.path('launch/below/two.bin'), TWO);
writeFileSync(bench.path('launch/one.bin'), filled(3));
writeFileSync(bench.path('launch/odd.bin'), TWO.subarray(1));
writeFileSync(bench.path('launch/empty.bin'), '');
writeFileSync(bench.path('outside.bin'), filled(4));
symlinkSync('../outside.bin', bench.path('launch/leads-out.bin'));
symlinkSync('..', bench.path('launch/up'));
symlinkSync('below/two.bin', bench.path('launch/leads-below.bin'));
linkSync(bench.path('launch/one.bin'), bench.path('launch/hard.bin'));

const LIST = [
  { type: 'normal', gpa: '0xFFC00000', file: 'below/two.bin' },
  { type: 'zero', gpa: '0x800000' },
  { type: 'unmeasured', gpa: '0x801000', fill: 9 },
  { type: 'secrets', gpa: '0x80d000', file: 'one.bin' },
  { type: 'cpuid', gpa: '0x80e000', sha384: '0'.repeat(96) },
  { type: 'normal', gpa: '0x0', sha384: sha384(filled(5)).toString('hex') },
  { type: 'vmsa', fill: 255 },
];
const STEPS = chain([
  [1, 0xffc0_0000, filled(1)],
  [1, 0xffc0_1000, filled(2)],
  [3, 0x80_0000, null],
  [4, 0x80_1000, null],
  [5, 0x80_d000, null],
  [6, 0x80_e000, null],
  [1, 0, filled(5)],
  [2, 0xffff_ffff_f000, filled(255)],
]);

const written = (list: unknown, name = 'launch/list.json'): string => {
  writeFileSync(bench.path(name), typeof list === 'string' ? list : JSON.stringify(list, null, 1));
  return name;
};

describe('launch-digest of a list', () => {
  it('is that of an independent computation, behind each page and at the end', async () => {
    const { code, json } = await bench.run(['launch-digest', written(LIST), '--json']);
    expect(code).toBe(0);
    expect(json<Answer>()).toEqual({ digest: STEPS.at(-1), steps: STEPS });
  });

  it('tells people a page in a line, and the digest last', async () => {
    const { out } = await bench.run(['launch-digest', written(LIST)]);
    const lines = out.trimEnd().split('\n');
    expect(lines).toHaveLength(STEPS.length + 1);
    expect([lines[0], lines[1]]).toEqual([`${STEPS[0]}  normal 0xffc00000`, `${STEPS[1]}  normal 0xffc01000`]);
    expect(lines.at(-1)).toBe(`${STEPS.at(-1)}  launch digest`);
    const narrow = await bench.run(['launch-digest', written(LIST)], { isTerminal: true, columns: 80 });
    expect(Math.max(...narrow.out.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  it('is taken from standard input, with files below the current folder', async () => {
    const stdin = JSON.stringify([{ type: 'normal', gpa: '0x1000', file: 'launch/one.bin' }]);
    const { json } = await bench.run(['launch-digest', '-', '--json'], { stdin });
    expect(json<Answer>().steps).toEqual(chain([[1, 0x1000, filled(3)]]));
  });

  it('goes on from a digest', async () => {
    const rest = LIST.slice(1);
    const { json } = await bench.run(['launch-digest', written([{ start: STEPS[1] }, ...rest]), '--json']);
    expect(json<Answer>()).toEqual({ digest: STEPS.at(-1), steps: STEPS.slice(2) });
    const none = await bench.run(['launch-digest', '-', '--json'], { stdin: JSON.stringify([{ start: STEPS[1] }]) });
    expect(none.json()).toEqual({ digest: STEPS[1], steps: [] });
  });

  it('of no page is 48 zero bytes', async () => {
    expect((await bench.run(['launch-digest', '-', '--json'], { stdin: '[]' })).json()).toEqual({ digest: '0'.repeat(96), steps: [] });
  });

  it('measures the migration image and permissions', async () => {
    const list = [{ type: 'zero', gpa: '0x1000', imi: true, vmpl1: 1, vmpl2: 2, vmpl3: 3 }];
    const info = Buffer.alloc(0x70);
    info.set([0x70, 0, 3, 1, 3, 2, 1, 0, 0, 0x10], 0x60);
    const { json } = await bench.run(['launch-digest', '-', '--json'], { stdin: JSON.stringify(list) });
    expect(json<Answer>().digest).toBe(sha384(info).toString('hex'));
  });

  it('reads files that links below the folder lead to', async () => {
    const list = [
      { type: 'normal', gpa: '0x0', file: 'leads-below.bin' },
      { type: 'normal', gpa: '0x5000', file: 'hard.bin' },
    ];
    expect((await bench.run(['launch-digest', written(list), '--json'])).json<Answer>().steps).toHaveLength(3);
  });
});

const page = (fields: object): unknown => [LIST[0], { type: 'normal', gpa: '0x1000', ...fields }];
const MANY = [{ type: 'zero', gpa: '0x0' }];

describe('a list with a mistake is refused with 2, its file, line and field:', () => {
  it.each<readonly [string, unknown, string]>([
    ['no JSON', '[{"type": "normal",\n"gpa": }]', 'list.json:2: found }], which JSON does not have there'],
    ['cut off', '[\n{"type":', 'list.json:2: found its end, which JSON does not have there'],
    ['nothing', '', 'list.json is empty'],
    ['a map', '{"type": "zero"}', 'list.json:1: found a map; expected a list'],
    ['a number in it', [7], 'list.json:2: [0]: found 7; expected a page'],
    ['a second start', [{ start: '0'.repeat(96) }, { start: '0'.repeat(96) }], '[1]: found "start"; expected one of type, gpa'],
    ['a start that is none', [{ start: '00' }], '[0].start: found "00"; expected 96 hex digits'],
    ['a start with more', [{ start: '0'.repeat(96), type: 'zero' }], '[0]: found "type"; expected one of start'],
    ['another key', page({ fill: 0, size: 1 }), 'list.json:7: [1]: found "size"; expected one of type, gpa, sha384'],
    ['a key twice', '[\n{"type": "zero",\n"gpa": "0x0",\n"gpa": "0x1000"}]', 'list.json:4: found "gpa" for the second time in one entry'],
    ['a type that is none', page({ type: 'data', fill: 0 }), '[1].type: found "data"; expected one of normal, vmsa'],
    ['a type of all objects', page({ type: 'toString', fill: 0 }), '[1].type: found "toString"'],
    ['no type', [{ gpa: '0x0' }], '[0].type: found nothing'],
    ['no GPA', [{ type: 'zero' }], '[0].gpa: found nothing'],
    ['a GPA as number', page({ gpa: 4096, fill: 0 }), '[1].gpa: found 4096; expected "0x…"'],
    ['a GPA within a page', page({ gpa: '0x1001', fill: 0 }), '[1].gpa: found "0x1001"; expected "0x…", a multiple of 0x1000'],
    ['a GPA beyond 52 bits', page({ gpa: '0x10000000000000', fill: 0 }), '[1].gpa: found "0x10000000000000"'],
    ['a GPA beyond 64 bits', page({ gpa: `0x${'0'.repeat(20)}`, fill: 0 }), '[1].gpa: found "0x00000000000000000000"'],
    ['no contents', page({}), '[1]: found no contents; expected one of sha384, file, fill in a normal page'],
    ['no contents of a VMSA', [{ type: 'vmsa' }], '[0]: found no contents; expected one of sha384, file, fill in a vmsa page'],
    ['two contents', page({ fill: 0, file: 'one.bin' }), '[1]: found file and fill; expected one of them'],
    ['two contents that are not measured', [{ type: 'zero', gpa: '0x0', fill: 0, sha384: '' }], '[0]: found sha384 and fill'],
    ['a fill that is no byte', page({ fill: 256 }), '[1].fill: found 256; expected an integer from 0 to 255'],
    ['a fill with a fraction', page({ fill: 0.5 }), '[1].fill: found 0.5'],
    ['a fill that is none', page({ fill: null }), '[1].fill: found null'],
    ['a short digest', page({ sha384: 'ab' }), '[1].sha384: found "ab"; expected 96 hex digits'],
    ['a digest of other letters', page({ sha384: 'x'.repeat(96) }), `[1].sha384: found "${'x'.repeat(39)}…`],
    ['a permission that is no byte', page({ fill: 0, vmpl2: -1 }), '[1].vmpl2: found -1'],
    ['an imi that is none', page({ fill: 0, imi: 1 }), '[1].imi: found 1; expected true or false'],
    ['a file that is none', page({ file: '' }), '[1].file: found ""'],
    ['a file whose name is too long', page({ file: 'x'.repeat(4096) }), `[1].file: found "${'x'.repeat(39)}…; expected the path`],
    ['a file that is not there', page({ file: 'none.bin' }), '[1].file: cannot read none.bin: there is no such file or folder'],
    ['a folder', page({ file: 'below' }), '[1].file: below is no regular file'],
    ['a file of an odd size', page({ file: 'odd.bin' }), '[1].file: odd.bin has 8191 bytes; expected 4096 bytes or a multiple of it'],
    ['an empty file', page({ file: 'empty.bin' }), '[1].file: empty.bin has 0 bytes'],
    [
      'two VMSAs in a file',
      [{ type: 'vmsa', file: 'below/two.bin' }],
      '[0].file: below/two.bin has 8192 bytes; expected 4096 bytes, one VMSA',
    ],
    ['a file above', page({ file: '../outside.bin' }), '[1].file: found ../outside.bin; expected a file below the folder of the list'],
    ['a file above, by way of a folder', page({ file: 'below/../../outside.bin' }), 'expected a file below the folder of the list'],
    ['a file by its whole path', page({ file: bench.path('launch/one.bin') }), 'expected a file below the folder of the list'],
    ['a link that leads out', page({ file: 'leads-out.bin' }), '[1].file: found leads-out.bin; expected a file below the folder'],
    [
      'a linked folder that leads out',
      page({ file: 'up/outside.bin' }),
      '[1].file: found up/outside.bin; expected a file below the folder',
    ],
    ['the folder itself', page({ file: '.' }), 'expected a file below the folder of the list'],
    ['a name with a zero byte', page({ file: 'one.bin\0' }), 'expected a file below the folder of the list'],
    ['pages that end beyond 52 bits', [{ type: 'zero', gpa: '0xffffffffff000', file: 'below/two.bin' }], '[0].gpa: the pages end behind'],
    ['too many entries', Array.from({ length: 65_538 }, () => MANY[0]), 'has 65538 entries; expected at most 65536 pages'],
    [
      'too many pages',
      [...Array.from({ length: 65_536 }, () => MANY[0]), { type: 'zero', gpa: '0x0' }],
      '[65536]: found more than 65536 pages in all',
    ],
  ])('%s', async (_, list, says) => {
    const { code, out, err } = await bench.run(['launch-digest', written(list), '--json']);
    expect(code).toBe(2);
    const { error } = JSON.parse(out) as Refusal;
    expect(error.message).toContain(says);
    expect(err).toContain('worldswitch: ');
    expect(error.message).not.toContain('\n');
  });

  it('a file that is no list, or is not there, and too much of one', async () => {
    expect((await bench.run(['launch-digest', 'none.json'])).err).toContain('cannot read none.json');
    expect((await bench.run(['launch-digest', '-'], { stdin: Uint8Array.of(0x5b, 0xff) })).err).toContain('is not UTF-8 text');
    const deep = await bench.run(['launch-digest', '-'], { stdin: `[${'['.repeat(1 << 20)}${']'.repeat(1 << 20)}]` });
    expect([deep.code, deep.err]).toEqual([2, expect.stringContaining('stdin:1: [0]: found a list; expected a page')]);
    const long = await bench.run(['launch-digest', '-'], { stdin: JSON.stringify([{ type: 'x'.repeat(1 << 23) }]) });
    expect([long.code, long.err]).toEqual([2, expect.stringContaining('[0].type: found "xxxx')]);
    const huge = await bench.run(['launch-digest', '-'], { stdin: `[${' '.repeat(1 << 24)}]` });
    expect([huge.code, huge.err]).toEqual([2, expect.stringContaining('stdin has more than 16777216 bytes')]);
    expect((await bench.run(['launch-digest', written(LIST), '--vm', 'vm0'])).err).toContain('--vm is for a scenario');
    expect((await bench.run(['launch-digest'])).code).toBe(2);
    const empty = await bench.run(['launch-digest', '-'], { stdin: '\n' });
    expect([empty.code, empty.err]).toEqual([2, expect.stringContaining('stdin is empty')]);
  });

  it('whatever it is made of', async () => {
    const value = fc.oneof(
      fc.jsonValue(),
      fc.constantFrom('0x0', '0x1000', 'below/two.bin', '..', 'normal', 'vmsa', 'zero', 0, 255, '0'.repeat(96)),
    );
    const key = fc.constantFrom('type', 'gpa', 'sha384', 'file', 'fill', 'imi', 'vmpl1', 'start', '__proto__');
    const entry = fc.record({ at: fc.nat(LIST.length), key, value });
    await fc.assert(
      fc.asyncProperty(
        entry,
        fc.nat(400),
        fc.constantFrom('', '"', ']', '{', '\\'),
        async ({ at, key: name, value: put }, place, piece) => {
          const list = LIST.map((one, index) => (index === at ? Object.fromEntries([...Object.entries(one), [name, put]]) : one));
          const text = JSON.stringify(list);
          const { code } = await bench.run(['launch-digest', written(`${text.slice(0, place)}${piece}${text.slice(place)}`), '--json']);
          expect([0, 2]).toContain(code);
        },
      ),
      { numRuns: 200 },
    );
  });

  it.skipIf(process.platform === 'win32')('a pipe, which is not waited for', async () => {
    execFileSync('sh', ['-c', 'mkfifo pipe'], { cwd: bench.path('launch') });
    const { code, err } = await bench.run(['launch-digest', written(page({ file: 'pipe' }))]);
    expect([code, err]).toEqual([2, expect.stringContaining('pipe is no regular file')]);
  });
});
