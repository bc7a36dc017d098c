/** The memory of a host as a scenario gives it: where the RMP ends, which frames are free. */
import { z } from 'zod';
import { type AllocatorInput, PAGE_ALLOCATOR } from '../../../actors/sev-snp/page-allocator.ts';
import type { HostOptions } from '../../../events/options.ts';
import { regionOf } from '../../../events/sev-snp/rmp.ts';
import { PFN, strict } from '../../scenario/fields.ts';
import type { ResolvedScenario } from '../../scenario/types.ts';
import type { ActorSpec } from '../../store.ts';

const FREE_MAX = 4096;

/** `rmpEnd` is the frame of the last byte of the RMP. */
export interface MemorySetup {
  readonly free: readonly number[];
  readonly rmpEnd?: number;
}

export const MEMORY = strict({
  free: z.array(PFN).max(FREE_MAX).describe('PFNs of RAM that nothing has, in the order in which the allocator gives them away.'),
  rmpEnd: PFN.describe('The frame of the last byte of the RMP.').exactOptional(),
}).describe('RAM of the host that private pages of guests come from, as the firmware of the board tells of it. Default: none.');

export const memoryOf = ({ sections }: Pick<ResolvedScenario, 'sections'>): MemorySetup => sections?.firmware?.memory ?? { free: [] };

/** Whether a frame shares its 2 MiB with the end of the RMP, which the processor protects. */
const sharesRmpEnd = ({ rmpEnd }: MemorySetup, pfn: number): boolean => rmpEnd !== undefined && regionOf(pfn) === regionOf(rmpEnd);

/**
 * What the allocator has: memblock, and not the e820 table, says what it gets.
 * @see kernel arch/x86/virt/svm/sev.c, __snp_fixup_e820_tables()
 */
const givenTo = (setup: MemorySetup, fixup: HostOptions['host.rmpEnd']): readonly number[] =>
  fixup === 'reserved' ? setup.free.filter((pfn) => !sharesRmpEnd(setup, pfn)) : setup.free;

export const allocatorActors = (scenario: ResolvedScenario): readonly ActorSpec[] => {
  const setup = memoryOf(scenario);
  if (setup.free.length === 0) return [];
  const input: AllocatorInput = { free: givenTo(setup, scenario.host.options['host.rmpEnd']) };
  return [{ id: PAGE_ALLOCATOR, kind: 'pageAllocator', input }];
};
