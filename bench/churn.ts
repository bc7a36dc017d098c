/** What the figures measure: random runs of the scenario rmp-churn, as long as wanted. */
import { readFileSync } from 'node:fs';
import { shippedPath } from '../api/shipped-scenarios.ts';
import type { RunEnd } from '../events/journal.ts';
import { JournalWriter, type Sealed } from '../replay/writer.ts';
import { knownProperties } from '../sim/properties/index.ts';
import { RecordBlock, type RecordNames } from '../sim/records.ts';
import { loadScenario } from '../sim/scenario/load.ts';
import { resolveScenario } from '../sim/scenario/resolve.ts';
import type { ResolvedScenario } from '../sim/scenario/types.ts';
import { type EngineName, openSession, type Session, type SessionOptions } from '../sim/session.ts';

export const RANDOM = { name: 'random-uniform', seed: 1 } as const;

/** A shipped scenario by its name. */
export function shipped(name: string, set: Readonly<Record<string, string>> = {}): ResolvedScenario {
  const scenario = loadScenario(readFileSync(shippedPath(name), 'utf8'), `${name}.yaml`, knownProperties());
  return resolveScenario(scenario, { set, knownProperties: knownProperties() });
}

/** The scenario with `rounds` rounds: about 1,360 records each. */
export const churn = (rounds: number): ResolvedScenario => shipped('rmp-churn', { rounds: String(rounds) });

/** A random run that has not started. */
export const sessionOf = (scenario: ResolvedScenario, engine: EngineName, rest: Pick<SessionOptions, 'sink'> = {}): Session =>
  openSession({ scenario, engine, chooser: RANDOM, ...rest });

/** Runs to the end. @throws if a bound of the scenario ends the run */
export function finish({ run }: Pick<Session, 'run'>): RunEnd {
  run.start();
  const end = run.toEnd();
  if (!end || end.ended === 'bound')
    throw new Error(`the run stopped at step ${run.sequencer.step}; a benchmark needs one that ends by itself`);
  return end;
}

/** A run that has not started, and the journal it will write to memory. */
export interface Journaled {
  readonly session: Session;
  readonly writer: JournalWriter;
}

export function openJournaled(scenario: ResolvedScenario, engine: EngineName): Journaled {
  let writer: JournalWriter | null = null;
  const session = sessionOf(scenario, engine, { sink: (block, names) => writer!.block(block, names) });
  writer = JournalWriter.open(null, session.start, { mode: 'memory' });
  return { session, writer };
}

export const finishJournaled = ({ session, writer }: Journaled): Sealed => writer.seal(finish(session));

/** A run whose record blocks are kept, to be encoded again and again. */
export interface Recorded {
  readonly session: Session;
  readonly end: RunEnd;
  readonly blocks: readonly RecordBlock[];
  readonly names: RecordNames;
  readonly records: number;
}

export function recorded(scenario: ResolvedScenario): Recorded {
  const blocks: RecordBlock[] = [];
  const session = sessionOf(scenario, 'memo', { sink: (block) => blocks.push(copyOf(block)) });
  const end = finish(session);
  const { store, labels, seq } = session.run.sequencer;
  return { session, end, blocks, names: { store, labels }, records: seq };
}

const copyOf = (block: RecordBlock): RecordBlock => Object.assign(new RecordBlock(), structuredClone(block));
