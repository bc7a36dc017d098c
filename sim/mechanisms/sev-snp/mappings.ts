/**
 * What a scenario says of the host's own mappings: the section `mappings`, its checks, and the
 * actors that it makes.
 */
import { z } from 'zod';
import type { HostMapInput } from '../../../actors/sev-snp/host-map.ts';
import type { ActorId } from '../../../events/event.ts';
import { DIRECT_MAP, mapId } from '../../../events/sev-snp/host-map.ts';
import { REGION_FRAMES, regionOf } from '../../../events/sev-snp/rmp.ts';
import { NAME, PFN, strict } from '../../scenario/fields.ts';
import { hex, type PathIssue, shown, unknownName } from '../../scenario/issues.ts';
import { operationsIn, type Structure } from '../../scenario/lowered.ts';
import type { Section } from '../../scenario/section.ts';
import type { ResolvedScenario } from '../../scenario/types.ts';
import type { ActorSpec } from '../../store.ts';
import { framesOf, snpSettingsOf } from './sections.ts';

const MAPPINGS_MAX = 64;

/** A mapping of 2 MiB that is one entry of 2M, or 512 of 4K, when the run starts. */
export interface MappingSetup {
  /** `kernel`: the direct map; else a process. */
  readonly of: string;
  /** The first frame of the 2 MiB. */
  readonly pfn: number;
  readonly size: '2M' | '4K';
}

declare module '../../scenario/types.ts' {
  interface ScenarioSections {
    readonly mappings: readonly MappingSetup[];
  }
  interface ResolvedSections {
    readonly mappings: readonly MappingSetup[];
  }
}

const MAPPING = strict({
  of: NAME.describe('`kernel` for the direct map, or a key of `processes`.'),
  pfn: PFN.describe('The first frame of the 2 MiB.'),
  size: z.enum(['2M', '4K']),
});
const MAPPINGS = z.array(MAPPING).max(MAPPINGS_MAX);

export const mappings: Section<readonly MappingSetup[], readonly MappingSetup[]> = {
  description: 'Host mappings of 2 MiB that a run keeps as state. Without it every mapping of the host is of 4K.',
  written: MAPPINGS,
  resolved: MAPPINGS,
  resolve: (written) => written,
};

export function mappingIssues({ sections, sectionsPath, processes, vms }: Structure): readonly PathIssue[] {
  const setups = sections.mappings ?? [];
  const regions = new Set(vms.flatMap((vm) => snpSettingsOf(vm).pages.flatMap(framesOf)).map(({ pfn }) => regionOf(pfn)));
  const owners = [DIRECT_MAP, ...processes.map(({ id }) => id)];
  const known = new Set<ActorId>();
  const issues = setups.flatMap(({ of, pfn }, index): PathIssue[] => {
    const path = [...sectionsPath, 'mappings', index];
    const isSecond = known.has(mapId(of, pfn));
    known.add(mapId(of, pfn));
    return [
      ...(owners.includes(of) ? [] : [{ path: [...path, 'of'], message: unknownName(of, '`kernel` or a process', owners) }]),
      ...(pfn % REGION_FRAMES === 0 ? [] : [{ path: [...path, 'pfn'], message: `found ${hex(pfn)}; expected a multiple of 0x200` }]),
      ...(regions.has(regionOf(pfn))
        ? []
        : [{ path: [...path, 'pfn'], message: `found ${hex(pfn)}; expected the 2 MiB around a page of a VM` }]),
      ...(isSecond ? [{ path: [...path, 'pfn'], message: `found a second mapping of ${of} at ${hex(pfn)}; expected one` }] : []),
    ];
  });
  const unmapped = processes.flatMap(({ id, threads }) =>
    threads.flatMap(({ program }) =>
      [...operationsIn(program)].flatMap(({ op, path }): PathIssue[] => {
        if (op.op !== 'zap-mapping') return [];
        const vm = vms.find((each) => each.id === op.vm);
        const pfn =
          vm &&
          snpSettingsOf(vm)
            .pages.flatMap(framesOf)
            .find(({ gfn }) => gfn === op.gfn)?.pfn;
        if (pfn === undefined || known.has(mapId(id, pfn))) return [];
        return [
          {
            path,
            message: `found zap-mapping in ${shown(id)}; expected a mapping of it at PFN ${hex(pfn - (pfn % REGION_FRAMES))} in mappings`,
          },
        ];
      }),
    ),
  );
  return [...issues, ...unmapped];
}

const setupsOf = ({ sections }: ResolvedScenario): readonly MappingSetup[] => sections?.mappings ?? [];

/** Ids of the mappings that a run has as actors, for the paths of host threads. */
export const mapIdsOf = (scenario: ResolvedScenario): readonly ActorId[] => setupsOf(scenario).map(({ of, pfn }) => mapId(of, pfn));

export const mapActors = (scenario: ResolvedScenario): readonly ActorSpec[] =>
  setupsOf(scenario).map(({ of, pfn, size }) => ({
    id: mapId(of, pfn),
    kind: 'hostMap',
    input: {
      size,
      rigid: of !== DIRECT_MAP && scenario.host.options['kvm.memoryBacking'] === 'hugetlbfs',
    } satisfies HostMapInput,
  }));
