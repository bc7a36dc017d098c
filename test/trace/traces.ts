/** Short recordings for tests, written line by line. */

import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { openJournal } from '../../replay/open.ts';
import { memorySource } from '../../replay/source.ts';
import { JournalWriter } from '../../replay/writer.ts';
import { hexOf } from '../../sim/canonical.ts';
import { openSession } from '../../sim/session.ts';
import type { Plan } from '../../trace/import/plan.ts';
import { choicesOf } from '../../trace/import/schedule.ts';
import { type Recording, recordingOf } from '../../trace/recording.ts';

/** One line: who tells it on which CPU, and what. */
export type Told = readonly [task: string, cpu: number, event: string, flags?: string];

/** The text of ftrace; each line is a microsecond behind the one before. */
export const ftrace = (lines: readonly Told[]): string =>
  lines
    .map(([task, cpu, event, flags = 'd..1.'], at) => `${task} [00${cpu}] ${flags} 1.${String(at).padStart(6, '0')}: ${event}`)
    .join('\n');

export const recorded = (...lines: readonly Told[]): Recording => recordingOf('tiny.txt', ftrace(lines));

export const switched = (prev: string, state: string, next: string): string => {
  const [prevComm, prevPid] = prev.split('-');
  const [nextComm, nextPid] = next.split('-');
  return `sched_switch: prev_comm=${prevComm} prev_pid=${prevPid} prev_prio=120 prev_state=${state} ==> next_comm=${nextComm} next_pid=${nextPid} next_prio=120`;
};
export const entered = (vcpu = 0): string => `kvm_entry: vcpu ${vcpu}, rip 0x1000`;
export const left = (reason: string, vcpu = 0): string => `kvm_exit: vcpu ${vcpu} reason ${reason} rip 0x1000 info1 0x0 info2 0x0`;
export const RUN = 'sys_ioctl(fd: 6, cmd: ae80, arg: 0)';
export const TIMER = 'local_timer_entry: vector=236';
export const RESCHEDULE = 'reschedule_entry: vector=253';

const FOLDER = new URL('../recordings/', import.meta.url);

/** The text of a recording of the folder, such as `6.12-full/ev-spin`. */
export const textOf = (name: string): string => gunzipSync(readFileSync(new URL(`${name}.gz`, FOLDER))).toString();
export const recordingNamed = (name: string): Recording => recordingOf(`${name}.gz`, textOf(name));

/** The run that an import gives, to its last step. */
export function runOf({ scenario, drive }: Plan) {
  const choices = choicesOf(scenario, drive.labels);
  let writer: JournalWriter | null = null;
  const { run, start } = openSession({
    scenario,
    engine: 'memo',
    chooser: { name: 'replay', choices, match: 'strict' },
    sink: (block, names) => writer!.block(block, names),
  });
  writer = JournalWriter.open(null, start, { mode: 'memory' });
  run.start();
  while (run.sequencer.step < choices.length && run.advance()) {}
  const end = run.stop();
  const { a, b } = run.sequencer.digest;
  return { journal: openJournal(memorySource(writer.seal(end).content!)), end, digest: hexOf(a, b), steps: choices.length };
}
