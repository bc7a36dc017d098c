/** What a scenario with SEV-ES guests must have. */
import { listed, type PathIssue } from '../../scenario/issues.ts';
import type { Scenario } from '../../scenario/types.ts';
import { SEV_ES_VM } from './sections.ts';

export function checks({ host, vms = {} }: Scenario): readonly PathIssue[] {
  const first = Object.keys(vms).find((id) => vms[id]!.type === SEV_ES_VM);
  const features = host.features ?? [];
  if (first === undefined || features.includes('sev-es')) return [];
  const path = host.features === undefined ? ['vms', first, 'type'] : ['host', 'features'];
  return [{ path, message: `found features ${listed(features)}; expected sev-es among them: ${first} is an SEV-ES VM` }];
}
