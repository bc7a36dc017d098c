/** What programs expect of their instructions and of perf: where it is not so, the run says it. */
import { describe, expect, it } from 'vitest';
import { play } from '../sim/play.ts';
import { DR7, debugHost, type Host, VENDORS } from './hosts.ts';

const told = (host: Host): string | null =>
  play(debugHost({ always: ['debug.meets-as-told'], sometimes: [], ...host }), { name: 'fifo' }).end.violation?.message ?? null;

const WATCH = ['{ mov-to-dr: { dr: 0, value: 0x5000 } }', `{ mov-to-dr: { dr: 7, value: ${DR7.write4} } }`];

const CASES: readonly (readonly [what: string, guest: readonly string[], message: string | null])[] = [
  ['an exception that is told', [...WATCH, '{ insn: { writes: 0x5000, takes: DB, dr6: 0xffff0ff1 } }'], null],
  ['none, where one comes', [...WATCH, '{ insn: { writes: 0x5000, takes: none } }'], 'insn met DB; its program expects none'],
  ['one, where none comes', [...WATCH, '{ insn: { reads: 0x5000, takes: DB } }'], 'insn met none; its program expects DB'],
  ['another', ['{ int3: { takes: DB } }'], 'int3 met BP; its program expects DB'],
  [
    'another cause',
    [...WATCH, '{ insn: { writes: 0x5000, dr6: 0xffff4ff1 } }'],
    'insn met DR6 0xffff0ff1; its program expects DR6 0xffff4ff1',
  ],
  ['another value', [...WATCH, '{ mov-from-dr: { dr: 0, gives: 0x5001 } }'], 'mov-from-dr met 0x5000; its program expects 0x5001'],
  ['nothing', [...WATCH, '{ insn: { writes: 0x5000 } }'], null],
];

describe.each(VENDORS)('on %s a program that expects', (vendor) => {
  it.each(CASES)('%s', (_what, guest, message) => {
    expect(told({ vendor, guest })).toBe(message === null ? null : `vcpu:vm0/0: ${message}`);
  });
});

describe('a thread that expects of perf', () => {
  const heard = (behind: string) =>
    told({
      vendor: 'svm',
      guest: ['{ insn: {} }'],
      perf: ['perf-breakpoint: { cpu: 0, address: 0x1000 }', behind],
      always: ['debug.perf-hears-as-told'],
    });

  it('to hear of what it watches, and of nothing else, is right', () => {
    expect(heard('touch-address: { address: 0x1000, heard: true }')).toBeNull();
    expect(heard('touch-address: { address: 0x1008, heard: false }')).toBeNull();
  });

  it('the contrary is told so', () => {
    expect(heard('touch-address: { address: 0x1000, heard: false }')).toBe(
      'perf has heard of hit on pcpu:0; the program of the thread expects the other',
    );
    expect(heard('touch-address: { address: 0x1008, heard: true }')).toBe(
      'perf has heard of no hit on pcpu:0; the program of the thread expects the other',
    );
  });
});
