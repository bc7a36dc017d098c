/** A run of a shipped scenario that is watched, for the tests of the server. */
import { readFileSync } from 'node:fs';
import { knownProperties } from '../../../sim/properties/index.ts';
import { loadScenario } from '../../../sim/scenario/load.ts';
import { resolveScenario } from '../../../sim/scenario/resolve.ts';
import { openSession, type Session } from '../../../sim/session.ts';
import { LiveRun, type LiveRunOptions } from '../../../timeline/serve/live-run.ts';

export interface Watched {
  readonly session: Session;
  readonly live: LiveRun;
}

export function churn(options: LiveRunOptions = {}, seed = 7): Watched {
  const file = new URL('../../../scenarios/sev-snp/rmp-churn.yaml', import.meta.url);
  const scenario = loadScenario(readFileSync(file, 'utf8'), 'rmp-churn.yaml', knownProperties());
  const session = openSession({
    scenario: resolveScenario(scenario, { knownProperties: knownProperties() }),
    engine: 'memo',
    chooser: { name: 'random-uniform', seed },
    sink: (block, names) => live.block(block, names),
  });
  const live = new LiveRun(session.start, options);
  return { session, live };
}
