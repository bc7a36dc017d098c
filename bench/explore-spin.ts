/** SPIN on the Promela twin of rmp-lock. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Ended, timedProcess } from './explore-processes.ts';

const MODEL = fileURLToPath(new URL('./models/same2.pml', import.meta.url));
/** As the model needs them: partial order reduction off, so that the states are all of them. */
const FLAGS = '-O2 -DNOREDUCE';
/** Without the check for cycles, which this comparison does not need. */
const TUNED_FLAGS = `${FLAGS} -DSAFETY`;

export interface SpinSearch extends Ended {
  readonly states: number;
  readonly transitions: number;
  readonly bytesPerState: number;
}

export interface Spin {
  /** Compiled before. */
  verify(): SpinSearch;
  /** With a table as large as the search needs, and fewer checks. */
  verifyTuned(): SpinSearch;
  /** Generating and compiling the verifier, and running it. */
  fromModel(): SpinSearch;
}

/** Why SPIN cannot be measured; null if it can. */
export function spinMissing(): string | null {
  const missing = ['spin', 'gcc'].filter((tool) => spawnSync(tool, ['--version']).error !== undefined);
  return missing.length > 0 ? `${missing.join(' and ')} not found; apt-get install spin gcc` : null;
}

/** @throws unless the whole space was searched without an error */
function read(ended: Ended): SpinSearch {
  const { stdout } = ended;
  const number = (pattern: RegExp): number => {
    const found = pattern.exec(stdout)?.[1];
    if (found === undefined) throw new Error(`SPIN says nothing that fits ${pattern}: ${stdout}`);
    return Number(found);
  };
  if (number(/errors: (\d+)/) > 0 || stdout.includes('max search depth too small')) throw new Error(`SPIN did not finish: ${stdout}`);
  const states = number(/(\d+) states, stored/);
  // The step before the first state is one of its transitions, and none of ours.
  const transitions = number(/(\d+) transitions/) - 1;
  return { ...ended, states, transitions, bytesPerState: (number(/([\d.]+)\ttotal actual memory usage/) * 2 ** 20) / states };
}

/** `table`: the power of two of hash slots that the search needs. */
export function spinOf(vcpus: number, table: number, folder: string): Spin {
  const pan = join(folder, `pan${vcpus}`);
  const make = (flags: string, output: string) => `spin -DN=${vcpus} -a ${MODEL} >&2 && gcc ${flags} -o ${output} pan.c`;
  const shell = (script: string) => timedProcess(['bash', '-c', script], folder);
  shell(make(FLAGS, pan));
  shell(make(TUNED_FLAGS, `${pan}-tuned`));
  return {
    verify: () => read(timedProcess([pan], folder)),
    verifyTuned: () => read(timedProcess([`${pan}-tuned`, `-w${table}`], folder)),
    fromModel: () => read(shell(`${make(FLAGS, `${pan}-fresh`)} && ${pan}-fresh`)),
  };
}
