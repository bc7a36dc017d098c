/**
 * Recordings that no kernel has made: pieces of those of the repository with lines dropped,
 * repeated, moved, cut and mixed, and with text that means harm. The same seed makes the same one.
 */
import { splitSeed } from '../../sim/prng.ts';
import { Draw } from '../fuzz/draw.ts';

/** Lines of a piece. */
const LINES = 160;
const CHANGES_MAX = 6;

const HOSTILE: readonly string[] = [
  '',
  '\u0000\u001b[2J\u0007',
  '%s%n%x',
  'CPU:0 [LOST 18446744073709551615 EVENTS]',
  'CPU:99999 [LOST 1 EVENTS]',
  '   1.000001 |   0)   vcpu0-1    |  ...1. |               |  kvm_vcpu_ioctl [kvm]() {',
  '   1.000001 |   0)   vcpu0-1    |  dNhff |               |  svm_vcpu_run [kvm_amd]();',
  '   1.000001 |   0)   vcpu0-1    |  ...1. |               |  __proto__() {',
  '   1.000001 |   0)   vcpu0-1    |  ..... |               |  } /* constructor */',
  '  __proto__-99999999     [000] d..1.     1.000001: kvm_entry: vcpu 999999, rip 0x0',
  '  vcpu0-1     [000] d..1.     1.000001: kvm_exit: vcpu 0 reason __proto__ rip 0x0',
  '  vcpu0-1     [000] d..1.     9999999999.999999: kvm_exit: vcpu 0 reason interrupt rip 0x0',
  '  vcpu0-1     [000] .....     1.000001: sys_ioctl(fd: 6, cmd: ae80, arg: 0)',
  '  vcpu0-1     [000] d..2.     1.000001: sched_switch: prev_comm=vcpu0 prev_pid=1 prev_prio=1 prev_state=Z ==> next_comm=vcpu0 next_pid=1 next_prio=1',
  `  ${'a'.repeat(5_000)}`,
];

type Change = (lines: string[], draw: Draw, other: readonly string[]) => void;

const somewhere = (lines: readonly string[], draw: Draw): number => draw.below(Math.max(1, lines.length));

const CHANGES: readonly Change[] = [
  (lines, draw) => void lines.splice(somewhere(lines, draw), 1 + draw.below(4)),
  (lines, draw) => {
    const at = somewhere(lines, draw);
    lines.splice(at, 0, ...lines.slice(at, at + 1 + draw.below(3)));
  },
  (lines, draw) => {
    const [line = ''] = lines.splice(somewhere(lines, draw), 1);
    lines.splice(somewhere(lines, draw), 0, line);
  },
  (lines, draw) => {
    const at = somewhere(lines, draw);
    lines[at] = (lines[at] ?? '').slice(0, draw.below(120));
  },
  (lines, draw, other) => void lines.splice(somewhere(lines, draw), 0, ...other.slice(0, 1 + draw.below(30))),
  (lines, draw) => void lines.splice(somewhere(lines, draw), 0, draw.one(HOSTILE)),
  (lines, draw) => {
    const at = somewhere(lines, draw);
    lines[at] = (lines[at] ?? '').replace(/\d+/g, (digits) => (draw.below(4) === 0 ? String(draw.below(1_000_000_000)) : digits));
  },
  (lines, draw) => {
    const at = somewhere(lines, draw);
    const line = [...(lines[at] ?? '')];
    if (line.length > 0) line[draw.below(line.length)] = String.fromCharCode(draw.below(256));
    lines[at] = line.join('');
  },
  (lines, draw) => void lines.reverse().splice(draw.below(40)),
];

/** One of the pieces, changed in a few places. */
export function mutated(pieces: readonly (readonly string[])[], seed: number, index: number): string {
  const draw = new Draw(splitSeed(seed, index));
  const whole = draw.one(pieces);
  const from = draw.below(Math.max(1, whole.length - LINES));
  const lines = whole.slice(from, from + 1 + draw.below(LINES));
  for (let left = 1 + draw.below(CHANGES_MAX); left > 0; left--) draw.one(CHANGES)(lines, draw, draw.one(pieces));
  return `${lines.join('\n')}\n`;
}
