/**
 * What the figure `explore` measures in processes of its own, compiled and without tsx:
 * `node explore-child.js TASK JSON` does one task and prints its answer. Each task imports only
 * what it needs, so that no task pays for the start of another.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { optimizeLater } from '../cli/optimizing.ts';
import { knownProperties } from '../sim/properties/index.ts';
import { loadScenario } from '../sim/scenario/load.ts';
import { resolveScenario } from '../sim/scenario/resolve.ts';
import type { ResolvedScenario } from '../sim/scenario/types.ts';

/** A shipped scenario as it will run. */
export interface Which {
  /** Where the scenarios lie. */
  readonly folder: string;
  readonly name: string;
  readonly variant?: string;
  readonly set?: Readonly<Record<string, string>>;
}

/** Seconds of one search. */
export interface Lap {
  readonly wall: number;
  /** Of all threads of the process. */
  readonly cpu: number;
}

export interface Searched {
  readonly states: number;
  readonly transitions: number;
  readonly unchanged: number;
  readonly deliveries: number;
  readonly findings: readonly string[];
  readonly xstateCalls: number;
  readonly trieMisses: number;
  readonly trieBytes: number;
  /** By reason. */
  readonly trieDrops: Readonly<Record<string, number>>;
  readonly usedBytesPerState: number;
  readonly bytesPerState: number;
  /** The first is of a process that has just started. */
  readonly laps: readonly Lap[];
}

function scenarioOf({ folder, name, variant, set = {} }: Which): ResolvedScenario {
  const known = knownProperties();
  const scenario = loadScenario(readFileSync(join(folder, `${name}.yaml`), 'utf8'), name, known);
  return resolveScenario(scenario, { ...(variant !== undefined && { variant }), set, knownProperties: known });
}

function lapOf<R>(work: () => R): { readonly result: R; readonly lap: Lap } {
  const cpu = process.cpuUsage();
  const wall = performance.now();
  const result = work();
  const { user, system } = process.cpuUsage(cpu);
  return { result, lap: { wall: (performance.now() - wall) / 1e3, cpu: (user + system) / 1e6 } };
}

async function search(which: Which, times: number, compact: boolean): Promise<Searched> {
  const { Explorer } = await import('../sim/explore/breadth/explorer.ts');
  const { finish } = await import('../sim/explore/turns.ts');
  const scenario = scenarioOf(which);
  const laps: Lap[] = [];
  let answer: Omit<Searched, 'laps'> | null = null;
  for (let time = 0; time < times; time++) {
    const { result, lap } = lapOf(() => {
      const explorer = new Explorer({ scenario, budget: { states: 50_000_000 }, compact });
      return { explorer, report: finish(explorer.run()) };
    });
    laps.push(lap);
    const { explorer, report } = result;
    if (!report.exhausted) throw new Error(`the search of ${which.name} gave up`);
    answer = {
      states: report.states,
      transitions: report.transitions,
      unchanged: report.unchanged,
      deliveries: report.deliveries,
      findings: report.findings.map(({ property }) => property),
      xstateCalls: explorer.world.engine.misses,
      trieMisses: report.trie.misses,
      trieBytes: 4 * report.trie.integers,
      trieDrops: report.trie.drops,
      usedBytesPerState: report.bytesPerState,
      bytesPerState: explorer.space.bytes / report.states,
    };
  }
  return { ...answer!, laps };
}

/** One search, over all states or over classes of scheduler configurations. */
export interface SearchedOnce {
  readonly states: number;
  readonly transitions: number;
  readonly isCut: boolean;
  readonly megabytes: number;
}

async function searchOnce(which: Which, over: 'states' | 'classes', states: number): Promise<SearchedOnce> {
  const { finish } = await import('../sim/explore/turns.ts');
  const scenario = scenarioOf(which);
  const budget = { states };
  const megabytes = (): number => Math.round(process.resourceUsage().maxRSS / 1e3);
  if (over === 'states') {
    const { Explorer } = await import('../sim/explore/breadth/explorer.ts');
    const report = finish(new Explorer({ scenario, budget }).run());
    return { states: report.states, transitions: report.transitions, isCut: !report.exhausted, megabytes: megabytes() };
  }
  const { classified } = await import('../sim/explore/classes/classified.ts');
  const { search: found, limit } = finish(classified({ scenario, budget, renames: 'cpus' }));
  return { states: found.space.count, transitions: found.rows.transitions, isCut: limit !== null, megabytes: megabytes() };
}

async function main([task, json]: readonly string[]): Promise<unknown> {
  const {
    which,
    times = 1,
    seconds = 60,
    compact = false,
    over = 'states',
    states = 50_000_000,
  } = JSON.parse(json!) as {
    which: Which;
    times?: number;
    seconds?: number;
    compact?: boolean;
    over?: 'states' | 'classes';
    states?: number;
  };
  if (task === 'once') return searchOnce(which, over, states);
  if (task === 'search') return search(which, times, compact);
  if (task === 'naive') {
    const { searchNaively } = await import('./explore-naive.ts');
    const { result, lap } = lapOf(() => searchNaively(scenarioOf(which), seconds));
    return { ...result, ...lap };
  }
  const { firstBugs, shrinks } = await import('./explore-bugs.ts');
  return task === 'bugs' ? firstBugs(scenarioOf(which), times) : shrinks(scenarioOf(which), times);
}

// As the program does, for every contender.
optimizeLater();
console.log(JSON.stringify(await main(process.argv.slice(2))));
