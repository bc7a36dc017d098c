/**
 * Variants that mechanisms add to a scenario: they stand after its own variants, and nothing is
 * expected of them.
 */
import type { HostOptions } from '../../events/options.ts';
import { mechanismsOf } from '../host/registry.ts';
import { type PathIssue, shown } from './issues.ts';
import type { Scenario } from './types.ts';

/** The name of the only variant of a scenario that declares none. */
export const VARIANT_DEFAULT = 'default';

export interface WithVariants {
  readonly scenario: Scenario;
  readonly issues: readonly PathIssue[];
}

/** The scenario with the variants that the mechanisms of its host add to it. */
export function withAddedVariants(scenario: Scenario): WithVariants {
  const variants: Record<string, Partial<HostOptions>> = { ...(scenario.variants ?? { [VARIANT_DEFAULT]: {} }) };
  const own = Object.keys(variants).length;
  const issues: PathIssue[] = [];
  for (const { name, variants: added = {} } of mechanismsOf(scenario.host.arch)) {
    if (!Object.hasOwn(added, scenario.name)) continue;
    for (const [variant, options] of Object.entries(added[scenario.name]!)) {
      if (Object.hasOwn(variants, variant)) {
        const message = `found ${shown(variant)}, which mechanism ${name} adds too; expected each variant once`;
        issues.push({ path: ['variants', variant], message });
      } else variants[variant] = options as Partial<HostOptions>;
    }
  }
  return { scenario: Object.keys(variants).length === own ? scenario : { ...scenario, variants }, issues };
}
