/** Where lines break, and that a shell reads a broken command as it was. */
import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { commandLines, linesOf } from '../../cli/layout.ts';
import { quoted } from '../../cli/output.ts';

/** Without it a text is of some ten characters, and breaks nowhere. */
const LONG = { size: 'max' } as const;

const cut = (text: string, columns: number): string[] => linesOf(text, columns).map(([from, to]) => text.slice(from, to));

describe('a line that is too long', () => {
  it('breaks between words, and inside a word only where it is longer than a line', () => {
    expect(cut('breaks rmp.innocent-process-killed at once', 30)).toEqual(['breaks', 'rmp.innocent-process-killed at', 'once']);
    expect(cut('{"current":"thread:netd/0","irr":[]}', 30)).toEqual(['{"current":"thread:netd/0",', '"irr":[]}']);
  });

  it('loses nothing but spaces, and has no line over the limit', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 300, ...LONG }), fc.integer({ min: 10, max: 120 }), (text, columns) => {
        const lines = cut(text, columns);
        expect(lines.join('').replaceAll(' ', '')).toBe(text.replaceAll(' ', ''));
        expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(columns);
      }),
    );
  });
});

describe('a command that is too long', () => {
  const words = fc.array(
    fc.oneof(
      fc.stringMatching(/^[a-z0-9.@:/=-]{1,20}$/),
      fc.stringMatching(/^[a-z0-9.@:/=-]{1,200}$/, LONG),
      fc.stringMatching(/^[a-z0-9.*]{1,200}$/, LONG),
      fc.stringMatching(/^[a-z #'$"]{1,30}$/),
    ),
    { minLength: 1, maxLength: 6 },
  );

  it('is the same command to a shell', () => {
    fc.assert(
      fc.property(words, fc.integer({ min: 0, max: 12 }), fc.integer({ min: 60, max: 120 }), (given, at, columns) => {
        const command = ['printf', '%s\\n', ...given].map(quoted).join(' ');
        const script = commandLines(command, at, columns).join('\n');
        expect(execFileSync('sh', ['-c', script], { encoding: 'utf8' })).toBe(`${given.join('\n')}\n`);
      }),
      { numRuns: 60 },
    );
  });

  it('keeps words apart where the one before ends with a line', () => {
    // Widths around that of a line, so that one of them leaves nothing of the word for the next.
    for (let length = 50; length < 140; length++)
      for (const char of ['a', '*']) {
        const given = [char.repeat(length), 'b', char.repeat(length), 'c'];
        const script = commandLines(['printf', "'%s\\n'", ...given.map(quoted)].join(' '), 1, 64).join('\n');
        expect(execFileSync('sh', ['-c', script], { encoding: 'utf8' })).toBe(`${given.join('\n')}\n`);
      }
  });

  it('has no line over the limit, whatever its words are', () => {
    const short = fc.array(fc.stringMatching(/^[a-z]{1,20}$/), { minLength: 10, maxLength: 40 });
    fc.assert(
      fc.property(short, fc.integer({ min: 60, max: 120 }), (given, columns) => {
        const lines = commandLines(given.join(' '), 8, columns);
        expect(Math.max(8 + lines[0]!.length, ...lines.map((line) => line.length))).toBeLessThanOrEqual(columns);
      }),
    );
  });

  it('has no line over the limit, however long a schedule is', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[0-9.*]{1,900}$/, LONG), (schedule) => {
        const lines = commandLines(`worldswitch run rmp-host-write-race --schedule ${quoted(schedule)}`, 8, 80);
        expect(Math.max(8 + lines[0]!.length, ...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
      }),
    );
  });
});
