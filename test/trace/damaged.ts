/** Recordings that were damaged: lines dropped, moved, cut, doubled, foreign, changed. */
import { Prng } from '../../sim/prng.ts';

const FOREIGN = [
  'CPU:0 [LOST 12 EVENTS]',
  'Kernel panic - not syncing: Fatal exception',
  '\u001b[31mred\u0000\u202e',
  'vcpu0-1 [9999] d..1. 99999999999.999999: kvm_entry: vcpu 999999999999',
  'x-1 [000] d..1. 1.000000: sched_switch: prev_comm= prev_pid=',
  `${'a'.repeat(5_000)}`,
];
const WORDS: readonly (readonly [RegExp, string])[] = [
  [/\[00\d\]/, '[063]'],
  [/vcpu \d/, 'vcpu 7'],
  [/pid=\d+/, 'pid=1'],
  [/reason \S+/, 'reason shutdown'],
  [/prev_state=\S+/, 'prev_state=X'],
  [/KVM_EXIT_\w+/, 'KVM_EXIT_HYPERCALL'],
  [/-(\d+) /, '-99999999 '],
];

/** A damaged text; the same for the same seed. */
export function damaged(text: string, seed: number): string {
  const prng = new Prng(seed);
  const all = text.split('\n');
  const from = prng.below(Math.max(1, all.length - 20));
  const lines = all.slice(from, from + 20 + prng.below(160));
  for (let times = 1 + prng.below(8); times > 0; times--) {
    const at = prng.below(lines.length);
    const to = prng.below(lines.length);
    const line = lines[at]!;
    const [pattern, word] = WORDS[prng.below(WORDS.length)]!;
    const changes = [
      () => lines.splice(at, 1 + prng.below(10)),
      () => lines.splice(at, 1, lines[to]!),
      () => lines.splice(to, 0, ...lines.splice(at, 1 + prng.below(4))),
      () => lines.splice(at, 1, line.slice(0, prng.below(line.length + 1))),
      () => lines.splice(at, 0, FOREIGN[prng.below(FOREIGN.length)]!),
      () => lines.splice(at, 1, line.replace(pattern, word)),
    ];
    changes[prng.below(changes.length)]!();
    if (lines.length === 0) lines.push('');
  }
  return lines.join('\n');
}
