/** Every violation that a shipped scenario is known for. */
import { readdirSync, readFileSync } from 'node:fs';
import { knownProperties } from '../../sim/properties/index.ts';
import { variantNames } from '../../sim/scenario/checks.ts';
import { loadScenario } from '../../sim/scenario/load.ts';
import { resolveScenario } from '../../sim/scenario/resolve.ts';
import type { ResolvedScenario } from '../../sim/scenario/types.ts';
import { SCENARIOS } from '../churn.ts';

export interface Violating {
  readonly scenario: ResolvedScenario;
  readonly properties: readonly string[];
}

export const violating = (): Violating[] =>
  readdirSync(SCENARIOS)
    .filter((file) => file.endsWith('.yaml'))
    .sort()
    .flatMap((file) => {
      const scenario = loadScenario(readFileSync(new URL(file, SCENARIOS), 'utf8'), file, knownProperties());
      return variantNames(scenario).flatMap((variant) => {
        const resolved = resolveScenario(scenario, { variant, set: {}, knownProperties: knownProperties() });
        const { expect } = resolved;
        return expect === null || expect === 'clean' ? [] : [{ scenario: resolved, properties: expect.violates }];
      });
    });
