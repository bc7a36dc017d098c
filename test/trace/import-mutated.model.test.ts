/**
 * Whatever a recording holds, an import ends in one of a few ways, and never by a mistake of its
 * own.
 */
import { describe, expect, it } from 'vitest';
import { planOf } from '../../trace/import/plan.ts';
import { choicesOf } from '../../trace/import/schedule.ts';
import { ImportError } from '../../trace/import/troupe.ts';
import { recordingOf, TraceError } from '../../trace/recording.ts';
import { damaged } from './damaged.ts';
import { textOf } from './traces.ts';

const NAMES = ['6.12-full/ev-kick', '6.1-full/ev-zap', '6.1-voluntary/ev-preempt', '6.12-full/ev-debug', '6.12-full/fg-kick'];
/** More by WORLDSWITCH_MUTATED, for a night. */
const CASES = Number(process.env.WORLDSWITCH_MUTATED ?? 60);

/** How the import ends. */
function ending(text: string): string {
  try {
    const { scenario, drive, needs, atStop } = planOf(recordingOf('mutated.txt', text));
    expect(choicesOf(scenario, drive.labels)).toHaveLength(drive.labels.length);
    if (drive.stop) expect(atStop).toHaveLength(scenario.host.cpus);
    return drive.stop ? 'cannot' : needs.gap ? 'unknown' : 'whole';
  } catch (error) {
    if (error instanceof ImportError || error instanceof TraceError) return error.name;
    throw error;
  }
}

describe('a damaged recording', () => {
  it(`ends as a whole one does, or with one reason, in ${CASES} cases`, () => {
    const texts = NAMES.map(textOf);
    const found = new Map<string, number>();
    for (let seed = 0; seed < CASES; seed++) {
      const end = ending(damaged(texts[seed % texts.length]!, seed));
      found.set(end, (found.get(end) ?? 0) + 1);
    }
    expect([...found.keys()].filter((end) => !['whole', 'cannot', 'unknown', 'ImportError', 'TraceError'].includes(end))).toEqual([]);
    for (const end of ['whole', 'cannot', 'unknown']) expect(found.get(end), end).toBeGreaterThan(0);
  }, 600_000);
});
