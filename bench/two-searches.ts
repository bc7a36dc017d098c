/**
 * One space searched twice, over all states and over classes of scheduler configurations, each in a
 * process of its own: a second search in one process runs in code that the first has made slow.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SearchedOnce } from './explore-child.ts';
import type { Compiled } from './explore-processes.ts';
import type { Value } from './harness.ts';

/** States after which a search is cut. */
const STATES_MAX = 5_000_000;

/** A scenario as text, and the variant of it. */
export interface Space {
  readonly name: string;
  readonly text: string;
  readonly variant: string;
}

/** CPU seconds of the whole process. */
export interface Side extends SearchedOnce {
  readonly seconds: number;
}

export interface Sides {
  readonly all: Side;
  readonly classes: Side;
}

export function sidesOf(compiled: Compiled, { name, text, variant }: Space): Sides {
  writeFileSync(join(compiled.folder, `${name}.yaml`), text);
  const searched = (over: 'states' | 'classes'): Side => {
    const { cpu, stdout } = compiled.timed('once', { which: { folder: compiled.folder, name, variant }, over, states: STATES_MAX });
    return { ...(JSON.parse(stdout) as SearchedOnce), seconds: cpu };
  };
  return { all: searched('states'), classes: searched('classes') };
}

export function valuesOf(title: string, { all, classes }: Sides): readonly Value[] {
  const cut = ({ isCut }: Side): string => (isCut ? ', cut' : '');
  return [
    { name: `${title}: states${cut(all)}`, value: all.states, unit: '' },
    { name: `${title}: over classes${cut(classes)}`, value: classes.states, unit: '' },
    { name: `${title}: transitions`, value: all.transitions, unit: '' },
    { name: `${title}: over classes, transitions`, value: classes.transitions, unit: '' },
    { name: `${title}: CPU time${cut(all)}`, value: all.seconds, unit: 's' },
    { name: `${title}: over classes, CPU time${cut(classes)}`, value: classes.seconds, unit: 's' },
    { name: `${title}: memory${cut(all)}`, value: all.megabytes, unit: 'MB' },
    { name: `${title}: over classes, memory${cut(classes)}`, value: classes.megabytes, unit: 'MB' },
  ];
}
