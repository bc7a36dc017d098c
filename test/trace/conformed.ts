/** Recordings of the repository, held against the model as the command does it. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PathPatches } from '../../actors/path/patch.ts';
import type { PreemptionModel } from '../../events/options.ts';
import { register } from '../../sim/host/registry.ts';
import { Checker } from '../../trace/conform/checker.ts';
import { HostModel } from '../../trace/conform/host.ts';
import { mapOf, readMap, type TraceMap } from '../../trace/conform/map.ts';
import type { RecordingReport } from '../../trace/conform/report.ts';
import { readRecording } from '../../trace/read.ts';
import { type Recording, recordingOf } from '../../trace/recording.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const RECORDINGS = join(ROOT, 'test', 'recordings');

type Kernel = '6.1' | '6.12';

const shipped = (name: string) => readMap(readFileSync(join(ROOT, 'trace', 'maps', `${name}.yaml`), 'utf8'), `${name}.yaml`);
const MAPS: Readonly<Record<Kernel, TraceMap>> = {
  '6.1': mapOf([shipped('svm'), shipped('svm-6.1')]),
  '6.12': mapOf([shipped('svm'), shipped('svm-6.12')]),
};

/** The shipped map of a kernel, with more of the user's own. */
export const mapWith = (kernel: Kernel, own: string): TraceMap =>
  mapOf([shipped('svm'), shipped(`svm-${kernel}`), readMap(own, 'own.yaml')]);

/** Recordings by folder and name; those of hist triggers are none. */
export const RECORDED: readonly string[] = readdirSync(RECORDINGS, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.gz') && !name.includes('/hist-'))
  .sort();

const recorded = (name: string): Promise<Recording> => readRecording(name, join(RECORDINGS, name));

/** The machine of a folder. */
const kernelOf = (name: string): Kernel => (name.startsWith('6.12') ? '6.12' : '6.1');
const preemptionOf = (name: string): PreemptionModel => (name.includes('voluntary') ? 'voluntary' : 'full');

const models = new Map<string, HostModel>();
export function modelOf(kernel: Kernel, preemption: PreemptionModel): HostModel {
  const key = `${kernel} ${preemption}`;
  const model = models.get(key) ?? new HostModel({ arch: 'amd', kernel, preemption });
  models.set(key, model);
  return model;
}

const checkers = new Map<TraceMap, Map<PreemptionModel, Checker>>();
function checkerOf(kernel: Kernel, preemption: PreemptionModel, map: TraceMap): Checker {
  const ofMap = checkers.get(map) ?? new Map<PreemptionModel, Checker>();
  const checker = ofMap.get(preemption) ?? new Checker(modelOf(kernel, preemption), map);
  checkers.set(map, ofMap.set(preemption, checker));
  return checker;
}

/** A recording of the repository against the model of its machine. */
export async function conformed(name: string): Promise<RecordingReport> {
  const kernel = kernelOf(name);
  return checkerOf(kernel, preemptionOf(name), MAPS[kernel]).check(await recorded(name));
}

/** The same with a change of the model. */
export async function changed(name: string, paths: PathPatches): Promise<RecordingReport> {
  const recording = await recorded(name);
  const undo = register({ name: 'planted', arches: ['amd'], patch: () => ({ paths }) });
  try {
    const kernel = kernelOf(name);
    return new Checker(new HostModel({ arch: 'amd', kernel, preemption: preemptionOf(name) }), MAPS[kernel]).check(recording);
  } finally {
    undo();
  }
}

/** Lines of 6.12, `full`, against its model. */
export const conformedText = (text: string, map = MAPS['6.12'], preemption: PreemptionModel = 'full'): RecordingReport =>
  checkerOf('6.12', preemption, map).check(recordingOf('trace.txt', text));
