/** Every violation that a shipped scenario is known for. */
import { readFileSync } from 'node:fs';
import { shippedNames, shippedPath } from '../../api/shipped-scenarios.ts';
import { knownProperties } from '../../sim/properties/index.ts';
import { variantNames } from '../../sim/scenario/checks.ts';
import { loadScenario } from '../../sim/scenario/load.ts';
import { resolveScenario } from '../../sim/scenario/resolve.ts';
import type { ResolvedScenario } from '../../sim/scenario/types.ts';

export interface Violating {
  readonly scenario: ResolvedScenario;
  readonly properties: readonly string[];
}

export const violating = (): Violating[] =>
  shippedNames().flatMap((name) => {
    const scenario = loadScenario(readFileSync(shippedPath(name), 'utf8'), `${name}.yaml`, knownProperties());
    return variantNames(scenario).flatMap((variant) => {
      const resolved = resolveScenario(scenario, { variant, set: {}, knownProperties: knownProperties() });
      const { expect } = resolved;
      return expect === null || expect === 'clean' ? [] : [{ scenario: resolved, properties: expect.violates }];
    });
  });
