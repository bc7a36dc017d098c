/**
 * The result of one shard as a file, the same bytes whenever and wherever it is searched; and what
 * the results of all shards say together.
 */
import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { sha256 } from '@noble/hashes/sha2.js';
import { z } from 'zod';
import { GRADES } from '../../actors/path/path.ts';
import { toHex } from '../../replay/identity.ts';
import { canonical } from '../../sim/canonical.ts';
import { DEADLOCK } from '../../sim/end.ts';
import { weakestEvidence, weakestOf } from '../../sim/explore/covered/evidence.ts';
import { Ledger } from '../../sim/explore/covered/ledger.ts';
import type { Exploration, OpenSearch, SearchFacts } from '../../sim/explore/request.ts';
import type { Cut, Shard } from '../../sim/explore/space/division.ts';
import { parseJson } from '../../sim/json-text.ts';
import { shortened } from '../../sim/scenario/issues.ts';
import { validateResolved } from '../../sim/scenario/resolve.ts';
import type { ResolvedScenario } from '../../sim/scenario/types.ts';
import { readText } from '../catalog.ts';
import { CliError, EXIT, fileError } from '../errors.ts';
import { makeFolder } from '../folder.ts';
import type { Io } from '../io.ts';
import { shownPath } from '../recording.ts';
import { writeWhole } from '../target.ts';
import { SHARDS_MAX } from './options.ts';
import { foreignSearch, MODEL_FIELDS, modelOf } from './same-model.ts';

const ENDING = '.shard.json';
const FORMAT = 'worldswitch-shard-1';
/** The most bytes of a result: it holds counterexamples and counts, so a larger file is none. */
const BYTES_MAX = 1 << 26;
/** How many missing shards a message lists. */
const LACKS_SHOWN = 20;

const natural = z.number().int().min(0);
const counts = z.strictObject({ states: natural, transitions: natural, unchanged: natural });
const BODY = z.strictObject({
  format: z.literal(FORMAT),
  ...MODEL_FIELDS,
  scenario: z.unknown(),
  shard: z.strictObject({ index: natural.min(1), of: natural.min(1).max(SHARDS_MAX) }).refine(({ index, of }) => index <= of),
  /** The budget that ran out. */
  limit: z.enum(['states', 'bytes']).nullable(),
  /**
   * Up to the level that is divided; null where no level was wide enough, and every shard has
   * searched everything.
   */
  cut: counts.extend({ depth: natural }).nullable(),
  /** The cut's states among them. */
  counts,
  depth: natural,
  /** Whether it is known of every state if it is a deadlock. */
  deadlocks: z.boolean(),
  findings: z.array(z.strictObject({ property: z.string(), message: z.string(), steps: natural, labels: z.array(z.string()) })),
  reached: z.array(z.string()),
  reactions: natural,
  localStates: z.record(z.string(), natural),
  /** Keys of what it took. */
  taken: z.array(z.string()),
  evidence: z.strictObject({ grade: z.enum(GRADES), step: z.string(), source: z.string() }).nullable(),
});
type Body = z.infer<typeof BODY>;

const checksumOf = (body: unknown): string => toHex(sha256(Buffer.from(canonical(body), 'latin1')));

function bodyOf(
  shard: Shard,
  cut: Cut | null,
  search: OpenSearch,
  { limit, coverage, ledger, ...exploration }: Exploration,
  scenario: ResolvedScenario,
): Body {
  return {
    format: FORMAT,
    ...modelOf(scenario),
    scenario,
    shard: { ...shard },
    limit: limit as Body['limit'],
    cut: cut && { ...cut },
    counts: { states: exploration.states, transitions: exploration.transitions, unchanged: exploration.unchanged },
    depth: coverage.depth,
    deadlocks: !exploration.undecided.includes(DEADLOCK),
    findings: search.verdicts.findings.map(({ property, message, steps, state }) => ({
      property,
      message,
      steps,
      labels: search.labelsTo(state),
    })),
    reached: [...search.verdicts.reached.keys()].sort(),
    reactions: coverage.reactions,
    localStates: { ...coverage.localStates },
    taken: [...ledger.taken].sort(),
    evidence: weakestEvidence(search.world.engine),
  };
}

const nameOf = ({ name, variant, mutant }: ResolvedScenario, { index, of }: Shard): string =>
  `${[name, variant, ...(mutant === undefined ? [] : [mutant])].join('-')}-${index}-of-${of}${ENDING}`;

/** Where the result of a shard goes, and what it is made of. */
export interface ShardResult {
  readonly folder: string;
  readonly shard: Shard;
  readonly cut: Cut | null;
  readonly search: OpenSearch;
  readonly exploration: Exploration;
}

/** Writes it, whole or not at all. @returns its name as the user may give it */
export function writeShard({ folder, shard, cut, search, exploration }: ShardResult, scenario: ResolvedScenario, io: Io): string {
  const where = resolve(io.cwd, folder);
  const path = join(where, nameOf(scenario, shard));
  const body = bodyOf(shard, cut, search, exploration, scenario);
  makeFolder(where, folder);
  const text = `${canonical({ ...body, checksum: checksumOf(body) })}\n`;
  writeWhole(path, [Buffer.from(text)], io);
  return shownPath(path, io.cwd);
}

const damaged = (file: string, what: string): CliError =>
  new CliError({
    code: 'shard_damaged',
    exit: EXIT.damaged,
    message: `${file}: ${what}`,
    attempt: 'that shard once more: explore SCENARIO --shard I/N',
  });

function textOf(file: string, io: Io): string {
  const { text } = readText(file, io, BYTES_MAX);
  if (text.length > BYTES_MAX) throw damaged(file, `it has more than ${BYTES_MAX} bytes`);
  return text;
}

function readShard(file: string, io: Io): Body {
  let document: Record<string, unknown>;
  try {
    document = parseJson(textOf(file, io)) as Record<string, unknown>;
  } catch (error) {
    if (error instanceof SyntaxError) throw damaged(file, `it is no JSON of a shard: ${shortened(error.message)}`);
    throw error;
  }
  if (typeof document !== 'object' || document === null || document.format !== FORMAT)
    throw damaged(file, `it is not the result of a shard (${FORMAT})`);
  const { checksum, ...body } = document;
  if (checksumOf(body) !== checksum) throw damaged(file, 'its checksum is not that of its contents');
  const parsed = BODY.safeParse(body);
  if (!parsed.success) throw damaged(file, `it lacks something: ${parsed.error.issues[0]!.path.join('.')}`);
  const foreign = foreignSearch(parsed.data, parsed.data.scenario);
  if (foreign !== null)
    throw new CliError({
      code: 'shard_foreign',
      exit: EXIT.damaged,
      message: `${file}: ${foreign}`,
      attempt: 'all shards with the same version and --models',
    });
  refuseUnknown(file, parsed.data);
  return parsed.data;
}

/** Findings and evidence are of properties that the scenario asks for. */
function refuseUnknown(file: string, { scenario, findings, reached }: Body): void {
  const { always, sometimes, eventually } = validateResolved(scenario).properties;
  const asked = [...always, ...eventually, DEADLOCK];
  const stray = findings.map(({ property }) => property).find((id) => !asked.includes(id)) ?? reached.find((id) => !sometimes.includes(id));
  if (stray !== undefined) throw damaged(file, `it tells of ${shortened(stray)}, which its scenario does not ask for`);
}

/** All results in a folder: one for each shard, of one search. */
function readShards(folder: string, io: Io): readonly Body[] {
  let names: string[];
  try {
    names = readdirSync(resolve(io.cwd, folder)).filter((name) => name.endsWith(ENDING));
  } catch (error) {
    throw fileError(error, folder, 'read');
  }
  const found = new Map<number, Body>();
  let first: { readonly file: string; readonly body: Body } | null = null;
  for (const name of names.sort()) {
    const file = join(folder, name);
    const body = readShard(file, io);
    first ??= { file, body };
    const identity = ({ scenario, shard: { of }, cut }: Body) => canonical({ scenario, of, cut });
    if (identity(body) !== identity(first.body))
      throw new CliError({
        code: 'shard_foreign',
        exit: EXIT.damaged,
        message: `${file} and ${first.file} are not shards of one search`,
        attempt: 'a folder for each search',
      });
    found.set(body.shard.index, body);
  }
  if (!first)
    throw new CliError({
      code: 'no_shards',
      exit: EXIT.usage,
      message: `${folder} holds no result of a shard (*${ENDING})`,
      attempt: 'explore SCENARIO --shard 1/N -o DIR',
    });
  const { of } = first.body.shard;
  const missing = Array.from({ length: of }, (_, i) => i + 1).filter((index) => !found.has(index));
  const rest = missing.length > LACKS_SHOWN ? ` and ${missing.length - LACKS_SHOWN} more` : '';
  const lacks = missing.slice(0, LACKS_SHOWN).map((index) => `${index}/${of}`);
  if (missing.length > 0)
    throw new CliError({
      code: 'shards_missing',
      exit: EXIT.usage,
      message: `${folder} lacks ${lacks.join(', ')}${rest}: without all shards there is no verdict`,
      attempt: `explore SCENARIO --shard ${missing[0]}/${of} -o ${folder}`,
    });
  return [...found].sort(([a], [b]) => a - b).map(([, body]) => body);
}

/** What all shards say together. */
export interface Merged {
  readonly scenario: ResolvedScenario;
  readonly shards: number;
  readonly facts: SearchFacts;
  /** States that one shard alone has met: the space has no fewer. */
  readonly statesAtLeast: number;
  /** A shortest schedule to each violation. */
  readonly ways: ReadonlyMap<string, { readonly message: string; readonly labels: readonly string[] }>;
}

/** @throws CliError if a shard is missing, damaged, or of another search */
export function mergeShards(folder: string, io: Io): Merged {
  const bodies = readShards(folder, io);
  const findings = new Map<string, Body['findings'][number]>();
  for (const finding of bodies.flatMap((body) => body.findings)) {
    const known = findings.get(finding.property);
    if (!known || finding.steps < known.steps) findings.set(finding.property, finding);
  }
  const { cut } = bodies[0]!;
  const scenario = validateResolved(bodies[0]!.scenario);
  // What lies before the cut is in every shard, and counted once; behind it shards overlap.
  const total = (of: 'states' | 'transitions' | 'unchanged') =>
    cut === null ? bodies[0]!.counts[of] : bodies.reduce((sum, body) => sum + body.counts[of] - cut[of], cut[of]);
  const most = (of: (body: Body) => number) => Math.max(...bodies.map(of));
  const kinds = Object.keys(bodies[0]!.localStates);
  const limit = bodies.find((body) => body.limit !== null)?.limit ?? null;
  return {
    scenario,
    shards: bodies.length,
    statesAtLeast: most(({ counts: { states } }) => states),
    ways: findings,
    facts: {
      exhausted: limit === null,
      limit,
      deadlocks: bodies.every((body) => body.deadlocks),
      states: total('states'),
      transitions: total('transitions'),
      unchanged: total('unchanged'),
      ...(cut !== null && { atMost: true }),
      depth: most(({ depth }) => depth),
      findings: [...findings.values()]
        .map(({ property, message, steps }) => ({ property, message, steps }))
        .sort((a, b) => a.steps - b.steps),
      reached: new Set(bodies.flatMap(({ reached }) => reached)),
      reactions: most(({ reactions }) => reactions),
      bytesPerState: 0,
      stepMisses: 0,
      localStates: Object.fromEntries(kinds.map((kind) => [kind, most(({ localStates }) => localStates[kind] ?? 0)])),
      ledger: new Ledger(scenario).add(bodies.flatMap(({ taken }) => taken)),
      evidence: weakestOf(bodies.map((body) => body.evidence)),
    },
  };
}
