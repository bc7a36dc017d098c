/**
 * Carries a search out as it was asked for: by one thread, by several, as one shard, or from the
 * results of all shards.
 */

import { conclude, notLookedFor, searchedWay } from '../../sim/explore/conclude.ts';
import { explore } from '../../sim/explore/explore.ts';
import type { Exploration, ExploreRequest, OpenSearch } from '../../sim/explore/request.ts';
import { Division, type Shard } from '../../sim/explore/space/division.ts';
import { closing } from '../../sim/explore/turns.ts';
import { CliError, EXIT, usageError } from '../errors.ts';
import type { Io } from '../io.ts';
import { RUNS_FOLDER } from '../recording.ts';
import { type Drive, drive, driveBy, Overseer } from '../searching.ts';
import type { SearchSubject } from './image-file.ts';
import { boundOf, type ExploreFlags, STATES_DEFAULT } from './options.ts';
import { mergeShards, writeShard } from './shard-file.ts';
import { searchTogether } from './team.ts';

/** The result of a search, and the file of a shard's result. */
export interface Carried extends Drive<Exploration> {
  readonly sharding: Sharding | null;
}

/** What a report says besides where the space was divided into shards. */
export interface Sharding {
  readonly of: number;
  /** Null where all were merged. */
  readonly index: number | null;
  /**
   * The file of one shard's result; null where it was stopped, as another search would get further.
   */
  readonly file: string | null;
  /** States that a merged space has in any case; null where nothing was merged. */
  readonly statesAtLeast: number | null;
}

async function carryShard(shard: Shard, request: ExploreRequest, { time, output }: ExploreFlags, io: Io): Promise<Carried> {
  const { scenario } = request;
  const division = new Division(shard);
  let search: OpenSearch | null = null;
  const onTurn: ExploreRequest['onTurn'] = (one, isOver) => {
    if (isOver) search = one;
  };
  const name = `shard ${shard.index} of ${shard.of}`;
  const exploring = explore({ ...request, onTurn, shard: { division, name } });
  const driven = await drive(exploring, io, { seconds: time, fits: request.fits, what: `${scenario.name} ${scenario.variant}, ${name}` });
  const exploration = driven.result;
  const folder = output ?? RUNS_FOLDER;
  const file =
    exploration.limit === 'stopped' ? null : writeShard({ folder, shard, cut: division.cut, search: search!, exploration }, scenario, io);
  return { ...driven, sharding: { ...shard, file, statesAtLeast: null } };
}

/** Several threads for the space; the schedules to show are searched for by one. */
async function carryTogether(
  workers: number,
  request: ExploreRequest,
  subject: SearchSubject,
  flags: ExploreFlags,
  io: Io,
): Promise<Carried> {
  const what = `${subject.scenario.name} ${subject.scenario.variant}`;
  const { maxStates, fits, isTimed } = request;
  const overseer = new Overseer(io, { seconds: flags.time, fits, what });
  const budget = { states: maxStates, ...(fits && { fits }), ...(isTimed && { isTimed }) };
  const facts = await searchTogether(subject, workers, budget, (progress) => Boolean(overseer.look(progress)));
  overseer.end();
  const concluding = closing(conclude(request, facts, searchedWay(request)));
  return { ...(await driveBy(concluding, overseer.continue(`${what}, schedules`))), sharding: null };
}

export async function carry(request: ExploreRequest, subject: SearchSubject, flags: ExploreFlags, io: Io): Promise<Carried> {
  const { workers = 1, shard, time } = flags;
  if (shard) return carryShard(shard, request, flags, io);
  // Cycles are found where one thread holds the whole space.
  const isEndless = subject.scenario.properties.eventually.length > 0;
  if (workers > 1 && !isEndless) return carryTogether(workers, request, subject, flags, io);
  const { name, variant } = subject.scenario;
  return {
    ...(await drive(explore(request), io, { seconds: time, fits: request.fits, what: `${name} ${variant}${boundOf(flags)}` })),
    sharding: null,
  };
}

/** A finding out of a file whose choices do not do what it says. */
export const forged = (stored: string, property: string): CliError =>
  new CliError({
    code: 'search_damaged',
    exit: EXIT.damaged,
    message: `${stored}: the choices that it gives for ${property} do not break it`,
    attempt: 'the search from its start',
  });

/**
 * The verdict of all shards in a folder.
 * @throws CliError if it is not all of them, whole and of one search
 */
export async function carryMerge(
  folder: string,
  reference: string | undefined,
  flags: ExploreFlags,
  io: Io,
): Promise<Carried & { readonly subject: SearchSubject }> {
  const others = Object.keys(flags).filter((flag) => !['merge', 'output', 'time', 'json'].includes(flag));
  if (reference !== undefined || others.length > 0)
    throw usageError('--merge searches nothing: it takes the folder alone, and -o and --time for the schedules it shows');
  const { scenario, shards, facts, statesAtLeast, ways } = mergeShards(folder, io);
  const way = (property: string) => ways.get(property)!;
  // biome-ignore lint/correctness/useYield: a shard has found the way
  const wayTo: Parameters<typeof conclude>[2] = function* ({ property }) {
    const { message, labels } = way(property);
    return { message, labels };
  };
  const search = conclude({ scenario, maxStates: STATES_DEFAULT }, facts, wayTo, notLookedFor(scenario));
  const driven = await drive(closing(search), io, { seconds: flags.time, what: `${scenario.name} ${scenario.variant}, schedules` });
  const shown = driven.result.violations.map(({ property }) => property);
  const lost = facts.findings.find(({ property }) => !shown.includes(property));
  if (lost && !driven.interrupted && !driven.timedOut) throw forged(folder, lost.property);
  return { ...driven, subject: { scenario, from: null, prefix: [] }, sharding: { of: shards, index: null, file: null, statesAtLeast } };
}
